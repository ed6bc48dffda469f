//! `gridwork openapi`: prints the document that clients are generated from.

use std::io::Write;
use std::process::ExitCode;

pub(super) fn run() -> ExitCode {
    let document = api_schema::openapi::document_json();
    match std::io::stdout().write_all(document.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever closed the pipe has seen enough.
        Err(_) => ExitCode::FAILURE,
    }
}
