//! Categories of reports, their levels, and how long each may take.

use super::Name;
use crate::calendar::Duration;
use serde::Deserialize;

/// How urgent a case is, and how long its steps may take. What a level does not name has no clock.
#[derive(Clone, Debug, Deserialize)]
pub struct Level {
    /// `I` to `IV`.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// Whether the units above are told at once.
    #[serde(default)]
    pub report_up_at_once: bool,
    /// Until somebody has taken it up.
    #[serde(default)]
    pub acknowledge: Option<Duration>,
    /// Until somebody has begun.
    #[serde(default)]
    pub first_action: Option<Duration>,
    /// Until it is sent to a unit.
    #[serde(default)]
    pub dispatch: Option<Duration>,
    /// Until it is handled.
    #[serde(default)]
    pub dispose: Option<Duration>,
    /// Until it is closed, where nothing else is said.
    #[serde(default)]
    pub close: Option<Duration>,
    /// What all of it may come to with extensions.
    #[serde(default)]
    pub dispose_extended_max: Option<Duration>,
}

/// What the decisions need of a category.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Its code, such as `SAN-01`.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// The default level, `I` to `IV`.
    pub level: String,
    /// Whether the worker may solve it on the spot.
    pub self_handled_allowed: bool,
    /// What must prove that it was done.
    #[serde(default)]
    pub proof: Proof,
    /// How long it may take, where that is another time than the level's.
    #[serde(default)]
    pub dispose: Option<Duration>,
    /// Whether nobody may choose it any more; old records keep it.
    #[serde(default)]
    pub retired: bool,
}

/// What must prove that a case was solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Proof {
    /// Whether it takes an attachment; otherwise words do.
    #[serde(default)]
    pub required: bool,
}

#[derive(Deserialize)]
pub(super) struct CategoriesFile {
    pub levels: Vec<Level>,
    pub verify: Duration,
    pub categories: Vec<Category>,
}
