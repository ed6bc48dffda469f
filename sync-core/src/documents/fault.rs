//! What is wrong with a document, and where.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The document.
    pub document: String,
    /// The line, from 1; 0 when none is to blame.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    pub(super) fn missing(document: &str) -> Self {
        Self {
            document: document.to_owned(),
            line: 0,
            reason: "it is missing".to_owned(),
        }
    }

    pub(super) fn of_json(document: &str, error: &serde_json::Error) -> Self {
        let line = error.line();
        // The position is told apart from the reason.
        let text = error.to_string();
        let suffix = format!(" at line {line} column {}", error.column());
        Self {
            document: document.to_owned(),
            line,
            reason: text.strip_suffix(&suffix).unwrap_or(&text).to_owned(),
        }
    }

    /// A fault at the first line that has this text.
    pub(super) fn at(document: &str, text: &str, needle: &str, reason: String) -> Self {
        let found = text.lines().position(|line| line.contains(needle));
        Self {
            document: document.to_owned(),
            line: found.map_or(0, |at| at + 1),
            reason,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.document, self.reason),
            line => write!(f, "{}:{line}: {}", self.document, self.reason),
        }
    }
}
