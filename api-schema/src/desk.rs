//! What a desk looks at besides lists: which clocks are over next, and which reports may be the same.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::record::{RecordSummary, page_limit};
use crate::shapes::schema::{CanonicalUuid, DeadlinePageEnd, KindName, PlainText, Unsigned32};
use crate::shapes::{canonical_uuid_option, plain_text_option};

/// Which deadlines to list. Every filter narrows; none widens the caller's scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadlineQuery {
    /// Records of this unit and of the units below it.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub unit: Option<u32>,
    /// Records that this unit must act on.
    #[param(value_type = Option<Unsigned32>, inline)]
    pub desk: Option<u32>,
    /// Records of this kind, such as `report` or `task`.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<KindName>, inline)]
    pub kind: Option<String>,
    /// Records whose workflow is in this state.
    #[serde(default, deserialize_with = "plain_text_option::<_, 32>")]
    #[param(value_type = Option<PlainText<32>>, inline)]
    pub state: Option<String>,
    /// Clocks that are over at or before this time, in milliseconds since 1970; now, to list what is overdue.
    pub until_ms: Option<i64>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default, deserialize_with = "plain_text_option::<_, 256>")]
    #[param(value_type = Option<DeadlinePageEnd>, inline)]
    pub after: Option<String>,
    /// How many records at most; 1 to 500, 50 when absent.
    #[serde(default, deserialize_with = "page_limit")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
}

/// A record with the time at which its clock is over.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Deadline {
    /// The record in a line.
    pub record: RecordSummary,
    /// When its clock is over, in milliseconds since 1970, while nobody moves it.
    pub due_ms: i64,
}

/// One page of deadlines.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadlinePage {
    /// The records, the one that is due first first. What stands still has no deadline.
    pub deadlines: Vec<Deadline>,
    /// What to send as `after` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The place of the log that the page reflects.
    pub pos: u64,
}

/// A report that somebody is about to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DuplicateQuery {
    /// Its category.
    #[serde(deserialize_with = "crate::shapes::plain_text::<_, 32>")]
    #[param(value_type = PlainText<32>, inline)]
    pub category: String,
    /// Where it is: latitude, degrees times 10^7.
    #[param(minimum = -900_000_000, maximum = 900_000_000)]
    pub latitude_e7: i32,
    /// Longitude, degrees times 10^7.
    #[param(minimum = -1_800_000_000, maximum = 1_800_000_000)]
    pub longitude_e7: i32,
    /// How far the place may be off, metres.
    #[param(minimum = 0, maximum = 10_000)]
    pub accuracy_m: Option<u32>,
    /// The report itself, when it is there already: it is not its own duplicate.
    #[serde(default, deserialize_with = "canonical_uuid_option")]
    #[param(value_type = Option<CanonicalUuid>, inline)]
    pub record: Option<Uuid>,
}

/// A report that may be the same.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateHint {
    /// The report in a line.
    pub record: RecordSummary,
    /// How far away it is, metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<u32>,
    /// How long ago it was made, in milliseconds.
    pub age_ms: i64,
}

/// Reports that may be the same, the likeliest first. Whether they are is for a person to say.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DuplicateList {
    /// At most five.
    pub hints: Vec<DuplicateHint>,
}
