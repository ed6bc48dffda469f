//! Set-up: the one-time link of an empty district makes its first administrator.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shapes::plain_text;
use crate::shapes::schema::PlainText;

/// What the first administrator sends with the set-up token that `gridwork init` printed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupRequest {
    /// The one-time set-up token.
    #[serde(deserialize_with = "plain_text::<_, 128>")]
    #[schema(value_type = PlainText<128>)]
    pub token: String,
    /// The administrator's name.
    #[serde(deserialize_with = "plain_text::<_, 64>")]
    #[schema(value_type = PlainText<64>)]
    pub name: String,
}

/// The administrator that was made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetupAnswer {
    /// The administrator's permanent number in the district.
    pub person: u32,
    /// A one-time code with which the administrator enrols a first replica.
    pub enrolment_code: String,
}
