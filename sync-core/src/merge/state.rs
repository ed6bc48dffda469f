//! A record's state: the values still visible, each with its write; the elements; the steps taken. Its JSON is the image
//! that tables hold and pages carry.

use super::{Act, Event, Stamp};
use crate::canary::{Canary, is_awake};
use crate::ids::{LogPlace, Pos, UnitId};
use crate::kinds::Kind;
use crate::limits;
use crate::payload::Payload;
use crate::verdict::ProblemCode;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeSet, VecDeque};

/// One write with those of its fields that are still visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Its stamp; left out of the JSON for the write that made the record.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    /// Field and value.
    #[serde(rename = "f")]
    fields: Payload,
}

/// One element of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Where, when, who.
    #[serde(rename = "s")]
    pub stamp: Stamp,
    /// Which set.
    #[serde(rename = "n")]
    pub set: String,
    /// What it holds.
    #[serde(rename = "f")]
    pub fields: Payload,
}

/// One step taken, of the workflow or to another unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Where, when, who.
    #[serde(rename = "s")]
    pub stamp: Stamp,
    /// The state it left and the one it entered; `None` for a move.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub states: Option<(String, String)>,
    /// The unit it left and the one it entered; `None` for a step of the workflow.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub units: Option<(UnitId, UnitId)>,
    /// What it holds.
    #[serde(rename = "f")]
    pub fields: Payload,
}

/// A step that was tried and not applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Where, when, who.
    #[serde(rename = "s")]
    pub stamp: Stamp,
    /// The state it wanted; empty for a move.
    #[serde(rename = "q")]
    pub to: String,
    /// Why not.
    #[serde(rename = "c")]
    pub code: ProblemCode,
}

/// A field that holds more than one value, because writes did not see each other.
#[derive(Clone, Debug)]
pub struct Conflict<'a> {
    /// The field.
    pub field: &'a str,
    /// Every visible value with its stamp, the shown one first.
    pub values: Vec<(&'a Stamp, &'a RawValue)>,
}

/// What a record's entries fold into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordState {
    /// Its kind; `Unknown` while only elements of no particular kind have come.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// The unit it belongs to.
    #[serde(rename = "u")]
    pub unit: UnitId,
    /// The unit that must act, if it was sent to one.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<UnitId>,
    /// The record's own place: the greatest at which an entry touched it.
    #[serde(rename = "p")]
    pub pos: Pos,
    /// The greatest order of its entries; one that sorts below needs the whole fold.
    #[serde(rename = "l")]
    latest: (u32, u64),
    /// Who made it; `None` while only elements have come.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Stamp>,
    /// Visible values by write, in order.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    writes: Vec<Write>,
    /// Where its workflow stands.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Steps taken, in order.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Elements, in order.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<Element>,
    /// The newest steps that were not applied, in order.
    #[serde(rename = "a", default, skip_serializing_if = "VecDeque::is_empty")]
    pub attempts: VecDeque<Attempt>,
}

impl RecordState {
    pub(super) fn empty(unit: UnitId) -> Self {
        Self {
            kind: Kind::Unknown,
            unit,
            desk: None,
            pos: Pos(0),
            latest: (0, 0),
            created: None,
            writes: Vec::new(),
            state: None,
            steps: Vec::new(),
            elements: Vec::new(),
            attempts: VecDeque::new(),
        }
    }

    /// Reads an image.
    ///
    /// # Errors
    /// What serde_json says, or that a write names no author.
    pub fn from_image(image: &[u8]) -> Result<Self, serde_json::Error> {
        let state: Self = serde_json::from_slice(image)?;
        if state.latest.0 > limits::EPOCH_MAX {
            return Err(serde_json::Error::custom("an epoch that there cannot be"));
        }
        if state.created.is_none() && state.writes.iter().any(|write| write.stamp.is_none()) {
            return Err(serde_json::Error::custom(
                "a write without a stamp in a record without a maker",
            ));
        }
        Ok(state)
    }

    /// The image: compact JSON, the same bytes for the same state on every machine.
    pub fn to_image(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("BUG: a state is always JSON")
    }

    /// The greatest order of its entries.
    pub fn latest(&self) -> LogPlace {
        LogPlace {
            epoch: crate::ids::Epoch(self.latest.0),
            pos: Pos(self.latest.1),
        }
    }

    /// Adds an event that sorts after all before it to a state, or starts one.
    ///
    /// An event that comes into force after later ones of its replica (a ruling released it) needs the whole
    /// [`super::fold`]: what had overtaken it may be gone from the state.
    pub fn advance(state: Option<Self>, event: Event) -> Self {
        let mut state = state.unwrap_or_else(|| Self::empty(event.unit));
        state.apply(event);
        state
    }

    /// Adds an event that sorts after all before it.
    pub fn apply(&mut self, event: Event) {
        self.apply_overtaken(event, &BTreeSet::new());
    }

    /// Adds an event that sorts after all before it, but in these fields its own replica has written later values
    /// before it came into force: it still replaces there what its author saw, and leaves no value of its own.
    pub(super) fn apply_overtaken(&mut self, event: Event, overtaken: &BTreeSet<String>) {
        let Event {
            stamp,
            base,
            unit,
            act,
        } = event;
        let order = stamp.order();
        debug_assert!(
            (order.epoch.0, order.pos.0) >= self.latest,
            "BUG: an event out of order"
        );
        self.latest = (order.epoch.0, order.pos.0);
        self.pos = self.pos.max(stamp.place.pos);
        match act {
            Act::Create {
                kind,
                state,
                fields,
            } => {
                // A record is made once; a second maker, let in by a ruling, only writes.
                if self.created.is_none() {
                    self.kind = kind;
                    if self.steps.iter().all(|step| step.units.is_none()) {
                        self.unit = unit;
                    }
                    self.created = Some(stamp);
                    if self.state.is_none() {
                        self.state = state;
                    }
                }
                self.write(stamp, base, fields, overtaken);
            }
            Act::Write(fields) => self.write(stamp, base, fields, overtaken),
            Act::Element { set, kind, fields } => {
                if let (Kind::Unknown, Some(kind)) = (self.kind, kind) {
                    self.kind = kind;
                }
                self.elements.push(Element { stamp, set, fields });
            }
            Act::Step { to, desk, fields } => {
                let from = self.state.replace(to.clone()).unwrap_or_default();
                self.desk = desk.or(self.desk);
                self.steps.push(Step {
                    stamp,
                    states: Some((from, to)),
                    units: None,
                    fields,
                });
            }
            Act::Move { to, fields } => {
                let from = std::mem::replace(&mut self.unit, to);
                self.steps.push(Step {
                    stamp,
                    states: None,
                    units: Some((from, to)),
                    fields,
                });
            }
            Act::Attempt { to, code } => {
                if self.attempts.len() == limits::ATTEMPTS_SHOWN_MAX {
                    self.attempts.pop_front();
                }
                self.attempts.push_back(Attempt { stamp, to, code });
            }
        }
    }

    /// Writes registers: values that the author saw, and the replica's own earlier ones, give way.
    fn write(
        &mut self,
        stamp: Stamp,
        base: LogPlace,
        mut fields: Payload,
        overtaken: &BTreeSet<String>,
    ) {
        let created = self.created;
        let mut late = false;
        for write in &mut self.writes {
            let old = write
                .stamp
                .or(created)
                .expect("BUG: a write without a stamp in a record without a maker");
            let own = old.replica == stamp.replica;
            late |= own && old.seq > stamp.seq;
            let seen = old.seen_from(base) || is_awake(Canary::UnseenValuesReplaced);
            let dropped = is_awake(Canary::EqualStampDropped) && old.time_ms == stamp.time_ms;
            // Of one replica the later change stays, whatever the base of the other claims.
            let gives_way = if own { old.seq < stamp.seq } else { seen };
            if gives_way || dropped {
                write.fields.retain(|name| !fields.has(name));
            }
        }
        if late || !overtaken.is_empty() {
            let newer = |name: &str| {
                self.writes.iter().any(|write| {
                    let old = write.stamp.or(created);
                    let own = old.filter(|old| old.replica == stamp.replica);
                    own.is_some_and(|own| own.seq > stamp.seq) && write.fields.has(name)
                })
            };
            fields.retain(|name| !overtaken.contains(name) && !newer(name));
        }
        self.writes.retain(|write| !write.fields.is_empty());
        if !fields.is_empty() {
            let stamp = (self.created != Some(stamp)).then_some(stamp);
            self.writes.push(Write { stamp, fields });
        }
    }

    /// Every visible write: its stamp and its visible fields, in order.
    pub fn writes(&self) -> impl Iterator<Item = (&Stamp, &Payload)> {
        self.writes.iter().map(|write| {
            let stamp = write.stamp.as_ref().or(self.created.as_ref());
            (
                stamp.expect("BUG: a write without a stamp in a record without a maker"),
                &write.fields,
            )
        })
    }

    /// Every visible value of a field, the shown one first.
    pub fn values<'a>(&'a self, field: &'a str) -> Vec<(&'a Stamp, &'a RawValue)> {
        let mut values: Vec<_> = self
            .writes()
            .filter_map(|(stamp, fields)| Some((stamp, fields.get(field)?)))
            .collect();
        values.sort_by_key(|(stamp, _)| std::cmp::Reverse(stamp.shown_order()));
        values
    }

    /// The shown value of a field.
    pub fn shown(&self, field: &str) -> Option<&RawValue> {
        self.writes()
            .filter_map(|(stamp, fields)| Some((stamp.shown_order(), fields.get(field)?)))
            .max_by_key(|(order, _)| *order)
            .map(|(_, value)| value)
    }

    /// The shown value of a field as text; `None` when it is missing or no text.
    pub fn shown_text(&self, field: &str) -> Option<String> {
        serde_json::from_str(self.shown(field)?.get()).ok()
    }

    /// Whether a field holds more than one distinct value.
    pub fn is_conflicted(&self, field: &str) -> bool {
        if self.writes.len() < 2 {
            return false;
        }
        let mut values = self
            .writes
            .iter()
            .filter_map(|write| write.fields.get(field));
        match values.next() {
            Some(first) => values.any(|other| other.get() != first.get()),
            None => false,
        }
    }

    /// Every field with a visible value, in order of names.
    pub fn field_names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self
            .writes
            .iter()
            .flat_map(|write| write.fields.iter().map(|(name, _)| name))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Every field that holds more than one distinct value.
    pub fn conflicts(&self) -> Vec<Conflict<'_>> {
        self.field_names()
            .into_iter()
            .filter(|field| self.is_conflicted(field))
            .map(|field| Conflict {
                field,
                values: self.values(field),
            })
            .collect()
    }

    /// Whether any field holds more than one distinct value.
    pub fn has_conflict(&self) -> bool {
        self.writes.len() > 1 && !self.conflicts().is_empty()
    }

    /// The last step of the workflow.
    pub fn last_step(&self) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.states.is_some())
    }

    /// The last move to another unit.
    pub fn last_move(&self) -> Option<&Step> {
        self.steps.iter().rev().find(|step| step.units.is_some())
    }

    /// Every stamp that the state still shows.
    pub fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        self.created
            .iter()
            .chain(self.writes.iter().filter_map(|write| write.stamp.as_ref()))
            .chain(self.steps.iter().map(|step| &step.stamp))
            .chain(self.elements.iter().map(|element| &element.stamp))
    }
}
