//! Records: their states as the entries fold them, step by step, against the links and columns of each entry and, at a
//! record's last entry, against its row.

use super::fault::FaultKind;
use super::log::Pass;
use crate::store::StoreError;
use crate::store::sqlite::{Bucket, EntryRow, RecordRow};
use sync_core::ids::{Pos, UnitId};
use sync_core::kinds::Kind;
use sync_core::merge::{Event, RecordState, fold};

/// A record as of the last entry that names it.
#[derive(Debug)]
pub(super) struct Slot {
    pub last: Pos,
    kind: Kind,
    pub unit: UnitId,
    desk: Option<UnitId>,
    pos: Pos,
    state: Kept,
    settled: bool,
}

/// A record's state, in the form in which the engine keeps it.
#[derive(Debug)]
enum Kept {
    /// Nothing has touched it.
    Nothing,
    /// The one entry at `pos` says it all.
    Entry,
    /// The image.
    Image(Box<[u8]>),
    /// Compared with the row and let go of.
    Settled,
}

impl Pass<'_> {
    /// The place in `slots` of a record's row; `None` for one that the log has not named yet.
    pub(super) fn slot_of(&self, row: &RecordRow) -> Option<usize> {
        let index = usize::try_from(row.no.checked_sub(1)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    /// A record's state before `pos`.
    pub(super) fn state_before(
        &self,
        index: usize,
        pos: Pos,
    ) -> Result<Option<RecordState>, StoreError> {
        let slot = &self.slots[index];
        let view = self.view_at(Pos(pos.0 - 1));
        match &slot.state {
            Kept::Nothing => Ok(None),
            Kept::Image(image) => RecordState::from_image(image)
                .map(Some)
                .map_err(|error| StoreError::corrupt("record", index + 1, error)),
            Kept::Entry => {
                let entry = self.read.find_entry(slot.pos)?;
                let event = entry
                    .map(|entry| view.event_of(&entry, None))
                    .transpose()?
                    .flatten();
                Ok(event.map(|event| RecordState::advance(None, event)))
            }
            Kept::Settled => view.refold(slot.last),
        }
    }

    /// A record's state with one more event, from all of its entries.
    pub(super) fn fold_with(
        &self,
        index: Option<usize>,
        pos: Pos,
        event: Event,
    ) -> Result<Option<RecordState>, StoreError> {
        let mut events = Vec::new();
        if let Some(index) = index {
            let history = self
                .view_at(Pos(pos.0 - 1))
                .history(self.slots[index].last)?;
            events.extend(history.into_iter().filter_map(|(_, event)| event));
        }
        events.push(event);
        Ok(fold(events))
    }

    /// Checks an entry that names no record.
    pub(super) fn check_no_record(&mut self, entry: &EntryRow) {
        if entry.record.is_some() || entry.prev.is_some() || entry.was.is_some() {
            self.fault(entry.pos, FaultKind::ColumnWrong, "it can name no record");
        }
    }

    /// Adds a change's entry to its record, which it may be the first to name.
    pub(super) fn add_to_record(
        &mut self,
        entry: &EntryRow,
        row: Option<&RecordRow>,
        unit: UnitId,
        after: Option<RecordState>,
    ) {
        let Some(row) = row else {
            let no = entry.record.unwrap_or(0);
            self.findings.note(
                Some(entry.pos),
                "record",
                no,
                FaultKind::RecordDiffers,
                "it is missing",
            );
            return;
        };
        if entry.record != Some(row.no) {
            self.fault(
                entry.pos,
                FaultKind::HistoryDiffers,
                format!("the record is {}", row.no),
            );
        }
        let index = match self.slot_of(row) {
            Some(index) => index,
            // Numbers are given in the order in which records are first named.
            None if row.no - 1 == self.slots.len() as i64 => {
                self.slots.push(Slot {
                    last: Pos(0),
                    kind: Kind::Unknown,
                    unit,
                    desk: None,
                    pos: Pos(0),
                    state: Kept::Nothing,
                    settled: false,
                });
                self.slots.len() - 1
            }
            None => {
                let detail = format!("the next number is {}", self.slots.len() + 1);
                self.findings.note(
                    Some(entry.pos),
                    "record",
                    row.no,
                    FaultKind::RecordDiffers,
                    detail,
                );
                return;
            }
        };
        self.touch(entry, index, row, after);
    }

    /// Checks an entry's links to its record, and the row if this is the record's last entry.
    pub(super) fn touch(
        &mut self,
        entry: &EntryRow,
        index: usize,
        row: &RecordRow,
        after: Option<RecordState>,
    ) {
        let slot = &mut self.slots[index];
        let is_new = slot.last == Pos(0);
        let prev = (!is_new).then_some(slot.last);
        let (old_kind, old_unit, old_desk) = (slot.kind, slot.unit, slot.desk);
        let mut was = None;
        if let Some(state) = after {
            slot.kind = if state.created.is_some() {
                state.kind
            } else {
                Kind::Unknown
            };
            (slot.unit, slot.desk, slot.pos) = (state.unit, state.desk, state.pos);
            slot.state = if is_new {
                Kept::Entry
            } else {
                Kept::Image(state.to_image().into())
            };
            let moved = (old_kind, old_unit, old_desk) != (slot.kind, slot.unit, slot.desk);
            if moved && !is_new {
                let seen = old_kind != Kind::Unknown;
                was = Some((
                    if seen { old_unit } else { UnitId(0) },
                    old_desk.filter(|_| seen),
                ));
            }
        }
        slot.last = entry.pos;
        if entry.prev != prev {
            let detail = format!("{:?} instead of {prev:?}", entry.prev);
            self.fault(entry.pos, FaultKind::HistoryDiffers, detail);
        }
        if entry.was != was {
            self.fault(
                entry.pos,
                FaultKind::WasDiffers,
                format!("{:?} instead of {was:?}", entry.was),
            );
        }
        if row.last == entry.pos {
            self.settle(index, row);
        } else if row.last < entry.pos {
            let detail = format!("last {} instead of {}", row.last, entry.pos);
            self.findings.note(
                Some(entry.pos),
                "record",
                row.no,
                FaultKind::RecordDiffers,
                detail,
            );
            self.slots[index].settled = true;
        }
    }

    fn settle(&mut self, index: usize, row: &RecordRow) {
        let slot = &mut self.slots[index];
        let image = match &slot.state {
            Kept::Nothing | Kept::Entry => None,
            Kept::Image(image) => Some(&image[..]),
            Kept::Settled => row.image.as_deref(),
        };
        let columns = [
            ("kind", slot.kind == row.kind),
            ("unit", slot.unit == row.unit),
            ("desk", slot.desk == row.desk),
            ("pos", slot.pos == row.pos),
            ("image", image == row.image.as_deref()),
        ];
        for (column, same) in columns {
            if !same {
                self.findings.note(
                    Some(slot.last),
                    "record",
                    row.no,
                    FaultKind::RecordDiffers,
                    column,
                );
            }
        }
        if slot.kind != Kind::Unknown {
            let bucket = Bucket {
                kind: slot.kind,
                unit: slot.unit,
                desk: slot.desk,
            };
            self.buckets
                .entry(bucket)
                .or_default()
                .add(row.id, slot.pos);
        }
        (slot.state, slot.settled) = (Kept::Settled, true);
    }

    /// Checks that every record was settled, and the digests.
    pub(super) fn check_records(&mut self) -> Result<(), StoreError> {
        for (index, slot) in self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| !slot.settled)
        {
            let detail = format!("last is not {}", slot.last);
            self.findings.note(
                Some(slot.last),
                "record",
                index + 1,
                FaultKind::RecordDiffers,
                detail,
            );
        }
        let stored: std::collections::BTreeMap<_, _> =
            self.read.list_buckets()?.into_iter().collect();
        let names: std::collections::BTreeSet<Bucket> =
            stored.keys().chain(self.buckets.keys()).copied().collect();
        for name in names {
            let ours = self.buckets.get(&name).copied().unwrap_or_default();
            if stored.get(&name).copied().unwrap_or_default() != ours {
                let desk = name.desk.map_or(0, |desk| desk.0);
                let row = format!("{}/{}/{desk}", name.kind as u8, name.unit);
                self.findings
                    .note(None, "bucket", row, FaultKind::BucketDiffers, "");
            }
        }
        Ok(())
    }
}
