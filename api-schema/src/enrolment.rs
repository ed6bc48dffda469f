//! Enrolment: a replica proves its key with a one-time code and learns who it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::shapes::schema::{CanonicalUuid, PlainText};
use crate::shapes::{
    Base64Url, base64_url_bytes, canonical_uuid, canonical_uuid_option, plain_text,
    plain_text_option,
};

/// What a new replica sends, once, with the code it was given.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The one-time code, as printed or scanned.
    #[serde(deserialize_with = "plain_text::<_, 128>")]
    #[schema(value_type = PlainText<128>)]
    pub code: String,
    /// The replica's id, made on the device.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub replica: Uuid,
    /// The replica's Ed25519 public key, 32 bytes, base64url without padding.
    pub public_key: Base64Url<32>,
    /// Ed25519 signature by that key over `gridwork/enrol/1`, the code, the replica's 16 bytes and the public key; 64 bytes, base64url.
    pub proof: Base64Url<64>,
    /// What the device calls itself; shown to the person who handed out the code.
    #[serde(
        default,
        deserialize_with = "plain_text_option::<_, 64>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<PlainText<64>>)]
    pub device_label: Option<String>,
    /// The replica that this one takes over from (a reinstall, a new phone of the same person).
    #[serde(
        default,
        deserialize_with = "canonical_uuid_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<CanonicalUuid>)]
    pub continues: Option<Uuid>,
}

/// What a replica knows of itself from then on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentAnswer {
    /// The district.
    pub district: Uuid,
    /// The district's short code.
    pub district_code: String,
    /// The district's name.
    pub district_name: String,
    /// The IANA time zone by which the district reckons days.
    pub time_zone: String,
    /// The short number that the district's log uses for this replica; from 1.
    pub replica_no: u32,
    /// The person's permanent number in the district.
    pub person: u32,
    /// The person's name.
    pub person_name: String,
    /// The log's epoch.
    pub epoch: u32,
    /// The keys by which receipts and log heads are checked.
    pub server_keys: Vec<ServerKey>,
    /// A first access token for the other endpoints, valid for at most 15 minutes.
    pub token: String,
    /// The version of the scope that the replica starts with.
    pub scope_version: u32,
    /// The server's word for all this, base64url: to be kept, and shown to a restored server that does not know the replica.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        with = "base64_url_bytes"
    )]
    #[schema(value_type = Option<String>)]
    pub certificate: Vec<u8>,
}

/// A public key of the server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ServerKey {
    /// The key's id.
    pub key_id: String,
    /// The Ed25519 public key, 32 bytes, base64url without padding.
    pub public_key: Base64Url<32>,
    /// The first place of the log that this key may sign.
    pub from_pos: u64,
}
