//! The calendar of coverage: which rounds the plan asks for, and what became of each.

use super::round::Completion;
use crate::calendar::Zone;
use crate::documents::{Documents, PatrolPlan, Slot, SlotWhen};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// A round that the plan asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planned {
    /// The day.
    pub day: NaiveDate,
    /// The team.
    pub team: String,
    /// The slot.
    pub slot: String,
}

/// What is kept of a round for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundLine<T> {
    /// Which record.
    pub id: T,
    /// What it was planned as.
    pub planned: Planned,
    /// Where its workflow stands.
    pub state: String,
    /// How much of its must-points it has visited.
    pub completion: Completion,
    /// How many people were there.
    pub people: u32,
    /// How many the plan asked for when it was walked.
    pub people_min: u32,
    /// Doubts that nobody has settled.
    pub open_doubts: u32,
    /// Why something was missed.
    pub missed_reason: Option<String>,
}

/// What became of a planned round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Walked, with enough points and people.
    Complete,
    /// Walked, with a part of the points, or with too few people.
    Partial,
    /// Walked, with too few points.
    Short,
    /// Under way.
    UnderWay,
    /// Not walked, and somebody said why.
    Excused(String),
    /// Not walked, and nobody said why.
    Missed,
    /// Not walked, and its time is not over yet.
    ToCome,
}

impl Outcome {
    /// Its name in lists.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Short => "short",
            Self::UnderWay => "under_way",
            Self::Excused(_) => "excused",
            Self::Missed => "missed",
            Self::ToCome => "to_come",
        }
    }
}

/// One cell of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell<T> {
    /// The round that was asked for, or that somebody walked unasked.
    pub planned: Planned,
    /// Whether the plan asks for it.
    pub is_planned: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// The best round that was walked for it.
    pub round: Option<T>,
    /// Doubts about that round that nobody has settled.
    pub open_doubts: u32,
}

/// The rounds that the documents ask for over some days, first to last. `lineage` gives the codes of a unit and of all
/// above it.
pub fn planned<'a>(
    documents: &Documents,
    lineage: impl Fn(&str) -> Vec<&'a str>,
    days: std::ops::RangeInclusive<NaiveDate>,
) -> Vec<Planned> {
    let plan = documents.patrol_plan();
    let mut found = Vec::new();
    for team in &documents.patrol_routes().teams {
        if team.retired {
            continue;
        }
        let lineage = lineage(&team.unit);
        let walks = |slot: &&Slot| {
            !slot.retired && (team.slots.is_empty() || team.slots.contains(&slot.code))
        };
        for day in days
            .start()
            .iter_days()
            .take_while(|day| days.contains(day))
        {
            let is_key = plan.key_period_on(day, &lineage).is_some();
            let today = plan
                .slots
                .iter()
                .filter(walks)
                .filter(|slot| slot.when == SlotWhen::Always || is_key);
            found.extend(today.map(|slot| Planned {
                day,
                team: team.code.clone(),
                slot: slot.code.clone(),
            }));
        }
    }
    found.sort();
    found
}

/// When a slot of a day is over, milliseconds since 1970.
pub fn ends_ms(slot: &Slot, day: NaiveDate, zone: &Zone) -> i64 {
    let is_past_midnight = slot.until <= slot.from;
    let day = match is_past_midnight {
        true => day.succ_opt().unwrap_or(day),
        false => day,
    };
    zone.moment_ms(day, slot.until.0)
}

/// The calendar: a cell for each planned round and for each that was walked unasked, by day, team and slot.
pub fn coverage<T: Clone>(
    planned: Vec<Planned>,
    rounds: impl IntoIterator<Item = RoundLine<T>>,
    plan: &PatrolPlan,
    zone: &Zone,
    now_ms: i64,
) -> Vec<Cell<T>> {
    let mut cells: BTreeMap<Planned, Cell<T>> = planned
        .into_iter()
        .map(|planned| {
            let is_over = plan
                .slot(&planned.slot)
                .is_none_or(|slot| ends_ms(slot, planned.day, zone) <= now_ms);
            let outcome = match is_over {
                true => Outcome::Missed,
                false => Outcome::ToCome,
            };
            let cell = Cell {
                planned: planned.clone(),
                is_planned: true,
                outcome,
                round: None,
                open_doubts: 0,
            };
            (planned, cell)
        })
        .collect();
    for line in rounds {
        let outcome = outcome_of(&line);
        let cell = cells.entry(line.planned.clone()).or_insert_with(|| Cell {
            planned: line.planned.clone(),
            is_planned: false,
            outcome: Outcome::Missed,
            round: None,
            open_doubts: 0,
        });
        if rank(&outcome) > rank(&cell.outcome) {
            cell.outcome = outcome;
            cell.round = Some(line.id);
            cell.open_doubts = line.open_doubts;
        }
    }
    cells.into_values().collect()
}

fn outcome_of<T>(line: &RoundLine<T>) -> Outcome {
    match line.state.as_str() {
        "STARTED" | "PAUSED" => Outcome::UnderWay,
        "MISSED" => Outcome::Excused(line.missed_reason.clone().unwrap_or_default()),
        _ => match line.completion {
            Completion::Complete if line.people >= line.people_min => Outcome::Complete,
            Completion::Complete | Completion::Partial => Outcome::Partial,
            Completion::Short => Outcome::Short,
        },
    }
}

/// The best of several rounds for one cell is the one that is told.
fn rank(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Missed => 0,
        Outcome::ToCome => 1,
        Outcome::Excused(_) => 2,
        Outcome::Short => 3,
        Outcome::UnderWay => 4,
        Outcome::Partial => 5,
        Outcome::Complete => 6,
    }
}
