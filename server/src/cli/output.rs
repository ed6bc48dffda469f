//! What commands print: one JSON object with `--json`, otherwise text; errors with every cause.

use std::error::Error;
use std::future::Future;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::service::ServiceError;

/// Runs a command's work to its end.
pub fn run_async<T>(
    work: impl Future<Output = Result<T, ServiceError>>,
) -> Result<T, ServiceError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| ServiceError::Internal {
            what: "could not start",
            source: Box::new(source),
        })?;
    runtime.block_on(work)
}

/// An error with all of its causes and fields, one a line.
pub fn describe(error: &ServiceError) -> String {
    let mut text = error.to_string();
    if let ServiceError::FieldInvalid { errors } = error {
        for each in errors {
            text.push_str(&format!("\n  {}: {}", each.field, each.message));
        }
    }
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Prints what a command came to and says how it ended.
pub fn finish(
    json: bool,
    done: Result<Value, ServiceError>,
    text: impl FnOnce(&Value) -> String,
) -> ExitCode {
    match done {
        Ok(value) if json => {
            println!("{value}");
            ExitCode::SUCCESS
        }
        Ok(value) => {
            print!("{}", text(&value));
            ExitCode::SUCCESS
        }
        Err(error) => {
            if json {
                println!("{}", json!({ "error": describe(&error) }));
            } else {
                eprintln!("{}", describe(&error));
            }
            ExitCode::FAILURE
        }
    }
}
