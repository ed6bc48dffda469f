//! A phone without a screen: the native replica on a SQLite file, driven against a server over HTTP. `gridwork device`
//! is its command line; the chaos runs start many of them.

pub mod clocks;
pub mod headless;
pub mod identity;
pub mod journal;
pub mod run;
pub mod script;
pub mod state;
pub mod work;

use sync_core::replica::{MakeError, ReplicaError};
use sync_core::verdict::Problem;

use crate::fleet::client::ClientError;

/// Why a device did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Another process works with the same data.
    #[error("another gridwork device uses {0}")]
    InUse(String),
    /// The code was sent from this place before, with another name; or there is a replica already.
    #[error("{0}")]
    Enrolment(&'static str),
    /// The server did not do its part.
    #[error("the server did not do its part")]
    Client(#[from] ClientError),
    /// The data cannot be used.
    #[error("the device's data cannot be used")]
    Replica(#[from] ReplicaError),
    /// A change is not valid; nothing of it was stored.
    #[error("the change is not valid: {}", describe(.0))]
    Invalid(Vec<Problem>),
    /// A line of a script is not what a script may hold.
    #[error("line {line} of the script: {reason}")]
    Script {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl From<MakeError> for DeviceError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Invalid(problems) => Self::Invalid(problems),
            MakeError::Replica(error) => Self::Replica(error),
        }
    }
}

impl From<rusqlite::Error> for DeviceError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Replica(error.into())
    }
}

/// Codes and fields of problems; the values are the author's own.
fn describe(problems: &[Problem]) -> String {
    let each = |problem: &Problem| match problem.field.as_str() {
        "" => problem.code.as_str().to_owned(),
        field => format!("{} ({field})", problem.code.as_str()),
    };
    problems.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// An error of the file system while something was tried.
fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> DeviceError {
    move |source| DeviceError::Io { what, source }
}
