//! What JavaScript is told when a call fails: a code to act on, a line for the log, and the problems with their words.

use serde::Serialize;
use sync_core::replica::{MakeError, ReplicaError};
use sync_core::session::SessionError;
use sync_core::verdict::Problem;
use wasm_bindgen::JsError;

use crate::storage::StorageError;
use crate::texts::{self, Words};

/// Why a call failed. Its JSON is the message of the thrown `Error`.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// What a page acts on: `storage`, `not_open`, `not_enrolled`, `already_enrolled`, `newer_version`, `input`,
    /// `code_malformed`, `invalid`, `answer`.
    code: &'static str,
    /// For a log; in English, never another person's data.
    detail: String,
    /// What is wrong with a change, each with its words; empty unless the code is `invalid`.
    problems: Vec<ProblemLine>,
}

/// A problem with the words for it.
#[derive(Debug, Serialize)]
pub struct ProblemLine {
    #[serde(flatten)]
    problem: Problem,
    text: Words,
}

impl From<Problem> for ProblemLine {
    fn from(problem: Problem) -> Self {
        Self {
            text: texts::problem_words(&problem),
            problem,
        }
    }
}

impl Failure {
    fn new(code: &'static str, detail: impl ToString) -> Self {
        Self {
            code,
            detail: detail.to_string(),
            problems: Vec::new(),
        }
    }

    /// What JavaScript handed in is not what the function takes.
    pub fn input(detail: impl ToString) -> Self {
        Self::new("input", detail)
    }

    /// A one-time code is not eight digits.
    pub fn code_malformed() -> Self {
        Self::new("code_malformed", "the code is not eight digits")
    }

    /// The browser gave no random bytes or no files.
    pub fn storage(detail: impl ToString) -> Self {
        Self::new("storage", detail)
    }

    /// A function of the store was called before `open` or after `close`.
    pub fn not_open() -> Self {
        Self::new("not_open", "the store is not open")
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotOpen => Self::not_open(),
            other => Self::storage(chain(&other)),
        }
    }
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        let code = match error {
            ReplicaError::NotEnrolled => "not_enrolled",
            ReplicaError::Wiped => "wiped",
            ReplicaError::AlreadyEnrolled => "already_enrolled",
            ReplicaError::NewerVersion { .. } => "newer_version",
            ReplicaError::Database(_) | ReplicaError::Damaged(_) => "storage",
        };
        Self::new(code, chain(&error))
    }
}

impl From<MakeError> for Failure {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Invalid(problems) => Self {
                problems: problems.into_iter().map(ProblemLine::from).collect(),
                ..Self::new("invalid", "the change is not valid")
            },
            MakeError::Replica(error) => error.into(),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::new("answer", chain(&error))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::input(error)
    }
}

impl From<Failure> for JsError {
    fn from(failure: Failure) -> Self {
        Self::new(&json(&failure))
    }
}

/// JSON of what we made ourselves.
pub fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("BUG: our own values are plain data")
}
