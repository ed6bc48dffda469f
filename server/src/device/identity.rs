//! Names and keys of replicas: what is sent to enrol or to go on after a fork, and what the answers make of it.

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};
use sync_core::replica::{Enrolment, Renaming, Replica, ReplicaError};
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

    /// What the answer to that makes; `None` when it is not what the server signed, as after a bad link.
    pub fn enrolled(&self, answer: &EnrolmentAnswer) -> Option<Enrolment> {
        let server_keys = answer.server_keys.iter().map(|key| {
            let public = VerifyingKey::from_bytes(&key.public_key.0)?;
            Some((key.key_id.clone(), public))
        });
        let enrolment = Enrolment {
            district: DistrictId(answer.district),
            replica: ReplicaId(self.replica),
            key_seed: self.key_seed,
            replica_no: ReplicaNo(answer.replica_no),
            person: PersonId(answer.person),
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate.clone(),
            server_keys: server_keys.collect::<Option<_>>()?,
        };
        enrolment.is_borne_out().then_some(enrolment)
    }

    /// Begins to go on under this name after a fork.
    ///
    /// # Errors
    /// What the replica says.
    pub fn renaming(&self, replica: &Replica) -> Result<Renaming, ReplicaError> {
        Renaming::begin(replica, ReplicaId(self.replica), self.key_seed)
    }
}
