//! Documents that an operator brings in: JSON held against its schema, against what it names in the others, against the
//! version before, and, for a transition table, against the model that walks through it.

use super::document_references::{self as references, Issue};
use super::finding::Findings;
use super::json_lines::Lines;
use super::{Finding, Parsed, Place, Reason};
use chrono::NaiveDate;
use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use sync_core::calendar::Zone;
use sync_core::documents::{DEFAULTS, Documents, model};
use sync_core::limits::DOCUMENT_BYTES_MAX;

macro_rules! schema {
    ($name:literal) => {
        include_str!(concat!(
            "../../../sync-core/documents/schemas/",
            $name,
            ".schema.json"
        ))
    };
}

/// The schemas, by the documents that they are for.
const SCHEMAS: &[(&[&str], &str)] = &[
    (
        &[
            "case_workflow",
            "patrol_workflow",
            "task_workflow",
            "claim_workflow",
            "mediation_workflow",
            "inspection_workflow",
            "alert_workflow",
        ],
        schema!("workflow"),
    ),
    (&["roles"], schema!("roles")),
    (&["categories"], schema!("categories")),
    (&["calendar"], schema!("calendar")),
    (&["checklists"], schema!("checklists")),
    (&["routing"], schema!("routing")),
    (&["patrol_plan"], schema!("patrol_plan")),
    (&["patrol_routes"], schema!("patrol_routes")),
    (&["task_rules"], schema!("task_rules")),
    (&["alert_rules"], schema!("alert_rules")),
    (&["indicators"], schema!("indicators")),
    (&["notice_rules"], schema!("notice_rules")),
    (&["duty_roster"], schema!("duty_roster")),
    (&["points_rules"], schema!("points_rules")),
];

/// The text of a document's schema; `None` for a name that no document has.
pub fn schema_of(document: &str) -> Option<&'static str> {
    SCHEMAS
        .iter()
        .find(|(documents, _)| documents.contains(&document))
        .map(|(_, text)| *text)
}

fn validator_of(document: &str) -> Option<&'static Validator> {
    static VALIDATORS: OnceLock<Vec<Validator>> = OnceLock::new();
    let all = VALIDATORS.get_or_init(|| {
        let read = |text: &str| {
            serde_json::from_str(text).map(|schema| jsonschema::validator_for(&schema))
        };
        SCHEMAS
            .iter()
            .map(|(name, text)| match read(text) {
                Ok(Ok(validator)) => validator,
                _ => panic!("BUG: the schema of {name:?} is none"),
            })
            .collect()
    });
    let index = SCHEMAS
        .iter()
        .position(|(documents, _)| documents.contains(&document))?;
    all.get(index)
}

/// A document that may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Which.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The day from whose beginning it is in force.
    pub from: NaiveDate,
    /// Its text, as it came.
    pub text: String,
}

/// What a document is held against: the last version of each, and its text.
#[derive(Clone, Debug)]
pub struct KnownDocuments {
    last: BTreeMap<String, (u32, String)>,
}

impl KnownDocuments {
    /// These, and what ships in the place of those that are not among them.
    pub fn new(last: impl IntoIterator<Item = (String, u32, String)>) -> Self {
        let mut known = Self::shipped();
        for (name, version, text) in last {
            known.last.insert(name, (version, text));
        }
        known
    }

    /// Those that ship with the product, none of which is entered yet.
    pub fn shipped() -> Self {
        Self {
            last: DEFAULTS
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (0, (*text).to_owned())))
                .collect(),
        }
    }

    /// Puts a document in its place, so that those checked after it are held against it.
    pub fn put(&mut self, row: &DocumentRow) {
        let version = (row.version, row.text.clone());
        self.last.insert(row.name.clone(), version);
    }

    /// Whether this is the last version, word for word.
    pub fn is_last(&self, row: &DocumentRow) -> bool {
        let last = self.last.get(&row.name);
        last.is_some_and(|(version, text)| *version > 0 && *text == row.text)
    }

    /// The document of this name as data.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        let (_, text) = self.last.get(name)?;
        serde_json::from_str(text).ok()
    }
}

/// Reads a document and finds everything that is wrong with it.
pub fn parse_document(bytes: &[u8], known: &KnownDocuments) -> Parsed<DocumentRow> {
    let mut findings = Findings::default();
    let row = read(bytes, known, &mut findings);
    findings.into_parsed(row.into_iter().collect())
}

fn read(bytes: &[u8], known: &KnownDocuments, findings: &mut Findings) -> Option<DocumentRow> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        findings.push(Finding::error(Place::File, Reason::FileTooLarge).limit(DOCUMENT_BYTES_MAX));
        return None;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        findings.push(Finding::error(Place::File, Reason::NotUtf8));
        return None;
    };
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let line = error.line().max(1) as u64;
            findings.push(
                Finding::error(Place::Line { line }, Reason::NotJson).value(error.to_string()),
            );
            return None;
        }
    };
    let lines = Lines::of(text);
    let mut report = |pointer: &str, reason, value: &str| {
        let line = lines.line(pointer);
        findings.push(Finding::error(Place::Line { line }, reason).value(value));
    };
    let name = value["document"].as_str().unwrap_or_default().to_owned();
    let Some(validator) = validator_of(&name) else {
        report("/document", Reason::DocumentUnknown, &name);
        return None;
    };
    let mut fits = true;
    for error in validator.iter_errors(&value) {
        let pointer = error.instance_path().to_string();
        report(
            &pointer,
            Reason::DocumentNotOfSchema,
            &format!("{pointer} {}", error.masked()),
        );
        fits = false;
    }
    if !fits {
        return None;
    }
    let from_text = value["in_force_from"].as_str().unwrap_or_default();
    let from = NaiveDate::parse_from_str(from_text, "%Y-%m-%d").ok();
    if from.is_none() {
        report("/in_force_from", Reason::NoSuchDay, from_text);
    }
    let version = value["version"]
        .as_u64()
        .and_then(|version| u32::try_from(version).ok());
    let row = DocumentRow {
        version: version.unwrap_or(0),
        from: from.unwrap_or_default(),
        text: text.to_owned(),
        name,
    };
    let (last_version, _) = &known.last[&row.name];
    if !known.is_last(&row) && row.version != last_version + 1 {
        let finding = Finding::error(
            Place::Line {
                line: lines.line("/version"),
            },
            Reason::VersionNotNext,
        );
        findings.push(
            finding
                .value(row.version.to_string())
                .limit(last_version + 1),
        );
    }
    let mut report = |pointer: &str, reason, value: &str| {
        let line = lines.line(pointer);
        findings.push(Finding::error(Place::Line { line }, reason).value(value));
    };
    let mut issues = references::check(&row.name, &value, known);
    if known.last[&row.name].0 > 0
        && let Some(before) = known.value(&row.name)
    {
        issues.extend(references::removed(&value, &before));
    }
    for issue in &issues {
        report(&issue.pointer, issue.reason, &issue.value);
    }
    let is_sound = issues.is_empty();
    let documents = match together(&row, known) {
        Ok(documents) => documents,
        Err(faults) => {
            // What names something that is not there cannot be read either: said once.
            for fault in faults.into_iter().filter(|_| is_sound) {
                let line = fault.line.max(1) as u64;
                findings.push(
                    Finding::error(Place::Line { line }, Reason::DocumentWrong).value(fault.reason),
                );
            }
            return Some(row);
        }
    };
    let workflow = documents.workflows().find(|workflow| {
        is_sound && row.name == format!("{}_workflow", references::table_of(workflow.kind))
    });
    if let Some(workflow) = workflow {
        for issue in walk(&model::check(workflow, &documents), &value) {
            report(&issue.pointer, issue.reason, &issue.value);
        }
    }
    Some(row)
}

/// All documents, this one among them.
fn together(
    row: &DocumentRow,
    known: &KnownDocuments,
) -> Result<Documents, Vec<sync_core::documents::Fault>> {
    let others = known
        .last
        .iter()
        .map(|(name, (_, text))| (name.as_str(), text.as_str()));
    let all = others.chain([(row.name.as_str(), row.text.as_str())]);
    // No finding depends on the zone.
    Documents::read(all, Zone::fixed(0))
}

/// What the model found, each at the state or step that it names.
fn walk(found: &model::Findings, value: &Value) -> Vec<Issue> {
    let at = |text: &str| {
        let step = text.split_once(" -> ").map(|(from, to)| {
            let from = from.rsplit(' ').next().unwrap_or(from);
            let to = to.split(':').next().unwrap_or(to);
            let is_it = |step: &Value| step["from"] == from && step["to"] == to;
            ("transitions", position(value, "transitions", is_it))
        });
        let (list, index) = step.unwrap_or_else(|| {
            let code = text.rsplit(' ').next().unwrap_or(text);
            let is_it = |state: &Value| state["code"] == code;
            ("states", position(value, "states", is_it))
        });
        format!("/{list}/{index}")
    };
    let issues = |texts: &[String], reason| {
        let each = texts.iter().map(|text| Issue {
            pointer: at(text),
            reason,
            value: text.clone(),
        });
        each.collect::<Vec<_>>()
    };
    [
        issues(&found.dead_ends, Reason::WorkflowDeadEnd),
        issues(&found.self_verifications, Reason::WorkflowSelfVerification),
        issues(&found.bypasses, Reason::WorkflowBypass),
    ]
    .concat()
}

fn position(value: &Value, list: &str, is_it: impl Fn(&Value) -> bool) -> usize {
    let list = value[list].as_array();
    list.and_then(|list| list.iter().position(is_it))
        .unwrap_or(0)
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
