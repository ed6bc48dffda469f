//! Rules by which tasks come about and alerts are raised, and the indicators of a month.

use super::Name;
use crate::calendar::Duration;
use crate::kinds::Kind;
use serde::Deserialize;

/// How often a task comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// Each week, from Monday on.
    Week,
    /// Each month.
    Month,
    /// Each quarter.
    Quarter,
}

/// When a task comes about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TaskWhen {
    /// So many days after the last visit or inspection of a record, as this field of it says.
    Due {
        /// The kind of record: a household or a place.
        kind: Kind,
        /// The field that holds the days.
        due_field: String,
    },
    /// When a record enters a state, or some time after.
    Entered {
        /// The kind of record.
        kind: Kind,
        /// The state.
        state: String,
        /// How long after.
        #[serde(default)]
        after: Option<Duration>,
    },
    /// Again and again, in each unit of a kind.
    Cycle {
        /// How often.
        every: Every,
        /// The kind of unit.
        unit_kind: String,
    },
}

/// A rule by which tasks come about.
#[derive(Clone, Debug, Deserialize)]
pub struct TaskRule {
    /// Its code, which tasks name.
    pub code: String,
    /// What the task is called.
    pub name: Name,
    /// When it comes about.
    pub when: TaskWhen,
    /// The role that gets it.
    pub role: String,
    /// What kind of work it is.
    pub activity: String,
    /// How long it may take.
    pub due: Duration,
    /// Whether it makes no more tasks.
    #[serde(default)]
    pub retired: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct TaskRulesFile {
    pub rules: Vec<TaskRule>,
}

/// What an alert rule looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// So many reports within the window.
    Threshold,
    /// So many reports within the window and a circle.
    Cluster,
    /// So great a share of open cases that are overdue.
    OverdueShare,
}

/// A rule that raises alerts.
#[derive(Clone, Debug, Deserialize)]
pub struct AlertRule {
    /// Its code, which alerts name.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// What it looks for.
    pub kind: AlertKind,
    /// The categories that count; all when there are none.
    pub categories: Vec<String>,
    /// How far back it looks.
    pub window: Duration,
    /// How many it takes; of an overdue share, how many open cases at least.
    pub count: u32,
    /// The radius of the circle, metres.
    #[serde(default)]
    pub radius_m: Option<u32>,
    /// The share that it takes, in thousandths.
    #[serde(default)]
    pub share_permille: Option<u32>,
    /// The kind of unit by which it counts.
    pub by: String,
    /// How grave it is: blue, yellow, orange, red.
    pub grade: String,
    /// The role in that unit that is responsible.
    pub role: String,
    /// Whether it raises no more alerts.
    #[serde(default)]
    pub retired: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct AlertRulesFile {
    pub rules: Vec<AlertRule>,
}

/// A figure of the month.
#[derive(Clone, Debug, Deserialize)]
pub struct Indicator {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// What is counted.
    pub measure: String,
    /// Whether it is no more reckoned.
    #[serde(default)]
    pub retired: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct IndicatorsFile {
    pub indicators: Vec<Indicator>,
}
