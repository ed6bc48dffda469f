//! A change that somebody makes online, and what became of it.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::record::ChangeProblem;
use crate::shapes::schema::{CanonicalUuid, PlainText, Unsigned32, Unsigned64};
use crate::shapes::{
    canonical_uuid, canonical_uuid_option, plain_text, whole_number, whole_number_option,
};

/// A change to make. The same request again, by the same person, has the same answer, for ever.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRequest {
    /// The caller's own id for this request, made once and sent again with each try.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub id: Uuid,
    /// What it is about; a fresh UUIDv7 for a new record.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub record: Uuid,
    /// The unit that the caller takes the record to belong to.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned32)]
    pub unit: u32,
    /// The named intent, such as `report.transition`.
    #[serde(deserialize_with = "plain_text::<_, 64>")]
    #[schema(value_type = PlainText<64>)]
    pub intent: String,
    /// The version of the intent's payload; the one that the server knows when absent.
    #[serde(
        default,
        deserialize_with = "whole_number_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Unsigned32>)]
    pub schema: Option<u32>,
    /// The intent's fields. A member that stands twice is an error.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
    /// Up to where the caller's copy of the record was complete; all that the log has when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseRequest>,
    /// Whose work it is, when the caller enters it for somebody else.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub for_person: Option<ForRequest>,
    /// What must be in force first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<NeedsRequest>,
    /// The quarantined change of the caller that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<ChangeName>,
    /// Contacts and names, kept apart where they can be erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub person_part: Option<Box<RawValue>>,
}

/// A place of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BaseRequest {
    /// The epoch in which the place was given.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned32)]
    pub epoch: u32,
    /// The place.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned64)]
    pub pos: u64,
}

/// How work came to the one who enters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSource {
    /// A telephone call.
    Telephone,
    /// A sheet of paper.
    Paper,
    /// A text message.
    Message,
    /// The leader of a patrol ticked a member who was there.
    Leader,
}

/// Whose work a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForRequest {
    /// The person's number.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned32)]
    pub person: u32,
    /// How the caller came to know of it.
    pub source: ChangeSource,
    /// When it was done, in milliseconds since 1970.
    #[serde(deserialize_with = "whole_number")]
    pub happened_at_ms: i64,
}

/// Either a record, or a change by its replica and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeedsRequest {
    /// The record.
    #[serde(
        default,
        deserialize_with = "canonical_uuid_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CanonicalUuid>)]
    pub record: Option<Uuid>,
    /// The change's replica.
    #[serde(
        default,
        deserialize_with = "canonical_uuid_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CanonicalUuid>)]
    pub replica: Option<Uuid>,
    /// Its number there.
    #[serde(
        default,
        deserialize_with = "whole_number_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<Unsigned64>)]
    pub seq: Option<u64>,
}

/// A change by its replica and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeName {
    /// The replica.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub replica: Uuid,
    /// Its number there.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned64)]
    pub seq: u64,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeAnswer {
    /// The record.
    pub record: Uuid,
    /// The replica, held by the server, under whose name the change stands in the log.
    pub replica: Uuid,
    /// Its number there.
    pub seq: u64,
    /// Its place in the log.
    pub pos: u64,
    /// The verdict: accepted, conflict, not_applied, held or quarantined.
    pub verdict: String,
    /// Where the change stood when it was answered.
    pub standing: String,
    /// What a reader should know (right ended ...).
    pub marks: Vec<String>,
    /// Why it was not simply accepted.
    pub problems: Vec<ChangeProblem>,
    /// When it was done, in milliseconds since 1970: when it arrived.
    pub time_ms: i64,
    /// Where the record's case stood afterwards, for kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}
