//! Rounds, visits, inspections, mediations and tasks in a pack.

use super::Tally;
use super::walk::{is_over, walk};
use crate::documents::{ClockKind, Documents};
use crate::duties::lineage_codes;
use crate::ids::{RecordId, UnitId};
use crate::merge::RecordState;
use crate::patrols::Round;
use crate::patrols::coverage::{Outcome, Planned, RoundLine, coverage, planned};
use crate::work::{inspection, visit};
use chrono::NaiveDate;

/// The activity of a task to visit somebody.
const VISIT: &str = "ACT-VIS";

impl Tally<'_> {
    pub(super) fn add_visit(&mut self, record: &RecordState, is_new: bool) {
        let is_void = record.elements.iter().any(|element| element.set == "voids");
        if is_new && !is_void {
            self.count(record.unit, "visits", 1);
            if visit::joint(record).is_some_and(|joint| joint.is_confirmed) {
                self.count(record.unit, "joint_visits", 1);
            }
        }
    }

    pub(super) fn add_inspection(&mut self, record: &RecordState, is_new: bool) {
        if is_new {
            self.count(record.unit, "inspections", 1);
        }
        if record.state.as_deref() != Some("CANCELLED") {
            let open = inspection::open_faults(record).len();
            self.count(record.unit, "faults_open", open as u64);
        }
        if let Some(in_time) = self.was_due(record, &["RECTIFIED", "CLEAR"]) {
            self.share("rectified_in_time", in_time);
        }
    }

    pub(super) fn add_mediation(&mut self, record: &RecordState, is_new: bool) {
        if is_new {
            self.count(record.unit, "mediations", 1);
        }
        let (from_ms, mut entered) = (self.since_ms(), Vec::new());
        walk(record, self.scene.documents, self.until_ms(), |moment| {
            if moment.at_ms >= from_ms {
                entered.push(moment.to.to_owned());
            }
        });
        for state in entered {
            let name = match state.as_str() {
                "AGREED" => "mediations_agreed",
                "REFERRED" => "mediations_referred",
                "KEPT" => "mediations_kept",
                _ => "",
            };
            if !name.is_empty() {
                self.count(record.unit, name, 1);
            }
            if matches!(state.as_str(), "AGREED" | "FAILED") {
                self.share("mediations_agreed", state == "AGREED");
            }
        }
    }

    pub(super) fn add_task(&mut self, id: RecordId, record: &RecordState) {
        let (from_ms, mut done) = (self.since_ms(), 0);
        let then = walk(record, self.scene.documents, self.until_ms(), |moment| {
            done += u64::from(moment.at_ms >= from_ms && moment.to == "DONE");
        });
        self.count(record.unit, "tasks_done", done);
        self.note_overdue(id, &then);
        let is_visit = record.shown_text("activity").as_deref() == Some(VISIT);
        if is_visit && let Some(in_time) = self.was_due(record, &["DONE", "CONFIRMED"]) {
            self.share("visits_in_time", in_time);
        }
    }

    /// For a record whose day fell into the period: whether it came to one of these states by then.
    fn was_due(&self, record: &RecordState, good: &[&str]) -> Option<bool> {
        let documents = self.scene.documents;
        let (mut due_ms, mut in_time) = (None, None);
        let begun =
            |clock: &crate::cases::CaseClock| clock.due_ms.filter(|_| clock.kind == ClockKind::Due);
        let created = record.created?.time_ms;
        let mut first = true;
        let then = walk(record, documents, self.until_ms(), |moment| {
            if first {
                due_ms = moment.before.as_ref().and_then(begun);
                first = false;
            }
            if good.contains(&moment.to)
                && let Some(clock) = &moment.before
            {
                in_time = Some(!is_over(clock));
            }
            due_ms = moment.after.as_ref().and_then(begun).or(due_ms);
        });
        if first {
            due_ms = super::clock_at(&then, documents, created).and_then(|clock| begun(&clock));
        }
        let was_due = due_ms.is_some_and(|due_ms| self.is_within(due_ms));
        was_due.then_some(in_time.unwrap_or(false))
    }

    /// The documents that a round of this day is reckoned under.
    fn documents_of(&self, day: NaiveDate) -> &Documents {
        let runs = self.scene.days_under;
        let run = runs.iter().find(|(days, _)| days.contains(&day));
        run.map_or(self.scene.documents, |(_, documents)| documents.as_ref())
    }

    pub(super) fn add_round(&mut self, id: RecordId, record: &RecordState, open_doubts: u32) {
        let Some(created) = record.created else {
            return;
        };
        let zone = self.scene.documents.zone();
        let documents = self.documents_of(zone.day(created.time_ms));
        let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
        let Some(round) = Round::of(record, documents) else {
            return;
        };
        if !self.scene.period.contains(round.day) {
            return;
        }
        let lineage = lineage_codes(self.scene.directory, record.unit);
        let is_key = plan.key_period_on(round.day, &lineage).is_some();
        let crew = if is_key { plan.key_period } else { plan.normal };
        let line = RoundLine {
            id,
            completion: round.completion(plan, routes, is_key),
            people: round.people() as u32,
            people_min: crew.people_min,
            open_doubts,
            planned: Planned {
                day: round.day,
                team: round.team,
                slot: round.slot,
            },
            state: round.state,
            missed_reason: round.missed_reason,
        };
        self.rounds.insert(id, (record.unit, line));
    }

    /// Holds the rounds against the plan, run by run of days that had the same documents.
    pub(super) fn count_rounds(&mut self) {
        let directory = self.scene.directory;
        let by_code = |code: &str| directory.unit_by_code(code).map(|unit| unit.unit);
        let lineage =
            |code: &str| by_code(code).map_or_else(Vec::new, |unit| lineage_codes(directory, unit));
        let rounds = std::mem::take(&mut self.rounds);
        for (days, documents) in self.scene.days_under {
            let of_run = rounds
                .values()
                .filter(|(_, line)| days.contains(&line.planned.day));
            let lines = of_run.map(|(_, line)| line.clone());
            let planned = planned(documents, lineage, days.clone());
            let (plan, zone) = (documents.patrol_plan(), documents.zone());
            for cell in coverage(planned, lines, plan, zone, self.until_ms()) {
                let walked = cell.round.and_then(|id| rounds.get(&id));
                let team = documents.patrol_routes().team(&cell.planned.team);
                let unit = team
                    .and_then(|team| by_code(&team.unit))
                    .or(walked.map(|(unit, _)| *unit))
                    .unwrap_or(UnitId(0));
                let asked = if cell.is_planned {
                    "rounds_planned"
                } else {
                    "rounds_unplanned"
                };
                self.count(unit, asked, 1);
                self.count(unit, "rounds_doubts_open", u64::from(cell.open_doubts));
                let name = match cell.outcome {
                    Outcome::Complete => "rounds_complete",
                    Outcome::Partial => "rounds_partial",
                    Outcome::Short => "rounds_short",
                    Outcome::Excused(_) => "rounds_excused",
                    Outcome::Missed => "rounds_missed",
                    Outcome::UnderWay | Outcome::ToCome => "",
                };
                if !name.is_empty() {
                    self.count(unit, name, 1);
                }
                if cell.is_planned && cell.outcome != Outcome::ToCome {
                    self.share("rounds_complete", cell.outcome == Outcome::Complete);
                }
            }
        }
    }
}
