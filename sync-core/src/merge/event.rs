//! An event: one entry in force as the fold sees it.

use super::Stamp;
use crate::change::Header;
use crate::ids::{LogPlace, UnitId};
use crate::kinds::{Intent, Kind, Shape};
use crate::payload::Payload;
use crate::verdict::{Answer, Marks, ProblemCode, Verdict};

/// What an entry does to its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Makes the record, with its first values.
    Create {
        /// Its kind.
        kind: Kind,
        /// Where its workflow starts.
        state: Option<String>,
        /// Its registers.
        fields: Payload,
    },
    /// Writes registers.
    Write(Payload),
    /// Adds an element.
    Element {
        /// To which set.
        set: String,
        /// The kind of record that the intent belongs to, if to one only.
        kind: Option<Kind>,
        /// What it holds.
        fields: Payload,
    },
    /// Takes a step of the workflow.
    Step {
        /// The state it enters.
        to: String,
        /// Who must act from now on, if the step says so.
        desk: Option<UnitId>,
        /// What it holds.
        fields: Payload,
    },
    /// Moves the record to another unit.
    Move {
        /// Which.
        to: UnitId,
        /// What it holds.
        fields: Payload,
    },
    /// Tried a step that was not applied.
    Attempt {
        /// The state it wanted; empty for a move.
        to: String,
        /// Why not.
        code: ProblemCode,
    },
}

/// One entry in force, or one that was tried and not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where, when, who.
    pub stamp: Stamp,
    /// What the author was looking at.
    pub base: LogPlace,
    /// The unit that the author named.
    pub unit: UnitId,
    /// What it does.
    pub act: Act,
}

impl Event {
    /// The event of an answered change; `None` where it has no effect on its record (held, quarantined, a repeat).
    pub fn of(
        intent: &Intent,
        header: &Header,
        payload: Payload,
        answer: &Answer,
        stamp: Stamp,
    ) -> Option<Self> {
        if answer.marks.has(Marks::REPEAT) {
            return None;
        }
        let act = match answer.verdict {
            Verdict::Accepted | Verdict::Conflict => Act::of(intent, payload)?,
            Verdict::NotApplied => Act::Attempt {
                to: Act::target_state(intent, &payload).unwrap_or_default(),
                code: answer
                    .problems
                    .first()
                    .map_or(ProblemCode::TransitionNotAllowed, |problem| problem.code),
            },
            Verdict::Held | Verdict::Quarantined => return None,
        };
        Some(Self {
            stamp,
            base: header.base,
            unit: header.unit,
            act,
        })
    }
}

impl Act {
    /// What an intent with a valid payload does; `None` when the payload lacks what validation demands.
    pub fn of(intent: &Intent, payload: Payload) -> Option<Self> {
        Some(match intent.shape {
            Shape::Create(state) => Self::Create {
                kind: intent.kind?,
                state: state.map(str::to_owned),
                fields: payload,
            },
            Shape::Amend => Self::Write(payload),
            Shape::Element(set) => Self::Element {
                set: set.to_owned(),
                kind: intent.kind,
                fields: payload,
            },
            Shape::Transition(_) => Self::Step {
                to: Self::target_state(intent, &payload)?,
                desk: payload.value("desk").map(UnitId),
                fields: payload,
            },
            Shape::Move => Self::Move {
                to: UnitId(payload.value("unit")?),
                fields: payload,
            },
        })
    }

    /// The state that a transition wants to enter.
    pub fn target_state(intent: &Intent, payload: &Payload) -> Option<String> {
        match intent.shape {
            Shape::Transition(Some(fixed)) => Some(fixed.to_owned()),
            Shape::Transition(None) => payload.value("to"),
            _ => None,
        }
    }
}
