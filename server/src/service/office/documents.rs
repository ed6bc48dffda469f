//! Documents as people bring them in online: who may, and what is wrong with a file by line.

use super::changes::texts_of;
use crate::import::{Finding, Place, Severity};
use crate::language::Language;
use crate::service::district::District;
use crate::service::document_imports::{
    DocumentFile, find_in_documents, import_documents, known_documents, list_documents,
};
use crate::service::gridwork::Gridwork;
use crate::service::{Caller, ServiceError};
use api_schema::document::{DocumentImport, DocumentImportAnswer, DocumentList, DocumentProblem};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use sync_core::ids::PersonId;
use sync_core::messages::Catalogue;

/// What a role administers to be allowed to bring documents in.
const DOCUMENTS: &str = "documents";

impl Gridwork {
    pub(super) fn list_documents_for(&self, caller: Caller) -> Result<DocumentList, ServiceError> {
        let district = self.district_of(&caller)?;
        typed(list_documents(district, self.clock.wall_ms()))
    }

    pub(super) async fn read_document(
        &self,
        caller: Caller,
        name: String,
        version: u32,
    ) -> Result<String, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let text = district
            .read(move |read, state| {
                let listed = state.directory.document_versions(&name);
                if !listed.iter().any(|listed| listed.version == version) {
                    return Ok(None);
                }
                Ok(read.find_document(&name, version)?)
            })
            .await?;
        text.ok_or(ServiceError::NotFound)
    }

    pub(super) async fn import_documents_for(
        &self,
        caller: Caller,
        import: DocumentImport,
        language: Language,
    ) -> Result<DocumentImportAnswer, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let person = PersonId(caller.person);
        if !may_administer(&district, person, DOCUMENTS, self.clock.wall_ms()) {
            return Err(ServiceError::Forbidden);
        }
        let given = import.files.into_iter();
        let files: Vec<DocumentFile> = given
            .map(|given| DocumentFile {
                file: given.file,
                text: given.text,
            })
            .collect();
        if import.only_check {
            let known = known_documents(&district).await?;
            let found = find_in_documents(&files, known);
            let problems: Vec<DocumentProblem> = (found.iter())
                .map(|(file, finding)| problem(file, finding, texts_of(language)))
                .collect();
            if problems.iter().any(|problem| problem.is_error) {
                return Ok(DocumentImportAnswer {
                    entered: Vec::new(),
                    unchanged: 0,
                    only_checked: true,
                    problems,
                });
            }
            let mut checked = import_documents(&district, &files, true).await?;
            checked["problems"] = json!(problems);
            return typed(checked);
        }
        let mut taken = import_documents(&district, &files, false).await?;
        taken["problems"] = json!([]);
        typed(taken)
    }
}

/// Whether a person holds a role now, on the whole district, that administers something.
fn may_administer(district: &District, person: PersonId, what: &str, now_ms: i64) -> bool {
    let (state, documents) = (district.state(), district.documents());
    let directory = &state.directory;
    directory.grants(person).iter().any(|grant| {
        let unit = directory.unit(grant.unit);
        let role = documents.role(&grant.role);
        grant.holds_within(now_ms, now_ms)
            && unit.is_some_and(|unit| unit.parent.is_none())
            && role.is_some_and(|role| role.administers.iter().any(|each| each == what))
    })
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ServiceError> {
    serde_json::from_value(value).map_err(|source| ServiceError::Internal {
        what: "an answer about documents has another form",
        source: Box::new(source),
    })
}

fn problem(file: &str, finding: &Finding, texts: &Catalogue) -> DocumentProblem {
    let limit = finding.limit.map(|limit| limit.to_string());
    let places = [
        ("field", finding.field.unwrap_or_default()),
        ("value", finding.value.as_deref().unwrap_or_default()),
        ("limit", limit.as_deref().unwrap_or_default()),
    ];
    let key = finding.reason.message_key();
    DocumentProblem {
        file: file.to_owned(),
        line: match finding.place {
            Place::File => None,
            Place::Line { line } | Place::Feature { line, .. } => Some(line),
        },
        reason: key.trim_start_matches("import.").to_owned(),
        message: texts.text(key, &places),
        is_error: finding.severity == Severity::Error,
    }
}
