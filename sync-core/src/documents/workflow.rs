//! Transition tables: which step leads where, who may take it, and under which conditions.

use super::Name;
use crate::calendar::Duration;
use crate::kinds::Kind;
use serde::Deserialize;

/// Which clock runs in a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// Until somebody has taken it up, by level.
    Acknowledge,
    /// Until it is sent to a unit, by level.
    Dispatch,
    /// Until it is handled, by category or level.
    Dispose,
    /// Until it is handled again: half of what was allowed at first.
    DisposeHalf,
    /// Until somebody else has verified it.
    Verify,
    /// Until a task is due.
    Due,
    /// Until the window of a round is over.
    Window,
    /// Until a claim is reviewed.
    Review,
    /// Until somebody has looked whether it held.
    FollowUp,
    /// It stands still.
    Paused,
    /// It stands still, and figures count it apart.
    PausedApart,
    /// None runs.
    #[default]
    None,
}

impl ClockKind {
    /// Its name, as documents write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Dispatch => "dispatch",
            Self::Dispose => "dispose",
            Self::DisposeHalf => "dispose_half",
            Self::Verify => "verify",
            Self::Due => "due",
            Self::Window => "window",
            Self::Review => "review",
            Self::FollowUp => "follow_up",
            Self::Paused => "paused",
            Self::PausedApart => "paused_apart",
            Self::None => "none",
        }
    }
}

/// One state of a workflow.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// Its code, in capitals.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// Which step of the work it belongs to.
    #[serde(default)]
    pub step: u32,
    /// Further steps of the work that it stands for: what was handled on the spot was never dispatched.
    #[serde(default)]
    pub covers: Vec<u32>,
    /// The clock that runs in it.
    #[serde(default)]
    pub clock: ClockKind,
    /// How long the clock may run, where neither level nor category says so.
    #[serde(default)]
    pub allowed: Option<Duration>,
    /// Whether nothing follows.
    #[serde(default, rename = "final")]
    pub is_final: bool,
}

impl State {
    /// Whether somebody must still do something: a clock belongs to the state, running or paused.
    pub fn has_work(&self) -> bool {
        self.clock != ClockKind::None
    }
}

/// Who hears of a step that comes too often.
#[derive(Clone, Debug, Deserialize)]
pub struct Escalation {
    /// From which time on that it is taken.
    pub from_time: u32,
    /// The role that hears of it.
    pub to: String,
}

/// One step that a workflow allows.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Transition {
    /// The state it leaves.
    pub from: String,
    /// The state it enters.
    pub to: String,
    /// Who may take it.
    pub roles: Vec<String>,
    /// Payload fields that must be there.
    pub requires: Vec<String>,
    /// Named conditions; see [`crate::decide::guards`].
    pub guards: Vec<String>,
    /// Whether it may be taken without a network.
    #[serde(default)]
    pub offline: bool,
    /// The server takes it by itself when the record has been in its state so long.
    #[serde(default)]
    pub automatic_after: Option<Duration>,
    /// The server takes it by itself at the time that this field of the step before names.
    #[serde(default)]
    pub automatic_at: Option<String>,
    /// Who hears of it when it comes too often.
    #[serde(default)]
    pub escalate: Option<Escalation>,
}

/// A named condition as the document explains it.
#[derive(Clone, Debug, Deserialize)]
pub struct Guard {
    /// Its name.
    pub code: String,
    /// What it asks.
    pub meaning: Name,
    /// The time that it speaks of, for those that speak of one.
    #[serde(default)]
    pub within: Option<Duration>,
}

/// The transition table of one kind of record.
#[derive(Clone, Debug, Deserialize)]
pub struct Workflow {
    /// The kind it is for.
    pub kind: Kind,
    /// The version that entries name.
    pub version: u32,
    /// Where a new record starts.
    pub initial: String,
    /// All states.
    pub states: Vec<State>,
    /// The conditions that its steps name.
    #[serde(default)]
    pub guards: Vec<Guard>,
    /// All steps.
    pub transitions: Vec<Transition>,
}

impl Workflow {
    /// The step between two states, if the table has it.
    pub fn step(&self, from: &str, to: &str) -> Option<&Transition> {
        self.transitions
            .iter()
            .find(|step| step.from == from && step.to == to)
    }

    /// A state by its code.
    pub fn state(&self, code: &str) -> Option<&State> {
        self.states.iter().find(|state| state.code == code)
    }

    /// The time that a condition speaks of.
    pub fn within(&self, guard: &str) -> Option<Duration> {
        let guard = self.guards.iter().find(|each| each.code == guard)?;
        guard.within
    }
}
