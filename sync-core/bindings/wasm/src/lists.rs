//! What the page's lists show: own reports and the outbox, each line with its state word and next step in both languages.

use serde::Serialize;
use sync_core::payload::Payload;
use sync_core::replica::{ListRow, OutboxItem, Replica};
use sync_core::words::{NextStep, StateWord};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Failure, ProblemLine, json};
use crate::phone;
use crate::texts::{self, Words};

#[derive(Serialize)]
struct ReportLine {
    record: String,
    unit: u32,
    category: Option<String>,
    title: Option<String>,
    state: Option<String>,
    time_ms: i64,
    conflict: bool,
    word: Words,
    next: Words,
}

#[derive(Serialize)]
struct OutboxLine {
    record: String,
    seq: u64,
    intent: String,
    title: Option<String>,
    category: Option<String>,
    time_ms: i64,
    word: Words,
    next: Words,
    problems: Vec<ProblemLine>,
    reason: String,
}

fn state_words(word: StateWord, next: NextStep) -> (Words, Words) {
    (
        texts::words(word.message_key()),
        texts::words(next.message_key()),
    )
}

fn report_line(replica: &Replica, row: ListRow) -> Result<Option<ReportLine>, Failure> {
    let Some(view) = replica.record_view(row.record)? else {
        return Ok(None);
    };
    let (word, next) = state_words(view.word, view.next);
    Ok(Some(ReportLine {
        record: row.record.0.to_string(),
        unit: row.unit.0,
        category: row.category,
        title: row.title,
        state: row.state,
        time_ms: row.time_ms,
        conflict: row.conflict,
        word,
        next,
    }))
}

fn outbox_line(item: OutboxItem) -> OutboxLine {
    let open = item.open.as_deref().map(Payload::read);
    let payload = open.and_then(Result::ok).unwrap_or_default();
    let (word, next) = state_words(item.word, item.next);
    OutboxLine {
        record: item.record.0.to_string(),
        seq: item.seq.0,
        intent: item.intent,
        title: payload.value("title"),
        category: payload.value("category"),
        time_ms: item.time_ms,
        word,
        next,
        problems: item.problems.into_iter().map(ProblemLine::from).collect(),
        reason: item.reason,
    }
}

/// Own reports in which something may still happen, the newest first, at most `limit`, as a JSON list.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn my_open_reports(limit: u32) -> Result<String, JsError> {
    let lines = phone::with(|phone| {
        let replica = &phone.replica;
        let rows = replica.my_open_reports(limit)?;
        rows.into_iter()
            .filter_map(|row| report_line(replica, row).transpose())
            .collect::<Result<Vec<_>, _>>()
    })?;
    Ok(json(&lines))
}

/// What waits or needs a person, in the order it was made, as a JSON list.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn outbox() -> Result<String, JsError> {
    let lines = phone::with(|phone| {
        let items = phone.replica.outbox()?;
        Ok(items.into_iter().map(outbox_line).collect::<Vec<_>>())
    })?;
    Ok(json(&lines))
}
