//! A report as the reference work has it: the open payload of `report.create`, typed.

use serde::{Deserialize, Serialize};

/// The number of fields of a report, and so of registers of a record.
pub const FIELDS: usize = 12;

/// One report as its author wrote it: the open payload of `report.create`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Code of the category, such as `SAN-01`.
    pub category: String,
    /// `I` (emergency) to `IV` (complex).
    pub level: Level,
    /// A few words.
    pub title: String,
    /// One to three sentences.
    pub description: String,
    /// Where the author stood.
    pub place: Place,
    /// The address as people say it.
    pub address: String,
    /// The floor as people say it; below zero under ground.
    pub floor: String,
    /// How pressing the author finds it.
    pub urgency: Urgency,
    /// How it came to the author.
    pub source: Source,
    /// When it happened, in milliseconds since 1970.
    pub happened_at_ms: i64,
    /// The number on the nearest pole, cover or board.
    pub facility_number: String,
    /// Whether the author solved it on the spot.
    pub self_handled: bool,
}

/// A place in whole numbers, so that every machine reads and prints the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// WGS-84 latitude in ten-millionths of a degree.
    pub latitude_e7: i32,
    /// WGS-84 longitude in ten-millionths of a degree.
    pub longitude_e7: i32,
    /// Radius of the 68 % circle in metres.
    pub accuracy_m: u32,
}

/// The level of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Level {
    I,
    II,
    III,
    IV,
}

/// How pressing an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Urgency {
    Low,
    Normal,
    High,
}

/// How an event came to its author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Source {
    Patrol,
    Visit,
    Resident,
    Inspection,
    Other,
}

/// The JSON of a report, fields in the order of the struct.
pub fn json_of(report: &Report) -> Vec<u8> {
    serde_json::to_vec(report).expect("BUG: a report has no JSON")
}
