//! Reconciling one batch inside the write transaction: duplicates, forks, decisions, effects, receipt, releases.

use super::context::{BatchEvidence, OpenRange};
use super::log_writer::LogWriter;
use crate::store::StoreError;
use crate::store::sqlite::{
    Contact, NewEntry, ReceiptRow, RecordRow, ReplicaRow, WaitKey, contacts_after,
};
use sync_core::canary::{Canary, is_awake};
use sync_core::change::{Hash, Signature};
use sync_core::decide::{Decision, Prepared};
use sync_core::directory::Replica;
use sync_core::entry::{Admission, EntryKind};
use sync_core::ids::{LogPlace, PersonId, Pos, ReplicaNo, ScopeVersion, Seq};
use sync_core::kinds::Kind;
use sync_core::limits;
use sync_core::merge::{Event, RecordState, Stamp};
use sync_core::scope::Scope;
use sync_core::verdict::{Answer, Marks, Verdict};
use sync_core::wire::{Receipt, SignedHead, SyncRequest};

/// A request that was read, checked and prepared beside the writer.
#[derive(Clone, Debug)]
pub struct PreparedBatch {
    /// The request's fields.
    pub request: SyncRequest,
    /// The author's replica, whose key signed the request.
    pub replica: ReplicaNo,
    /// The changes, chained from `request.first_seq` after `request.prev_hash`.
    pub changes: Vec<Prepared>,
    /// Receipts of earlier epochs whose signatures are this server's.
    pub receipts: Vec<Receipt>,
    /// The last head that the replica has seen, when its signature is this server's.
    pub shown_head: Option<SignedHead>,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct BatchOutcome {
    /// Whether another chain was found under the replica's name; nothing was taken then.
    pub fork: bool,
    /// When the replica was revoked, if it was.
    pub revoked_ms: Option<i64>,
    /// The last change that the log has of the replica.
    pub mark: Seq,
    /// How many changes of the batch it had before.
    pub duplicates: u64,
    /// The receipts for the batch.
    pub receipts: Vec<Receipt>,
    /// When the request arrived.
    pub received_ms: i64,
    /// The replica's last change that has reached the second place.
    pub safe_seq: Seq,
    /// Whose replica.
    pub person: PersonId,
    /// The person's scope and its version.
    pub scope: Scope,
    /// See `scope`.
    pub scope_version: ScopeVersion,
}

impl LogWriter<'_> {
    /// Reconciles one batch.
    ///
    /// # Errors
    /// Storage's own; the caller rolls the whole group back then.
    pub fn reconcile(
        &mut self,
        batch: &PreparedBatch,
        received_ms: i64,
    ) -> Result<BatchOutcome, StoreError> {
        if let Some(shown) = &batch.shown_head {
            self.check_shown_head(shown, received_ms)?;
        }
        let directory = self.directory();
        let replica = directory
            .replica(batch.replica)
            .ok_or_else(|| StoreError::Missing(format!("replica {}", batch.replica)))?
            .clone();
        let mut row = match self.write().find_replica(replica.no)? {
            Some(row) => row,
            None => ReplicaRow::new(replica.no, received_ms),
        };
        let (scope, scope_version) = self.current_scope(replica.person, received_ms)?;
        let mut outcome = BatchOutcome {
            fork: false,
            revoked_ms: replica.revoked_ms,
            mark: row.mark,
            duplicates: 0,
            receipts: Vec::new(),
            received_ms,
            safe_seq: Seq(0),
            person: replica.person,
            scope,
            scope_version,
        };
        let request = &batch.request;
        if self.is_fork(batch, &row)? {
            row.forks = row.forks.saturating_add(1);
            outcome.fork = true;
        } else {
            self.take_batch(batch, &replica, &mut row, &mut outcome)?;
            self.tell_kept(batch, &replica, &mut outcome)?;
        }
        // What another chain announces says nothing of this one.
        if !outcome.fork {
            let contact = Contact {
                head: request.head_seq,
                received_ms,
            };
            row.contacts = contacts_after(&row.contacts, contact, row.mark);
        }
        row.request_no = row.request_no.max(request.request_no);
        row.last_seen_ms = received_ms;
        row.unsent = request.head_seq.0.saturating_sub(row.mark.0);
        if !request.app.is_empty() {
            row.app.clone_from(&request.app);
        }
        self.write().put_replica(&row)?;
        outcome.mark = row.mark;
        outcome.safe_seq = self
            .write()
            .last_seq_at(replica.no, self.facts().safe_pos)?;
        Ok(outcome)
    }

    /// Whether the replica's chain as announced and sent is another than the log's.
    fn is_fork(&self, batch: &PreparedBatch, row: &ReplicaRow) -> Result<bool, StoreError> {
        let request = &batch.request;
        if is_awake(Canary::ForkUnnoticed) {
            return Ok(false);
        }
        if request.head_seq < row.mark
            || (request.head_seq == row.mark && request.head_hash != row.mark_hash)
        {
            return Ok(true);
        }
        if batch.changes.is_empty() || request.first_seq.0 > row.mark.0 + 1 {
            return Ok(false);
        }
        // The hash at the end of what the log has already stands for all before it.
        let common = Seq(row
            .mark
            .0
            .min(request.first_seq.0 + batch.changes.len() as u64 - 1));
        let theirs = match common.0.checked_sub(request.first_seq.0) {
            Some(index) => batch.changes[index as usize].hash,
            None => request.prev_hash,
        };
        let ours = if common == row.mark {
            row.mark_hash
        } else {
            let pos = self.write().find_pos(row.no, common)?;
            let entry = pos
                .map(|pos| self.write().find_entry(pos))
                .transpose()?
                .flatten();
            entry
                .ok_or_else(|| StoreError::corrupt("receipt", common, "the mark lies above it"))?
                .hash
        };
        Ok(theirs != ours)
    }

    fn take_batch(
        &mut self,
        batch: &PreparedBatch,
        replica: &Replica,
        row: &mut ReplicaRow,
        outcome: &mut BatchOutcome,
    ) -> Result<(), StoreError> {
        let request = &batch.request;
        let count = batch.changes.len() as u64;
        if count == 0 || request.first_seq.0 > row.mark.0 + 1 {
            return Ok(());
        }
        let known = (row.mark.0 + 1 - request.first_seq.0).min(count);
        if known > 0 {
            let to = Seq(request.first_seq.0 + known - 1);
            let stored = self
                .write()
                .list_receipts(replica.no, request.first_seq, to)?;
            outcome.receipts = read_stored(&stored)?;
            if is_awake(Canary::VerdictChanges) {
                for receipt in &mut outcome.receipts {
                    receipt.times_ms.fill(outcome.received_ms);
                    receipt.sign(self.facts().id, self.key());
                }
            }
            outcome.duplicates = known;
        }
        // Who does not know of a restore yet is told of it first, and then offers again what the restored log lost, with
        // its receipts. Admitted now, a change that had a verdict would get a second one; so would it when a request of
        // before the restore arrives late.
        if request.cursor.epoch != self.facts().epoch().0 {
            return Ok(());
        }
        let new = &batch.changes[known as usize..];
        // What is covered by a receipt of an earlier epoch and what is not become receipts of their own.
        let mut index = 0;
        while index < new.len() {
            let offered = batch
                .receipts
                .iter()
                .find(|receipt| covers(receipt, new, index));
            let length = match offered {
                Some(receipt) => (receipt.to.0 + 1 - new[index].seq.0) as usize,
                None => (index + 1..new.len())
                    .find(|at| {
                        batch
                            .receipts
                            .iter()
                            .any(|receipt| covers(receipt, new, *at))
                    })
                    .unwrap_or(new.len())
                    .saturating_sub(index),
            };
            let receipt = self.take_range(
                batch,
                &new[index..index + length],
                offered,
                replica,
                row,
                outcome.received_ms,
            )?;
            outcome.receipts.push(receipt);
            index += length;
        }
        Ok(())
    }

    /// Who comes from another history gets the receipts that this log holds for the replica beyond what the two share. The
    /// other history may have decided the same changes otherwise: an older copy was put back and then a newer one of the
    /// history before, or a copy of the phone came first after the log was rolled back.
    fn tell_kept(
        &self,
        batch: &PreparedBatch,
        replica: &Replica,
        outcome: &mut BatchOutcome,
    ) -> Result<(), StoreError> {
        let known = batch.request.cursor.epoch;
        if known == self.facts().epoch().0 {
            return Ok(());
        }
        let kept = self.write().list_receipts_above(
            replica.no,
            self.facts().common_with(known),
            limits::REOFFERED_RECEIPTS_MAX,
        )?;
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
            return Ok(());
        };
        // Those of the batch may lie below, and a client takes no gap.
        let below = outcome
            .receipts
            .first()
            .map_or(first.from, |receipt| receipt.from);
        outcome.receipts = match below < first.from {
            true => read_stored(&self.write().list_receipts(replica.no, below, last.to)?)?,
            false => read_stored(&kept)?,
        };
        Ok(())
    }

    fn take_range(
        &mut self,
        batch: &PreparedBatch,
        changes: &[Prepared],
        offered: Option<&Receipt>,
        replica: &Replica,
        row: &mut ReplicaRow,
        arrived_ms: i64,
    ) -> Result<Receipt, StoreError> {
        let contacts = row.contacts.clone();
        let received_ms = offered.map_or(arrived_ms, |receipt| receipt.received_ms);
        let evidence = BatchEvidence {
            sent_at: batch.request.sent_at,
            contacts: &contacts,
            received_ms,
        };
        let first_pos = self.head().0.next();
        let (mut answers, mut times_ms) = (
            Vec::with_capacity(changes.len()),
            Vec::with_capacity(changes.len()),
        );
        let (mut in_force, mut held_again) = (Vec::new(), Vec::new());
        self.set_open_range(Some(OpenRange {
            replica: replica.no,
            from: changes[0].seq,
            first_pos,
        }));
        for change in changes {
            let kept = offered.and_then(|receipt| Some((receipt, receipt.answer(change.seq)?)));
            let admission = match kept {
                None => self.admit_one(change, replica, &evidence)?,
                Some((receipt, (answer, pos, time_ms))) => {
                    let first_place = LogPlace {
                        epoch: receipt.epoch,
                        pos,
                    };
                    let admission = Admission {
                        replica: replica.no,
                        person: replica.person,
                        seq: change.seq,
                        hash: change.hash,
                        received_ms,
                        time_ms,
                        answer: self.offered_again(answer, change)?,
                        first_place: Some(first_place),
                    };
                    self.take_back(change, &admission)?;
                    if admission.answer.verdict == Verdict::Held {
                        held_again.push(self.head().0);
                    }
                    admission
                }
            };
            if admission.answer.verdict.is_in_force() {
                in_force.extend(
                    change
                        .header
                        .as_ref()
                        .map(|header| (header.record, change.seq)),
                );
            }
            answers.push(admission.answer);
            times_ms.push(admission.time_ms);
        }
        let last = changes.last().expect("BUG: an empty range");
        (row.mark, row.mark_hash) = (last.seq, last.hash);
        let parked = answers
            .iter()
            .position(|answer| answer.verdict == Verdict::Quarantined);
        if let Some(parked) = parked.filter(|at| *at > 0 && is_awake(Canary::MarkStopsAtPoison)) {
            let before = &changes[parked - 1];
            (row.mark, row.mark_hash) = (before.seq, before.hash);
        }
        let mut receipt = Receipt {
            epoch: self.facts().epoch().0,
            replica: replica.replica,
            from: changes[0].seq,
            to: last.seq,
            chain_hash: last.hash,
            first_pos,
            last_pos: self.head().0,
            received_ms,
            answers,
            times_ms,
            key_id: self.key_id().to_owned(),
            signature: Signature([0; 64]),
        };
        receipt.sign(self.facts().id, self.key());
        self.write().insert_receipt(&ReceiptRow {
            replica: replica.no,
            from: receipt.from,
            to: receipt.to,
            first_pos,
            received_ms,
            sent_at: batch.request.sent_at,
            contacts,
            bytes: receipt.encode(),
        })?;
        self.set_open_range(None);
        self.flush_rulings(arrived_ms)?;
        // What it waited for may have come back before it, or never have been lost.
        for pos in held_again {
            self.release_one(pos, arrived_ms)?;
        }
        for (record, seq) in in_force {
            if self.nothing_waits() {
                break;
            }
            self.release(WaitKey::record(record), arrived_ms)?;
            self.release(WaitKey::change(replica.replica, seq), arrived_ms)?;
        }
        Ok(receipt)
    }

    /// Decides one change at the next place and stores all of its effects.
    fn admit_one(
        &mut self,
        change: &Prepared,
        replica: &Replica,
        evidence: &BatchEvidence<'_>,
    ) -> Result<Admission, StoreError> {
        let row = match &change.header {
            Some(header) => self.write().find_record(header.record)?,
            None => None,
        };
        // A record that nothing touched yet needs no state, which is the ordinary case of a new report.
        let state = match &row {
            Some(row) => self.view().load_state(row)?,
            None => None,
        };
        let Decision {
            answer,
            time_ms,
            after,
        } = self
            .view()
            .decide(change, replica, state.as_ref(), evidence, None)?;
        let admission = Admission {
            replica: replica.no,
            person: replica.person,
            seq: change.seq,
            hash: change.hash,
            received_ms: evidence.received_ms,
            time_ms,
            answer,
            first_place: None,
        };
        self.store(change, &admission, row, after)?;
        Ok(admission)
    }

    /// The answer under a receipt, marked as offered again; and with the mark of a repeat when the change is in the log under
    /// another name: a copy of the phone came first and repeated it, or it repeats one that this log has kept. It has its
    /// effect there.
    fn offered_again(&self, answer: &Answer, change: &Prepared) -> Result<Answer, StoreError> {
        let mut answer = answer.clone();
        answer.marks = answer.marks.with(Marks::REOFFERED);
        let is_repeat = answer.verdict.is_in_force()
            && match &change.header {
                Some(header) => self.view().is_in_log(header, change.hash, None)?,
                None => false,
            };
        if is_repeat {
            answer.marks = answer.marks.with(Marks::REPEAT);
        }
        Ok(answer)
    }

    /// Takes a change back in that a restore had lost: as it was decided, at a new place, folded where it first stood.
    fn take_back(&mut self, change: &Prepared, admission: &Admission) -> Result<(), StoreError> {
        let row = match &change.header {
            Some(header) => self.write().find_record(header.record)?,
            None => None,
        };
        let event = self.event_of_admitted(change, admission);
        let after = match event {
            Some(event) => self.view().state_with(row.as_ref(), event)?,
            None => None,
        };
        self.store(change, admission, row, after)
    }

    fn event_of_admitted(&self, change: &Prepared, admission: &Admission) -> Option<Event> {
        let header = change.header.as_ref()?;
        let stamp = Stamp {
            place: self.facts().place(self.head().0.next()),
            first_place: admission.first_place,
            time_ms: admission.time_ms,
            person: admission.person,
            whose: header.for_person.map(|whose| whose.person),
            replica: admission.replica,
            seq: admission.seq,
        };
        Event::of(
            change.intent?,
            header,
            change.payload.clone()?,
            &admission.answer,
            stamp,
        )
    }

    /// Appends a change's row, its sealed parts, what it waits for, and its record's new state.
    fn store(
        &mut self,
        change: &Prepared,
        admission: &Admission,
        row: Option<RecordRow>,
        after: Option<RecordState>,
    ) -> Result<(), StoreError> {
        let pos = self.head().0.next();
        let mut was = None;
        let (mut no, mut prev) = (None, None);
        if let Some(header) = &change.header {
            let old = row.clone();
            let mut row = row.unwrap_or_else(|| RecordRow {
                no: self.next_record_no(),
                id: header.record,
                kind: Kind::Unknown,
                unit: header.unit,
                desk: None,
                pos: Pos(0),
                last: Pos(0),
                image: None,
            });
            (no, prev) = (Some(row.no), old.as_ref().map(|old| old.last));
            row.last = pos;
            if let Some(state) = after {
                // One entry that says it all need not be stored twice.
                let image = old.is_some().then(|| state.to_image());
                was = self.set_state(&mut row, &state, image, old.as_ref());
            }
            match old {
                Some(_) => self.write().update_record(&row)?,
                None => self.write().insert_record(&row)?,
            }
        }
        self.append(
            &NewEntry {
                kind: EntryKind::Change,
                admission: Some(admission),
                received_ms: admission.received_ms,
                record: no,
                prev,
                header: Some(&change.header_bytes),
                body: change.open.as_deref(),
                was,
            },
            &admission.chained_bytes(),
        )?;
        if !change.sealed.is_empty() {
            self.write().insert_sealed(pos, &change.sealed)?;
        }
        self.note_waiting(change, admission, pos)
    }
}

fn read_stored(stored: &[ReceiptRow]) -> Result<Vec<Receipt>, StoreError> {
    let read = |stored: &ReceiptRow| {
        Receipt::decode(&stored.bytes).map_err(|error| {
            StoreError::corrupt(
                "receipt",
                format!("{}/{}", stored.replica, stored.to),
                error,
            )
        })
    };
    stored.iter().map(read).collect()
}

/// Whether a receipt of an earlier epoch covers a range that starts here, whole, with the same chain.
fn covers(receipt: &Receipt, changes: &[Prepared], index: usize) -> bool {
    let Some(first) = changes
        .get(index)
        .filter(|change| receipt.from <= change.seq && change.seq <= receipt.to)
    else {
        return false;
    };
    let last = (receipt.to.0 - first.seq.0) as usize + index;
    changes
        .get(last)
        .is_some_and(|last| last.hash == receipt.chain_hash && last.hash != Hash::ZERO)
}
