//! Decisions: every change decided again at its place by the same pure code, and compared with what the log says.

use super::fault::FaultKind;
use super::log::Pass;
use crate::service::context::{Again, BatchEvidence};
use crate::store::StoreError;
use crate::store::sqlite::{EntryRow, SealedRow};
use sync_core::change::{FramedChange, Part, PartClass};
use sync_core::decide::{Prepared, prepare};
use sync_core::directory::Replica;
use sync_core::ids::Pos;
use sync_core::kinds::KnownIntents;
use sync_core::merge::RecordState;
use sync_core::verdict::Answer;

/// A change as it was prepared when it came, as far as its sealed parts are still there.
fn prepare_whole(entry: &EntryRow, sealed: &[SealedRow], known: KnownIntents) -> Prepared {
    let open = entry.body.as_deref().map(|bytes| Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    });
    let kept = sealed.iter().filter_map(|part| {
        let (salt, bytes) = part.content.as_ref()?;
        Some(Part {
            class: part.class,
            salt: Some(*salt),
            bytes,
        })
    });
    let parts = open.into_iter().chain(kept).collect();
    prepare(
        &FramedChange {
            header: &entry.header,
            parts,
        },
        entry.seq,
        entry.hash,
        known,
    )
}

/// One answer instead of another, without the values of fields.
pub(super) fn describe(found: &Answer, wanted: &Answer) -> String {
    let one = |answer: &Answer| {
        let problems: Vec<_> = answer
            .problems
            .iter()
            .map(|problem| problem.code.as_str())
            .collect();
        format!(
            "{:?} marks {} [{}]",
            answer.verdict,
            answer.marks.0,
            problems.join(" ")
        )
    };
    format!("{} instead of {}", one(found), one(wanted))
}

impl Pass<'_> {
    /// Checks all that a change's entry says.
    pub(super) fn change(&mut self, entry: &EntryRow) -> Result<(), StoreError> {
        self.counts.changes += 1;
        let Some(replica) = self.directory.replica(entry.replica).cloned() else {
            self.fault(
                entry.pos,
                FaultKind::ReplicaUnknown,
                format!("replica {}", entry.replica),
            );
            return Ok(());
        };
        if entry.person != replica.person {
            let detail = format!("{} instead of {}", entry.person, replica.person);
            self.fault(entry.pos, FaultKind::AuthorDiffers, detail);
        }
        let sealed = self.read.list_sealed(entry.pos)?;
        self.check_chain(entry, &replica, &sealed);
        self.check_sealed(entry.pos, &sealed);
        let covered = self.check_receipt(entry, &replica)?;
        let change = prepare_whole(entry, &sealed, self.facts.known_at(entry.pos));
        match &change.header {
            None => {
                if entry.first_place.is_none() && covered {
                    self.decide_again(entry, &change, &sealed, &replica, None)?;
                }
                self.check_no_record(entry);
            }
            Some(header) => {
                let row = self.read.find_record(header.record)?;
                let index = row.as_ref().and_then(|row| self.slot_of(row));
                let after = match entry.first_place {
                    Some(_) => self.taken_back(entry, index)?,
                    None if covered => {
                        self.decide_again(entry, &change, &sealed, &replica, index)?
                    }
                    None => None,
                };
                self.add_to_record(entry, row.as_ref(), header.unit, after);
                self.check_origin(entry, header)?;
                let taken_back = entry.first_place.is_some();
                self.note_repair(
                    entry.pos,
                    header,
                    &replica,
                    entry.answer.verdict,
                    taken_back,
                )?;
            }
        }
        self.check_waiting(entry)
    }

    /// A change that a restore took back in keeps what its first receipt said; it has its effect where it first stood.
    fn taken_back(
        &mut self,
        entry: &EntryRow,
        index: Option<usize>,
    ) -> Result<Option<RecordState>, StoreError> {
        let place = self.facts.place(entry.pos);
        if entry
            .first_place
            .is_some_and(|first| first.epoch >= place.epoch || first.epoch.0 == 0)
        {
            self.fault(
                entry.pos,
                FaultKind::OrderWrong,
                "its first place is not of an earlier epoch",
            );
            return Ok(None);
        }
        let event = self.view_at(Pos(entry.pos.0 - 1)).event_of(entry, None)?;
        event.map_or(Ok(None), |event| self.fold_with(index, entry.pos, event))
    }

    /// Decides a change again and compares. Answers with its record's state after it.
    fn decide_again(
        &mut self,
        entry: &EntryRow,
        change: &Prepared,
        sealed: &[SealedRow],
        replica: &Replica,
        index: Option<usize>,
    ) -> Result<Option<RecordState>, StoreError> {
        let state = index
            .map(|index| self.state_before(index, entry.pos))
            .transpose()?
            .flatten();
        if state
            .as_ref()
            .is_some_and(|state| state.latest() > self.facts.place(entry.pos))
        {
            self.fault(
                entry.pos,
                FaultKind::OrderWrong,
                "an earlier entry of its record sorts after it",
            );
            return Ok(None);
        }
        let row = &self.covering[&replica.no].row;
        let evidence = BatchEvidence {
            sent_at: row.sent_at,
            contacts: &row.contacts,
            received_ms: row.received_ms,
        };
        let view = self.view_at(Pos(entry.pos.0 - 1));
        let mut decision = view.decide(change, replica, state.as_ref(), &evidence, None)?;
        // Whether an erased part could be read is known from the answer alone.
        let erased: Vec<_> = sealed
            .iter()
            .filter(|part| part.content.is_none())
            .collect();
        let names: Vec<_> = erased
            .iter()
            .map(|part| format!("part.{}", part.class.0))
            .collect();
        let unread = entry
            .answer
            .problems
            .iter()
            .filter(|problem| names.contains(&problem.field))
            .cloned();
        let unread: Vec<_> = unread.collect();
        if !unread.is_empty() {
            decision.answer = Answer {
                problems: decision.answer.problems,
                ..entry.answer.clone()
            };
            decision.answer.problems.extend(unread);
            decision.after = None;
        }
        if decision.answer != entry.answer {
            let detail = describe(&entry.answer, &decision.answer);
            self.fault(entry.pos, FaultKind::DecisionDiffers, detail);
        }
        if decision.time_ms != entry.time_ms {
            let detail = format!("{} instead of {}", entry.time_ms, decision.time_ms);
            self.fault(entry.pos, FaultKind::TimeDiffers, detail);
        }
        Ok(decision.after)
    }

    /// A held change decided again as of `head`, as a release does; `None` when its record sorts after it. `last` is the
    /// record's last entry by then.
    pub(super) fn decide_held(
        &self,
        entry: &EntryRow,
        state: Option<&RecordState>,
        last: Pos,
        head: Pos,
    ) -> Result<Option<Answer>, StoreError> {
        let Some(replica) = self.directory.replica(entry.replica) else {
            return Ok(None);
        };
        if state.is_some_and(|state| state.latest() > self.facts.place(head.next())) {
            return Ok(None);
        }
        let receipts = self
            .read
            .list_receipts(entry.replica, entry.seq, entry.seq)?;
        let Some(receipt) = receipts.first() else {
            return Ok(None);
        };
        let evidence = BatchEvidence {
            sent_at: receipt.sent_at,
            contacts: &receipt.contacts,
            received_ms: receipt.received_ms,
        };
        let view = self.view_at(head);
        let change = view.prepare_again(entry);
        let again = Again::of(entry, last);
        let decision = view.decide(&change, replica, state, &evidence, Some(again))?;
        Ok(Some(decision.answer))
    }
}
