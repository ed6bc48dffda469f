//! Tasks and alerts that no single record makes: those of each week, visits and inspections that are due again, and what alert
//! rules see in the reports of a window.

use super::Steward;
use super::made::missing;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::projection::Projection;
use crate::store::StoreError;
use crate::store::sqlite::IndexRead;
use crate::store::sqlite::facts::SightedRow;
use crate::store::sqlite::index::first_key_at;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_core::directory::Directory;
use sync_core::documents::{AlertKind, AlertRule, Documents};
use sync_core::duties::alerts::{self, LastAlert, Sighting};
use sync_core::duties::{Due, lineage, notices, tasks};
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;

/// Reports of one category that a rule looks at.
const REPORTS_MAX: usize = 20_000;

/// Makes the tasks of the present week, month and quarter.
pub(super) fn assign_cycles<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    let of_cycles = move |directory: &Directory, documents: &Documents| {
        let office = tasks::Office {
            directory,
            documents,
            now_ms,
        };
        office.of_cycles()
    };
    steward.make_from(district, of_cycles).boxed()
}

/// Warns the desks of a year that the working calendar lacks.
pub(super) fn warn_of_calendar<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    let warnings = move |directory: &Directory, documents: &Documents| {
        let office = notices::Office {
            directory,
            documents,
            now_ms,
        };
        office.calendar()
    };
    steward.make_from(district, warnings).boxed()
}

/// Makes the tasks to visit households and inspect places again.
pub(super) fn assign_again<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let Some(projection) = steward.projection.clone() else {
            return Ok(0);
        };
        let kinds = [
            (Kind::Household, Kind::Visit),
            (Kind::Place, Kind::Inspection),
        ];
        let mut made = 0;
        for (kind, work) in kinds {
            let found = projection.read(|index| last_work(index, kind, work))?;
            let found = found.unwrap_or_default();
            let reader = Arc::clone(district);
            let due = district
                .read(move |read, state| {
                    let view = reader.view(read, state);
                    let mut due = Vec::new();
                    for (no, last_ms) in found {
                        let row = read.get_record_by_no(no)?;
                        let Some(record) = view.load_state(&row)? else {
                            continue;
                        };
                        let office = tasks::Office {
                            directory: view.directory,
                            documents: view.documents,
                            now_ms,
                        };
                        due.extend(office.of_due_field(row.id, &record, last_ms));
                    }
                    Ok(missing(read, due)?)
                })
                .await?;
            made += steward.make(district, due, None).await?;
        }
        Ok(made)
    }
    .boxed()
}

/// Every record of a kind, and when the last work about it was done.
fn last_work(
    index: &IndexRead,
    kind: Kind,
    work: Kind,
) -> Result<Vec<(i64, Option<i64>)>, StoreError> {
    let mut found = Vec::new();
    for no in index.list_of_kind(kind)? {
        let last = match index.find_id(no)? {
            Some(id) => index.last_about_ms(id, work)?,
            None => None,
        };
        found.push((no, last));
    }
    Ok(found)
}

/// Raises the alerts that the rules see.
pub(super) fn raise_alerts<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let Some(projection) = steward.projection.clone() else {
            return Ok(0);
        };
        let state = district.state();
        let (directory, documents) = (&state.directory, &state.documents.documents);
        let mut due = Vec::new();
        for rule in documents.alert_rules() {
            due.extend(seen_by(rule, &projection, directory, documents, now_ms)?);
        }
        let due = district
            .read(move |read, _| Ok(missing(read, due)?))
            .await?;
        steward.make(district, due, None).await
    }
    .boxed()
}

/// The alerts that one rule raises, by unit.
fn seen_by(
    rule: &AlertRule,
    projection: &Projection,
    directory: &Directory,
    documents: &Documents,
    now_ms: i64,
) -> Result<Vec<Due>, StoreError> {
    let from_ms = alerts::window_from_ms(rule, documents, now_ms);
    let read = |index: &IndexRead| {
        let reports = match rule.kind {
            AlertKind::OverdueShare => open_reports(index, documents)?,
            AlertKind::Threshold | AlertKind::Cluster => {
                let categories: BTreeSet<&str> = match rule.categories.is_empty() {
                    false => rule.categories.iter().map(String::as_str).collect(),
                    true => documents
                        .categories()
                        .map(|category| category.code.as_str())
                        .collect(),
                };
                let from = first_key_at(from_ms);
                let mut reports = Vec::new();
                for category in categories {
                    reports.extend(index.list_sighted(category, from, REPORTS_MAX)?);
                }
                reports
            }
        };
        Ok((reports, index.list_alerts(&rule.code)?))
    };
    let Some((reports, raised)) = projection.read(read)? else {
        return Ok(Vec::new());
    };
    let is_final = |state: &str| {
        let state = documents
            .workflow(Kind::Alert)
            .and_then(|workflow| workflow.state(state));
        state.is_none_or(|state| state.is_final)
    };
    // The newest of each unit comes first.
    let mut last: BTreeMap<UnitId, LastAlert> = BTreeMap::new();
    for alert in raised {
        last.entry(alert.unit).or_insert(LastAlert {
            is_open: !is_final(&alert.state),
            window_until_ms: alert.time_ms,
        });
    }
    let mut by_unit: BTreeMap<UnitId, Vec<Sighting>> = BTreeMap::new();
    for report in reports {
        let near = lineage(directory, report.unit);
        let unit = near.into_iter().find(|unit| {
            directory
                .unit(*unit)
                .is_some_and(|unit| unit.kind == rule.by)
        });
        if let Some(unit) = unit {
            by_unit
                .entry(unit)
                .or_default()
                .push(sighting(report, documents, now_ms));
        }
    }
    let raise = |(unit, reports): (UnitId, Vec<Sighting>)| {
        alerts::raise(
            rule,
            unit,
            &reports,
            last.get(&unit).copied(),
            documents,
            now_ms,
        )
    };
    Ok(by_unit.into_iter().filter_map(raise).collect())
}

/// Every report that is not ended.
fn open_reports(index: &IndexRead, documents: &Documents) -> Result<Vec<SightedRow>, StoreError> {
    let mut reports = Vec::new();
    let Some(workflow) = documents.workflow(Kind::Report) else {
        return Ok(reports);
    };
    for state in workflow.states.iter().filter(|state| state.has_work()) {
        reports.extend(index.list_in_state(&state.code)?);
    }
    Ok(reports)
}

fn sighting(row: SightedRow, documents: &Documents, now_ms: i64) -> Sighting {
    let state = documents
        .workflow(Kind::Report)
        .and_then(|workflow| workflow.state(&row.state));
    Sighting {
        record: RecordId(row.id.0),
        category: row.category,
        place: row.place,
        time_ms: row.time_ms,
        is_open: state.is_some_and(|state| state.has_work()),
        is_overdue: row.over_ms.is_some_and(|over_ms| over_ms <= now_ms),
    }
}
