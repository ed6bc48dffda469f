//! Records as the office reads them: a filtered, keyset-paged list, and one record with its timeline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::attachment::AttachmentState;
use crate::shapes::plain_text_option;
use crate::shapes::schema::{KindName, PageEnd, PlainText, Unsigned32};

/// Which records to list. Every filter narrows; none widens the caller's scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordQuery {
    /// Records of this unit and of the units below it.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub unit: Option<u32>,
    /// Records on which this unit must act.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub desk: Option<u32>,
    /// `true`: records that show a conflict; `false`: those that show none.
    pub conflict: Option<bool>,
    /// Records of this kind, such as `report`.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<KindName>, inline)]
    pub kind: Option<String>,
    /// Records whose case is in this state.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<PlainText<32>>, inline)]
    pub state: Option<String>,
    /// Reports of this category.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<PlainText<32>>, inline)]
    pub category: Option<String>,
    /// Records made at or after this time, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Records made before this time, in milliseconds since 1970.
    pub to_ms: Option<i64>,
    /// Records whose open text holds these words.
    #[serde(default, deserialize_with = "plain_text_option::<_, 100>")]
    #[param(value_type = Option<PlainText<100>>, inline)]
    pub text: Option<String>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default, deserialize_with = "plain_text_option::<_, 256>")]
    #[param(value_type = Option<PageEnd>, inline)]
    pub after: Option<String>,
    /// How many records at most; 1 to 500, 50 when absent.
    #[serde(default, deserialize_with = "page_limit")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

/// The most records that one page holds.
pub const RECORD_PAGE_MAX: u32 = 500;
/// How many records a page holds when the caller does not say.
pub const RECORD_PAGE_DEFAULT: u32 = 50;

pub(crate) fn page_limit<'de, D: serde::Deserializer<'de>>(
    input: D,
) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(input)? {
        Some(limit) if !(1..=RECORD_PAGE_MAX).contains(&limit) => Err(serde::de::Error::custom(
            format_args!("not between 1 and {RECORD_PAGE_MAX}"),
        )),
        limit => Ok(limit),
    }
}

/// One page of a list of records.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordPage {
    /// The records, newest first.
    pub records: Vec<RecordSummary>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<PageEnd>)]
    pub next: Option<String>,
    /// The place of the log that the page reflects.
    pub pos: u64,
}

/// A record in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordSummary {
    /// The record.
    pub record: Uuid,
    /// Its kind, such as `report`.
    pub kind: String,
    /// The unit it belongs to.
    pub unit: u32,
    /// The unit that must act, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desk: Option<u32>,
    /// Its case's state, for kinds that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its category, for kinds that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its shown title or description, open text only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it was made, in milliseconds since 1970, as the server fixed it.
    pub time_ms: i64,
    /// The last place of the log that changed it.
    pub pos: u64,
    /// How many fields show a conflict.
    pub conflicts: u32,
}

/// One record: its state and how it came to it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordDetail {
    /// The record in a line.
    pub summary: RecordSummary,
    /// Its descriptive fields, by name.
    pub fields: BTreeMap<String, FieldState>,
    /// Its add-only sets (comments, check-ins, attachments ...), by name.
    pub sets: BTreeMap<String, Vec<WrittenValue>>,
    /// What it names by its SHA-256, with what is known of the bytes: a change is accepted before they come.
    pub attachments: Vec<AttachmentState>,
    /// Every entry about it, by pos.
    pub timeline: Vec<TimelineEntry>,
    /// The clock that runs in its case, when one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<CaseClock>,
}

/// How far the clock of a case has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockStage {
    /// Less than half is used up.
    InTime,
    /// Half is used up.
    Reminded,
    /// All is used up.
    Overdue,
    /// Half as much again is used up.
    LongOverdue,
}

/// The clock of a case at the moment of the answer; reckoned from its steps, the documents and the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CaseClock {
    /// Which: `acknowledge`, `dispatch`, `dispose`, `dispose_half` or `verify`.
    pub kind: String,
    /// When it began, in milliseconds since 1970.
    pub since_ms: i64,
    /// How much is allowed, in milliseconds of the time that counts.
    pub allowed_ms: i64,
    /// How much of it is used up, pauses left out.
    pub used_ms: i64,
    /// When it is over, in milliseconds since 1970; absent while it stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_ms: Option<i64>,
    /// Whether only working time counts.
    pub is_working: bool,
    /// Whether it stands still.
    pub is_paused: bool,
    /// Whether the case is suspended, which figures count apart.
    pub is_suspended: bool,
    /// How often it was extended.
    pub extensions: u32,
    /// How far it has come.
    pub stage: ClockStage,
}

/// A descriptive field: the value shown, and those that nobody has settled yet.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldState {
    /// The value shown.
    pub shown: WrittenValue,
    /// Values written without seeing the shown one; empty when there is no conflict.
    pub others: Vec<WrittenValue>,
}

/// A value with its author and time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WrittenValue {
    /// The value.
    pub value: serde_json::Value,
    /// Who wrote it: the person's number.
    pub person: u32,
    /// When, in milliseconds since 1970, as the server fixed it.
    pub time_ms: i64,
    /// The entry that wrote it.
    pub pos: u64,
}

/// An entry of the log as a timeline shows it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// Its place in the log.
    pub pos: u64,
    /// The intent, such as `report.create`, or the ruling.
    pub intent: String,
    /// Who did it: the person's number.
    pub person: u32,
    /// On which replica.
    pub replica: Uuid,
    /// The change's number on that replica.
    pub seq: u64,
    /// When, in milliseconds since 1970, as the server fixed it.
    pub time_ms: i64,
    /// When it arrived, in milliseconds since 1970.
    pub received_ms: i64,
    /// The server's first answer: accepted, conflict, not_applied, held or quarantined.
    pub verdict: String,
    /// Where the change is now.
    pub standing: String,
    /// What a reader should know (late, forked, clock bounded ...).
    pub marks: Vec<String>,
    /// Why it was not simply accepted.
    pub problems: Vec<ChangeProblem>,
}

/// Why a change was not simply accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeProblem {
    /// A stable code.
    pub code: String,
    /// The field it is about, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to tell the person, in the language asked for.
    pub message: String,
}
