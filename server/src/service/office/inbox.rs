//! What waits for a person: of a record, fields with several values and steps that were not applied; of a change, that it
//! waits for a ruling, or came from a forked branch and nobody has looked at it.

use crate::service::context::{LogView, read_ruling};
use crate::store::StoreError;
use crate::store::sqlite::inbox::{InboxRow, InboxSort};
use crate::store::sqlite::{EntryRow, RecordRow};
use sync_core::change::Header;
use sync_core::entry::EntryKind;
use sync_core::ids::{Pos, UnitId};
use sync_core::kinds::{self, Kind};
use sync_core::merge::{Attempt, RecordState, Step};
use sync_core::verdict::{Marks, Verdict};

/// What of a record waits for a person.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(in crate::service) fn items_of_record(
    view: &LogView<'_>,
    row: &RecordRow,
    state: &RecordState,
) -> Result<Vec<InboxRow>, StoreError> {
    let mut items = Vec::new();
    let item = |sort, pos, field: &str, since_ms| InboxRow {
        sort,
        no: Some(row.no),
        pos,
        field: field.to_owned(),
        kind: row.kind,
        unit: row.unit,
        desk: row.desk,
        since_ms,
    };
    if state.has_conflict() {
        for conflict in state.conflicts() {
            let newest = conflict
                .values
                .iter()
                .map(|(stamp, _)| stamp)
                .max_by_key(|stamp| stamp.place);
            let newest = newest.expect("BUG: a conflict has values");
            let since_ms = view.read.find_received_ms(newest.place.pos)?;
            let since_ms = since_ms.unwrap_or(newest.time_ms);
            items.push(item(
                InboxSort::Conflict,
                newest.place.pos,
                conflict.field,
                since_ms,
            ));
        }
    }
    for attempt in &state.attempts {
        let Some(entry) = open_attempt(view, state, attempt)? else {
            continue;
        };
        items.push(item(
            InboxSort::NotApplied,
            entry.pos,
            "",
            entry.received_ms,
        ));
    }
    Ok(items)
}

/// The change of a step that was not applied, while nobody has taken a later one, looked at it or repaired it.
fn open_attempt(
    view: &LogView<'_>,
    state: &RecordState,
    attempt: &Attempt,
) -> Result<Option<EntryRow>, StoreError> {
    let is_move = attempt.to.is_empty();
    let is_alike = |step: &&Step| step.units.is_some() == is_move;
    let last = state.steps.iter().rev().find(is_alike);
    if last.is_some_and(|step| step.stamp.order() > attempt.stamp.order()) {
        return Ok(None);
    }
    let Some(entry) = step_change(view, attempt.stamp.place.pos)? else {
        return Ok(None);
    };
    Ok((!is_settled(view, &entry)?).then_some(entry))
}

/// The change whose effect stands at a place: its own, or that of the ruling that released it.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(super) fn step_change(view: &LogView<'_>, pos: Pos) -> Result<Option<EntryRow>, StoreError> {
    let found = view.read.find_entry(pos)?;
    match found {
        Some(entry) if entry.kind == EntryKind::Ruling => {
            view.read.find_entry(read_ruling(&entry)?.of)
        }
        found => Ok(found),
    }
}

/// Whether a person has ruled about a change, or a repair has taken its place.
fn is_settled(view: &LogView<'_>, entry: &EntryRow) -> Result<bool, StoreError> {
    if view.read.find_seen(entry.pos)?.is_some() {
        return Ok(true);
    }
    let Some(pos) = view.read.find_ruling(entry.pos, view.head)? else {
        return Ok(false);
    };
    let Some(ruling) = view.read.find_entry(pos)? else {
        return Ok(false);
    };
    let ruling = read_ruling(&ruling)?;
    Ok(ruling.by.is_some() || !ruling.ruling.puts_into_force())
}

/// The change that an entry gives reason to look at.
pub(in crate::service) fn change_to_look_at(entry: &EntryRow) -> Option<Pos> {
    match entry.kind {
        EntryKind::Change => {
            let waits = matches!(entry.answer.verdict, Verdict::Held | Verdict::Quarantined);
            (waits || entry.answer.marks.has(Marks::FORKED)).then_some(entry.pos)
        }
        EntryKind::Ruling => read_ruling(entry).ok().map(|ruling| ruling.of),
        EntryKind::Directory => None,
    }
}

/// What of a change waits for a person.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(in crate::service) fn item_of_change(
    view: &LogView<'_>,
    pos: Pos,
) -> Result<Option<InboxRow>, StoreError> {
    let Some(entry) = view.read.find_entry(pos)? else {
        return Ok(None);
    };
    let sort = match view.read.find_held(pos)? {
        Some(Verdict::Held) => InboxSort::Held,
        Some(_) => InboxSort::Quarantined,
        None if is_unseen_fork(view, &entry)? => InboxSort::Forked,
        None => return Ok(None),
    };
    let row = entry
        .record
        .map(|no| view.read.get_record_by_no(no))
        .transpose()?;
    let made = row.as_ref().filter(|row| row.kind != Kind::Unknown);
    let header = Header::decode(&entry.header).ok();
    let (kind, unit, desk) = match (made, &header) {
        (Some(row), _) => (row.kind, row.unit, row.desk),
        // Nobody has made it yet: it belongs where its author says.
        (None, Some(header)) => {
            let intent = kinds::find(&header.intent).and_then(|intent| intent.kind);
            (intent.unwrap_or(Kind::Unknown), header.unit, None)
        }
        (None, None) => (Kind::Unknown, UnitId(0), None),
    };
    Ok(Some(InboxRow {
        sort,
        no: entry.record,
        pos,
        field: String::new(),
        kind,
        unit,
        desk,
        since_ms: entry.received_ms,
    }))
}

fn is_unseen_fork(view: &LogView<'_>, entry: &EntryRow) -> Result<bool, StoreError> {
    let present = view.present(entry)?.answer;
    let is_new = present.marks.has(Marks::FORKED) && !present.marks.has(Marks::REPEAT);
    Ok(is_new && present.verdict.is_in_force() && !is_settled(view, entry)?)
}
