//! Forks: a cloned or restored phone continues its last common change as a new replica.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::enrolment::EnrolmentAnswer;
use crate::shapes::schema::{CanonicalUuid, PlainText, Unsigned64};
use crate::shapes::{Base64Url, canonical_uuid, plain_text_option, whole_number};
use sync_core::ids::ReplicaNo;
use sync_core::replica::{ForkAnswer, ForkQuestion};

/// What a forked replica sends to go on under a new id and key. Both keys sign
/// `gridwork/fork/1`, the old replica's 16 bytes, the new replica's 16 bytes, the new public key, the last common seq (8 bytes, big-endian) and its chain hash.
/// The answer is an `EnrolmentAnswer`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ForkRequest {
    /// The replica that forked.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub old_replica: Uuid,
    /// The new replica's id, made on the device.
    #[serde(deserialize_with = "canonical_uuid")]
    #[schema(value_type = CanonicalUuid)]
    pub replica: Uuid,
    /// The new replica's Ed25519 public key, 32 bytes, base64url without padding.
    pub public_key: Base64Url<32>,
    /// The last seq of the old replica that both sides hold with the same hash; 0 when they share none.
    #[serde(deserialize_with = "whole_number")]
    #[schema(value_type = Unsigned64)]
    pub last_common_seq: u64,
    /// The chain hash at that seq (32 zero bytes at 0), base64url without padding.
    pub last_common_hash: Base64Url<32>,
    /// Signature by the old replica's key, 64 bytes, base64url.
    pub old_proof: Base64Url<64>,
    /// Signature by the new key, 64 bytes, base64url.
    pub proof: Base64Url<64>,
    /// What the device calls itself.
    #[serde(
        default,
        deserialize_with = "plain_text_option::<_, 64>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<PlainText<64>>)]
    pub device_label: Option<String>,
}

impl From<ForkQuestion> for ForkRequest {
    fn from(question: ForkQuestion) -> Self {
        Self {
            old_replica: question.old.0,
            replica: question.new.0,
            public_key: Base64Url(question.public_key),
            last_common_seq: question.shared.0.0,
            last_common_hash: Base64Url(question.shared.1.0),
            old_proof: Base64Url(question.old_proof.0),
            proof: Base64Url(question.proof.0),
            device_label: None,
        }
    }
}

impl From<EnrolmentAnswer> for ForkAnswer {
    fn from(answer: EnrolmentAnswer) -> Self {
        Self::Named {
            replica_no: ReplicaNo(answer.replica_no),
            certificate: answer.certificate,
        }
    }
}
