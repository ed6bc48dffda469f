//! Receipts, signed heads and wipe orders: what the server puts its name to.

use crate::change::{Hash, Signature, SigningKey, VerifyingKey, verify};
use crate::codec::{CodecError, FieldWriter, Fields, put_varint, take_varint, unzigzag, zigzag};
use crate::ids::{DistrictId, Epoch, Pos, ReplicaId, Seq};
use crate::limits;
use crate::verdict::{Answer, decode_answers, encode_answers};

const RECEIPT_TAG: &str = "gridwork/receipt/1";
const HEAD_TAG: &str = "gridwork/head/1";
const WIPE_TAG: &str = "gridwork/wipe/1";

/// The server's word that it has a contiguous range of a replica's changes, durably, and what it answered to each.
/// By the chain it covers everything before as well. Positions of the range are contiguous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The epoch of the positions.
    pub epoch: Epoch,
    /// Whose changes.
    pub replica: ReplicaId,
    /// The first of the range.
    pub from: Seq,
    /// The last of the range.
    pub to: Seq,
    /// The chain's hash at `to`.
    pub chain_hash: Hash,
    /// The place of `from`.
    pub first_pos: Pos,
    /// The place of `to`.
    pub last_pos: Pos,
    /// When the range arrived.
    pub received_ms: i64,
    /// The answer to each change.
    pub answers: Vec<Answer>,
    /// The event time of each change.
    pub times_ms: Vec<i64>,
    /// The name of the server's key.
    pub key_id: String,
    /// The server's signature over all of this, answers and times by their hash.
    pub signature: Signature,
}

impl Receipt {
    fn answers_bytes(&self) -> (Vec<u8>, Vec<u8>) {
        let mut times = Vec::new();
        for time_ms in &self.times_ms {
            put_varint(&mut times, zigzag(self.received_ms.wrapping_sub(*time_ms)));
        }
        (encode_answers(&self.answers), times)
    }

    /// What is signed: district, and the fields with the hash of answers and times in their place.
    fn signed_bytes(&self, district: DistrictId) -> Vec<u8> {
        let (answers, times) = self.answers_bytes();
        let digest = Hash::of(&[
            b"gridwork/answers/1",
            &(answers.len() as u64).to_be_bytes(),
            &answers,
            &times,
        ]);
        let mut out = FieldWriter::after(district.as_bytes());
        self.write_range(&mut out);
        out.bytes(9, &digest.0).bytes(12, self.key_id.as_bytes());
        out.finish()
    }

    fn write_range(&self, out: &mut FieldWriter) {
        out.integer(1, u64::from(self.epoch.0))
            .bytes(2, self.replica.as_bytes())
            .integer(3, self.from.0)
            .integer(4, self.to.0)
            .bytes(5, &self.chain_hash.0)
            .integer(6, self.first_pos.0)
            .integer(7, self.last_pos.0)
            .signed(8, self.received_ms);
    }

    /// Signs the receipt in place.
    pub fn sign(&mut self, district: DistrictId, key: &SigningKey) {
        self.signature = key.sign(RECEIPT_TAG, &self.signed_bytes(district));
    }

    /// Whether the server's key signed exactly this for this district.
    pub fn is_signed_by(&self, district: DistrictId, key: &VerifyingKey) -> bool {
        verify(
            key,
            RECEIPT_TAG,
            &self.signed_bytes(district),
            &self.signature,
        )
    }

    /// The bytes on the wire and in tables.
    pub fn encode(&self) -> Vec<u8> {
        let (answers, times) = self.answers_bytes();
        let mut out = FieldWriter::default();
        self.write_range(&mut out);
        out.bytes(10, &answers)
            .bytes(11, &times)
            .bytes(12, self.key_id.as_bytes())
            .bytes(13, &self.signature.0);
        out.finish()
    }

    /// Reads a receipt; says nothing about its signature.
    ///
    /// # Errors
    /// What is wrong with the bytes, ranges that do not fit each other included.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[])?;
        let (from, to) = (Seq(fields.integer(3)?), Seq(fields.integer(4)?));
        let count = usize::try_from(to.0.saturating_sub(from.0))
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        if from.0 == 0 || to < from || count > limits::BATCH_CHANGES_MAX {
            return Err(CodecError::BadField(4));
        }
        let (first_pos, last_pos) = (Pos(fields.integer(6)?), Pos(fields.integer(7)?));
        if last_pos.0.checked_sub(first_pos.0) != Some(count as u64 - 1) {
            return Err(CodecError::BadField(7));
        }
        let received_ms = fields.optional_signed(8)?.ok_or(CodecError::Missing(8))?;
        let answers = decode_answers(
            fields.optional_bytes(10)?.ok_or(CodecError::Missing(10))?,
            count,
        )?;
        let mut times = fields.optional_bytes(11)?.ok_or(CodecError::Missing(11))?;
        let mut times_ms = Vec::with_capacity(count);
        while !times.is_empty() {
            times_ms.push(received_ms.wrapping_sub(unzigzag(take_varint(&mut times)?)));
        }
        if answers.len() != count || times_ms.len() != count {
            return Err(CodecError::BadField(10));
        }
        Ok(Self {
            epoch: fields.epoch(1)?,
            replica: ReplicaId(uuid::Uuid::from_bytes(fields.array(2)?)),
            from,
            to,
            chain_hash: Hash(fields.array(5)?),
            first_pos,
            last_pos,
            received_ms,
            answers,
            times_ms,
            key_id: key_id(&fields, 12)?,
            signature: Signature(fields.array(13)?),
        })
    }

    /// The answer, place and time of one change of the range.
    pub fn answer(&self, seq: Seq) -> Option<(&Answer, Pos, i64)> {
        let index = usize::try_from(seq.0.checked_sub(self.from.0)?).ok()?;
        let answer = self.answers.get(index)?;
        Some((
            answer,
            Pos(self.first_pos.0 + index as u64),
            self.times_ms[index],
        ))
    }
}

pub(super) fn key_id(fields: &Fields<'_>, tag: u64) -> Result<String, CodecError> {
    let bytes = fields
        .optional_bytes(tag)?
        .ok_or(CodecError::Missing(tag))?;
    match std::str::from_utf8(bytes) {
        Ok(text)
            if (1..=32).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(CodecError::BadField(tag)),
    }
}

/// The head of the log under the server's name. Phones keep the last ones and refuse one that does not extend them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead {
    /// The epoch.
    pub epoch: Epoch,
    /// The last place.
    pub pos: Pos,
    /// The log's chain hash there.
    pub hash: Hash,
    /// The name of the server's key.
    pub key_id: String,
    /// The signature.
    pub signature: Signature,
}

impl SignedHead {
    /// Signs a head.
    pub fn sign(
        district: DistrictId,
        epoch: Epoch,
        pos: Pos,
        hash: Hash,
        key_id: &str,
        key: &SigningKey,
    ) -> Self {
        let mut head = Self {
            epoch,
            pos,
            hash,
            key_id: key_id.to_owned(),
            signature: Signature([0; 64]),
        };
        head.signature = key.sign(HEAD_TAG, &head.signed_bytes(district));
        head
    }

    fn signed_bytes(&self, district: DistrictId) -> Vec<u8> {
        let mut out = FieldWriter::after(district.as_bytes());
        out.integer(1, u64::from(self.epoch.0))
            .integer(2, self.pos.0)
            .bytes(3, &self.hash.0)
            .bytes(4, self.key_id.as_bytes());
        out.finish()
    }

    /// Whether the server's key signed exactly this for this district.
    pub fn is_signed_by(&self, district: DistrictId, key: &VerifyingKey) -> bool {
        verify(key, HEAD_TAG, &self.signed_bytes(district), &self.signature)
    }

    /// The bytes on the wire and in tables.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.integer(1, u64::from(self.epoch.0))
            .integer(2, self.pos.0)
            .bytes(3, &self.hash.0)
            .bytes(4, self.key_id.as_bytes())
            .bytes(5, &self.signature.0);
        out.finish()
    }

    /// Reads a head; says nothing about its signature.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[])?;
        Ok(Self {
            epoch: fields.epoch(1)?,
            pos: Pos(fields.integer(2)?),
            hash: Hash(fields.array(3)?),
            key_id: key_id(&fields, 4)?,
            signature: Signature(fields.array(5)?),
        })
    }
}

/// The server's order to wipe a revoked replica, which the phone carries out when none of its work is unsafe any more.
/// Without the server's signature an answer that says "revoked" is nobody's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WipeOrder {
    /// Which replica.
    pub replica: ReplicaId,
    /// When it was revoked.
    pub revoked_ms: i64,
    /// The name of the server's key.
    pub key_id: String,
    /// The signature.
    pub signature: Signature,
}

impl WipeOrder {
    /// Signs an order.
    pub fn sign(
        district: DistrictId,
        replica: ReplicaId,
        revoked_ms: i64,
        key_id: &str,
        key: &SigningKey,
    ) -> Self {
        let mut order = Self {
            replica,
            revoked_ms,
            key_id: key_id.to_owned(),
            signature: Signature([0; 64]),
        };
        order.signature = key.sign(WIPE_TAG, &order.signed_bytes(district));
        order
    }

    fn signed_bytes(&self, district: DistrictId) -> Vec<u8> {
        let mut out = FieldWriter::after(district.as_bytes());
        out.bytes(1, self.replica.as_bytes())
            .signed(2, self.revoked_ms)
            .bytes(3, self.key_id.as_bytes());
        out.finish()
    }

    /// Whether the server's key signed exactly this for this district.
    pub fn is_signed_by(&self, district: DistrictId, key: &VerifyingKey) -> bool {
        verify(key, WIPE_TAG, &self.signed_bytes(district), &self.signature)
    }

    /// The bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.bytes(1, self.replica.as_bytes())
            .signed(2, self.revoked_ms)
            .bytes(3, self.key_id.as_bytes())
            .bytes(4, &self.signature.0);
        out.finish()
    }

    /// Reads an order; says nothing about its signature.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[])?;
        Ok(Self {
            replica: ReplicaId(uuid::Uuid::from_bytes(fields.array(1)?)),
            revoked_ms: fields.optional_signed(2)?.ok_or(CodecError::Missing(2))?,
            key_id: key_id(&fields, 3)?,
            signature: Signature(fields.array(4)?),
        })
    }
}
