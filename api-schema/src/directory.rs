//! The directory: the units, categories and documents that a replica needs to work offline.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the caller's scope holds of the district's directory.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Directory {
    /// The scope version it was cut for.
    pub scope_version: u32,
    /// The place of the log that it reflects.
    pub pos: u64,
    /// The IANA time zone by which the district reckons days.
    pub time_zone: String,
    /// The units in scope and those above them.
    pub units: Vec<DirectoryUnit>,
    /// The categories of reports.
    pub categories: Vec<Category>,
    /// The versioned documents in force.
    pub documents: Vec<Document>,
}

/// A node of the district's tree.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DirectoryUnit {
    /// The unit's permanent number.
    pub unit: u32,
    /// The unit above it; absent at the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Its present path, such as `440305.007.013`.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Town, community, grid, department ...
    pub kind: String,
}

/// A category of reports.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Category {
    /// The category's code, such as `FIR-01`.
    pub code: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// The level that a report starts with (I to IV).
    pub level: String,
    /// Whether a worker may close such a report on the spot with proof.
    pub self_closing: bool,
}

/// A versioned document (transition table, rules, categories ...).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// What kind of document it is.
    pub kind: String,
    /// Its version, from 1.
    pub version: u32,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its content.
    pub body: serde_json::Value,
}
