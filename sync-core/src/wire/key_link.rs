//! A further key of the server, for phones that know the one before it.

use super::receipt::key_id;
use crate::change::{Signature, VerifyingKey};
use crate::codec::{CodecError, FieldWriter, Fields};

/// A key of the server under the name of the one before it in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLink {
    /// Its name.
    pub id: String,
    /// The public key.
    pub key: VerifyingKey,
    /// The signature of the key before; zero for the first key of all.
    pub signature: Signature,
}

impl KeyLink {
    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.bytes(1, self.id.as_bytes())
            .bytes(2, &self.key.to_bytes())
            .bytes(3, &self.signature.0);
        out.finish()
    }

    /// Reads a link; says nothing about its signature.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[])?;
        Ok(Self {
            id: key_id(&fields, 1)?,
            key: VerifyingKey::from_bytes(&fields.array(2)?).ok_or(CodecError::BadField(2))?,
            signature: Signature(fields.array(3)?),
        })
    }
}
