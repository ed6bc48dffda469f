//! Patrols as the office reads them: the calendar of coverage, one round, and what is doubtful.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::shapes::schema::{DayText, DoubtPageEnd, PlainText, Unsigned32};
use crate::shapes::{plain_text, plain_text_option};

/// The most days of one calendar.
pub const COVERAGE_DAYS_MAX: i64 = 62;
/// The most doubts that one page holds.
pub const DOUBT_PAGE_MAX: u32 = 500;
/// How many doubts a page holds when the caller does not say.
pub const DOUBT_PAGE_DEFAULT: u32 = 50;

/// Which days and teams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoverageQuery {
    /// The first day, such as `2026-11-01`.
    #[serde(deserialize_with = "plain_text::<_, 10>")]
    #[param(value_type = DayText, inline)]
    pub from: String,
    /// The last day; at most 62 days in all.
    #[serde(deserialize_with = "plain_text::<_, 10>")]
    #[param(value_type = DayText, inline)]
    pub to: String,
    /// Teams of this unit and of the units below it.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub unit: Option<u32>,
    /// This team only.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<PlainText<32>>, inline)]
    pub team: Option<String>,
}

/// The calendar of coverage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Coverage {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// All teams together.
    pub totals: CoverageTotals,
    /// By team, in order of their codes.
    pub teams: Vec<TeamCoverage>,
    /// The place of the log that the calendar reflects; 0 while the projection is being made.
    pub pos: u64,
}

/// What became of planned rounds. The counts of all outcomes together are `planned` and `unplanned` together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageTotals {
    /// Rounds that the plan asks for.
    pub planned: u32,
    /// Rounds that somebody walked unasked.
    pub unplanned: u32,
    /// Walked, with enough points and people.
    pub complete: u32,
    /// Walked, with a part of the points or too few people.
    pub partial: u32,
    /// Walked, with too few points.
    pub short: u32,
    /// Under way.
    pub under_way: u32,
    /// Not walked, and somebody said why.
    pub excused: u32,
    /// Not walked, and nobody said why.
    pub missed: u32,
    /// Their time is not over yet.
    pub to_come: u32,
    /// Open doubts about the rounds that are told.
    pub open_doubts: u32,
    /// How often each reason was given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u32>,
}

/// A team's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TeamCoverage {
    /// Its code.
    pub team: String,
    /// Its name; absent for one that no document in force knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<u32>,
    /// What became of its rounds.
    pub totals: CoverageTotals,
    /// By day; days without a cell are left out.
    pub days: Vec<DayCoverage>,
}

/// A day of a team.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DayCoverage {
    /// The day.
    pub day: String,
    /// Its cells, by slot.
    pub cells: Vec<CoverageCell>,
}

/// A cell of the calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CoverageCell {
    /// The slot.
    pub slot: String,
    /// `complete`, `partial`, `short`, `under_way`, `excused`, `missed` or `to_come`.
    pub outcome: String,
    /// Whether the plan did not ask for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unplanned: bool,
    /// Why it was not walked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The record of the round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Uuid>,
    /// Open doubts about that round.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub open_doubts: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PatrolRound {
    /// Its record.
    pub record: Uuid,
    /// Its team.
    pub team: String,
    /// Its slot.
    pub slot: String,
    /// The day it belongs to.
    pub day: String,
    /// The unit of its record.
    pub unit: u32,
    /// Where its workflow stands.
    pub state: String,
    /// Who leads it.
    pub leader: u32,
    /// When it began.
    pub started_ms: i64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<i64>,
    /// The key period that it was walked in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_period: Option<String>,
    /// `complete`, `partial` or `short`.
    pub completion: String,
    /// The share of must-points that were visited, in thousandths.
    pub share_permille: u32,
    /// How many people count.
    pub people: u32,
    /// How many the plan asked for.
    pub people_min: u32,
    /// Why something was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed_reason: Option<String>,
    /// Who walked along.
    pub members: Vec<RoundMember>,
    /// The must-points of its route, in order.
    pub points: Vec<RoundPoint>,
    /// Check-ins, in the order of the log.
    pub check_ins: Vec<RoundCheckIn>,
    /// Everything doubtful, with what was said.
    pub doubts: Vec<RoundDoubt>,
}

/// Somebody who walked along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundMember {
    /// Who.
    pub person: u32,
    /// Since when.
    pub joined_ms: i64,
    /// Whether the leader entered it for them.
    pub ticked: bool,
    /// What they said about it themselves: that they were there, or that they were not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_word: Option<bool>,
    /// Whether they count.
    pub counts: bool,
}

/// A must-point of a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundPoint {
    /// Its code.
    pub point: String,
    /// Its name.
    pub name: String,
    /// Whether it must be visited in key periods.
    pub red: bool,
    /// Whether it was.
    pub visited: bool,
}

/// A check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundCheckIn {
    /// What a doubt about it names.
    pub about: String,
    /// The point.
    pub point: String,
    /// Who was there.
    pub person: u32,
    /// When.
    pub time_ms: i64,
    /// `nfc`, `code`, `place` or `note`.
    pub method: String,
    /// Latitude, degrees times 10^7.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude_e7: Option<i64>,
    /// Longitude, degrees times 10^7.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude_e7: Option<i64>,
    /// How exact the place is, metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<i64>,
    /// The SHA-256 of photos.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<String>,
}

/// Something doubtful.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoundDoubt {
    /// Of what kind, such as `mock_location`.
    pub doubt: String,
    /// What it is about: `about` of a check-in, or the joining of a member.
    pub about: String,
    /// Whose that is.
    pub person: u32,
    /// When that was.
    pub time_ms: i64,
    /// What another person said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<SettledDoubt>,
}

/// What a person said about a doubt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettledDoubt {
    /// `cleared` or `upheld`.
    pub outcome: String,
    /// Who said so.
    pub by: u32,
    /// When.
    pub time_ms: i64,
    /// Why.
    pub reason: String,
}

/// Which open doubts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DoubtQuery {
    /// Doubts about rounds of this unit and of the units below it.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub unit: Option<u32>,
    /// Doubts of this kind, such as `mock_location`.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<PlainText<32>>, inline)]
    pub doubt: Option<String>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default, deserialize_with = "plain_text_option::<_, 256>")]
    #[param(value_type = Option<DoubtPageEnd>, inline)]
    pub after: Option<String>,
    /// How many doubts at most; 1 to 500, 50 when absent.
    #[serde(default, deserialize_with = "page_limit")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

fn page_limit<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(input)? {
        Some(limit) if !(1..=DOUBT_PAGE_MAX).contains(&limit) => Err(serde::de::Error::custom(
            format_args!("not between 1 and {DOUBT_PAGE_MAX}"),
        )),
        limit => Ok(limit),
    }
}

/// One page of open doubts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoubtPage {
    /// The doubts, the oldest first.
    pub doubts: Vec<OpenDoubt>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The place of the log that the page reflects.
    pub pos: u64,
}

/// A doubt that nobody has settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OpenDoubt {
    /// The record of the round.
    pub record: Uuid,
    /// The team.
    pub team: String,
    /// The unit of the round.
    pub unit: u32,
    /// Of what kind, such as `mock_location`.
    pub doubt: String,
    /// What it is about.
    pub about: String,
    /// Whose that is.
    pub person: u32,
    /// When that was.
    pub time_ms: i64,
}

/// Of which unit stickers are printed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StickerQuery {
    /// Points of this unit and of the units below it.
    #[param(value_type = Unsigned32, inline)]
    pub unit: u32,
}
