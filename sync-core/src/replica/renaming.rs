//! Going on under a new name after a fork: what to ask of the server, and what each of its answers leads to. The app's
//! shells only carry the messages.

use super::fork::{ForkIdentity, ForkPlan};
use super::receipts::find_server_key;
use super::{Replica, ReplicaError};
use crate::change::{Hash, Signature, SigningKey};
use crate::ids::{ReplicaId, ReplicaNo, Seq};
use crate::wire::EnrolmentCertificate;

/// What the proofs of both keys are signed under.
pub const FORK_TAG: &str = "gridwork/fork/1";

/// What both keys sign: old and new name, the new public key, and the last change that both chains share.
pub fn fork_message(
    old: ReplicaId,
    new: ReplicaId,
    public_key: &[u8; 32],
    shared: (Seq, Hash),
) -> Vec<u8> {
    [
        &old.as_bytes()[..],
        &new.as_bytes()[..],
        public_key,
        &shared.0.0.to_be_bytes(),
        &shared.1.0,
    ]
    .concat()
}

/// What the server is asked, with both proofs: the body of `POST /v1/forks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkQuestion {
    /// The name that is given up.
    pub old: ReplicaId,
    /// The new name.
    pub new: ReplicaId,
    /// Its public key.
    pub public_key: [u8; 32],
    /// The last change that both chains share, and its hash; 0 and zeros when they share none.
    pub shared: (Seq, Hash),
    /// Signed with the old key.
    pub old_proof: Signature,
    /// Signed with the new one.
    pub proof: Signature,
}

/// What the server said. Anything else is no answer: the question is asked again later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkAnswer {
    /// It takes the new name, and gives it this number and certificate.
    Named {
        /// The district's short number.
        replica_no: ReplicaNo,
        /// The server's word for all this; empty from a server that gives none.
        certificate: Vec<u8>,
    },
    /// It does not have the shared change (409).
    NotShared,
    /// It does not know the old name (401 with the code `replica_unknown`).
    UnknownReplica,
}

/// What an answer led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForkStep {
    /// The replica goes on under the new name, and so many changes were repeated. A new session begins.
    Renamed(u64),
    /// To be asked at once again, with a shared change further down.
    AskAgain,
    /// The replica speaks under its old name again, until the server tells of the fork again.
    OldName,
    /// The answer is not what the server signed: a bad link has changed it. To be asked again later.
    NoAnswer,
    /// The server has not even the beginning in common, so it is no fork that it refuses: it may take another new name.
    Refused,
}

/// A new name that is being asked for. Asked again with the same name, a server whose answer was lost gives the same.
#[derive(Clone, Debug)]
pub struct Renaming {
    plan: ForkPlan,
    new: ReplicaId,
    key_seed: [u8; 32],
}

impl Renaming {
    /// Begins with a fresh name and key.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn begin(
        replica: &Replica,
        new: ReplicaId,
        key_seed: [u8; 32],
    ) -> Result<Self, ReplicaError> {
        Ok(Self {
            plan: replica.fork_plan()?,
            new,
            key_seed,
        })
    }

    /// What to ask now.
    pub fn question(&self, replica: &Replica) -> ForkQuestion {
        let key = SigningKey::from_seed(&self.key_seed);
        let public_key = key.verifying_key().to_bytes();
        let shared = (self.plan.received, self.plan.hash);
        let message = fork_message(self.plan.replica, self.new, &public_key, shared);
        ForkQuestion {
            old: self.plan.replica,
            new: self.new,
            public_key,
            shared,
            old_proof: replica.signing_key().sign(FORK_TAG, &message),
            proof: key.sign(FORK_TAG, &message),
        }
    }

    /// Whether the server's word, where it gives one, bears out the new name and number.
    fn is_borne_out(
        &self,
        replica: &Replica,
        no: ReplicaNo,
        certificate: &[u8],
    ) -> Result<bool, ReplicaError> {
        if certificate.is_empty() {
            return Ok(true);
        }
        let Ok(certificate) = EnrolmentCertificate::decode(certificate) else {
            return Ok(false);
        };
        let key = find_server_key(&replica.connection, &certificate.key_id)?;
        // A key that the replica has not heard of yet comes with the next answer.
        let is_signed =
            key.is_none_or(|key| certificate.is_signed_by(replica.identity.district, &key));
        Ok(is_signed
            && certificate.person == replica.identity.person
            && certificate.names(self.new, no, &self.key_seed))
    }

    /// Does what an answer asks for.
    ///
    /// # Errors
    /// See [`ReplicaError`]; the old name holds on then.
    pub fn take(
        &mut self,
        replica: &mut Replica,
        answer: ForkAnswer,
    ) -> Result<ForkStep, ReplicaError> {
        match answer {
            ForkAnswer::Named {
                replica_no,
                certificate,
            } => {
                if !self.is_borne_out(replica, replica_no, &certificate)? {
                    return Ok(ForkStep::NoAnswer);
                }
                let identity = ForkIdentity {
                    replica: self.new,
                    key_seed: self.key_seed,
                    replica_no,
                    certificate,
                };
                Ok(ForkStep::Renamed(
                    replica.continue_as(&self.plan, &identity)?,
                ))
            }
            ForkAnswer::NotShared => match self.plan.lower() {
                Some(lower) => {
                    self.plan = replica.fork_plan_at(lower)?;
                    Ok(ForkStep::AskAgain)
                }
                None => Ok(ForkStep::Refused),
            },
            ForkAnswer::UnknownReplica => {
                replica.keep_old_name()?;
                Ok(ForkStep::OldName)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::verify;
    use crate::fake_server::{FakeServer, make, phone_with, record_id, sync};
    use crate::ids::Epoch;
    use crate::replica::Condition;
    use crate::session::Session;

    /// A phone that was told that its clone had been at the server, with five changes that both had handed in before.
    fn forked(server: &mut FakeServer) -> Replica {
        server.grant(1, "worker", 2);
        let enrolment = server.enrol(1, 1);
        let (mut phone, mut other) = (phone_with(&enrolment), phone_with(&enrolment));
        let comment = |server: &FakeServer, phone: &mut Replica, text: &str| {
            let open = format!(r#"{{"text":"{text}"}}"#);
            make(server, phone, record_id(1), "report.comment", &open);
        };
        for each in [&mut phone, &mut other] {
            for _ in 0..5 {
                comment(server, each, "both");
            }
            sync(server, &mut Session::new("test"), each);
        }
        comment(server, &mut other, "other");
        sync(server, &mut Session::new("test"), &mut other);
        comment(server, &mut phone, "phone");
        sync(server, &mut Session::new("test"), &mut phone);
        assert_eq!(phone.condition().expect("read"), Condition::Forked);
        phone
    }

    fn begun(phone: &Replica) -> Renaming {
        let new = ReplicaId::from_slice(&[9; 16]).expect("16 bytes");
        Renaming::begin(phone, new, [9; 32]).expect("a sound file")
    }

    #[test]
    fn both_keys_prove_the_question_and_a_server_that_lacks_the_change_is_asked_further_down() {
        let mut phone = forked(&mut FakeServer::new());
        let mut renaming = begun(&phone);
        let mut shared = Vec::new();
        loop {
            let question = renaming.question(&phone);
            let message = fork_message(
                question.old,
                question.new,
                &question.public_key,
                question.shared,
            );
            let old_key = phone.signing_key().verifying_key();
            let new_key = SigningKey::from_seed(&[9; 32]).verifying_key();
            assert!(verify(&old_key, FORK_TAG, &message, &question.old_proof));
            assert!(verify(&new_key, FORK_TAG, &message, &question.proof));
            shared.push(question.shared.0.0);
            match renaming
                .take(&mut phone, ForkAnswer::NotShared)
                .expect("read")
            {
                ForkStep::AskAgain => {}
                step => {
                    assert_eq!(step, ForkStep::Refused);
                    break;
                }
            }
        }
        assert_eq!(shared, [5, 2, 1, 0]);
        assert_eq!(renaming.question(&phone).shared, (Seq(0), Hash::ZERO));
        assert_eq!(phone.condition().expect("read"), Condition::Forked);
        let mut certificate = EnrolmentCertificate {
            epoch: Epoch(1),
            replica: renaming.new,
            replica_no: ReplicaNo(7),
            person: phone.person(),
            key: SigningKey::from_seed(&[9; 32]).verifying_key(),
            received_ms: 1_795_000_000_000,
            key_id: "later".to_owned(),
            signature: Signature([3; 64]),
        };
        let spoilt = ForkAnswer::Named {
            replica_no: ReplicaNo(6),
            certificate: certificate.encode(),
        };
        let step = renaming.take(&mut phone, spoilt).expect("read");
        assert_eq!(step, ForkStep::NoAnswer);
        certificate.key_id = "k1".to_owned();
        let unsigned = ForkAnswer::Named {
            replica_no: ReplicaNo(7),
            certificate: certificate.encode(),
        };
        let step = renaming.take(&mut phone, unsigned).expect("read");
        assert_eq!(step, ForkStep::NoAnswer);
        assert_eq!(phone.condition().expect("read"), Condition::Forked);
        // At the beginning everybody agrees, and what the phone still has of its own goes along.
        certificate.key_id = "later".to_owned();
        let bytes = certificate.encode();
        let answer = ForkAnswer::Named {
            replica_no: ReplicaNo(7),
            certificate: bytes.clone(),
        };
        let step = renaming.take(&mut phone, answer).expect("written");
        assert_eq!(step, ForkStep::Renamed(6));
        assert_eq!(phone.replica_no(), ReplicaNo(7));
        assert_eq!(phone.certificate().expect("read"), Some(bytes));
        assert_eq!(phone.condition().expect("read"), Condition::Ok);
    }

    #[test]
    fn a_server_that_does_not_know_the_old_name_is_spoken_to_under_it() {
        let mut phone = forked(&mut FakeServer::new());
        let old = phone.replica_id();
        let step = begun(&phone).take(&mut phone, ForkAnswer::UnknownReplica);
        assert_eq!(step.expect("written"), ForkStep::OldName);
        assert_eq!(phone.replica_id(), old);
        assert_eq!(phone.condition().expect("read"), Condition::Ok);
    }
}
