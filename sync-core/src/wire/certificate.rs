//! The server's word that a replica enrolled: what brings it back into a log that a restore took it out of.

use super::receipt::key_id;
use crate::change::{Signature, SigningKey, VerifyingKey, verify};
use crate::codec::{CodecError, FieldWriter, Fields};
use crate::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};

const TAG: &str = "gridwork/enrolled/1";

/// Who a replica is, under the server's name. The phone keeps it with its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolmentCertificate {
    /// The log's epoch when it enrolled.
    pub epoch: Epoch,
    /// The replica.
    pub replica: ReplicaId,
    /// The district's short number of it in that epoch.
    pub replica_no: ReplicaNo,
    /// Whose it is.
    pub person: PersonId,
    /// Its public key.
    pub key: VerifyingKey,
    /// When it enrolled: no change of it is older.
    pub received_ms: i64,
    /// The name of the server's key.
    pub key_id: String,
    /// The signature.
    pub signature: Signature,
}

impl EnrolmentCertificate {
    fn write(&self, out: &mut FieldWriter) {
        out.integer(1, u64::from(self.epoch.0))
            .bytes(2, self.replica.as_bytes())
            .integer(3, u64::from(self.replica_no.0))
            .integer(4, u64::from(self.person.0))
            .bytes(5, &self.key.to_bytes())
            .signed(6, self.received_ms)
            .bytes(7, self.key_id.as_bytes());
    }

    fn signed_bytes(&self, district: DistrictId) -> Vec<u8> {
        let mut out = FieldWriter::after(district.as_bytes());
        self.write(&mut out);
        out.finish()
    }

    /// Signs it in place.
    pub fn sign(&mut self, district: DistrictId, key: &SigningKey) {
        self.signature = key.sign(TAG, &self.signed_bytes(district));
    }

    /// Whether the server's key signed exactly this for this district.
    pub fn is_signed_by(&self, district: DistrictId, key: &VerifyingKey) -> bool {
        verify(key, TAG, &self.signed_bytes(district), &self.signature)
    }

    /// The bytes on the wire and in tables.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        self.write(&mut out);
        out.bytes(8, &self.signature.0);
        out.finish()
    }

    /// Reads a certificate; says nothing about its signature.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[])?;
        Ok(Self {
            epoch: fields.epoch(1)?,
            replica: ReplicaId(uuid::Uuid::from_bytes(fields.array(2)?)),
            replica_no: ReplicaNo(fields.u32_or_zero(3)?),
            person: PersonId(fields.u32_or_zero(4)?),
            key: VerifyingKey::from_bytes(&fields.array(5)?).ok_or(CodecError::BadField(5))?,
            received_ms: fields.optional_signed(6)?.ok_or(CodecError::Missing(6))?,
            key_id: key_id(&fields, 7)?,
            signature: Signature(fields.array(8)?),
        })
    }
}
