//! What the server answers: receipts, a page, the signed head. `"GWR1" | fields`.

use super::key_link::KeyLink;
use super::receipt::{Receipt, SignedHead, WipeOrder};
use super::request::Cursor;
use crate::change::Hash;
use crate::codec::{CodecError, FieldWriter, Fields, take};
use crate::digest::SetDigest;
use crate::ids::{DocumentsVersion, Epoch, Pos, ReplicaNo, ScopeVersion, Seq};
use crate::scope::Scope;

const MAGIC: &[u8; 4] = b"GWR1";
/// An answer ends in so many bytes of a hash over the rest. Fields may be left out, so a shorter answer could pass for a
/// whole one, and items are not signed: what a bad proxy or a flipped bit made of an answer must change nothing.
const CHECK_BYTES: usize = 8;

/// What stands at the end of an answer whose other bytes are these.
pub fn check_of(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Hash::of(&[b"gridwork/answer/1", bytes]);
    *hash.0.first_chunk().expect("BUG: a hash has 32 bytes")
}

/// What an answer as a whole says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The batch was answered.
    #[default]
    Ok = 0,
    /// The server knows another chain, or more of it, under this replica's name: a clone or a restored copy.
    /// Nothing of the batch was taken; the phone continues as a new replica.
    Fork = 1,
    /// Uploads were taken; downloads need a newer app.
    UpgradeRequired = 2,
    /// The replica was revoked: its batch was quarantined, nothing comes down, and when nothing is unsent any more it
    /// is to be wiped.
    Revoked = 3,
}

impl Status {
    fn from_code(code: u64) -> Option<Self> {
        [Self::Ok, Self::Fork, Self::UpgradeRequired, Self::Revoked]
            .into_iter()
            .find(|status| *status as u64 == code)
    }
}

/// The fields of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncResponse {
    /// Echo of the request's number.
    pub request_no: u64,
    /// What it says as a whole.
    pub status: Status,
    /// The log's epoch.
    pub epoch: Epoch,
    /// Up to which place the log of the request's cursor and this one are the same, when its epoch is another; otherwise
    /// the place where the epoch began.
    pub epoch_start: Pos,
    /// The last change of this replica that the server has.
    pub mark: Seq,
    /// How many changes of the batch were repeats.
    pub duplicates: u64,
    /// Receipts for the batch, in chain order.
    pub receipts: Vec<Receipt>,
    /// When the request arrived, for the phone's skew.
    pub received_ms: i64,
    /// The replica's last change that has reached the second place; 0 when none has or there is no second place.
    pub safe_seq: Seq,
    /// The scope, when the replica's is an older version.
    pub scope: Option<Scope>,
    /// The page's items, see [`super::read_items`].
    pub items: Vec<u8>,
    /// The cursor after this page.
    pub cursor: Cursor,
    /// Whether more pages follow.
    pub more: bool,
    /// The digest of the scope at the cursor; only when no more follows.
    pub digest: Option<SetDigest>,
    /// The signed head of the log.
    pub head: Option<SignedHead>,
    /// A fresh access token.
    pub token: Option<String>,
    /// How many entries of the log have changed the documents.
    pub documents: DocumentsVersion,
    /// The district's short number of this replica.
    pub replica_no: ReplicaNo,
    /// The order to wipe, with [`Status::Revoked`].
    pub wipe: Option<WipeOrder>,
    /// Keys of the server after those that the replica knows, in their order.
    pub keys: Vec<KeyLink>,
    /// The versions of documents that are in force and those to come, see [`crate::documents::Manifest`]; only for a replica
    /// that asks.
    pub manifest: Option<Vec<u8>>,
    /// Texts of those that the replica does not hold, as many as the answer has room for.
    pub texts: Vec<Vec<u8>>,
}

impl SyncResponse {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::after(MAGIC);
        out.integer(1, self.request_no)
            .nonzero(2, self.status as u64)
            .integer(3, u64::from(self.epoch.0))
            .nonzero(4, self.epoch_start.0)
            .nonzero(5, self.mark.0)
            .nonzero(6, self.duplicates);
        for receipt in &self.receipts {
            out.bytes(7, &receipt.encode());
        }
        out.signed(8, self.received_ms)
            .nonzero(9, self.safe_seq.0)
            .nonzero(10, u64::from(self.cursor.scope_version.0));
        if let Some(scope) = &self.scope {
            out.bytes(11, &scope.encode());
        }
        if !self.items.is_empty() {
            out.bytes(12, &self.items);
        }
        out.nonzero(13, u64::from(self.cursor.epoch.0))
            .nonzero(14, self.cursor.pos.0)
            .nonzero(15, self.cursor.backfill)
            .nonzero(16, u64::from(self.more));
        if let Some(digest) = self.digest {
            out.bytes(17, &digest.to_bytes());
        }
        if let Some(head) = &self.head {
            out.bytes(18, &head.encode());
        }
        if let Some(token) = &self.token {
            out.bytes(19, token.as_bytes());
        }
        out.nonzero(20, u64::from(self.documents.0))
            .nonzero(21, u64::from(self.replica_no.0));
        if let Some(wipe) = &self.wipe {
            out.bytes(22, &wipe.encode());
        }
        for link in &self.keys {
            out.bytes(23, &link.encode());
        }
        if let Some(manifest) = &self.manifest {
            out.bytes(24, manifest);
        }
        for text in &self.texts {
            out.bytes(25, text);
        }
        let mut bytes = out.finish();
        let check = check_of(&bytes);
        bytes.extend(check);
        bytes
    }

    /// Reads an answer; says nothing about the signatures in it.
    ///
    /// # Errors
    /// What is wrong with the bytes. A captive portal's page is [`CodecError::UnknownVersion`], never an answer; one that was
    /// cut or changed on its way is [`CodecError::Spoilt`].
    pub fn decode(mut bytes: &[u8]) -> Result<Self, CodecError> {
        let whole = bytes;
        if bytes.len() < 4 || take(&mut bytes, 4)? != MAGIC {
            return Err(CodecError::UnknownVersion);
        }
        let Some((told, check)) = whole.split_last_chunk::<CHECK_BYTES>() else {
            return Err(CodecError::Truncated);
        };
        if check_of(told) != *check {
            return Err(CodecError::Spoilt);
        }
        let bytes = told.get(MAGIC.len()..).ok_or(CodecError::Truncated)?;
        let fields = Fields::read(bytes, &[7, 23, 25])?;
        let number = |tag| Ok::<_, CodecError>(fields.optional_integer(tag)?.unwrap_or(0));
        let token = fields
            .optional_bytes(19)?
            .map(|bytes| String::from_utf8(bytes.to_vec()));
        Ok(Self {
            request_no: fields.integer(1)?,
            status: Status::from_code(number(2)?).ok_or(CodecError::BadField(2))?,
            epoch: fields.epoch(3)?,
            epoch_start: Pos(number(4)?),
            mark: Seq(number(5)?),
            duplicates: number(6)?,
            receipts: fields
                .repeated_bytes(7)?
                .into_iter()
                .map(Receipt::decode)
                .collect::<Result<_, _>>()?,
            received_ms: fields.optional_signed(8)?.ok_or(CodecError::Missing(8))?,
            safe_seq: Seq(number(9)?),
            scope: fields.optional_bytes(11)?.map(Scope::decode).transpose()?,
            items: fields.optional_bytes(12)?.unwrap_or_default().to_vec(),
            cursor: Cursor {
                epoch: fields.epoch(13)?,
                scope_version: ScopeVersion(fields.u32_or_zero(10)?),
                pos: Pos(number(14)?),
                backfill: number(15)?,
            },
            more: number(16)? != 0,
            digest: fields
                .optional_array::<24>(17)?
                .map(|bytes| SetDigest::from_bytes(&bytes)),
            head: fields
                .optional_bytes(18)?
                .map(SignedHead::decode)
                .transpose()?,
            token: token.transpose().map_err(|_| CodecError::BadField(19))?,
            documents: DocumentsVersion(fields.u32_or_zero(20)?),
            replica_no: ReplicaNo(fields.u32_or_zero(21)?),
            wipe: fields
                .optional_bytes(22)?
                .map(WipeOrder::decode)
                .transpose()?,
            keys: fields
                .repeated_bytes(23)?
                .into_iter()
                .map(KeyLink::decode)
                .collect::<Result<_, _>>()?,
            manifest: fields.optional_bytes(24)?.map(<[u8]>::to_vec),
            texts: fields
                .repeated_bytes(25)?
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect(),
        })
    }
}
