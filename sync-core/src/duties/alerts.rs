//! Alerts: what rules see in the reports of a window.

use super::{Due, derived_id};
use crate::calendar::Allowance;
use crate::documents::{AlertKind, AlertRule, Documents};
use crate::geo::Place;
use crate::ids::{RecordId, UnitId};
use crate::limits;
use serde_json::{Map, Value, json};

/// Reports that a cluster is looked for among; more of one category in one unit and window are a threshold's matter.
const CLUSTER_REPORTS_MAX: usize = 2_000;

/// What a rule looks at of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Which.
    pub record: RecordId,
    /// Its category.
    pub category: String,
    /// Where it was made.
    pub place: Option<Place>,
    /// When it was made.
    pub time_ms: i64,
    /// Whether it is still open.
    pub is_open: bool,
    /// Whether its clock is over.
    pub is_overdue: bool,
}

/// The last alert of a rule in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAlert {
    /// Whether nobody has ended it.
    pub is_open: bool,
    /// Up to where it looked.
    pub window_until_ms: i64,
}

/// When a rule's window begins.
pub fn window_from_ms(rule: &AlertRule, documents: &Documents, now_ms: i64) -> i64 {
    // A window is a length of time, of which a day is 24 hours; working time is no window.
    let allowance = Allowance::of(rule.window, documents.calendar(), documents.zone());
    now_ms - allowance.length_ms
}

/// The alert that a rule raises in a unit, if it does: from all its reports of the window, the newest first. While one is
/// open there is no second; after one has ended only newer reports count.
pub fn raise(
    rule: &AlertRule,
    unit: UnitId,
    reports: &[Sighting],
    last: Option<LastAlert>,
    documents: &Documents,
    now_ms: i64,
) -> Option<Due> {
    if rule.retired || last.is_some_and(|last| last.is_open) {
        return None;
    }
    let from_ms = window_from_ms(rule, documents, now_ms)
        .max(last.map_or(i64::MIN, |last| last.window_until_ms));
    let counts = |report: &&Sighting| {
        let of_category = rule.categories.is_empty() || rule.categories.contains(&report.category);
        of_category && report.time_ms > from_ms && report.time_ms <= now_ms
    };
    let mut fields = Map::new();
    let seen: Vec<&Sighting> = match rule.kind {
        AlertKind::Threshold => {
            let seen: Vec<&Sighting> = reports.iter().filter(counts).collect();
            (seen.len() >= rule.count as usize).then_some(seen)?
        }
        AlertKind::Cluster => {
            let radius_m = f64::from(rule.radius_m?);
            let among: Vec<&Sighting> = reports.iter().filter(counts).collect();
            let (centre, seen) = densest(&among, radius_m, rule.count as usize)?;
            let place = json!({
                "latitude_e7": centre.latitude_e7, "longitude_e7": centre.longitude_e7
            });
            fields.insert("place".to_owned(), place);
            seen
        }
        AlertKind::OverdueShare => {
            let open: Vec<&Sighting> = reports.iter().filter(|report| report.is_open).collect();
            let overdue: Vec<&Sighting> = open
                .iter()
                .copied()
                .filter(|report| report.is_overdue)
                .collect();
            let share = overdue.len() * 1_000 / open.len().max(1);
            let is_much = open.len() >= rule.count as usize
                && share >= rule.share_permille.unwrap_or(1_001) as usize;
            fields.insert("share_permille".to_owned(), share.into());
            is_much.then_some(overdue)?
        }
    };
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("rule", rule.code.as_str().into());
    put("grade", rule.grade.as_str().into());
    put("window_from_ms", from_ms.max(limits::TIME_MS_MIN).into());
    put("window_until_ms", now_ms.into());
    put("count", seen.len().into());
    put("responsible", unit.0.into());
    let named: Vec<String> = seen
        .iter()
        .take(limits::LIST_MAX)
        .map(|report| report.record.to_string())
        .collect();
    put("reports", named.into());
    let key = [unit.0.to_string(), now_ms.to_string()];
    Some(Due {
        record: derived_id(now_ms, &["alert", &rule.code, &key[0], &key[1]]),
        unit,
        intent: "alert.raise",
        open: Value::Object(fields).to_string(),
    })
}

/// The report around which most lie within the radius, with these; `None` when nowhere are enough.
fn densest<'a>(
    reports: &[&'a Sighting],
    radius_m: f64,
    count: usize,
) -> Option<(Place, Vec<&'a Sighting>)> {
    let placed: Vec<(Place, &Sighting)> = reports
        .iter()
        .filter_map(|report| Some((report.place?, *report)))
        .take(CLUSTER_REPORTS_MAX)
        .collect();
    let around = |centre: &Place| -> Vec<&'a Sighting> {
        placed
            .iter()
            .filter(|(place, _)| place.distance_m(centre) <= radius_m)
            .map(|(_, report)| *report)
            .collect()
    };
    let mut best: Option<(Place, Vec<&Sighting>)> = None;
    for (centre, _) in &placed {
        let near = around(centre);
        if near.len() >= count
            && best
                .as_ref()
                .is_none_or(|(_, best)| near.len() > best.len())
        {
            best = Some((*centre, near));
        }
    }
    best
}
