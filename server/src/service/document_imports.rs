//! Documents that an operator brings in and takes out.

use super::ServiceError;
use super::district::District;
use super::imports::describe_one;
use super::log_writer::LogWriter;
use crate::import::{DocumentRow, Finding, KnownDocuments, Severity, parse_document};
use crate::store::StoreError;
use api_schema::problem::FieldProblem;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use sync_core::calendar::Zone;
use sync_core::change::Hash;
use sync_core::directory::DirectoryChange;

/// A file that is brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFile {
    /// What it is called, for what is said about it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Checks files one after the other, each against those before it.
///
/// # Errors
/// All that is wrong with them, by file and line, in both languages; nothing is taken then.
pub fn check_documents(
    files: &[DocumentFile],
    mut known: KnownDocuments,
) -> Result<(Vec<DocumentRow>, usize), ServiceError> {
    let (mut rows, mut unchanged, mut errors) = (Vec::new(), 0, Vec::new());
    for each in files {
        let parsed = parse_document(each.text.as_bytes(), &known);
        let wrong = parsed
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        errors.extend(wrong.map(|finding| FieldProblem {
            field: each.file.clone(),
            message: describe_one(finding),
        }));
        for row in parsed.rows {
            if known.is_last(&row) {
                unchanged += 1;
            } else {
                known.put(&row);
                rows.push(row);
            }
        }
    }
    if errors.is_empty() {
        Ok((rows, unchanged))
    } else {
        Err(ServiceError::FieldInvalid { errors })
    }
}

/// All that is found in files, each held against those before it, with the name of its file.
pub(super) fn find_in_documents(
    files: &[DocumentFile],
    mut known: KnownDocuments,
) -> Vec<(String, Finding)> {
    let mut found = Vec::new();
    for each in files {
        let parsed = parse_document(each.text.as_bytes(), &known);
        for finding in parsed.findings {
            found.push((each.file.clone(), finding));
        }
        for row in parsed.rows {
            known.put(&row);
        }
    }
    found
}

/// The last version of each document of a district, whether its time has come or not: a new one is held against these.
pub(super) async fn known_documents(
    district: &Arc<District>,
) -> Result<KnownDocuments, ServiceError> {
    district
        .read(|read, state| {
            let mut last = Vec::new();
            for name in state.directory.document_names() {
                let versions = state.directory.document_versions(name);
                let Some(version) = versions.last() else {
                    continue;
                };
                let text = read.find_document(name, version.version)?;
                let text = text.ok_or_else(|| {
                    StoreError::Missing(format!("the text of {name} {}", version.version))
                })?;
                last.push((name.to_owned(), version.version, text));
            }
            Ok(KnownDocuments::new(last))
        })
        .await
}

/// Takes further versions of documents, all or none. The same file again is none.
pub(super) async fn import_documents(
    district: &Arc<District>,
    files: &[DocumentFile],
    only_check: bool,
) -> Result<Value, ServiceError> {
    let (rows, unchanged) = check_documents(files, known_documents(district).await?)?;
    let zone = district.documents().zone().clone();
    let entered = if only_check {
        rows.iter().map(|row| row_value(row, None)).collect()
    } else {
        let writer = district.writer();
        writer
            .run(move |log, now_ms| enter(log, &rows, &zone, now_ms))
            .await?
    };
    Ok(json!({ "entered": entered, "unchanged": unchanged, "only_checked": only_check }))
}

fn row_value(row: &DocumentRow, from_ms: Option<i64>) -> Value {
    json!({ "document": row.name, "version": row.version, "from": row.from.to_string(), "from_ms": from_ms })
}

fn enter(
    log: &mut LogWriter<'_>,
    rows: &[DocumentRow],
    zone: &Zone,
    now_ms: i64,
) -> Result<Vec<Value>, StoreError> {
    let mut entered = Vec::new();
    for row in rows {
        // Nothing is in force before it is known: what was decided yesterday stays as it was decided.
        let from_ms = zone.moment_ms(row.from, 0).max(now_ms);
        log.put_document(&row.name, row.version, &row.text)?;
        let change = DirectoryChange::Document {
            name: row.name.clone(),
            version: row.version,
            from_ms,
            hash: Hash::of(&[row.text.as_bytes()]).to_string(),
        };
        log.change_directory(change, now_ms)?;
        entered.push(row_value(row, Some(from_ms)));
    }
    log.refresh_documents(now_ms)?;
    Ok(entered)
}

/// All versions of all documents, and which is in force.
pub(super) fn list_documents(district: &District, now_ms: i64) -> Value {
    let directory = Arc::clone(&district.state().directory);
    let in_force: Vec<(String, u32)> = directory
        .documents_in_force(now_ms)
        .map(|(name, version)| (name.to_owned(), version.version))
        .collect();
    let rows: Vec<Value> = directory
        .document_names()
        .flat_map(|name| {
            let versions = directory.document_versions(name).iter();
            versions.map(move |version| (name, version))
        })
        .map(|(name, version)| {
            let key = (name.to_owned(), version.version);
            let state = if in_force.contains(&key) {
                "in_force"
            } else if version.from_ms > now_ms {
                "to_come"
            } else {
                "past"
            };
            json!({
                "document": name, "version": version.version, "state": state, "sha256": version.hash,
                "from_ms": (version.from_ms > i64::MIN).then_some(version.from_ms),
            })
        })
        .collect();
    let documents = district.documents();
    let today = documents.zone().day(now_ms);
    let missing_year = documents.calendar().missing_year(today);
    json!({ "documents": rows, "calendar_missing_year": missing_year })
}

/// The texts in force.
pub(super) async fn export_documents(
    district: &Arc<District>,
    now_ms: i64,
) -> Result<Value, ServiceError> {
    let files = district
        .read(move |read, state| {
            let mut files = Vec::new();
            for (name, version) in state.directory.documents_in_force(now_ms) {
                let text = read
                    .find_document(name, version.version)?
                    .unwrap_or_default();
                files.push(DocumentFile {
                    file: format!("{name}.json"),
                    text,
                });
            }
            Ok(files)
        })
        .await?;
    Ok(json!({ "files": files }))
}
