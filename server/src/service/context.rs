//! What a decision looks at, put together from the log as it stood before the change. The writer and `verify` share it.

use crate::store::StoreError;
use crate::store::sqlite::{
    Contact, DistrictFacts, DistrictRead, EntryRow, RecordRow, WaitKey, earliest_contact_ms,
    earliest_repeat_ms,
};
use std::collections::BTreeSet;
use sync_core::canary::{Canary, is_awake};
use sync_core::change::{ChangeId, FramedChange, Hash, Header, Needs, Part, PartClass};
use sync_core::decide::{Context, Decision, Prepared, admit, prepare};
use sync_core::directory::{Directory, Replica};
use sync_core::documents::Documents;
use sync_core::entry::{EntryKind, Ruling, RulingKind};
use sync_core::ids::{LogPlace, Pos, ReplicaNo, Seq};
use sync_core::kinds::KnownIntents;
use sync_core::merge::{Event, RecordState, Stamp, fold};
use sync_core::time::{Evidence, Interval};
use sync_core::verdict::{Answer, Marks, Verdict};

/// The log as it stood before a place, with the directory of that moment.
#[derive(Clone, Copy)]
pub struct LogView<'a> {
    /// The district's file.
    pub read: &'a DistrictRead,
    /// Its facts.
    pub facts: &'a DistrictFacts,
    /// The directory before the place.
    pub directory: &'a Directory,
    /// The documents in force.
    pub documents: &'a Documents,
    /// The last place that counts.
    pub head: Pos,
    /// The range that is being taken, whose receipt is not written yet; `None` for readers.
    pub open_range: Option<OpenRange>,
    /// What the range that is being taken repairs already, whose rulings follow at its end; `None` for readers.
    pub repaired: Option<&'a BTreeSet<Pos>>,
    /// Whether any change may repeat a forked branch's; readers look for themselves.
    pub has_origins: bool,
}

/// Where a change stands.
#[derive(Clone, Debug)]
pub struct Present {
    /// How it was ruled about last; `None` when nobody has.
    pub ruling: Option<RulingKind>,
    /// The answer that holds.
    pub answer: Answer,
}

impl Present {
    /// Whether nobody has ended it: a release may still be followed by another ruling.
    pub fn is_open(&self) -> bool {
        matches!(self.ruling, None | Some(RulingKind::Released))
    }

    /// As what it waits; `None` when it does not.
    pub fn waits_as(&self) -> Option<Verdict> {
        let waits = matches!(self.answer.verdict, Verdict::Held | Verdict::Quarantined);
        (waits && self.is_open()).then_some(self.answer.verdict)
    }
}

/// A range of a replica's changes that is being appended at contiguous places.
#[derive(Clone, Copy, Debug)]
pub struct OpenRange {
    /// Whose.
    pub replica: ReplicaNo,
    /// Its first change.
    pub from: Seq,
    /// The place of `from`.
    pub first_pos: Pos,
}

impl OpenRange {
    fn pos_of(&self, replica: ReplicaNo, seq: Seq) -> Option<Pos> {
        let offset = seq
            .0
            .checked_sub(self.from.0)
            .filter(|_| replica == self.replica)?;
        self.first_pos.0.checked_add(offset).map(Pos)
    }
}

/// A change that is in the log already and is decided again, after waiting.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// Its place.
    pub pos: Pos,
    /// The time that its admission fixed.
    pub time_ms: i64,
    /// Whether that time was brought into its bounds.
    pub is_bounded: bool,
    /// The last entry of its record.
    pub last: Pos,
}

impl Again {
    /// Of an entry, and the last one of its record.
    pub fn of(entry: &EntryRow, last: Pos) -> Self {
        Self {
            last,
            pos: entry.pos,
            time_ms: entry.time_ms,
            is_bounded: entry.answer.marks.has(Marks::CLOCK_BOUNDED),
        }
    }
}

/// What a request says of all changes of its batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchEvidence<'a> {
    /// The device's clocks when it was sent.
    pub sent_at: Evidence,
    /// The contacts before it.
    pub contacts: &'a [Contact],
    /// When it arrived.
    pub received_ms: i64,
}

impl LogView<'_> {
    /// Reads a stored change with what the server knows at the next place, or at the change's own when that is later: a
    /// record that was made since is looked at to see that it was not there before.
    pub fn prepare_again(&self, entry: &EntryRow) -> Prepared {
        let pos = self.head.next().max(entry.pos);
        prepare_again(entry, self.facts.known_at(pos))
    }

    /// Decides a change at the next place.
    ///
    /// # Errors
    /// Storage's own.
    pub fn decide(
        &self,
        change: &Prepared,
        replica: &Replica,
        record: Option<&RecordState>,
        batch: &BatchEvidence<'_>,
        again: Option<Again>,
    ) -> Result<Decision, StoreError> {
        let mut context = Context {
            directory: self.directory,
            documents: self.documents,
            replica,
            record,
            entries: None,
            interval: Interval {
                earliest_ms: i64::MIN,
                received_ms: batch.received_ms,
            },
            sent_at: batch.sent_at,
            place: self.facts.place(self.head.next()),
            needs_in_force: true,
            origin_admitted: false,
            repairs_quarantined: true,
            time_ms: again.map(|again| again.time_ms),
        };
        if let Some(header) = &change.header {
            let contact_ms = self.contact_ms(header, replica, change.seq, batch.contacts);
            context.interval.earliest_ms = contact_ms.max(self.base_received_ms(header.base)?);
            context.needs_in_force = self.needs_in_force(header)?;
            context.origin_admitted =
                self.is_in_log(header, change.hash, again.map(|again| again.pos))?;
            if let Some(repairs) = header.repairs {
                let repaired = self.find_repairable(repairs, replica)?;
                context.repairs_quarantined = repaired.is_some();
                context.time_ms = context.time_ms.or(repaired.map(|entry| entry.time_ms));
            }
        }
        let mut decision = admit(&context, change);
        if let Some(again) = again.filter(|_| decision.answer.verdict.is_in_force()) {
            let history = self.history(again.last)?;
            let entries: Vec<Event> = history.into_iter().filter_map(|(_, event)| event).collect();
            context.entries = Some(&entries);
            decision = admit(&context, change);
        }
        if again.is_some_and(|again| again.is_bounded) {
            decision.answer.marks = decision.answer.marks.with(Marks::CLOCK_BOUNDED);
        }
        Ok(decision)
    }

    /// The last contact that announced a chain shorter than a change. What a forked branch repeats has those of the replica
    /// that is continued.
    fn contact_ms(
        &self,
        header: &Header,
        replica: &Replica,
        seq: Seq,
        contacts: &[Contact],
    ) -> i64 {
        let continued = replica
            .continues
            .and_then(|(old, _)| self.directory.replica(old));
        let origin = header
            .origin
            .map(|origin| origin.change)
            .filter(|change| continued.is_some_and(|old| old.replica == change.replica));
        match (origin, &replica.branch) {
            (Some(origin), Some(bounds)) => earliest_repeat_ms(bounds, origin.seq, contacts, seq),
            _ => earliest_contact_ms(contacts, seq),
        }
    }

    /// When what the author was looking at had arrived. Places that a restore took away bound nothing.
    fn base_received_ms(&self, base: LogPlace) -> Result<i64, StoreError> {
        let next_start = self
            .facts
            .epochs
            .iter()
            .find(|(epoch, _)| *epoch > base.epoch)
            .map(|(_, start)| *start);
        let pos = base
            .pos
            .min(self.head)
            .min(next_start.unwrap_or(Pos(u64::MAX)));
        if pos.0 == 0 {
            return Ok(i64::MIN);
        }
        Ok(self.read.find_received_ms(pos)?.unwrap_or(i64::MIN))
    }

    fn needs_in_force(&self, header: &Header) -> Result<bool, StoreError> {
        match header.needs.filter(|_| !is_awake(Canary::NeedsIgnored)) {
            None => Ok(true),
            Some(Needs::Record(record)) => {
                let row = self
                    .read
                    .find_record(record)?
                    .filter(|row| row.kind != sync_core::kinds::Kind::Unknown);
                let Some(row) = row else { return Ok(false) };
                if row.pos <= self.head {
                    return Ok(true);
                }
                // The row has gone on since this place: what counts is whether the record was made by then.
                let made = self.load_state(&row)?.and_then(|state| state.created);
                Ok(made.is_some_and(|stamp| stamp.place.pos <= self.head))
            }
            Some(Needs::Change(change)) => self.change_in_force(change),
        }
    }

    fn change_in_force(&self, change: ChangeId) -> Result<bool, StoreError> {
        let Some(entry) = self.find_change(change)? else {
            return Ok(false);
        };
        if entry.answer.verdict.is_in_force() {
            return Ok(true);
        }
        Ok(self.present(&entry)?.answer.verdict.is_in_force())
    }

    /// The entry of a change, if the log has it before the place.
    fn find_change(&self, change: ChangeId) -> Result<Option<EntryRow>, StoreError> {
        let Some(replica) = self.directory.replica_by_id(change.replica) else {
            return Ok(None);
        };
        let open = self
            .open_range
            .and_then(|range| range.pos_of(replica.no, change.seq));
        let pos = match open {
            Some(pos) => Some(pos),
            None => self.read.find_pos(replica.no, change.seq)?,
        };
        match pos.filter(|pos| *pos <= self.head) {
            Some(pos) => self.read.find_entry(pos),
            None => Ok(None),
        }
    }

    /// Whether a change is in the log already under another name: the one that it repeats, under its own name or repeated
    /// before; or itself, since a copy of the phone came first and repeated it. A change that is looked at again is not
    /// its own repeat.
    pub(super) fn is_in_log(
        &self,
        header: &Header,
        hash: Hash,
        own: Option<Pos>,
    ) -> Result<bool, StoreError> {
        if is_awake(Canary::OriginForgotten) {
            return Ok(false);
        }
        let first_hash = header.origin.map_or(hash, |origin| origin.hash);
        let repeated = match self.has_origins {
            true => self.read.find_origin(first_hash)?,
            false => None,
        };
        if repeated.is_some_and(|pos| pos <= self.head && Some(pos) != own) {
            return Ok(true);
        }
        let Some(origin) = header.origin else {
            return Ok(false);
        };
        let first = self.find_change(origin.change)?;
        Ok(first.is_some_and(|entry| entry.hash == origin.hash))
    }

    /// Where a change stands before the next place: as the newest ruling about it left it, or as it was first answered.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn present(&self, entry: &EntryRow) -> Result<Present, StoreError> {
        let Some(pos) = self.read.find_ruling(entry.pos, self.head)? else {
            return Ok(Present {
                ruling: None,
                answer: entry.answer.clone(),
            });
        };
        let ruling = self
            .read
            .find_entry(pos)?
            .filter(|ruling| ruling.kind == EntryKind::Ruling)
            .and_then(|ruling| read_ruling(&ruling).ok())
            .filter(|ruling| ruling.of == entry.pos)
            .ok_or_else(|| StoreError::corrupt("ruled", entry.pos, "the log has no such ruling"))?;
        Ok(Present {
            ruling: Some(ruling.ruling),
            answer: ruling.answer(),
        })
    }

    /// The change of the same person that a repair names, while it is quarantined or not applied and nobody ended it.
    pub(super) fn find_repairable(
        &self,
        repairs: ChangeId,
        author: &Replica,
    ) -> Result<Option<EntryRow>, StoreError> {
        self.find_own(repairs, author, |verdict| {
            matches!(verdict, Verdict::Quarantined | Verdict::NotApplied)
        })
    }

    /// The same for a repair that a restore had lost: it was taken when what it repairs was quarantined, which may be
    /// held still, or again, in the restored log.
    pub(super) fn find_repaired_before(
        &self,
        repairs: ChangeId,
        author: &Replica,
    ) -> Result<Option<EntryRow>, StoreError> {
        self.find_own(repairs, author, |verdict| !verdict.is_in_force())
    }

    fn find_own(
        &self,
        change: ChangeId,
        author: &Replica,
        stands: impl FnOnce(Verdict) -> bool,
    ) -> Result<Option<EntryRow>, StoreError> {
        let Some(entry) = self
            .find_change(change)?
            .filter(|entry| entry.person == author.person)
        else {
            return Ok(None);
        };
        let present = self.present(&entry)?;
        let is_taken = self
            .repaired
            .is_some_and(|taken| taken.contains(&entry.pos));
        let is_repairable = present.is_open() && !is_taken && stands(present.answer.verdict);
        Ok(is_repairable.then_some(entry))
    }

    /// What a held change waits for.
    pub fn wait_key(&self, header: &Header, answer: &Answer) -> Option<WaitKey> {
        use sync_core::verdict::ProblemCode;
        match answer.problems.first()?.code {
            ProblemCode::RecordMissing => Some(WaitKey::record(header.record)),
            ProblemCode::IntentUnknown => Some(WaitKey::intent(&header.intent)),
            ProblemCode::NeedsMissing => Some(match header.needs? {
                Needs::Record(record) => WaitKey::record(record),
                Needs::Change(change) => WaitKey::change(change.replica, change.seq),
            }),
            _ => None,
        }
    }

    /// A record's state from its row: its image, or the one entry that says it all.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn load_state(&self, row: &RecordRow) -> Result<Option<RecordState>, StoreError> {
        match &row.image {
            Some(image) => RecordState::from_image(image)
                .map(Some)
                .map_err(|error| StoreError::corrupt("record", row.no, error)),
            None if row.pos.0 == 0 => Ok(None),
            None => {
                let missing =
                    || StoreError::corrupt("record", row.no, "its only entry has no effect");
                let entry = self.read.find_entry(row.pos)?.ok_or_else(missing)?;
                let event = self.event_of(&entry, None)?.ok_or_else(missing)?;
                Ok(Some(RecordState::advance(None, event)))
            }
        }
    }

    /// A record's image, for a page: stored, or made from the one entry that says it all.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn image_of(&self, row: &RecordRow) -> Result<Vec<u8>, StoreError> {
        match &row.image {
            Some(image) => Ok(image.clone()),
            None => {
                let state = self.load_state(row)?;
                let state = state
                    .ok_or_else(|| StoreError::corrupt("record", row.no, "it has no state"))?;
                Ok(state.to_image())
            }
        }
    }

    /// A record's state from all of its entries: the whole fold, for rulings and what a restore took back in.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn refold(&self, last: Pos) -> Result<Option<RecordState>, StoreError> {
        Ok(fold(
            self.history(last)?
                .into_iter()
                .filter_map(|(_, event)| event)
                .collect(),
        ))
    }

    /// A record's state after one more event, from all of its entries.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn state_with(
        &self,
        row: Option<&RecordRow>,
        event: Event,
    ) -> Result<Option<RecordState>, StoreError> {
        let mut events = match row {
            Some(row) => self
                .history(row.last)?
                .into_iter()
                .filter_map(|(_, event)| event)
                .collect(),
            None => Vec::new(),
        };
        events.push(event);
        Ok(fold(events))
    }

    /// A record's entries from `last` back to its first, each with the effect it has.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn history(&self, last: Pos) -> Result<Vec<(EntryRow, Option<Event>)>, StoreError> {
        let mut history = Vec::new();
        let mut next = Some(last);
        while let Some(pos) = next.filter(|pos| pos.0 > 0) {
            let entry = self.read.find_entry(pos)?.ok_or_else(|| {
                StoreError::corrupt(
                    "entry",
                    pos,
                    "a record's history names it, but it is not there",
                )
            })?;
            next = entry.prev;
            if next.is_some_and(|next| next >= pos) {
                return Err(StoreError::corrupt(
                    "entry",
                    pos,
                    "a record's history does not go back",
                ));
            }
            let event = match entry.kind {
                EntryKind::Change => self.event_of(&entry, None)?,
                EntryKind::Ruling => {
                    let ruling = read_ruling(&entry)?;
                    match self
                        .read
                        .find_entry(ruling.of)?
                        .filter(|_| ruling.ruling.puts_into_force())
                    {
                        Some(change) => self.event_of(&change, Some((entry.pos, &ruling)))?,
                        None => None,
                    }
                }
                EntryKind::Directory => None,
            };
            history.push((entry, event));
        }
        Ok(history)
    }

    /// The effect of a change's entry at its own place, or at that of a ruling.
    pub(super) fn event_of(
        &self,
        entry: &EntryRow,
        ruling: Option<(Pos, &Ruling)>,
    ) -> Result<Option<Event>, StoreError> {
        let prepared = self.prepare_again(entry);
        let (Some(header), Some(intent), Some(payload)) =
            (prepared.header, prepared.intent, prepared.payload)
        else {
            return Ok(None);
        };
        let answer = ruling.map_or_else(|| entry.answer.clone(), |(_, ruling)| ruling.answer());
        let stamp = Stamp {
            place: self.facts.place(ruling.map_or(entry.pos, |(at, _)| at)),
            first_place: entry.first_place.filter(|_| ruling.is_none()),
            time_ms: entry.time_ms,
            person: entry.person,
            whose: header.for_person.map(|whose| whose.person),
            replica: entry.replica,
            seq: entry.seq,
        };
        Ok(Event::of(intent, &header, payload, &answer, stamp))
    }
}

/// Reads a stored change as a program that knows these intents.
pub fn prepare_again(entry: &EntryRow, known: KnownIntents) -> Prepared {
    let parts = entry.body.as_deref().map(|bytes| Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    });
    let framed = FramedChange {
        header: &entry.header,
        parts: parts.into_iter().collect(),
    };
    prepare(&framed, entry.seq, entry.hash, known)
}

/// The ruling that an entry holds.
///
/// # Errors
/// A corrupt row.
pub fn read_ruling(entry: &EntryRow) -> Result<Ruling, StoreError> {
    serde_json::from_slice(entry.body.as_deref().unwrap_or_default())
        .map_err(|error| StoreError::corrupt("entry", entry.pos, error))
}

/// The evidence under which a change was decided, from the receipt that covers it.
///
/// # Errors
/// Storage's own, or that no receipt covers it.
pub fn stored_evidence(
    read: &DistrictRead,
    replica: ReplicaNo,
    seq: Seq,
) -> Result<(Evidence, Vec<Contact>, i64), StoreError> {
    let receipt = read.list_receipts(replica, seq, seq)?.into_iter().next();
    let receipt = receipt.ok_or_else(|| {
        StoreError::corrupt(
            "receipt",
            format!("{replica}/{seq}"),
            "no receipt covers this change",
        )
    })?;
    Ok((receipt.sent_at, receipt.contacts, receipt.received_ms))
}
