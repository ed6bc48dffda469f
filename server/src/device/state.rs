//! What a device can tell of itself: counts, places and digests, and its outbox line by line.

use serde::Serialize;
use serde_json::{Value, json};
use sync_core::change::Hash;
use sync_core::hex;
use sync_core::messages::{Catalogue, Language};
use sync_core::replica::{Condition, OutboxItem};
use uuid::Uuid;

use super::DeviceError;
use super::headless::{Device, Tally};

/// The state of a device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceState {
    /// The name that it speaks under.
    pub replica: Uuid,
    /// The district's short number of it.
    pub replica_no: u32,
    /// Whose it is.
    pub person: u32,
    /// `ok`, `forked`, `upgrade_required`, `revoked` or `wiped`.
    pub condition: &'static str,
    /// The log's epoch as last heard.
    pub epoch: u32,
    /// The last change made under the present name.
    pub head_seq: u64,
    /// The chain's hash there.
    pub head_hash: String,
    /// Up to which place of the log it holds its scope.
    pub cursor_pos: u64,
    /// The version of its scope.
    pub scope_version: u32,
    /// A hash of its scope: equal scopes have equal ones.
    pub scope: Option<String>,
    /// Records in scope.
    pub records: u64,
    /// Own changes without a verified receipt.
    pub waiting: u64,
    /// Received and held.
    pub held: u64,
    /// Quarantined or not applied.
    pub needs_repair: u64,
    /// Ended by a person without effect.
    pub returned: u64,
    /// Records with a field of more than one value.
    pub conflicts: u64,
    /// Records that are asked for, because their copy is not whole.
    pub stale: u64,
    /// The digest over records and places that is compared with the server's.
    pub digest: String,
    /// A hash over all bytes of all records: equal on devices of one scope at one place.
    pub state_digest: String,
    /// What happened since the device was opened.
    #[serde(flatten)]
    pub tally: Tally,
    /// Whether nothing is left to say or to fetch, as far as the last answer told.
    pub idle: bool,
}

impl DeviceState {
    /// Reads it.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn of(device: &Device) -> Result<Self, DeviceError> {
        let replica = device.replica();
        let (head_seq, head_hash) = replica.head()?;
        let counts = replica.counts()?;
        let cursor = replica.cursor()?;
        let scope = replica.scope()?;
        Ok(Self {
            replica: replica.replica_id().0,
            replica_no: replica.replica_no().0,
            person: replica.person().0,
            condition: word_of(replica.condition()?),
            epoch: replica.epoch()?.0,
            head_seq: head_seq.0,
            head_hash: hex::encode(&head_hash.0),
            cursor_pos: cursor.pos.0,
            scope_version: cursor.scope_version.0,
            scope: scope.map(|scope| hex::encode(&Hash::of(&[&scope.encode()]).0)),
            records: counts.records,
            waiting: counts.waiting,
            held: counts.held,
            needs_repair: counts.needs_repair,
            returned: counts.returned,
            conflicts: counts.conflicts,
            stale: counts.stale,
            digest: hex::encode(&replica.digest()?.to_bytes()),
            state_digest: hex::encode(&replica.state_digest()?.0),
            tally: device.tally,
            idle: device.is_idle(),
        })
    }
}

fn word_of(condition: Condition) -> &'static str {
    match condition {
        Condition::Ok => "ok",
        Condition::Forked => "forked",
        Condition::UpgradeRequired => "upgrade_required",
        Condition::Revoked => "revoked",
        Condition::Wiped => "wiped",
    }
}

/// The outbox: each line with its word and its problems, as the person reads them in both languages.
///
/// # Errors
/// See [`DeviceError`].
pub fn outbox(device: &Device) -> Result<Vec<Value>, DeviceError> {
    let items = device.replica().outbox()?;
    Ok(items.iter().map(line_of).collect())
}

fn line_of(item: &OutboxItem) -> Value {
    let text = |language, key: &str| Catalogue::of(language).text(key, &[]);
    let open = item
        .open
        .as_deref()
        .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let problems: Vec<Value> = item
        .problems
        .iter()
        .map(|problem| json!({"code": problem.code.as_str(), "field": problem.field}))
        .collect();
    json!({
        "replica": item.replica.0,
        "seq": item.seq.0,
        "record": item.record.0,
        "intent": item.intent,
        "payload": open,
        "time_ms": item.time_ms,
        "word_zh": text(Language::Chinese, item.word.message_key()),
        "word_en": text(Language::English, item.word.message_key()),
        "next_zh": text(Language::Chinese, item.next.message_key()),
        "next_en": text(Language::English, item.next.message_key()),
        "problems": problems,
        "reason": item.reason,
    })
}
