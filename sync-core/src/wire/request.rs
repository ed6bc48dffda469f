//! What a replica sends: its marks, its cursor, and a batch of changes, signed by its key.
//!
//! `"GWQ1" | varint length | fields | signature | batch`. The signature covers the fields, which name the batch's last
//! hash; the chain covers the batch.

use crate::change::{Batch, Hash, Signature, SigningKey, VerifyingKey, verify};
use crate::codec::{CodecError, FieldWriter, Fields, put_prefixed, take, take_prefixed};
use crate::ids::{DistrictId, Epoch, Pos, RecordId, ReplicaId, ScopeVersion, Seq};
use crate::limits;
use crate::time::Evidence;

const MAGIC: &[u8; 4] = b"GWQ1";
const SIGNATURE_TAG: &str = "gridwork/sync/1";
const FIELDS_BYTES_MAX: usize = 1024 * 1024;

/// Up to where a replica holds what is in its scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch of `pos`; 0 before the first contact.
    pub epoch: Epoch,
    /// The scope that it was filled under.
    pub scope_version: ScopeVersion,
    /// Every entry of the scope at or below is held.
    pub pos: Pos,
    /// While images of a gained scope come: the district's number of the last record that came, plus one. 0 when done.
    pub backfill: u64,
}

/// The fields of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRequest {
    /// The protocol version.
    pub protocol: u32,
    /// The tenant.
    pub district: DistrictId,
    /// Who asks.
    pub replica: ReplicaId,
    /// Grows with each request of a replica; an answer to an older one is ignored.
    pub request_no: u64,
    /// The last change made, sent or not; 0 when there is none.
    pub head_seq: Seq,
    /// Its hash.
    pub head_hash: Hash,
    /// The device's clocks now.
    pub sent_at: Evidence,
    /// What the replica holds.
    pub cursor: Cursor,
    /// Where the batch starts; 0 when there is none.
    pub first_seq: Seq,
    /// The hash before the batch.
    pub prev_hash: Hash,
    /// How many changes the batch holds.
    pub count: u64,
    /// The hash of the batch's last change.
    pub end_hash: Hash,
    /// Receipts of an earlier epoch for what is offered again, oldest first.
    pub receipts: Vec<Vec<u8>>,
    /// Records to send as images: repair after a restore, a divergence or an upgrade.
    pub wanted: Vec<RecordId>,
    /// Whether the answer should bring a fresh access token.
    pub wants_token: bool,
    /// Bytes of items that the answer may hold; 0 for none.
    pub page_bytes_max: u64,
    /// The newest version of images that the replica reads.
    pub image_version: u32,
    /// The app's version, for the office's list of devices.
    pub app: String,
    /// The replica's enrolment certificate, when the server said that it does not know the replica; empty otherwise.
    pub certificate: Vec<u8>,
    /// How many keys of the server the replica knows; the answer brings those after.
    pub known_keys: u64,
    /// The last signed head that the replica has seen, as it came, so that a log that was rolled back is found out; empty
    /// when it shows none.
    pub last_head: Vec<u8>,
    /// The texts of documents that the replica holds, each by the first bytes of its SHA-256, when it asks for those that it
    /// lacks; `None` when it lacks none that it knows of.
    pub documents_held: Option<Vec<TextMark>>,
}

/// The first bytes of the SHA-256 of a document's text: enough to tell the few that a district has apart. Who takes a text
/// in holds it against the whole hash.
pub type TextMark = [u8; 8];

/// A request as cut from a body, its signature not yet checked.
#[derive(Clone, Debug)]
pub struct RequestBody<'a> {
    /// The fields as read.
    pub request: SyncRequest,
    fields: &'a [u8],
    signature: Signature,
    batch: &'a [u8],
}

mod tag {
    pub const PROTOCOL: u64 = 1;
    pub const DISTRICT: u64 = 2;
    pub const REPLICA: u64 = 3;
    pub const REQUEST_NO: u64 = 4;
    pub const HEAD_SEQ: u64 = 5;
    pub const HEAD_HASH: u64 = 6;
    pub const WALL_MS: u64 = 7;
    pub const MONOTONIC_MS: u64 = 8;
    pub const BOOT: u64 = 9;
    pub const SKEW_MS: u64 = 10;
    pub const EPOCH: u64 = 11;
    pub const SCOPE_VERSION: u64 = 12;
    pub const POS: u64 = 13;
    pub const BACKFILL: u64 = 14;
    pub const FIRST_SEQ: u64 = 15;
    pub const PREV_HASH: u64 = 16;
    pub const COUNT: u64 = 17;
    pub const END_HASH: u64 = 18;
    pub const RECEIPT: u64 = 19;
    pub const WANTED: u64 = 20;
    pub const WANTS_TOKEN: u64 = 21;
    pub const PAGE_BYTES_MAX: u64 = 22;
    pub const IMAGE_VERSION: u64 = 23;
    pub const APP: u64 = 24;
    pub const CERTIFICATE: u64 = 25;
    pub const KNOWN_KEYS: u64 = 26;
    pub const LAST_HEAD: u64 = 27;
    pub const DOCUMENTS_HELD: u64 = 28;
}

impl SyncRequest {
    fn encode_fields(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.integer(tag::PROTOCOL, u64::from(self.protocol))
            .bytes(tag::DISTRICT, self.district.as_bytes())
            .bytes(tag::REPLICA, self.replica.as_bytes())
            .integer(tag::REQUEST_NO, self.request_no)
            .nonzero(tag::HEAD_SEQ, self.head_seq.0);
        if self.head_seq.0 > 0 {
            out.bytes(tag::HEAD_HASH, &self.head_hash.0);
        }
        out.signed(tag::WALL_MS, self.sent_at.wall_ms)
            .nonzero(tag::MONOTONIC_MS, self.sent_at.monotonic_ms)
            .nonzero(tag::BOOT, self.sent_at.boot);
        if self.sent_at.skew_ms != 0 {
            out.signed(tag::SKEW_MS, self.sent_at.skew_ms);
        }
        out.nonzero(tag::EPOCH, u64::from(self.cursor.epoch.0))
            .nonzero(tag::SCOPE_VERSION, u64::from(self.cursor.scope_version.0))
            .nonzero(tag::POS, self.cursor.pos.0)
            .nonzero(tag::BACKFILL, self.cursor.backfill);
        if self.count > 0 {
            out.integer(tag::FIRST_SEQ, self.first_seq.0);
            if self.first_seq.0 > 1 {
                out.bytes(tag::PREV_HASH, &self.prev_hash.0);
            }
            out.integer(tag::COUNT, self.count);
            if self.end_hash != self.head_hash {
                out.bytes(tag::END_HASH, &self.end_hash.0);
            }
        }
        for receipt in &self.receipts {
            out.bytes(tag::RECEIPT, receipt);
        }
        if !self.wanted.is_empty() {
            let ids: Vec<u8> = self
                .wanted
                .iter()
                .flat_map(|record| *record.as_bytes())
                .collect();
            out.bytes(tag::WANTED, &ids);
        }
        out.nonzero(tag::WANTS_TOKEN, u64::from(self.wants_token))
            .nonzero(tag::PAGE_BYTES_MAX, self.page_bytes_max)
            .nonzero(tag::IMAGE_VERSION, u64::from(self.image_version));
        if !self.app.is_empty() {
            out.bytes(tag::APP, self.app.as_bytes());
        }
        if !self.certificate.is_empty() {
            out.bytes(tag::CERTIFICATE, &self.certificate);
        }
        if self.known_keys != 1 {
            out.integer(tag::KNOWN_KEYS, self.known_keys);
        }
        if !self.last_head.is_empty() {
            out.bytes(tag::LAST_HEAD, &self.last_head);
        }
        if let Some(held) = &self.documents_held {
            out.bytes(tag::DOCUMENTS_HELD, held.as_flattened());
        }
        out.finish()
    }

    /// The whole body: fields, signature, batch.
    pub fn encode(&self, batch: &[u8], key: &SigningKey) -> Vec<u8> {
        let fields = self.encode_fields();
        let mut out = Vec::with_capacity(fields.len() + batch.len() + 80);
        out.extend_from_slice(MAGIC);
        put_prefixed(&mut out, &fields);
        out.extend_from_slice(&key.sign(SIGNATURE_TAG, &fields).0);
        out.extend_from_slice(batch);
        out
    }

    fn decode_fields(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[tag::RECEIPT])?;
        let uuid = |tag| fields.array::<16>(tag).map(uuid::Uuid::from_bytes);
        let hash = |tag| {
            fields
                .optional_array::<32>(tag)
                .map(|bytes| bytes.map(Hash))
        };
        let number = |tag| Ok::<_, CodecError>(fields.optional_integer(tag)?.unwrap_or(0));
        let head_hash = hash(tag::HEAD_HASH)?.unwrap_or_default();
        let count = number(tag::COUNT)?;
        let receipts = fields.repeated_bytes(tag::RECEIPT)?;
        if receipts.len() > limits::REOFFERED_RECEIPTS_MAX {
            return Err(CodecError::OverLimit {
                what: "receipts",
                limit: limits::REOFFERED_RECEIPTS_MAX,
            });
        }
        let app = fields.optional_bytes(tag::APP)?.unwrap_or_default();
        let app = std::str::from_utf8(app).map_err(|_| CodecError::BadField(tag::APP))?;
        if app.len() > 64 || app.chars().any(char::is_control) {
            return Err(CodecError::BadField(tag::APP));
        }
        Ok(Self {
            protocol: fields.u32_or_zero(tag::PROTOCOL)?,
            district: DistrictId(uuid(tag::DISTRICT)?),
            replica: ReplicaId(uuid(tag::REPLICA)?),
            request_no: fields.integer(tag::REQUEST_NO)?,
            head_seq: Seq(number(tag::HEAD_SEQ)?),
            head_hash,
            sent_at: Evidence {
                wall_ms: fields
                    .optional_signed(tag::WALL_MS)?
                    .ok_or(CodecError::Missing(tag::WALL_MS))?,
                monotonic_ms: number(tag::MONOTONIC_MS)?,
                boot: number(tag::BOOT)?,
                skew_ms: fields.optional_signed(tag::SKEW_MS)?.unwrap_or(0),
            },
            cursor: Cursor {
                epoch: fields.epoch(tag::EPOCH)?,
                scope_version: ScopeVersion(fields.u32_or_zero(tag::SCOPE_VERSION)?),
                pos: Pos(number(tag::POS)?),
                backfill: number(tag::BACKFILL)?,
            },
            first_seq: Seq(number(tag::FIRST_SEQ)?),
            prev_hash: hash(tag::PREV_HASH)?.unwrap_or_default(),
            count,
            end_hash: hash(tag::END_HASH)?.unwrap_or(if count > 0 {
                head_hash
            } else {
                Hash::ZERO
            }),
            receipts: receipts.into_iter().map(<[u8]>::to_vec).collect(),
            wanted: read_ids(fields.optional_bytes(tag::WANTED)?.unwrap_or_default())?,
            wants_token: number(tag::WANTS_TOKEN)? != 0,
            page_bytes_max: number(tag::PAGE_BYTES_MAX)?,
            image_version: fields.u32_or_zero(tag::IMAGE_VERSION)?,
            app: app.to_owned(),
            certificate: fields
                .optional_bytes(tag::CERTIFICATE)?
                .unwrap_or_default()
                .to_vec(),
            known_keys: fields.optional_integer(tag::KNOWN_KEYS)?.unwrap_or(1),
            last_head: fields
                .optional_bytes(tag::LAST_HEAD)?
                .unwrap_or_default()
                .to_vec(),
            documents_held: fields
                .optional_bytes(tag::DOCUMENTS_HELD)?
                .map(read_text_marks)
                .transpose()?,
        })
    }
}

fn read_ids(bytes: &[u8]) -> Result<Vec<RecordId>, CodecError> {
    if bytes.len() > 16 * limits::WANTED_RECORDS_MAX {
        return Err(CodecError::OverLimit {
            what: "wanted records",
            limit: limits::WANTED_RECORDS_MAX,
        });
    }
    let ids = bytes.chunks_exact(16);
    if !ids.remainder().is_empty() {
        return Err(CodecError::BadField(tag::WANTED));
    }
    Ok(ids
        .map(|id| RecordId::from_slice(id).expect("BUG: 16 bytes"))
        .collect())
}

fn read_text_marks(bytes: &[u8]) -> Result<Vec<TextMark>, CodecError> {
    if bytes.len() > size_of::<TextMark>() * limits::DOCUMENT_TEXTS_MAX {
        return Err(CodecError::OverLimit {
            what: "texts of documents",
            limit: limits::DOCUMENT_TEXTS_MAX,
        });
    }
    let (marks, rest) = bytes.as_chunks::<{ size_of::<TextMark>() }>();
    if rest.is_empty() {
        Ok(marks.to_vec())
    } else {
        Err(CodecError::BadField(tag::DOCUMENTS_HELD))
    }
}

impl<'a> RequestBody<'a> {
    /// Cuts a body into fields, signature and batch, and reads the fields.
    ///
    /// # Errors
    /// What is wrong with the frame; such a body gets a 4xx, since no change in it can be told apart.
    pub fn read(mut body: &'a [u8]) -> Result<Self, CodecError> {
        if take(&mut body, 4)? != MAGIC {
            return Err(CodecError::UnknownVersion);
        }
        let fields = take_prefixed(&mut body, FIELDS_BYTES_MAX, "request fields")?;
        let signature = Signature(take(&mut body, 64)?.try_into().expect("BUG: took 64 bytes"));
        let request = SyncRequest::decode_fields(fields)?;
        if request.count > 0 && request.first_seq.0 == 0 {
            return Err(CodecError::Missing(tag::FIRST_SEQ));
        }
        if request.first_seq.0.checked_add(request.count).is_none() {
            return Err(CodecError::BadField(tag::FIRST_SEQ));
        }
        if request.count > limits::BATCH_CHANGES_MAX as u64 {
            return Err(CodecError::OverLimit {
                what: "changes in a batch",
                limit: limits::BATCH_CHANGES_MAX,
            });
        }
        Ok(Self {
            request,
            fields,
            signature,
            batch: body,
        })
    }

    /// Whether the replica's key signed these fields.
    pub fn is_signed_by(&self, key: &VerifyingKey) -> bool {
        verify(key, SIGNATURE_TAG, self.fields, &self.signature)
    }

    /// Cuts the batch into changes.
    ///
    /// # Errors
    /// What is wrong with the frame.
    pub fn batch(&self) -> Result<Batch<'a>, CodecError> {
        Batch::read(self.request.count as usize, self.batch)
    }
}
