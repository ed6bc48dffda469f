//! Taking in an answer of the server: receipts, scope, page, rulings, cursor and digest, in one transaction.

use super::documents::{self, DocumentNews};
use super::meta::{Condition, Identity, Meta};
use super::{Replica, ReplicaError, epoch, items, overlay, purge, receipts, record};
use crate::canary::{Canary, is_awake};
use crate::codec::CodecError;
use crate::ids::{RecordId, Seq};
use crate::time::Evidence;
use crate::wire::{Item, Status, SyncResponse, read_items};
use rusqlite::{Connection, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};

/// How often a record is asked for in vain before it counts as gone from the scope.
const ASKED_MAX: i64 = 3;
/// How many full repairs in a row are tried before a mismatch is only reported.
const REPAIRS_MAX: i64 = 2;

/// Why an answer was not taken in. Nothing of it was stored then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The answer's items cannot be read.
    #[error("the page cannot be read")]
    Page(#[from] CodecError),
    /// A receipt does not fit what this replica made.
    #[error("a receipt is not valid: {0}")]
    BadReceipt(&'static str),
    /// The log's head does not extend what was seen before.
    #[error("the signed head is not valid: {0}")]
    BadHead(&'static str),
    /// The answer says that the replica was revoked, but not under the server's name.
    #[error("the wipe order is not valid")]
    BadWipeOrder,
    /// Something is signed with a key that this replica does not know.
    #[error("the server's key {0} is not known")]
    UnknownKey(String),
    /// A new key of the server is not signed with the one before it.
    #[error("the server's new key {0} is not signed with the one before")]
    BadServerKey(String),
    /// The answer speaks of an earlier epoch than one before it.
    #[error("the answer is of an epoch that has passed")]
    OldEpoch,
    /// The database refused.
    #[error("the answer could not be stored")]
    Replica(#[from] ReplicaError),
}

impl From<rusqlite::Error> for ApplyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Replica(error.into())
    }
}

/// What the answered request said, as far as taking in its answer needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// Its number.
    pub request_no: u64,
    /// The device's clocks when it was sent.
    pub sent_at: Evidence,
    /// The first change of its batch; 0 when there was none.
    pub first_seq: Seq,
    /// How many changes.
    pub count: u64,
    /// The records that it asked for.
    pub wanted: Vec<RecordId>,
    /// Whether it asked for documents.
    pub asked_documents: bool,
}

/// What an answer brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Own changes that got a receipt.
    pub receipted: u64,
    /// Entries that were added to a record's state.
    pub entries: u64,
    /// Images that replaced one.
    pub images: u64,
    /// Records that left the replica.
    pub left: u64,
    /// Whether more pages follow.
    pub more: bool,
    /// Whether a new epoch began: the server was restored, and what it lost will be offered again.
    pub new_epoch: bool,
    /// Whether the digest showed that the replica differs from the server, and a repair began.
    pub repairs: bool,
    /// Whether it still differs after repairs: a defect to report, not to retry.
    pub diverged: bool,
    /// Whether another database speaks under this replica's name.
    pub forked: bool,
    /// Whether the replica was revoked.
    pub revoked: bool,
    /// Whether downloads need a newer app.
    pub upgrade_required: bool,
    /// What became of the documents.
    pub documents: DocumentNews,
}

/// What the steps of one transaction share.
pub(super) struct Work<'a> {
    pub connection: &'a Connection,
    pub identity: &'a Identity,
    pub meta: Meta,
    /// Records with own changes that may still stand over the image.
    pub with_overlay: BTreeSet<RecordId>,
    /// Records whose list columns are to be made anew.
    pub touched: BTreeSet<RecordId>,
    pub applied: Applied,
}

impl<'a> Work<'a> {
    pub fn start(connection: &'a Connection, identity: &'a Identity) -> Result<Self, ReplicaError> {
        let mut statement =
            connection.prepare_cached("SELECT DISTINCT record FROM own WHERE settled = 0")?;
        let mut rows = statement.query([])?;
        let mut with_overlay = BTreeSet::new();
        while let Some(row) = rows.next()? {
            with_overlay.insert(record::id(row, 0)?);
        }
        Ok(Self {
            connection,
            identity,
            meta: Meta::load(connection)?,
            with_overlay,
            touched: BTreeSet::new(),
            applied: Applied::default(),
        })
    }

    /// Settles, refreshes what looks different, drops frozen copies that nothing waits for, and stores the meta row.
    pub fn finish(&mut self, is_current: bool) -> Result<(), ReplicaError> {
        let settled = overlay::settle(self.connection, &self.meta, is_current)?;
        self.touched.extend(settled);
        for record in std::mem::take(&mut self.touched) {
            overlay::refresh(self.connection, self.identity, record)?;
        }
        self.applied.left += purge::drop_thawed(self.connection, &mut self.meta)?;
        Ok(())
    }
}

impl Replica {
    /// Takes in an answer whole, or nothing of it. Nothing at or below a record's own place is applied twice, so that an
    /// answer may come again.
    ///
    /// # Errors
    /// See [`ApplyError`]; the replica is as it was then.
    pub fn apply_response(
        &mut self,
        response: &SyncResponse,
        facts: &RequestFacts,
        now: Evidence,
    ) -> Result<Applied, ApplyError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut identity = self.identity.clone();
        if response.replica_no.0 != 0 && response.replica_no != identity.no {
            identity.renumber(&transaction, response.replica_no)?;
        }
        let mut work = Work::start(&transaction, &identity)?;
        take_in(&mut work, response, facts, now)?;
        work.meta.save(&transaction)?;
        let applied = work.applied;
        transaction.commit()?;
        self.identity = identity;
        Ok(applied)
    }
}

fn take_in(
    work: &mut Work<'_>,
    response: &SyncResponse,
    facts: &RequestFacts,
    now: Evidence,
) -> Result<(), ApplyError> {
    if response.epoch < work.meta.epoch {
        return Err(ApplyError::OldEpoch);
    }
    receipts::store_keys(work.connection, work.identity.district, &response.keys)?;
    if let Some(head) = &response.head {
        receipts::store_head(work.connection, work.identity.district, head)?;
    }
    note_contact(&mut work.meta, response, facts, &now);
    match response.status {
        // Nothing of the batch was taken and nothing comes down under a name that two databases share.
        Status::Fork => {
            work.meta.condition = Condition::Forked;
            work.applied.forked = true;
            return Ok(());
        }
        Status::UpgradeRequired => {
            work.meta.condition = Condition::UpgradeRequired;
            work.applied.upgrade_required = true;
        }
        Status::Revoked => {
            receipts::check_wipe(work.connection, work.identity, response.wipe.as_ref())?;
            work.meta.condition = Condition::Revoked;
            work.applied.revoked = true;
        }
        Status::Ok => work.meta.condition = Condition::Ok,
    }
    if response.epoch > work.meta.epoch {
        epoch::begin(work, response)?;
    }
    let answered = receipts::store(
        work.connection,
        work.identity,
        &work.meta,
        &response.receipts,
    )?;
    let Some(answered) = answered else {
        // The server's own word that it has another change at that place: a small batch need not show it to the server.
        work.meta.condition = Condition::Forked;
        work.applied.forked = true;
        return Ok(());
    };
    work.applied.receipted = answered.len() as u64;
    if is_awake(Canary::ReceiptNotNeeded) {
        let last = facts.first_seq.0 + facts.count;
        work.connection.execute(
            "UPDATE own SET standing = 2, answer = x'0100' WHERE chain = ?1 AND seq >= ?2 AND seq < ?3 AND answer IS NULL",
            params![work.identity.chain, facts.first_seq.0 as i64, last as i64],
        )?;
    }
    work.touched.extend(answered);
    epoch::offer_again_above(work, response)?;
    work.meta.safe_seq = response.safe_seq;
    if matches!(response.status, Status::Ok) && epoch::lacks_what_was_lost(work, response)? {
        work.meta.condition = Condition::Forked;
        work.applied.forked = true;
        work.finish(false)?;
        return Ok(());
    }
    let pages = matches!(response.status, Status::Ok);
    if pages {
        work.applied.documents = documents::take(work.connection, &mut work.meta, response)?;
        take_page(work, response, facts)?;
    }
    work.applied.more = pages && response.more;
    let is_current = pages && !response.more && work.meta.cursor.backfill == 0;
    work.finish(is_current)?;
    if is_current {
        compare(work, response)?;
    }
    overlay::forget_safe(work.connection, work.identity, &work.meta)?;
    Ok(())
}

/// The skew is measured against the middle of the exchange; a request whose sending is not known measures nothing.
fn note_contact(meta: &mut Meta, response: &SyncResponse, facts: &RequestFacts, now: &Evidence) {
    let sent = &facts.sent_at;
    let round_trip_ms = if sent.boot != 0 && sent.boot == now.boot {
        now.monotonic_ms.saturating_sub(sent.monotonic_ms)
    } else {
        0
    };
    let half_ms = i64::try_from(round_trip_ms / 2).unwrap_or(0).min(60_000);
    meta.skew_ms = response
        .received_ms
        .saturating_sub(sent.wall_ms.saturating_add(half_ms));
    meta.contact_ms = response.received_ms;
    meta.contact_at = *sent;
}

fn take_page(
    work: &mut Work<'_>,
    response: &SyncResponse,
    facts: &RequestFacts,
) -> Result<(), ApplyError> {
    if let Some(scope) = &response.scope {
        work.meta.scope = Some(scope.clone());
        work.applied.left += purge::leave_outside(work)?;
    }
    let mut by_record: BTreeMap<RecordId, Vec<items::Step>> = BTreeMap::new();
    let mut rulings = Vec::new();
    for item in read_items(&response.items) {
        match item? {
            Some(Item::Ruling(ruling)) => rulings.push(ruling),
            Some(Item::Image(image)) => by_record
                .entry(image.record)
                .or_default()
                .push(items::Step::Image(image)),
            Some(Item::Leave(record)) => by_record
                .entry(record)
                .or_default()
                .push(items::Step::Leave),
            Some(Item::Entry(entry)) => {
                // A header that nobody can read belongs to no record; its author's outbox has its verdict.
                if let Ok(header) = crate::change::Header::decode(&entry.header) {
                    by_record
                        .entry(header.record)
                        .or_default()
                        .push(items::Step::Entry(Box::new((entry, header))));
                }
            }
            // An item of a later version.
            None => {}
        }
    }
    for (record, steps) in by_record {
        items::take(work, record, steps)?;
    }
    for ruling in &rulings {
        if let Some(record) = receipts::store_ruling(work.connection, ruling)? {
            work.touched.insert(record);
        }
    }
    note_asked(work, response, facts)?;
    if response.cursor.epoch == work.meta.epoch {
        work.meta.cursor = response.cursor;
    }
    Ok(())
}

/// A record that was asked for and did not come, with nothing more to follow, is asked for a few times more and then
/// counts as gone from the scope.
fn note_asked(
    work: &mut Work<'_>,
    response: &SyncResponse,
    facts: &RequestFacts,
) -> Result<(), ApplyError> {
    for wanted in &facts.wanted {
        let Some(row) = record::read(work.connection, *wanted)?.filter(|row| row.stale) else {
            continue;
        };
        work.connection
            .prepare_cached("UPDATE record SET asked = asked + 1 WHERE no = ?1")?
            .execute([row.no])?;
        let asked: i64 = work
            .connection
            .prepare_cached("SELECT asked FROM record WHERE no = ?1")?
            .query_row([row.no], |row| row.get(0))?;
        if asked >= ASKED_MAX && !response.more {
            purge::leave(work, *wanted)?;
        }
    }
    Ok(())
}

/// Compares the digest when the replica holds all of its scope; on a difference everything is streamed again, and what
/// does not come again is dropped.
fn compare(work: &mut Work<'_>, response: &SyncResponse) -> Result<(), ApplyError> {
    if work.meta.repairing {
        work.applied.left += purge::leave_missed(work)?;
        work.meta.repairing = false;
    }
    let waits: bool = work.connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM record WHERE stale = 1)",
        [],
        |row| row.get(0),
    )?;
    let Some(digest) = response.digest.filter(|_| !waits) else {
        return Ok(());
    };
    if digest == work.meta.digest {
        work.meta.mismatches = 0;
        return Ok(());
    }
    work.meta.mismatches += 1;
    if work.meta.mismatches > REPAIRS_MAX {
        work.applied.diverged = true;
        return Ok(());
    }
    work.applied.repairs = true;
    work.meta.repairing = true;
    work.meta.round += 1;
    work.meta.cursor.scope_version = crate::ids::ScopeVersion(0);
    Ok(())
}

/// After an upgrade of the app: records whose entries the older one could not read are asked for again.
pub(super) fn ask_again_for_unknown(connection: &Connection) -> Result<(), ReplicaError> {
    connection.execute(
        "UPDATE record SET stale = 1, asked = 0 WHERE id IN (SELECT record FROM unknown_entry)",
        params![],
    )?;
    connection.execute("DELETE FROM unknown_entry", [])?;
    Ok(())
}
