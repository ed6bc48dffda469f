//! The record of campaigns: a line each in `docs/campaigns.jsonl`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::DateTime;
use serde_json::{Value, json};
use server::clock::{Clock, SystemClock};

use super::{ChaosError, failed};

/// The commit of this tree, with `+` when files were changed since; `unknown` outside a repository.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(root())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    // The record itself grows with each campaign.
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs/campaigns.jsonl"]);
    if changed.is_none_or(|changed| !changed.is_empty()) {
        return format!("{commit}+");
    }
    commit
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("BUG: this crate lies in the workspace")
        .to_owned()
}

/// Appends a campaign's line.
///
/// # Errors
/// The file system's.
pub fn record(
    kind: &str,
    seeds: &Value,
    figures: Value,
    violations: u64,
) -> Result<(), ChaosError> {
    let now = DateTime::from_timestamp_millis(SystemClock::new().wall_ms());
    let mut line = json!({
        "date": now.map(|now| now.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
        "commit": commit(),
        "kind": kind,
        "seeds": seeds,
        "violations": violations,
    });
    if let (Some(line), Value::Object(mut figures)) = (line.as_object_mut(), figures) {
        // Told on the screen; the record counts.
        figures.remove("violations");
        figures.remove("kept");
        line.extend(figures);
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(root().join("docs/campaigns.jsonl"))
        .map_err(failed("the record of campaigns"))?;
    writeln!(file, "{line}").map_err(failed("the record of campaigns"))
}
