//! What a new replica learns from the server, and whether the server said just that.

use crate::change::{SigningKey, VerifyingKey};
use crate::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};
use crate::wire::EnrolmentCertificate;

/// What an enrolment gave, all that a new replica starts from.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The tenant.
    pub district: DistrictId,
    /// The replica's id, made on the phone.
    pub replica: ReplicaId,
    /// The seed of its private key, made on the phone.
    pub key_seed: [u8; 32],
    /// The district's short number of it.
    pub replica_no: ReplicaNo,
    /// Whose it is.
    pub person: PersonId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The server's public keys by name, in their order.
    pub server_keys: Vec<(String, VerifyingKey)>,
    /// The server's word for all this; empty from a server that gives none.
    pub certificate: Vec<u8>,
}

impl Enrolment {
    /// Whether the certificate bears all of it out, under one of the keys that came with it. Of a one-time code there is one
    /// answer: a bad link that changes a digit of the district in it would leave a phone whose every signature is wrong, and
    /// the code used up. So the shells check this first; what it refuses counts as no answer, and the same code may be sent
    /// again with the same name and key.
    pub fn is_borne_out(&self) -> bool {
        let Ok(certificate) = EnrolmentCertificate::decode(&self.certificate) else {
            return false;
        };
        let mut keys = self.server_keys.iter();
        let key = keys.find(|(id, _)| *id == certificate.key_id);
        certificate.names(self.replica, self.replica_no, &self.key_seed)
            && (certificate.person, certificate.epoch) == (self.person, self.epoch)
            && key.is_some_and(|(_, key)| certificate.is_signed_by(self.district, key))
    }
}

impl EnrolmentCertificate {
    /// Whether it is about this name, number and key.
    pub(super) fn names(&self, replica: ReplicaId, no: ReplicaNo, key_seed: &[u8; 32]) -> bool {
        let key = SigningKey::from_seed(key_seed).verifying_key();
        (self.replica, self.replica_no, self.key) == (replica, no, key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Signature;
    use crate::ids::DistrictId;
    use uuid::Uuid;

    fn enrolled() -> Enrolment {
        let server = SigningKey::from_seed(&[7; 32]);
        let (district, replica) = (
            DistrictId(Uuid::from_u128(5)),
            ReplicaId(Uuid::from_u128(6)),
        );
        let mut certificate = EnrolmentCertificate {
            epoch: Epoch(3),
            replica,
            replica_no: ReplicaNo(8),
            person: PersonId(9),
            key: SigningKey::from_seed(&[1; 32]).verifying_key(),
            received_ms: 1_795_000_000_000,
            key_id: "k2".to_owned(),
            signature: Signature([0; 64]),
        };
        certificate.sign(district, &server);
        let old = SigningKey::from_seed(&[6; 32]).verifying_key();
        Enrolment {
            district,
            replica,
            key_seed: [1; 32],
            replica_no: ReplicaNo(8),
            person: PersonId(9),
            epoch: Epoch(3),
            server_keys: vec![
                ("k1".to_owned(), old),
                ("k2".to_owned(), server.verifying_key()),
            ],
            certificate: certificate.encode(),
        }
    }

    /// Found by a chaos run: one byte of the answer was changed on the way, and the phone never got in.
    #[test]
    fn an_answer_of_which_a_bad_link_has_changed_something_is_no_answer() {
        type Spoil = fn(&mut Enrolment);
        assert!(enrolled().is_borne_out());
        let spoilt: [(&str, Spoil); 7] = [
            ("district", |answer| {
                answer.district = DistrictId(Uuid::from_u128(4))
            }),
            ("number", |answer| answer.replica_no = ReplicaNo(9)),
            ("person", |answer| answer.person = PersonId(8)),
            ("epoch", |answer| answer.epoch = Epoch(4)),
            ("key", |answer| {
                answer.server_keys[1].1 = answer.server_keys[0].1
            }),
            ("key id", |answer| answer.server_keys[1].0 = "k3".to_owned()),
            ("certificate", |answer| answer.certificate.clear()),
        ];
        for (what, spoil) in spoilt {
            let mut answer = enrolled();
            spoil(&mut answer);
            assert!(!answer.is_borne_out(), "{what}");
        }
        let mut answer = enrolled();
        for at in 0..answer.certificate.len() {
            answer.certificate[at] ^= 1;
            assert!(!answer.is_borne_out(), "byte {at} of the certificate");
            answer.certificate[at] ^= 1;
        }
    }
}
