//! Rulings: what each is about, whether who ruled might, and what it makes of its record.

use super::decisions::describe;
use super::fault::FaultKind;
use super::log::Pass;
use crate::service::context::{Present, read_ruling};
use crate::service::rulings::{admitted_verdict, is_to_be_seen, may_rule};
use crate::store::StoreError;
use crate::store::sqlite::EntryRow;
use sync_core::change::Header;
use sync_core::directory::Replica;
use sync_core::entry::{EntryKind, Ruling, RulingKind};
use sync_core::ids::Pos;
use sync_core::merge::RecordState;
use sync_core::verdict::{Answer, Marks, Verdict};

impl Pass<'_> {
    /// Checks all that a ruling's entry says.
    pub(super) fn ruling(&mut self, entry: &EntryRow) -> Result<(), StoreError> {
        self.counts.rulings += 1;
        self.check_plain(entry);
        let ruling = match read_ruling(entry) {
            Ok(ruling) => ruling,
            Err(error) => {
                self.fault(entry.pos, FaultKind::RulingWrong, error.to_string());
                return Ok(());
            }
        };
        let target = if ruling.of < entry.pos {
            self.read.find_entry(ruling.of)?
        } else {
            None
        };
        let target = target.filter(|target| {
            target.kind == EntryKind::Change
                && (target.replica, target.seq) == (ruling.replica, ruling.seq)
        });
        let Some(target) = target else {
            self.fault(
                entry.pos,
                FaultKind::RulingTarget,
                format!("place {}", ruling.of),
            );
            return Ok(());
        };
        let row = target
            .record
            .map(|no| self.read.get_record_by_no(no))
            .transpose()?;
        let index = row.as_ref().and_then(|row| self.slot_of(row));
        let state = index
            .map(|index| self.state_before(index, entry.pos))
            .transpose()?
            .flatten();
        let before = self.view_at(Pos(entry.pos.0 - 1)).present(&target)?;
        self.check_target(entry.pos, &ruling, &before)?;
        self.check_ruled(entry, &ruling, &target, before, index, state.as_ref())?;
        let event = if ruling.ruling.puts_into_force() {
            self.view_at(Pos(entry.pos.0 - 1))
                .event_of(&target, Some((entry.pos, &ruling)))?
        } else {
            None
        };
        let after = event
            .map(|event| self.fold_with(index, entry.pos, event))
            .transpose()?
            .flatten();
        match (row, index) {
            (Some(row), Some(index)) => {
                if entry.record != Some(row.no) {
                    self.fault(
                        entry.pos,
                        FaultKind::HistoryDiffers,
                        format!("the record is {}", row.no),
                    );
                }
                self.touch(entry, index, &row, after);
            }
            _ => self.check_no_record(entry),
        }
        self.follow_repair(entry.pos, &ruling, &target)
    }

    /// What a ruling is about must have waited for it, and it alone must have ended the waiting.
    fn check_target(
        &mut self,
        pos: Pos,
        ruling: &Ruling,
        before: &Present,
    ) -> Result<(), StoreError> {
        let waits = before.waits_as();
        let waited = match ruling.ruling {
            RulingKind::Released => waits == Some(Verdict::Held),
            RulingKind::Admitted | RulingKind::Rejected => waits.is_some(),
            RulingKind::Repaired => self.repaired.remove(&ruling.of) && before.is_open(),
            RulingKind::Erased => true,
            RulingKind::Seen => is_to_be_seen(&before.answer),
        };
        if !waited {
            self.fault(
                pos,
                FaultKind::RulingTarget,
                format!("{:?} at {}", before.answer.verdict, ruling.of),
            );
        }
        if ruling.ruling == RulingKind::Erased {
            let left = self
                .read
                .list_sealed(ruling.of)?
                .into_iter()
                .any(|part| part.content.is_some());
            if left {
                self.findings
                    .note(Some(pos), "sealed", ruling.of, FaultKind::SealedLeft, "");
            }
            self.gone.remove(&ruling.of);
            return Ok(());
        }
        if ruling.ruling == RulingKind::Seen {
            self.counts.seen += 1;
            let noted = self.read.find_seen(ruling.of)?;
            if noted != Some(pos) {
                let detail = format!("{noted:?} instead of {pos}");
                let kind = FaultKind::RuledDiffers;
                self.findings
                    .note(Some(pos), "seen", ruling.of, kind, detail);
            }
            return Ok(());
        }
        self.counts.ruled += 1;
        let noted = self.read.find_ruling(ruling.of, pos)?;
        if noted != Some(pos) {
            let detail = format!("{noted:?} instead of {pos}");
            self.findings.note(
                Some(pos),
                "ruled",
                ruling.of,
                FaultKind::RuledDiffers,
                detail,
            );
        }
        Ok(())
    }

    /// Rules again, and looks whether who ruled might.
    fn check_ruled(
        &mut self,
        entry: &EntryRow,
        ruling: &Ruling,
        target: &EntryRow,
        before: Present,
        index: Option<usize>,
        state: Option<&RecordState>,
    ) -> Result<(), StoreError> {
        let before = before.answer;
        let view = self.view_at(Pos(entry.pos.0 - 1));
        let last = index.map_or(target.pos, |index| self.slots[index].last);
        let wanted = match ruling.ruling {
            RulingKind::Released => self
                .decide_held(target, state, last, Pos(entry.pos.0 - 1))?
                .filter(|answer| answer.verdict != Verdict::Held),
            RulingKind::Admitted => {
                admitted_verdict(&view.prepare_again(target), state).map(|verdict| Answer {
                    verdict,
                    problems: Vec::new(),
                    ..before
                })
            }
            RulingKind::Rejected => Some(Answer {
                verdict: Verdict::Quarantined,
                ..before
            }),
            RulingKind::Repaired => Some(Answer {
                verdict: Verdict::Quarantined,
                marks: Marks::default(),
                problems: Vec::new(),
            }),
            RulingKind::Erased => Some(target.answer.clone()),
            RulingKind::Seen => Some(before),
        };
        let found = ruling.answer();
        if wanted.as_ref() != Some(&found) {
            let detail = wanted.map_or_else(
                || format!("{:?}, which it cannot be", found.verdict),
                |wanted| describe(&found, &wanted),
            );
            self.fault(entry.pos, FaultKind::RulingDiffers, detail);
        }
        let by_server = matches!(ruling.ruling, RulingKind::Released | RulingKind::Repaired);
        let may = match ruling.by {
            None if ruling.ruling == RulingKind::Erased => {
                is_track(target) && !ruling.reason.trim().is_empty()
            }
            None => by_server && ruling.reason.is_empty(),
            Some(person) => {
                let unit = index.map(|index| self.slots[index].unit);
                let right = may_rule(
                    &self.directory,
                    person,
                    ruling.ruling,
                    unit,
                    entry.received_ms,
                );
                !by_server && right && !ruling.reason.trim().is_empty()
            }
        };
        if !may {
            let detail = ruling
                .by
                .map_or_else(String::new, |person| format!("person {person}"));
            self.fault(entry.pos, FaultKind::RulingRight, detail);
        }
        Ok(())
    }

    fn follow_repair(
        &mut self,
        pos: Pos,
        ruling: &Ruling,
        target: &EntryRow,
    ) -> Result<(), StoreError> {
        if !ruling.ruling.puts_into_force() {
            return Ok(());
        }
        let replica = self.directory.replica(target.replica).cloned();
        match (self.view_at(pos).prepare_again(target).header, replica) {
            (Some(header), Some(replica)) => {
                self.note_repair(pos, &header, &replica, ruling.verdict, false)
            }
            _ => Ok(()),
        }
    }

    /// Notes what a change at `pos` repairs, for the ruling that must follow.
    pub(super) fn note_repair(
        &mut self,
        pos: Pos,
        header: &Header,
        author: &Replica,
        verdict: Verdict,
        taken_back: bool,
    ) -> Result<(), StoreError> {
        let ends = !matches!(verdict, Verdict::Held | Verdict::Quarantined);
        let Some(repairs) = header.repairs.filter(|_| ends) else {
            return Ok(());
        };
        let view = self.view_at(pos);
        let repaired = if taken_back {
            view.find_repaired_before(repairs, author)?
        } else {
            view.find_repairable(repairs, author)?
        };
        self.repaired.extend(repaired.map(|entry| entry.pos));
        Ok(())
    }
}

/// Whether a change is a track: all that the server erases by itself.
fn is_track(target: &EntryRow) -> bool {
    Header::decode(&target.header).is_ok_and(|header| header.intent == "patrol.track")
}
