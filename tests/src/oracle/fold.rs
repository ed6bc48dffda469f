//! What a record's entries add up to, by `docs/merge.md`: pairwise comparison of all writes, and one walk over the steps.

use super::plain::{Effect, Entry, Fields, Place, RecordKey, Stamp};
use super::written::{self, Shape, limit};
use std::collections::BTreeMap;

/// One value of a field that no other write has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// As its author spelled it.
    pub raw: String,
    /// Where, when, who.
    pub stamp: Stamp,
}

/// A step that applied: of the workflow, or to another unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where, when, who.
    pub stamp: Stamp,
    /// The state it left and the one it entered; nothing for a move.
    pub states: Option<(String, String)>,
    /// The unit it left and the one it entered; nothing for a step of the workflow.
    pub units: Option<(u32, u32)>,
    /// What it holds.
    pub fields: Fields,
}

/// An element of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Where, when, who.
    pub stamp: Stamp,
    /// Which set.
    pub set: String,
    /// What it holds.
    pub fields: Fields,
}

/// A step that was tried and not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Where, when, who.
    pub stamp: Stamp,
    /// The state it wanted; empty for a move.
    pub wanted: String,
    /// Why not.
    pub code: String,
}

/// What a record shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OracleRecord {
    /// Its kind; `unknown` while only elements of no kind have come.
    pub kind: String,
    /// Its unit.
    pub unit: u32,
    /// The unit that must act.
    pub desk: Option<u32>,
    /// The greatest position at which an entry touched it.
    pub own_pos: u64,
    /// The last entry in the order of entries.
    pub last: Place,
    /// Who made it; nothing while only others' work on it has come.
    pub created: Option<Stamp>,
    /// Every standing value of every field, the shown one first.
    pub registers: BTreeMap<String, Vec<Standing>>,
    /// Where its workflow stands.
    pub state: Option<String>,
    /// Steps that applied, in order.
    pub steps: Vec<Taken>,
    /// Elements, in order.
    pub elements: Vec<Element>,
    /// The newest steps that were not applied, in order.
    pub attempts: Vec<Attempt>,
}

impl OracleRecord {
    /// Whether a field has several different values.
    pub fn is_conflicted(&self, field: &str) -> bool {
        self.registers
            .get(field)
            .is_some_and(|values| values.iter().any(|value| value.raw != values[0].raw))
    }

    /// The shown value of a field as text.
    pub fn shown_text(&self, field: &str) -> Option<String> {
        let raw = &self.registers.get(field)?.first()?.raw;
        serde_json::from_str(raw).ok()
    }

    /// The stamps of all that it shows: who made it, standing values, steps, elements.
    pub fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        let values = self.registers.values().flatten().map(|value| &value.stamp);
        let steps = self.steps.iter().map(|step| &step.stamp);
        let elements = self.elements.iter().map(|element| &element.stamp);
        self.created
            .iter()
            .chain(values)
            .chain(steps)
            .chain(elements)
    }

    /// The last step of the workflow.
    pub fn last_step(&self) -> Option<&Taken> {
        self.steps.iter().rfind(|step| step.states.is_some())
    }

    /// The last move to another unit.
    pub fn last_move(&self) -> Option<&Taken> {
        self.steps.iter().rfind(|step| step.units.is_some())
    }
}

/// The model of the fold.
#[derive(Clone, Copy, Debug)]
pub struct FoldOracle;

impl FoldOracle {
    /// What every record shows, from entries in any order and with any repetition.
    pub fn records(entries: &[Entry]) -> BTreeMap<RecordKey, OracleRecord> {
        let mut by_record: BTreeMap<RecordKey, Vec<&Entry>> = BTreeMap::new();
        for entry in entries {
            by_record.entry(entry.record).or_default().push(entry);
        }
        by_record
            .into_iter()
            .filter_map(|(record, entries)| Some((record, fold(&entries)?)))
            .collect()
    }
}

/// What the entries of one record add up to; nothing when none of them touches it.
pub fn fold(entries: &[&Entry]) -> Option<OracleRecord> {
    let mut sorted: Vec<&Entry> = entries
        .iter()
        .copied()
        .filter(|entry| entry.effect != Effect::None && written::intent(&entry.intent).is_some())
        .collect();
    sorted.sort_by_key(|entry| (entry.stamp.order(), entry.stamp.replica, entry.stamp.seq));
    sorted.dedup_by(|left, right| left == right);
    let first = sorted.first()?;
    let mut record = OracleRecord {
        kind: "unknown".to_owned(),
        unit: first.unit,
        desk: None,
        own_pos: 0,
        last: first.stamp.order(),
        created: None,
        registers: BTreeMap::new(),
        state: None,
        steps: Vec::new(),
        elements: Vec::new(),
        attempts: Vec::new(),
    };
    let mut writes = Vec::new();
    for entry in &sorted {
        record.own_pos = record.own_pos.max(entry.stamp.place.1);
        record.last = record.last.max(entry.stamp.order());
        take(&mut record, entry, &mut writes);
    }
    record.registers = standing(&writes);
    let shown = usize::try_from(limit("attempts shown in an image")).expect("BUG: a limit");
    let older = record.attempts.len().saturating_sub(shown);
    record.attempts.drain(..older);
    Some(record)
}

/// One entry of a record, in the order of entries.
fn take<'a>(record: &mut OracleRecord, entry: &'a Entry, writes: &mut Vec<&'a Entry>) {
    let intent = written::intent(&entry.intent).expect("BUG: unknown intents have no effect");
    let fields = entry.fields.clone().unwrap_or_default();
    let stamp = entry.stamp.clone();
    let text = |name: &str| -> Option<String> { serde_json::from_str(fields.get(name)?).ok() };
    let unit = |name: &str| -> Option<u32> { serde_json::from_str(fields.get(name)?).ok() };
    let wanted = match &intent.shape {
        Shape::Steps(Some(to)) => to.clone(),
        Shape::Steps(None) => text("to").unwrap_or_default(),
        _ => String::new(),
    };
    if let Effect::NotApplied(code) = &entry.effect {
        record.attempts.push(Attempt {
            stamp,
            wanted,
            code: code.clone(),
        });
        return;
    }
    match &intent.shape {
        Shape::Makes(start) => {
            writes.push(entry);
            // A record is made once; a second entry that would make it only writes.
            if record.created.is_none() {
                record.created = Some(stamp);
                record.kind = intent.kind.clone().unwrap_or_default();
                if record.last_move().is_none() {
                    record.unit = entry.unit;
                }
                record.state = record.state.take().or_else(|| start.clone());
            }
        }
        Shape::Writes => writes.push(entry),
        Shape::Adds(set) => {
            if let (Some(kind), "unknown") = (&intent.kind, record.kind.as_str()) {
                record.kind.clone_from(kind);
            }
            record.elements.push(Element {
                stamp,
                set: set.clone(),
                fields,
            });
        }
        Shape::Steps(_) => {
            let from = record.state.replace(wanted.clone()).unwrap_or_default();
            record.desk = unit("desk").or(record.desk);
            record.steps.push(Taken {
                stamp,
                states: Some((from, wanted)),
                units: None,
                fields,
            });
        }
        Shape::Moves => {
            let to = unit("unit").unwrap_or_default();
            record.steps.push(Taken {
                stamp,
                states: None,
                units: Some((record.unit, to)),
                fields,
            });
            record.unit = to;
        }
    }
}

/// Whether the author of `later` had `earlier` before them, or made both on one replica in that order.
pub fn saw(later: &Entry, earlier: &Stamp) -> bool {
    let is_own = later.stamp.replica == earlier.replica && earlier.seq < later.stamp.seq;
    is_own || earlier.was_seen_from(later.base)
}

/// A write takes away what its author saw, if it comes before it, and what the same replica wrote earlier.
fn replaces(writer: &Entry, other: &Entry) -> bool {
    let is_own = writer.stamp.replica == other.stamp.replica;
    if is_own {
        return other.stamp.seq < writer.stamp.seq;
    }
    other.stamp.order() < writer.stamp.order() && other.stamp.was_seen_from(writer.base)
}

/// Every value that no other write has replaced.
fn standing(writes: &[&Entry]) -> BTreeMap<String, Vec<Standing>> {
    let mut registers: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
    for write in writes {
        for (name, raw) in write.fields.iter().flatten() {
            let is_gone = writes.iter().any(|other| {
                let writes_it = other.fields.iter().any(|fields| fields.contains_key(name));
                writes_it && replaces(other, write)
            });
            if !is_gone {
                registers.entry(name.clone()).or_default().push(Standing {
                    raw: raw.clone(),
                    stamp: write.stamp.clone(),
                });
            }
        }
    }
    for values in registers.values_mut() {
        values.sort_by_key(|value| (value.stamp.time_ms, value.stamp.order()));
        values.reverse();
    }
    registers
}
