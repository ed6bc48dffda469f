//! What arrives at the server, and what the model predicts of it.

use super::log::{plain_answer, plain_header};
use super::plain::{Answer, Change, Clocks, Place, ReplicaKey};
use sync_core::change::{Hash, Header};
use sync_core::codec::CodecError;
use sync_core::ids::DistrictId;
use sync_core::wire::{Receipt, RequestBody};

/// A request whose frame and signature are good.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who asks.
    pub replica: ReplicaKey,
    /// When it arrived, by the server's clock.
    pub received_ms: i64,
    /// The epoch that the sender knows.
    pub epoch: u32,
    /// The last change made, and its hash.
    pub head: (u64, [u8; 32]),
    /// The first change of the batch.
    pub first_seq: u64,
    /// The hash before it.
    pub prev_hash: [u8; 32],
    /// The batch.
    pub changes: Vec<Change>,
    /// The device's clocks when it was sent.
    pub sent_at: Clocks,
    /// Receipts of an earlier epoch that the server's key signed. Others are left out: they count for nothing.
    pub receipts: Vec<OfferedReceipt>,
}

/// A receipt that comes back after a restore.
#[derive(Clone, Debug)]
pub struct OfferedReceipt {
    /// Whose changes.
    pub replica: ReplicaKey,
    /// The epoch of its places.
    pub epoch: u32,
    /// The first change and the last.
    pub range: (u64, u64),
    /// The hash of the last.
    pub chain_hash: [u8; 32],
    /// The position of the first.
    pub first_pos: u64,
    /// When they arrived.
    pub received_ms: i64,
    /// What was answered.
    pub answers: Vec<Answer>,
    /// When each was done.
    pub times_ms: Vec<i64>,
}

/// Whether the batch was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was answered.
    Ok,
    /// The server knows another chain, or more of it.
    Fork,
    /// The replica was revoked.
    Revoked,
}

/// What the server must answer to one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Which.
    pub seq: u64,
    /// The place that it has.
    pub place: Place,
    /// Its first place, when it was taken back in after a restore.
    pub first: Option<Place>,
    /// When it was done.
    pub time_ms: i64,
    /// The answer.
    pub answer: Answer,
}

/// A ruling that the server must make by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// Its place.
    pub place: Place,
    /// `released` or `repaired`, or what a person ruled.
    pub ruling: String,
    /// The position of the change that it is about.
    pub of: u64,
    /// What holds from then on.
    pub answer: Answer,
}

/// What must come of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// Whether it was taken.
    pub status: Status,
    /// The last change of the replica that the server has now.
    pub mark: u64,
    /// How many changes of the batch it had before.
    pub duplicates: u64,
    /// The answer to each change of the batch, old and new.
    pub answers: Vec<Answered>,
    /// The rulings that follow.
    pub rulings: Vec<Ruled>,
}

impl Prediction {
    /// Of something that brings rulings and takes no changes.
    pub fn of_rulings(rulings: Vec<Ruled>) -> Self {
        Self {
            status: Status::Ok,
            mark: 0,
            duplicates: 0,
            answers: Vec::new(),
            rulings,
        }
    }
}

/// A change cut out of a batch.
fn change(framed: &sync_core::change::FramedChange<'_>, seq: u64, hash: Hash) -> Change {
    let header = Header::decode(framed.header)
        .ok()
        .filter(|header| header.seq.0 == seq);
    let is_object = |bytes: &[u8]| serde_json::from_slice::<serde_json::Map<_, _>>(bytes).is_ok();
    Change {
        seq,
        hash: hash.0,
        written: header.map(|header| plain_header(&header)),
        open: framed.open().map(<[u8]>::to_vec),
        unreadable_parts: framed
            .parts
            .iter()
            .filter(|part| (1..=2).contains(&part.class.0) && !is_object(part.bytes))
            .map(|part| part.class.0)
            .collect(),
    }
}

impl Arrival {
    /// Reads a request's bytes. `is_genuine` says of a receipt whether a key of the server signed it.
    ///
    /// # Errors
    /// What is wrong with the frame.
    pub fn read(
        bytes: &[u8],
        district: DistrictId,
        received_ms: i64,
        is_genuine: impl Fn(&Receipt) -> bool,
    ) -> Result<Self, CodecError> {
        let body = RequestBody::read(bytes)?;
        let batch = body.batch()?;
        let request = body.request;
        let hashes = batch.chain(
            district,
            request.replica,
            request.first_seq,
            request.prev_hash,
        );
        let receipts = request
            .receipts
            .iter()
            .filter_map(|bytes| Receipt::decode(bytes).ok())
            .filter(|receipt| is_genuine(receipt))
            .map(|receipt| OfferedReceipt {
                replica: *receipt.replica.as_bytes(),
                epoch: receipt.epoch.0,
                range: (receipt.from.0, receipt.to.0),
                chain_hash: receipt.chain_hash.0,
                first_pos: receipt.first_pos.0,
                received_ms: receipt.received_ms,
                answers: receipt.answers.iter().map(plain_answer).collect(),
                times_ms: receipt.times_ms,
            })
            .collect();
        Ok(Self {
            replica: *request.replica.as_bytes(),
            received_ms,
            epoch: request.cursor.epoch.0,
            head: (request.head_seq.0, request.head_hash.0),
            first_seq: request.first_seq.0,
            prev_hash: request.prev_hash.0,
            changes: batch
                .changes
                .iter()
                .zip(hashes)
                .zip(request.first_seq.0..)
                .map(|((framed, hash), seq)| change(framed, seq, hash))
                .collect(),
            sent_at: Clocks {
                wall_ms: request.sent_at.wall_ms,
                monotonic_ms: request.sent_at.monotonic_ms,
                boot: request.sent_at.boot,
                skew_ms: request.sent_at.skew_ms,
            },
            receipts,
        })
    }
}
