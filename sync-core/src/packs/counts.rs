//! What is counted, by name, for a unit and in total; and shares as two numbers.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Everything that a pack counts. A unit's row shows all of them, also where it has none.
pub const NAMES: &[&str] = &[
    "acknowledged",
    "bounced",
    "cancelled",
    "closed",
    "extended",
    "faults_open",
    "for_others",
    "inspections",
    "joint_visits",
    "mediations",
    "mediations_agreed",
    "mediations_kept",
    "mediations_referred",
    "merged",
    "on_time",
    "open",
    "overdue",
    "registered",
    "rejected",
    "reopened",
    "reported",
    "returned",
    "reworked",
    "rounds_complete",
    "rounds_doubts_open",
    "rounds_excused",
    "rounds_missed",
    "rounds_partial",
    "rounds_planned",
    "rounds_short",
    "rounds_unplanned",
    "self_handled",
    "suspended",
    "tasks_done",
    "tasks_overdue",
    "visits",
];

/// How often each thing happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    /// Counts some more of one of [`NAMES`].
    pub(super) fn add(&mut self, name: &'static str, more: u64) {
        debug_assert!(NAMES.contains(&name), "BUG: {name} is not counted");
        *self.0.entry(name).or_default() += more;
    }

    /// How many there were.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(super) fn to_map(&self) -> Map<String, Value> {
        let named = |name: &&str| ((*name).to_owned(), self.get(name).into());
        NAMES.iter().map(named).collect()
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many of them.
    pub part: u64,
    /// Of how many.
    pub whole: u64,
}

impl Share {
    pub(super) fn add(&mut self, is_part: bool) {
        self.whole += 1;
        self.part += u64::from(is_part);
    }

    /// Both numbers and the share in thousandths, rounded down; none where there is nothing to share.
    pub(super) fn to_json(self) -> Value {
        let permille = (self.whole > 0).then(|| self.part * 1_000 / self.whole.max(1));
        json!({ "numerator": self.part, "denominator": self.whole, "permille": permille })
    }
}
