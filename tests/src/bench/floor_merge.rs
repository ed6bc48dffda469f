//! The floor merge: per-field last-writer-wins in a `BTreeMap`. What it overwrites is gone; the limit that the engine is held against.
//!
//! Three ways of handing the other side's work over are told, because they bound different things: whole states compared field by
//! field, edits as typed values, and edits as the JSON that would cross the wire.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::merge_work::{FIELD_NAMES, Field, FieldValue, MergeWork, field_of};
use super::under_test::{BenchError, LocalUnderTest, PreparedRun};

/// Who wrote a value when. The greater one wins; sides break ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    time_ms: i64,
    side: u8,
}

/// One field and the stamp of its last writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<V> {
    stamp: Stamp,
    value: V,
}

/// All fields of all records of one replica.
pub type State<V> = BTreeMap<(Uuid, Field), Register<V>>;

/// How a side's work reaches the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloorMerge {
    /// Each side reads the whole state of the other, unchanged fields included.
    WholeStates,
    /// Each side applies the other's edits.
    Edits,
    /// Each side parses the other's edits from JSON, one amendment a record, and applies them.
    EditsFromJson,
}

/// Takes over what is newer in `theirs`.
pub fn merge_state<V: Clone>(mine: &mut State<V>, theirs: &State<V>) {
    for (cell, register) in theirs {
        write(mine, *cell, register.stamp, || register.value.clone());
    }
}

/// Writes one value unless a newer one stands.
pub fn write<V>(
    state: &mut State<V>,
    cell: (Uuid, Field),
    stamp: Stamp,
    value: impl FnOnce() -> V,
) {
    match state.entry(cell) {
        Entry::Occupied(mut standing) => {
            if standing.get().stamp < stamp {
                *standing.get_mut() = Register {
                    stamp,
                    value: value(),
                };
            }
        }
        Entry::Vacant(empty) => {
            empty.insert(Register {
                stamp,
                value: value(),
            });
        }
    }
}

/// Two replicas that hold the same reports and have written their own edits.
#[derive(Clone)]
pub struct TwoReplicas {
    states: [State<FieldValue>; 2],
}

impl TwoReplicas {
    /// Both sides before they meet.
    pub fn new(work: &MergeWork) -> Self {
        let mut common = State::new();
        let first = Stamp {
            time_ms: 0,
            side: 0,
        };
        for (record, report) in &work.reports {
            for field in (0..FIELD_NAMES.len()).map(|number| Field(number as u8)) {
                write(&mut common, (*record, field), first, || {
                    field_of(report, field)
                });
            }
        }
        let mut states = [common.clone(), common];
        for (side, state) in states.iter_mut().enumerate() {
            apply_edits(state, work, side);
        }
        Self { states }
    }

    /// Merges both ways by whole states.
    pub fn merge_whole_states(&mut self) {
        let [left, right] = &mut self.states;
        merge_state(left, right);
        merge_state(right, left);
    }

    /// Merges both ways by edits.
    pub fn merge_edits(&mut self, work: &MergeWork) {
        let [left, right] = &mut self.states;
        apply_edits(left, work, 1);
        apply_edits(right, work, 0);
    }

    /// Whether both sides are equal and no edit was lost to an older one.
    pub fn verify(&self, work: &MergeWork) -> Result<(), BenchError> {
        let wrong = |what: &str| Err(BenchError::WrongAnswer(what.to_owned()));
        if self.states[0] != self.states[1] {
            return wrong("the two sides differ after the merge");
        }
        for (side, edit) in
            (0..2).flat_map(|side| work.edits[side].iter().map(move |edit| (side, edit)))
        {
            let stamp = Stamp {
                time_ms: edit.time_ms,
                side: side as u8,
            };
            match self.states[0].get(&(edit.record, edit.field)) {
                Some(register) if register.stamp > stamp => {}
                Some(register) if register.stamp == stamp && register.value == edit.value => {}
                _ => return wrong("an edit was lost to an older one"),
            }
        }
        Ok(())
    }
}

fn apply_edits(state: &mut State<FieldValue>, work: &MergeWork, side: usize) {
    for edit in &work.edits[side] {
        let stamp = Stamp {
            time_ms: edit.time_ms,
            side: side as u8,
        };
        write(state, (edit.record, edit.field), stamp, || {
            edit.value.clone()
        });
    }
}

/// Amendments of one side as they would travel: `{"record":…,"time_ms":…,"fields":{…}}` each.
fn amendments(work: &MergeWork, side: usize) -> Vec<Vec<u8>> {
    work.edits[side]
        .chunk_by(|left, right| left.record == right.record)
        .map(|edits| {
            let fields: serde_json::Map<String, serde_json::Value> = edits
                .iter()
                .map(|edit| {
                    (
                        FIELD_NAMES[usize::from(edit.field.0)].to_owned(),
                        edit.value.to_json(),
                    )
                })
                .collect();
            let amendment = serde_json::json!({
                "record": edits[0].record, "time_ms": edits[0].time_ms, "fields": fields,
            });
            serde_json::to_vec(&amendment).expect("BUG: an amendment has no JSON")
        })
        .collect()
}

impl FieldValue {
    /// The value as a report's JSON has it.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Place(place) => serde_json::json!(place),
        }
    }
}

#[derive(serde::Deserialize)]
struct Amendment<'a> {
    record: Uuid,
    time_ms: i64,
    #[serde(borrow)]
    fields: BTreeMap<&'a str, &'a RawValue>,
}

type JsonState = State<Box<RawValue>>;

/// States whose values stay the bytes that their author wrote, and the amendments of both sides.
struct JsonReplicas {
    states: [JsonState; 2],
    amendments: [Vec<Vec<u8>>; 2],
}

impl JsonReplicas {
    fn new(work: &MergeWork) -> Result<Self, BenchError> {
        let mut common = JsonState::new();
        let first = Stamp {
            time_ms: 0,
            side: 0,
        };
        for (record, report) in &work.reports {
            for field in (0..FIELD_NAMES.len()).map(|number| Field(number as u8)) {
                let json = field_of(report, field).to_json().to_string();
                let value = RawValue::from_string(json).map_err(unreadable)?;
                write(&mut common, (*record, field), first, || value);
            }
        }
        let mut replicas = Self {
            states: [common.clone(), common],
            amendments: [amendments(work, 0), amendments(work, 1)],
        };
        replicas.hand_over(0, 0)?;
        replicas.hand_over(1, 1)?;
        Ok(replicas)
    }

    fn hand_over(&mut self, from: usize, to: usize) -> Result<(), BenchError> {
        for bytes in &self.amendments[from] {
            let amendment: Amendment<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
            let stamp = Stamp {
                time_ms: amendment.time_ms,
                side: from as u8,
            };
            for (name, value) in amendment.fields {
                let number = FIELD_NAMES.iter().position(|known| *known == name);
                let field =
                    Field(number.ok_or_else(|| {
                        BenchError::WrongAnswer(format!("no field is called {name}"))
                    })? as u8);
                write(
                    &mut self.states[to],
                    (amendment.record, field),
                    stamp,
                    || value.to_owned(),
                );
            }
        }
        Ok(())
    }
}

fn unreadable(error: serde_json::Error) -> BenchError {
    BenchError::WrongAnswer(error.to_string())
}

struct PreparedTyped {
    replicas: TwoReplicas,
    work: MergeWork,
    whole: bool,
}

impl PreparedRun for PreparedTyped {
    fn run(&mut self) -> Result<u64, BenchError> {
        if self.whole {
            self.replicas.merge_whole_states();
        } else {
            self.replicas.merge_edits(&self.work);
        }
        Ok(self.work.field_edits())
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        self.replicas.verify(&self.work)
    }
}

struct PreparedJson {
    replicas: JsonReplicas,
    field_edits: u64,
}

impl PreparedRun for PreparedJson {
    fn run(&mut self) -> Result<u64, BenchError> {
        self.replicas.hand_over(0, 1)?;
        self.replicas.hand_over(1, 0)?;
        Ok(self.field_edits)
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        let [left, right] = &self.replicas.states;
        let same = left.len() == right.len()
            && left
                .iter()
                .zip(right)
                .all(|((cell, mine), (other, theirs))| {
                    cell == other
                        && mine.stamp == theirs.stamp
                        && mine.value.get() == theirs.value.get()
                });
        if same {
            Ok(())
        } else {
            Err(BenchError::WrongAnswer(
                "the two sides differ after the merge".to_owned(),
            ))
        }
    }
}

impl LocalUnderTest<MergeWork> for FloorMerge {
    fn prepare(&self, work: &MergeWork, _data: &Path) -> Result<Box<dyn PreparedRun>, BenchError> {
        Ok(match self {
            Self::WholeStates | Self::Edits => Box::new(PreparedTyped {
                replicas: TwoReplicas::new(work),
                work: work.clone(),
                whole: *self == Self::WholeStates,
            }),
            Self::EditsFromJson => Box::new(PreparedJson {
                replicas: JsonReplicas::new(work)?,
                field_edits: work.field_edits(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::timing::measure_local;

    #[test]
    fn every_way_of_merging_makes_both_sides_equal() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let work = MergeWork::new(2, 100, 60, 2);
        for floor in [
            FloorMerge::WholeStates,
            FloorMerge::Edits,
            FloorMerge::EditsFromJson,
        ] {
            let figures = measure_local(&floor, &work, scratch.path()).expect("merged");
            assert_eq!(figures.units, 240);
        }
    }

    #[test]
    fn sides_that_have_not_met_do_not_pass() {
        let work = MergeWork::new(2, 100, 60, 2);
        let mut replicas = TwoReplicas::new(&work);
        assert!(replicas.verify(&work).is_err());
        replicas.merge_edits(&work);
        replicas.verify(&work).expect("merged by edits");
        let by_edits = replicas.states[0].clone();
        let mut replicas = TwoReplicas::new(&work);
        replicas.merge_whole_states();
        assert_eq!(replicas.states[0], by_edits);
    }
}
