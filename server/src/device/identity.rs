//! Names and keys of replicas: what is sent to enrol or to go on after a fork, and what the answers make of it.

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::fork::ForkRequest;
use api_schema::shapes::Base64Url;
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};
use sync_core::replica::{Enrolment, ForkIdentity, ForkPlan};
use uuid::Uuid;

use crate::fleet::phone::Phone;
use crate::ids::Entropy;

/// A name and key that no server has heard of yet.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// The replica's id.
    pub replica: Uuid,
    /// The seed of its private key.
    pub key_seed: [u8; 32],
}

impl Newcomer {
    /// A fresh one.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let (mut id, mut key_seed) = ([0; 16], [0; 32]);
        entropy.fill(&mut id);
        entropy.fill(&mut key_seed);
        Self {
            replica: uuid::Builder::from_random_bytes(id).into_uuid(),
            key_seed,
        }
    }

    /// What to send with a one-time code.
    pub fn enrolment(&self, code: &str) -> EnrolmentRequest {
        let key = SigningKey::from_seed(&self.key_seed);
        Phone::enrolment(code, self.replica, &key)
    }

    /// What the answer to that makes; `None` when one of the server's keys is none.
    pub fn enrolled(&self, answer: &EnrolmentAnswer) -> Option<Enrolment> {
        let server_keys = answer.server_keys.iter().map(|key| {
            let public = VerifyingKey::from_bytes(&key.public_key.0)?;
            Some((key.key_id.clone(), public))
        });
        Some(Enrolment {
            district: DistrictId(answer.district),
            replica: ReplicaId(self.replica),
            key_seed: self.key_seed,
            replica_no: ReplicaNo(answer.replica_no),
            person: PersonId(answer.person),
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate.clone(),
            server_keys: server_keys.collect::<Option<_>>()?,
        })
    }

    /// What to send so that a forked replica goes on under this name; `old` is the key that it has had.
    pub fn fork(&self, plan: &ForkPlan, old: &SigningKey) -> ForkRequest {
        let key = SigningKey::from_seed(&self.key_seed);
        let public_key = key.verifying_key().to_bytes();
        let message = [
            &plan.replica.as_bytes()[..],
            &self.replica.as_bytes()[..],
            &public_key[..],
            &plan.received.0.to_be_bytes()[..],
            &plan.hash.0[..],
        ]
        .concat();
        let proof = |key: &SigningKey| Base64Url(key.sign("gridwork/fork/1", &message).0);
        ForkRequest {
            old_replica: plan.replica.0,
            replica: self.replica,
            public_key: Base64Url(public_key),
            last_common_seq: plan.received.0,
            last_common_hash: Base64Url(plan.hash.0),
            old_proof: proof(old),
            proof: proof(&key),
            device_label: None,
        }
    }

    /// What the answer to that makes.
    pub fn forked(&self, answer: EnrolmentAnswer) -> ForkIdentity {
        ForkIdentity {
            replica: ReplicaId(self.replica),
            key_seed: self.key_seed,
            replica_no: ReplicaNo(answer.replica_no),
            certificate: answer.certificate,
        }
    }
}
