//! What waits, what ended its waiting, and where forked changes were repeated: three tables that follow from the log.

use super::fault::FaultKind;
use super::log::Pass;
use crate::store::StoreError;
use crate::store::sqlite::{EntryRow, WaitKey, WaitingRow};
use sync_core::change::{Header, Needs};
use sync_core::ids::Pos;
use sync_core::verdict::{Marks, Verdict};

const CHUNK_WAITING: usize = 1_000;

impl Pass<'_> {
    /// Checks that a change waits exactly when its answer, or the last ruling about it, says so.
    pub(super) fn check_waiting(&mut self, entry: &EntryRow) -> Result<(), StoreError> {
        let view = self.view_at(Pos(u64::MAX));
        let (ruled, present) = (
            self.read.find_ruling(entry.pos, view.head)?,
            view.present(entry),
        );
        if ruled.is_some() && entry.answer.verdict.is_in_force() {
            self.findings.note(
                Some(entry.pos),
                "ruled",
                entry.pos,
                FaultKind::RuledDiffers,
                "it never waited",
            );
        }
        let row = self.read.find_waiting(entry.pos)?;
        self.counts.waiting += u64::from(row.is_some());
        let waits = match present {
            Ok(present) => present.waits_as(),
            // What is wrong with the ruling shows at its own place.
            Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let found = row.as_ref().map(|row| (row.verdict, row.since_ms));
        let same = found == waits.map(|verdict| (verdict, entry.received_ms));
        if !same {
            self.findings.note(
                Some(entry.pos),
                "held",
                entry.pos,
                FaultKind::WaitingDiffers,
                "",
            );
        }
        Ok(())
    }

    /// Checks where the change that this one repeats was repeated first.
    pub(super) fn check_origin(
        &mut self,
        entry: &EntryRow,
        header: &Header,
    ) -> Result<(), StoreError> {
        let Some(origin) = header.origin else {
            return Ok(());
        };
        let found = self.read.find_origin(origin.hash)?;
        let is_repeat = entry.answer.marks.has(Marks::REPEAT);
        // A repeat of a change that the log has under its own name needs no row; a later one that was parked, since its
        // replica was revoked, may have made one.
        let same = match found {
            None => is_repeat,
            Some(pos) if pos == entry.pos => !is_repeat,
            Some(pos) => pos < entry.pos || is_repeat,
        };
        self.counts.origins += u64::from(found == Some(entry.pos));
        if !same {
            self.findings.note(
                Some(entry.pos),
                "origin",
                origin.hash,
                FaultKind::OriginDiffers,
                "",
            );
        }
        Ok(())
    }

    /// Checks what each change that still waits is waiting for.
    pub(super) fn check_wait_keys(&mut self) -> Result<(), StoreError> {
        let mut after = Pos(0);
        loop {
            let rows = self.read.list_waiting_after(after, CHUNK_WAITING)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.pos;
            for row in rows {
                self.check_wait_key(&row)?;
            }
        }
    }

    fn check_wait_key(&mut self, row: &WaitingRow) -> Result<(), StoreError> {
        let Some(entry) = self.read.find_entry(row.pos)? else {
            self.findings
                .note(Some(row.pos), "held", row.pos, FaultKind::RowsStray, "");
            return Ok(());
        };
        let header = self
            .view_at(self.last.0)
            .prepare_again(&entry)
            .header
            .filter(|_| row.verdict == Verdict::Held);
        let Some(header) = header else {
            if row.wait.is_some() {
                self.findings.note(
                    Some(row.pos),
                    "held",
                    row.pos,
                    FaultKind::WaitingDiffers,
                    "it waits for nothing",
                );
            }
            return Ok(());
        };
        let end = self.last.0;
        let view = self.view_at(end);
        let record = self.read.find_record(header.record)?;
        let last = record.as_ref().map_or(row.pos, |record| record.last);
        let state = record
            .map(|record| view.load_state(&record))
            .transpose()?
            .flatten();
        let Some(answer) = self.decide_held(&entry, state.as_ref(), last, end)? else {
            return Ok(());
        };
        let first = view.wait_key(&header, &entry.answer);
        // What waited for its intent at first may wait for its record since the server has learned the intent.
        let any = vec![
            first.clone(),
            needs_key(&header),
            Some(WaitKey::record(header.record)),
        ];
        let (wanted, released) = match answer.verdict {
            Verdict::Held => (vec![view.wait_key(&header, &answer)], false),
            // The directory has gone on since, and nothing has come that it waits for.
            Verdict::Quarantined => (any, false),
            // The change that it repeats was taken back in since a restore; what both wait for has not come.
            _ if answer.marks.has(Marks::REPEAT) => (any, false),
            _ => (vec![first], true),
        };
        if released {
            self.findings.note(
                Some(row.pos),
                "held",
                row.pos,
                FaultKind::StillWaits,
                format!("{:?}", answer.verdict),
            );
        } else if !wanted.contains(&row.wait) {
            self.findings.note(
                Some(row.pos),
                "held",
                row.pos,
                FaultKind::WaitingDiffers,
                "it waits for something else",
            );
        }
        Ok(())
    }
}

fn needs_key(header: &Header) -> Option<WaitKey> {
    Some(match header.needs? {
        Needs::Record(record) => WaitKey::record(record),
        Needs::Change(change) => WaitKey::change(change.replica, change.seq),
    })
}
