//! What waits for a person, and how a person settles it.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::change::BaseRequest;
use crate::record::{ChangeProblem, RecordSummary, WrittenValue};
use crate::shapes::schema::{CanonicalUuid, PageEnd, PlainText, Unsigned32, Unsigned64};
use crate::shapes::{canonical_uuid, plain_text, plain_text_option, whole_number};

/// Of what sort something is that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboxSort {
    /// A field holds values of people who did not see each other's. An amendment settles it.
    Conflict,
    /// A step was not applied. A later step settles it, or that somebody says that they have seen it.
    NotApplied,
    /// A change waits for something that is not in force. A ruling settles it, or what it waits for.
    Held,
    /// Something is wrong with a change. A ruling settles it, or a repair by its author.
    Quarantined,
    /// A change of a forked branch is in force. That somebody says that they have seen it settles it.
    Forked,
}

/// Which things to list. Every filter narrows; none widens the caller's scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InboxQuery {
    /// Things of this sort.
    #[param(inline)]
    pub sort: Option<InboxSort>,
    /// Things of this unit and of the units below it.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub unit: Option<u32>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default, deserialize_with = "plain_text_option::<_, 256>")]
    #[param(value_type = Option<PageEnd>, inline)]
    pub after: Option<String>,
    /// How many at most; 1 to 200, 50 when absent.
    #[serde(default, deserialize_with = "page_limit")]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// The most things that one page holds.
pub const INBOX_PAGE_MAX: u32 = 200;
/// How many things a page holds when the caller does not say.
pub const INBOX_PAGE_DEFAULT: u32 = 50;

fn page_limit<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(input)? {
        Some(limit) if !(1..=INBOX_PAGE_MAX).contains(&limit) => Err(serde::de::Error::custom(
            format_args!("not between 1 and {INBOX_PAGE_MAX}"),
        )),
        limit => Ok(limit),
    }
}

/// One page of what waits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InboxPage {
    /// What waits, the oldest first.
    pub items: Vec<InboxItem>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The place of the log that the page reflects.
    pub pos: u64,
}

/// One thing that waits for a person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InboxItem {
    /// Of what sort.
    pub sort: InboxSort,
    /// Since when it waits, in milliseconds since 1970.
    pub since_ms: i64,
    /// Whether it has waited for more than 72 hours.
    pub is_late: bool,
    /// The unit where it belongs; 0 for a change that cannot be read.
    pub unit: u32,
    /// The record in a line; absent while nobody has made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordSummary>,
    /// The record's id, when the change could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<Uuid>,
    /// What to send as `base` of a change that settles it: what this page shows.
    pub base: BaseRequest,
    /// The field of a conflict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The values of a conflict, with who wrote them and when; the one shown first.
    pub values: Vec<WrittenValue>,
    /// The change that it is about; of a conflict, the newest value's.
    pub change: InboxChange,
}

/// A change that waits, or that brought a conflict.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InboxChange {
    /// Its place in the log.
    pub pos: u64,
    /// Its replica; with `seq` what a ruling names.
    pub replica: Uuid,
    /// Its number there.
    pub seq: u64,
    /// Who made it: the person's number.
    pub person: u32,
    /// The intent; empty when it cannot be read.
    pub intent: String,
    /// When it was done, in milliseconds since 1970, as the server fixed it.
    pub time_ms: i64,
    /// When it arrived, in milliseconds since 1970.
    pub received_ms: i64,
    /// The state that a step wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// The state that it met instead of the one that its author saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<String>,
    /// The verdict that holds now.
    pub verdict: String,
    /// What a reader should know (late, forked, clock bounded ...).
    pub marks: Vec<String>,
    /// Why it was not simply accepted.
    pub problems: Vec<ChangeProblem>,
}

/// What a person rules about a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RulingChoice {
    /// A held or quarantined change has its effect.
    Admit,
    /// A held or quarantined change ends without effect.
    Reject,
    /// A step that was not applied, or what came from a forked branch, was looked at and stays as it is.
    Seen,
}

/// A ruling. The same by the same person again has the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulingRequest {
    /// The change's replica.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub replica: Uuid,
    /// The change's number there.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned64)]
    pub seq: u64,
    /// What is ruled.
    pub ruling: RulingChoice,
    /// Why; the change's author reads it.
    #[serde(deserialize_with = "plain_text::<_, 500>")]
    #[schema(value_type = PlainText<500>)]
    pub reason: String,
}

/// What became of a ruling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RulingAnswer {
    /// Its place in the log.
    pub pos: u64,
    /// The change's place.
    pub of: u64,
    /// The verdict that holds from there on.
    pub verdict: String,
}
