//! What waits and what ends the waiting: held and quarantined changes, repairs, releases at a new place.

use super::context::{Again, BatchEvidence, LogView, stored_evidence};
use super::log_writer::LogWriter;
use crate::store::StoreError;
use crate::store::sqlite::WaitKey;
use std::collections::VecDeque;
use sync_core::canary::{Canary, is_awake};
use sync_core::change::Header;
use sync_core::decide::Prepared;
use sync_core::entry::{Admission, Ruling, RulingKind};
use sync_core::ids::{Pos, ReplicaNo, Seq};
use sync_core::verdict::{Marks, Verdict};

impl LogWriter<'_> {
    pub(super) fn note_waiting(
        &mut self,
        change: &Prepared,
        admission: &Admission,
        pos: Pos,
    ) -> Result<(), StoreError> {
        let verdict = admission.answer.verdict;
        let header = change.header.as_ref();
        if matches!(verdict, Verdict::Held | Verdict::Quarantined) {
            let wait = header
                .filter(|_| verdict == Verdict::Held)
                .and_then(|header| self.view().wait_key(header, &admission.answer));
            self.write()
                .insert_held(pos, verdict, admission.received_ms, wait.as_ref())?;
            self.note_wait(wait);
        }
        let Some(header) = header else { return Ok(()) };
        if let Some(origin) = header.origin {
            let repeat = admission.answer.marks.has(Marks::REPEAT);
            if !repeat && self.write().find_origin(origin.hash)?.is_none() {
                self.note_origin(origin.hash, pos)?;
            }
        }
        // The range of a receipt has contiguous places, so rulings wait for its end.
        let taken_back = admission.first_place.is_some();
        let ruling = self.ruling_on_repaired(header, admission.replica, verdict, taken_back)?;
        if let Some(ruling) = ruling {
            self.defer_ruling(ruling);
        }
        Ok(())
    }

    /// The ruling that ends the quarantined change which this one replaces. A repair that waits itself, or is
    /// quarantined, ends nothing yet, and one that names somebody else's change, or one that is over, never does.
    pub(super) fn ruling_on_repaired(
        &self,
        header: &Header,
        author: ReplicaNo,
        verdict: Verdict,
        taken_back: bool,
    ) -> Result<Option<Ruling>, StoreError> {
        let ends = !matches!(verdict, Verdict::Held | Verdict::Quarantined);
        let directory = self.directory();
        let (Some(repairs), Some(author)) =
            (header.repairs.filter(|_| ends), directory.replica(author))
        else {
            return Ok(None);
        };
        let repaired = if taken_back {
            self.view().find_repaired_before(repairs, author)?
        } else {
            self.view().find_repairable(repairs, author)?
        };
        Ok(repaired.map(|entry| Ruling {
            ruling: RulingKind::Repaired,
            of: entry.pos,
            replica: entry.replica,
            seq: entry.seq,
            by: None,
            reason: String::new(),
            verdict: Verdict::Quarantined,
            marks: Marks::default(),
            problems: Vec::new(),
        }))
    }

    /// What follows from a ruling that put a change into force: what it repairs is over, and all that waited for it is
    /// looked at again.
    pub(super) fn release_after_ruling(
        &mut self,
        header: &Header,
        replica: ReplicaNo,
        seq: Seq,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let ruling = self.ruling_on_repaired(header, replica, Verdict::Accepted, false)?;
        if let Some(ruling) = ruling {
            self.rule(&ruling, now_ms)?;
        }
        self.release(WaitKey::record(header.record), now_ms)?;
        let id = self
            .directory()
            .replica(replica)
            .map(|replica| replica.replica);
        id.map_or(Ok(()), |id| self.release(WaitKey::change(id, seq), now_ms))
    }

    /// Looks again at all that waited for this, and at what waited for that in turn.
    pub(super) fn release(&mut self, key: WaitKey, now_ms: i64) -> Result<(), StoreError> {
        self.release_all(VecDeque::from([key]), now_ms)
    }

    /// Looks again at one held change, if it still is, and at what waited for it.
    pub(super) fn release_one(&mut self, pos: Pos, now_ms: i64) -> Result<(), StoreError> {
        if self.write().find_held(pos)? != Some(Verdict::Held) {
            return Ok(());
        }
        let keys = self.look_again(pos, now_ms)?;
        self.release_all(keys.into(), now_ms)
    }

    fn release_all(&mut self, mut keys: VecDeque<WaitKey>, now_ms: i64) -> Result<(), StoreError> {
        while let Some(key) = keys.pop_front() {
            if !self.is_waited_for(&key) || is_awake(Canary::ReleaseForgotten) {
                continue;
            }
            for pos in self.write().list_waiting_for(&key)? {
                keys.extend(self.look_again(pos, now_ms)?);
            }
        }
        Ok(())
    }

    /// Looks again at a held change; when it may now have its effect, it is released at a new place. Answers with what
    /// others may have waited for and is now in force.
    fn look_again(&mut self, pos: Pos, now_ms: i64) -> Result<Vec<WaitKey>, StoreError> {
        let entry = self
            .write()
            .find_entry(pos)?
            .ok_or_else(|| StoreError::corrupt("held", pos, "the log has no such entry"))?;
        let change = self.view().prepare_again(&entry);
        let Some(header) = &change.header else {
            return Ok(Vec::new());
        };
        let directory = self.directory();
        let replica = directory
            .replica(entry.replica)
            .ok_or_else(|| StoreError::corrupt("entry", pos, "its replica is not known"))?;
        let (sent_at, contacts, received_ms) =
            stored_evidence(self.write(), entry.replica, entry.seq)?;
        let evidence = BatchEvidence {
            sent_at,
            contacts: &contacts,
            received_ms,
        };
        let row = self.write().find_record(header.record)?;
        let state = row
            .as_ref()
            .map(|row| self.view().load_state(row))
            .transpose()?
            .flatten();
        let view: LogView<'_> = self.view();
        let decision = view.decide(
            &change,
            replica,
            state.as_ref(),
            &evidence,
            Some(Again::of(&entry, row.as_ref().map_or(pos, |row| row.last))),
        )?;
        let verdict = decision.answer.verdict;
        if verdict == Verdict::Held {
            let wait = view.wait_key(header, &decision.answer);
            self.write()
                .insert_held(pos, Verdict::Held, entry.received_ms, wait.as_ref())?;
            self.note_wait(wait);
            return Ok(Vec::new());
        }
        let ruling = Ruling {
            ruling: RulingKind::Released,
            of: pos,
            replica: entry.replica,
            seq: entry.seq,
            by: None,
            reason: String::new(),
            verdict,
            marks: decision.answer.marks,
            problems: decision.answer.problems,
        };
        self.rule(&ruling, now_ms)?;
        let ruling = self.ruling_on_repaired(header, entry.replica, verdict, false)?;
        if let Some(ruling) = ruling {
            self.rule(&ruling, now_ms)?;
        }
        if !verdict.is_in_force() {
            return Ok(Vec::new());
        }
        Ok(vec![
            WaitKey::record(header.record),
            WaitKey::change(replica.replica, entry.seq),
        ])
    }
}
