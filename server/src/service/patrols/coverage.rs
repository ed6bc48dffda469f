//! The calendar of coverage: each day under the documents that were in force when it ended, each round under those in
//! force when it began.

use crate::service::district::District;
use crate::service::gridwork::Gridwork;
use crate::service::log_writer::WriterState;
use crate::service::{Caller, ServiceError};
use crate::store::sqlite::DistrictRead;
use crate::store::sqlite::rounds::RoundRow;
use api_schema::patrol::{
    COVERAGE_DAYS_MAX, Coverage, CoverageCell, CoverageQuery, CoverageTotals, DayCoverage,
    TeamCoverage,
};
use api_schema::problem::FieldProblem;
use chrono::{Datelike, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use sync_core::directory::Directory;
use sync_core::documents::Documents;
use sync_core::duties::lineage_codes;
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::patrols::coverage::{Cell, Outcome, coverage, planned};
use sync_core::scope::Scope;

type Days = RangeInclusive<NaiveDate>;

impl Gridwork {
    pub(super) async fn coverage_of(
        &self,
        caller: Caller,
        query: CoverageQuery,
    ) -> Result<Coverage, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let days = days_of(&query)?;
        let projection = Arc::clone(&background.projection);
        projection.wait_for(district.state().head.0).await;
        let scope = self.scope_of(&district, &caller);
        let now_ms = self.clock.wall_ms();
        let reader = Arc::clone(&district);
        district
            .read(move |read, state| {
                let mut rows = Vec::new();
                let place = projection.read(|index| {
                    index.scan_rounds(days.clone(), |row| rows.push(row))?;
                    index.place()
                })?;
                let question = Question::new(&query, scope, &state.directory);
                let cells = question.cells(&reader, (read, state), &days, rows, now_ms)?;
                let pos = place.filter(|place| place.next_no == 0);
                Ok(Coverage {
                    from: query.from,
                    to: query.to,
                    pos: pos.map_or(0, |place| place.pos.0),
                    ..question.told(cells)
                })
            })
            .await
    }
}

fn invalid(field: &str, message: String) -> ServiceError {
    ServiceError::FieldInvalid {
        errors: vec![FieldProblem {
            field: field.to_owned(),
            message,
        }],
    }
}

fn days_of(query: &CoverageQuery) -> Result<Days, ServiceError> {
    let day = |field, text: &str| {
        // One spelling only, and only years that work can have.
        let day = text.parse::<NaiveDate>().ok();
        day.filter(|day| day.to_string() == text && (2000..2100).contains(&day.year()))
            .ok_or_else(|| invalid(field, "not a day such as 2026-11-01".to_owned()))
    };
    let (from, to) = (day("from", &query.from)?, day("to", &query.to)?);
    let count = (to - from).num_days() + 1;
    if !(1..=COVERAGE_DAYS_MAX).contains(&count) {
        let message = format!("not between 1 and {COVERAGE_DAYS_MAX} days from `from`");
        return Err(invalid("to", message));
    }
    Ok(from..=to)
}

/// What is known of a team by its code: name and unit.
type Teams = BTreeMap<String, (Option<String>, Option<UnitId>)>;

struct Question<'a> {
    scope: Scope,
    within: Option<BTreeSet<UnitId>>,
    team: Option<String>,
    directory: &'a Directory,
    by_code: BTreeMap<&'a str, UnitId>,
}

/// Cells with what is known of their teams.
#[derive(Default)]
struct Found {
    cells: Vec<Cell<RecordId>>,
    teams: Teams,
}

impl<'a> Question<'a> {
    fn new(query: &CoverageQuery, scope: Scope, directory: &'a Directory) -> Self {
        Self {
            scope,
            within: query
                .unit
                .map(|unit| directory.subtree(UnitId(unit)).collect()),
            team: query.team.clone(),
            directory,
            by_code: directory
                .units()
                .map(|unit| (unit.code.as_str(), unit.unit))
                .collect(),
        }
    }

    /// Whether what lies in this unit is asked for and may be seen.
    fn wants(&self, unit: UnitId) -> bool {
        self.scope.contains(Kind::Patrol, unit, None)
            && self
                .within
                .as_ref()
                .is_none_or(|within| within.contains(&unit))
    }

    fn lineage(&self, code: &str) -> Vec<&'a str> {
        let unit = self.by_code.get(code).copied();
        unit.map_or_else(Vec::new, |unit| lineage_codes(self.directory, unit))
    }

    /// The cells of all days, run by run of days that had the same documents.
    fn cells(
        &self,
        district: &District,
        (read, state): (&DistrictRead, &WriterState),
        days: &Days,
        rows: Vec<RoundRow>,
        now_ms: i64,
    ) -> Result<Found, ServiceError> {
        let mut found = Found::default();
        let mut rows = rows.into_iter().peekable();
        for (documents, run) in runs(district, read, state, days, now_ms)? {
            let mut of_run = Vec::new();
            while let Some(row) = rows.next_if(|row| row.line.planned.day <= *run.end()) {
                of_run.push(row);
            }
            self.add_run(&documents, run, of_run, now_ms, &mut found);
        }
        Ok(found)
    }

    fn add_run(
        &self,
        documents: &Documents,
        run: Days,
        mut rows: Vec<RoundRow>,
        now_ms: i64,
        found: &mut Found,
    ) {
        let mut wanted: BTreeMap<&str, bool> = BTreeMap::new();
        for team in &documents.patrol_routes().teams {
            let unit = self.by_code.get(team.unit.as_str()).copied();
            let is_asked = self.team.as_ref().is_none_or(|code| *code == team.code);
            let is_wanted = is_asked && unit.is_some_and(|unit| self.wants(unit));
            wanted.insert(&team.code, is_wanted);
            if is_wanted {
                let known = (Some(team.name.clone()), unit);
                found.teams.insert(team.code.clone(), known);
            }
        }
        let mut planned = planned(documents, |unit| self.lineage(unit), run);
        planned.retain(|each| wanted.get(each.team.as_str()) == Some(&true));
        rows.retain(|row| {
            let team = row.line.planned.team.as_str();
            self.wants(row.unit)
                && self.team.as_deref().is_none_or(|code| code == team)
                && wanted.get(team) != Some(&false)
        });
        for row in &rows {
            let known = (None, Some(row.unit));
            let team = &row.line.planned.team;
            if !found.teams.contains_key(team) {
                found.teams.insert(team.clone(), known);
            }
        }
        let lines = rows.into_iter().map(|row| row.line);
        let (plan, zone) = (documents.patrol_plan(), documents.zone());
        found
            .cells
            .extend(coverage(planned, lines, plan, zone, now_ms));
    }

    /// As the API tells it: by team, then by day and slot.
    fn told(&self, found: Found) -> Coverage {
        let mut answer = Coverage::default();
        let mut by_team: BTreeMap<&str, Vec<&Cell<RecordId>>> = BTreeMap::new();
        for cell in &found.cells {
            by_team.entry(&cell.planned.team).or_default().push(cell);
        }
        for (code, cells) in by_team {
            let known = found.teams.get(code).cloned();
            let (name, unit) = known.unwrap_or_default();
            let mut team = TeamCoverage {
                team: code.to_owned(),
                name,
                unit: unit.map(|unit| unit.0),
                ..TeamCoverage::default()
            };
            let mut last = None;
            for cell in cells {
                count(&mut team.totals, cell);
                count(&mut answer.totals, cell);
                if last != Some(cell.planned.day) {
                    last = Some(cell.planned.day);
                    team.days.push(DayCoverage {
                        day: cell.planned.day.to_string(),
                        cells: Vec::new(),
                    });
                }
                if let Some(day) = team.days.last_mut() {
                    day.cells.push(cell_told(cell));
                }
            }
            answer.teams.push(team);
        }
        answer
    }
}

/// The days, cut where other documents come into force. A day goes by those in force at its end, or now while it lasts
/// and for days to come by those of today.
fn runs(
    district: &District,
    read: &DistrictRead,
    state: &WriterState,
    days: &Days,
    now_ms: i64,
) -> Result<Vec<(Arc<Documents>, Days)>, ServiceError> {
    let zone = state.documents.documents.zone();
    let mut runs: Vec<(Arc<Documents>, Days)> = Vec::new();
    for day in days
        .start()
        .iter_days()
        .take_while(|day| days.contains(day))
    {
        let next = day.succ_opt().unwrap_or(day);
        let end_ms = zone.moment_ms(next, 0) - 1;
        let documents = district.documents_at(read, state, end_ms.min(now_ms))?;
        match runs.last_mut() {
            Some((last, run)) if Arc::ptr_eq(last, &documents) => *run = *run.start()..=day,
            _ => runs.push((documents, day..=day)),
        }
    }
    Ok(runs)
}

fn cell_told(cell: &Cell<RecordId>) -> CoverageCell {
    CoverageCell {
        slot: cell.planned.slot.clone(),
        outcome: cell.outcome.as_str().to_owned(),
        unplanned: !cell.is_planned,
        reason: match &cell.outcome {
            Outcome::Excused(reason) => Some(reason.clone()),
            _ => None,
        },
        round: cell.round.map(|round| round.0),
        open_doubts: cell.open_doubts,
    }
}

fn count(totals: &mut CoverageTotals, cell: &Cell<RecordId>) {
    match cell.is_planned {
        true => totals.planned += 1,
        false => totals.unplanned += 1,
    }
    totals.open_doubts += cell.open_doubts;
    let of_outcome = match &cell.outcome {
        Outcome::Complete => &mut totals.complete,
        Outcome::Partial => &mut totals.partial,
        Outcome::Short => &mut totals.short,
        Outcome::UnderWay => &mut totals.under_way,
        Outcome::Missed => &mut totals.missed,
        Outcome::ToCome => &mut totals.to_come,
        Outcome::Excused(reason) => {
            *totals.reasons.entry(reason.clone()).or_default() += 1;
            &mut totals.excused
        }
    };
    *of_outcome += 1;
}
