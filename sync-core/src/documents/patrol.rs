//! When patrols walk, who walks where, and what makes a round complete.

use super::{Name, TimeOfDay};
use chrono::NaiveDate;
use serde::Deserialize;

/// When a slot is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotWhen {
    /// Every day.
    Always,
    /// On the days of key periods.
    KeyPeriod,
}

/// A time of day at which a round is walked.
#[derive(Clone, Debug, Deserialize)]
pub struct Slot {
    /// Its code, which rounds name.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// When it begins.
    pub from: TimeOfDay,
    /// When it is over; before its beginning: on the next day.
    pub until: TimeOfDay,
    /// On which days.
    pub when: SlotWhen,
    /// Whether it is not walked any more.
    #[serde(default)]
    pub retired: bool,
}

/// Days on which patrols are denser: a holiday, a flood season, exams.
#[derive(Clone, Debug, Deserialize)]
pub struct KeyPeriod {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day.
    pub to: NaiveDate,
    /// Codes of the units where it holds, with all below them; everywhere when there are none.
    #[serde(default)]
    pub units: Vec<String>,
}

/// How many walk, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Crew {
    /// People at least.
    pub people_min: u32,
    /// Minutes at least.
    pub minutes_min: u32,
    /// Minutes at most.
    pub minutes_max: u32,
}

/// Whether and how tracks are kept.
#[derive(Clone, Debug, Deserialize)]
pub struct TrackRule {
    /// Whether a track is asked for.
    pub on: bool,
    /// Why; a track without a reason is not asked for.
    #[serde(default)]
    pub reason: Option<Name>,
    /// Days that it is kept.
    pub keep_days: u32,
    /// Days that it is kept when it was made in a key period.
    pub keep_days_key_period: u32,
}

impl TrackRule {
    /// Whether a track is asked for: switched on, with a reason that people can read.
    pub fn is_asked(&self) -> bool {
        let has_words = |name: &Name| !name.zh.trim().is_empty() || !name.en.trim().is_empty();
        self.on && self.reason.as_ref().is_some_and(has_words)
    }
}

/// What is doubtful.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct DoubtLimits {
    /// Faster than this nobody walks, km/h.
    pub speed_kmh: u32,
    /// A clock that is off by more than this, minutes.
    pub clock_minutes: u32,
}

/// Why a round or a point was missed.
#[derive(Clone, Debug, Deserialize)]
pub struct MissedReason {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// Whether it may not be given any more.
    #[serde(default)]
    pub retired: bool,
}

/// The plan: slots, key periods, what a round takes.
#[derive(Clone, Debug, Deserialize)]
pub struct PatrolPlan {
    /// Every slot of a day.
    pub slots: Vec<Slot>,
    /// Declared with dates.
    pub key_periods: Vec<KeyPeriod>,
    /// Who walks on an ordinary day.
    pub normal: Crew,
    /// Who walks in a key period.
    pub key_period: Crew,
    /// The share of must-points with which a round is complete, percent.
    pub complete_percent: u32,
    /// The share with which it is partial, percent.
    pub partial_percent: u32,
    /// How far from a point a check-in counts, metres; a worse accuracy widens it.
    pub near_m: u32,
    /// How long a leader's code is good, minutes.
    pub join_code_minutes: u32,
    /// Tracks.
    pub track: TrackRule,
    /// Doubts.
    pub doubts: DoubtLimits,
    /// Reasons for what was missed.
    pub missed_reasons: Vec<MissedReason>,
}

impl PatrolPlan {
    /// A slot by its code.
    pub fn slot(&self, code: &str) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.code == code)
    }

    /// The key period that holds on a day in a unit, `lineage` being the codes of that unit and of all above it.
    pub fn key_period_on(&self, day: NaiveDate, lineage: &[&str]) -> Option<&KeyPeriod> {
        self.key_periods.iter().find(|period| {
            let is_there = period.units.is_empty()
                || period
                    .units
                    .iter()
                    .any(|unit| lineage.contains(&unit.as_str()));
            (period.from..=period.to).contains(&day) && is_there
        })
    }
}

/// A place. Degrees times 10^7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PointPlace {
    /// Latitude.
    pub latitude_e7: i64,
    /// Longitude.
    pub longitude_e7: i64,
}

/// A point that patrols check in at.
#[derive(Clone, Debug, Deserialize)]
pub struct PatrolPoint {
    /// Its code, which check-ins name.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// The code of the unit it lies in.
    pub unit: String,
    /// Where it is.
    #[serde(default)]
    pub place: Option<PointPlace>,
    /// Whether it must be visited in key periods.
    #[serde(default)]
    pub red: bool,
    /// The number of the sticker that hangs there now.
    #[serde(default = "first_serial")]
    pub serial: u32,
    /// Numbers of stickers that count no more.
    #[serde(default)]
    pub revoked: Vec<u32>,
    /// Whether it is visited no more.
    #[serde(default)]
    pub retired: bool,
}

fn first_serial() -> u32 {
    1
}

/// A way past some points.
#[derive(Clone, Debug, Deserialize)]
pub struct PatrolRoute {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// The must-points, in the order in which they are walked.
    pub points: Vec<String>,
    /// Whether it is walked no more.
    #[serde(default)]
    pub retired: bool,
}

/// A team.
#[derive(Clone, Debug, Deserialize)]
pub struct PatrolTeam {
    /// Its code, which rounds name.
    pub code: String,
    /// What people call it.
    pub name: String,
    /// The code of its unit.
    pub unit: String,
    /// The routes it walks; the first one when a round names none.
    pub routes: Vec<String>,
    /// The number of its leader.
    #[serde(default)]
    pub leader: Option<u32>,
    /// The numbers of its members.
    #[serde(default)]
    pub members: Vec<u32>,
    /// The slots it walks; all when there are none.
    #[serde(default)]
    pub slots: Vec<String>,
    /// Whether it is gone.
    #[serde(default)]
    pub retired: bool,
}

/// Teams, routes and points.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct PatrolRoutes {
    /// Points, as the document lists them.
    pub points: Vec<PatrolPoint>,
    /// Routes.
    pub routes: Vec<PatrolRoute>,
    /// Teams.
    pub teams: Vec<PatrolTeam>,
}

impl PatrolRoutes {
    /// A point by its code.
    pub fn point(&self, code: &str) -> Option<&PatrolPoint> {
        self.points.iter().find(|point| point.code == code)
    }

    /// A team by its code.
    pub fn team(&self, code: &str) -> Option<&PatrolTeam> {
        self.teams.iter().find(|team| team.code == code)
    }

    /// A route by its code.
    pub fn route(&self, code: &str) -> Option<&PatrolRoute> {
        self.routes.iter().find(|route| route.code == code)
    }
}
