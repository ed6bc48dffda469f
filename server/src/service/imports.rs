//! Imports that an operator starts: units with their boundaries, people with their roles.

use super::ServiceError;
use super::administration::next_unit;
use super::district::District;
use super::log_writer::LogWriter;
use crate::import::{
    Finding, KnownUnits, Parsed, RoleCatalogue, Severity, UnitKind, UnitRow, parse_people,
    parse_units,
};
use crate::store::StoreError;
use crate::store::sqlite::PersonRow;
use api_schema::problem::FieldProblem;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_core::directory::{DirectoryChange, Grant, Unit};
use sync_core::ids::{PersonId, UnitId};
use sync_core::messages::{Catalogue, Language};

pub(super) async fn import_units(district: &District, text: &str) -> Result<Value, ServiceError> {
    let directory = Arc::clone(&district.state().directory);
    let known: KnownUnits = directory
        .units()
        .filter_map(|unit| Some((unit.code.clone(), UnitKind::parse(&unit.kind)?)))
        .collect();
    let parsed = refuse_errors(parse_units(text.as_bytes(), &known))?;
    let warnings = describe(&parsed.findings);
    let rows = parsed.rows;
    let (added, changed) = district
        .writer()
        .run(move |log, now_ms| put_units(log, rows, now_ms))
        .await?;
    Ok(json!({ "added": added, "changed": changed, "warnings": warnings }))
}

fn put_units(
    log: &mut LogWriter<'_>,
    rows: Vec<UnitRow>,
    now_ms: i64,
) -> Result<(u64, u64), StoreError> {
    let (mut added, mut changed) = (0, 0);
    for row in rows {
        let directory = log.directory();
        let parent = row
            .parent_code
            .as_deref()
            .and_then(|code| directory.unit_by_code(code))
            .map(|unit| unit.unit);
        let old = directory.unit_by_code(&row.code);
        let number = old.map_or_else(|| UnitId(next_unit(&directory)), |unit| unit.unit);
        let unit = Unit {
            unit: number,
            parent: parent.or(old.and_then(|unit| unit.parent)),
            code: row.code,
            name: row.name,
            kind: row.kind.as_str().to_owned(),
        };
        if old != Some(&unit) {
            if old.is_some() {
                changed += 1
            } else {
                added += 1
            }
            log.change_directory(DirectoryChange::Unit(unit), now_ms)?;
        }
        if !row.boundary.is_empty() {
            let geometry = json!({ "type": "Polygon", "coordinates": row.boundary });
            log.put_boundary(number, &geometry.to_string())?;
        }
    }
    Ok((added, changed))
}

pub(super) async fn import_people(
    district: &Arc<District>,
    text: &str,
) -> Result<Value, ServiceError> {
    let directory = Arc::clone(&district.state().directory);
    let catalogue = role_catalogue(district).await?;
    let codes: BTreeSet<String> = directory.units().map(|unit| unit.code.clone()).collect();
    let parsed = refuse_errors(parse_people(text.as_bytes(), &catalogue, &codes))?;
    let warnings = describe(&parsed.findings);
    let known: BTreeMap<String, PersonId> = district
        .read(|read, _| Ok(read.list_people()?))
        .await?
        .into_iter()
        .filter_map(|person| Some((person.external_id?, person.person)))
        .collect();
    let rows = parsed.rows;
    let (added, granted) = district
        .writer()
        .run(move |log, now_ms| {
            let (mut added, mut granted) = (0, 0);
            let least = log.least_new_person()?;
            for row in rows {
                let old = row
                    .external_id
                    .as_ref()
                    .and_then(|id| known.get(id))
                    .copied();
                let directory = log.directory();
                let person = match old {
                    Some(person) => person,
                    None => {
                        added += 1;
                        let person = log.next_person(least);
                        log.change_directory(DirectoryChange::Person { person }, now_ms)?;
                        person
                    }
                };
                log.put_person(&PersonRow {
                    person,
                    name: row.name,
                    external_id: row.external_id,
                })?;
                for (role, code) in row.roles {
                    let unit = directory.unit_by_code(&code).map(|unit| unit.unit);
                    let unit = unit.ok_or_else(|| StoreError::Missing(format!("unit {code}")))?;
                    let holds = directory.grants(person).iter().any(|grant| {
                        grant.role == role && grant.unit == unit && grant.until_ms.is_none()
                    });
                    if !holds {
                        granted += 1;
                        let grant = Grant {
                            person,
                            role,
                            unit,
                            from_ms: now_ms,
                            until_ms: None,
                        };
                        log.change_directory(DirectoryChange::Grant(grant), now_ms)?;
                    }
                }
            }
            Ok((added, granted))
        })
        .await?;
    Ok(json!({ "added": added, "granted": granted, "warnings": warnings }))
}

/// The roles in force, by their names.
async fn role_catalogue(district: &Arc<District>) -> Result<RoleCatalogue, ServiceError> {
    let roles = district
        .read(|read, state| Ok(state.documents.text(read, &state.directory, "roles")?))
        .await?;
    // An import of documents refuses two roles of one name.
    Ok(RoleCatalogue::from_document(&roles).expect("BUG: the roles in force do not parse"))
}

fn refuse_errors<Row>(parsed: Parsed<Row>) -> Result<Parsed<Row>, ServiceError> {
    if parsed.is_acceptable() {
        return Ok(parsed);
    }
    let errors = parsed
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| FieldProblem {
            field: finding.field.unwrap_or("file").to_owned(),
            message: describe_one(finding),
        })
        .collect();
    Err(ServiceError::FieldInvalid { errors })
}

fn describe(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(describe_one).collect()
}

/// One finding in Chinese and English, with its place.
pub(super) fn describe_one(finding: &Finding) -> String {
    use crate::import::Place;
    let limit = finding
        .limit
        .map(|limit| limit.to_string())
        .unwrap_or_default();
    let places = [
        ("field", finding.field.unwrap_or_default()),
        ("value", finding.value.as_deref().unwrap_or_default()),
        ("limit", limit.as_str()),
    ];
    let text = |language| Catalogue::of(language).text(finding.reason.message_key(), &places);
    let place = match finding.place {
        Place::File => String::new(),
        Place::Line { line } => format!("{line}: "),
        Place::Feature { index, line } => format!("{line} (#{index}): "),
    };
    format!(
        "{place}{} / {}",
        text(Language::Chinese),
        text(Language::English)
    )
}
