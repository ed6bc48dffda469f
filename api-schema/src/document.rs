//! Documents of a district: which versions there are, and taking further ones.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shapes::plain_text;
use crate::shapes::schema::PlainText;

/// All versions of all documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentList {
    /// The versions, by document.
    pub documents: Vec<DocumentVersion>,
    /// The year for which the calendar has no plan yet and needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar_missing_year: Option<i32>,
}

/// Whether a version's time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentState {
    /// It is the one in force.
    InForce,
    /// It comes into force later.
    ToCome,
    /// Another has taken its place.
    Past,
}

/// A version of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentVersion {
    /// The document's name, such as `case_workflow`.
    pub document: String,
    /// Its version, from 1.
    pub version: u32,
    /// Whether its time has come.
    pub state: DocumentState,
    /// SHA-256 of its text, in lower-case hexadecimal digits.
    pub sha256: String,
    /// From when it is in force, in milliseconds since 1970; absent for what the district began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<i64>,
}

/// Further versions of documents: all of them are taken, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentImport {
    /// The files, each checked against those before it.
    #[schema(max_items = 64)]
    pub files: Vec<DocumentFile>,
    /// Whether they are only to be checked.
    #[serde(default)]
    pub only_check: bool,
}

/// A file that holds a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentFile {
    /// What it is called, for what is said about it.
    #[serde(deserialize_with = "plain_text::<_, 200>")]
    #[schema(value_type = PlainText<200>)]
    pub file: String,
    /// Its text, a JSON object.
    pub text: String,
}

/// What became of an import or a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentImportAnswer {
    /// What was taken; what would be, when it was only a check.
    pub entered: Vec<DocumentEntered>,
    /// How many files say what the district has already.
    pub unchanged: u64,
    /// Whether nothing was taken because that was asked for.
    pub only_checked: bool,
    /// All that is wrong, when it was only a check; an import with anything wrong is refused.
    pub problems: Vec<DocumentProblem>,
}

/// A version that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentEntered {
    /// The document's name.
    pub document: String,
    /// Its version.
    pub version: u32,
    /// The day that it names.
    pub from: String,
    /// From when it is in force, in milliseconds since 1970; absent in a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<i64>,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentProblem {
    /// Which file.
    pub file: String,
    /// Its line, from 1; absent when it is about the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// A stable code of what is wrong.
    pub reason: String,
    /// What to tell the person, in the language asked for.
    pub message: String,
    /// Whether it keeps the file from being taken.
    pub is_error: bool,
}
