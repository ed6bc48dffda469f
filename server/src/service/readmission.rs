//! A replica that enrolled after the copy from which the server was restored: its certificate brings it back.

use super::ServiceError;
use super::district::District;
use super::log_writer::LogWriter;
use crate::store::StoreError;
use crate::store::sqlite::ReplicaRow;
use sync_core::change::Signature;
use sync_core::directory::{DirectoryChange, Replica};
use sync_core::ids::ReplicaNo;
use sync_core::wire::{EnrolmentCertificate, RequestBody};

impl District {
    /// This server's word for who a replica is.
    pub(super) fn certify(&self, replica: &Replica, received_ms: i64) -> EnrolmentCertificate {
        let head_key = self.keys().head();
        let (key_id, key) = &*head_key;
        let mut certificate = EnrolmentCertificate {
            epoch: self.state().facts.epoch().0,
            replica: replica.replica,
            replica_no: replica.no,
            person: replica.person,
            key: replica.key,
            received_ms,
            key_id: key_id.clone(),
            signature: Signature([0; 64]),
        };
        certificate.sign(self.id(), key);
        certificate
    }

    /// Enters the replica of a request again, on the word that this server gave it. A word of the present epoch or of a later
    /// one shows that the log was rolled back without anybody saying so: only the server gives it, and only after the
    /// enrolment is in the log. Then a new epoch begins first, as after a head that shows the same.
    ///
    /// # Errors
    /// No such word, a request that the replica did not sign, a person that the restored log does not have, storage's own.
    pub(super) async fn readmit(&self, body: &[u8]) -> Result<(), ServiceError> {
        let body = RequestBody::read(body)?;
        let certificate = EnrolmentCertificate::decode(&body.request.certificate)
            .map_err(|_| ServiceError::ReplicaUnknown)?;
        let state = self.state();
        let is_ours = state
            .directory
            .server_key(&certificate.key_id)
            .is_some_and(|key| certificate.is_signed_by(self.id(), key));
        if !is_ours || certificate.replica != body.request.replica {
            return Err(ServiceError::ReplicaUnknown);
        }
        if !body.is_signed_by(&certificate.key) {
            return Err(ServiceError::SignatureRefused);
        }
        if !state.directory.has_person(certificate.person) {
            return Err(ServiceError::PersonUnknown);
        }
        self.writer()
            .run(move |log, now_ms| log.readmit(&certificate, now_ms))
            .await
    }
}

impl LogWriter<'_> {
    fn readmit(
        &mut self,
        certificate: &EnrolmentCertificate,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let directory = self.directory();
        if directory.replica_by_id(certificate.replica).is_some() {
            return Ok(());
        }
        if certificate.epoch >= self.epoch() {
            self.begin_anew(certificate.epoch, now_ms)?;
        }
        // Its number may be another replica's by now. Only the log and the answers use it, and both tell the new one.
        let no = if directory.replica(certificate.replica_no).is_none() {
            certificate.replica_no
        } else {
            self.next_replica_no()
        };
        let replica = Replica {
            no,
            replica: certificate.replica,
            person: certificate.person,
            key: certificate.key,
            continues: None,
            branch: None,
            revoked_ms: None,
            office: false,
        };
        self.change_directory(DirectoryChange::Replica(replica), now_ms)?;
        // What it made since it first enrolled is bounded by that day, not by this one.
        let row = ReplicaRow::new(no, certificate.received_ms.min(now_ms));
        self.write().put_replica(&row)
    }

    /// The next free short number.
    pub(super) fn next_replica_no(&self) -> ReplicaNo {
        let directory = self.directory();
        let numbers = directory.replicas().map(|replica| replica.no.0);
        ReplicaNo(numbers.max().unwrap_or(0) + 1)
    }
}
