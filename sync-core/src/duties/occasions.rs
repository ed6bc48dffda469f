//! What happened to a record that somebody must know, and what its clock says: the occasions of notices.

use super::after_ms;
use crate::cases::{CaseClock, Stage};
use crate::documents::{ClockKind, Documents};
use crate::ids::{PersonId, Pos};
use crate::kinds::Kind;
use crate::merge::{RecordState, Stamp, Step};

/// The event of a report of level I, whose notices go from one on duty to the next.
pub const LEVEL_I: &str = "LEVEL_I";

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The event, as the document names it.
    pub event: &'static str,
    /// What tells it from others of the event about the same record.
    pub key: String,
    /// Where it stands in the log, if it is an entry.
    pub pos: Option<Pos>,
    /// When.
    pub time_ms: i64,
    /// Who did it; nobody did what a clock says.
    pub actor: Option<PersonId>,
    /// For [`LEVEL_I`]: how many on duty were told before.
    pub rank: usize,
}

/// Whether clocks of this record remind anybody: a follow-up after a month is a task, and a round ends by itself.
pub fn reminds(record: &RecordState, documents: &Documents) -> bool {
    let clock = documents
        .workflow(record.kind)
        .zip(record.state.as_deref())
        .and_then(|(workflow, state)| workflow.state(state))
        .map_or(ClockKind::None, |state| state.clock);
    !matches!(
        clock,
        ClockKind::None | ClockKind::FollowUp | ClockKind::Window
    )
}

/// The level of a report: what its last step said, what it says itself, or that of its category.
pub fn level_of(record: &RecordState, documents: &Documents) -> Option<String> {
    let said = record
        .steps
        .iter()
        .rev()
        .find_map(|step| step.fields.value::<String>("level"));
    said.or_else(|| record.shown_text("level")).or_else(|| {
        let category = record.shown_text("category")?;
        Some(documents.category(&category)?.level.clone())
    })
}

/// What happened to a record after a place of the log, and what its clock says now.
pub fn occasions(
    record: &RecordState,
    documents: &Documents,
    since: Pos,
    now_ms: i64,
) -> Vec<Occasion> {
    let mut found = Vec::new();
    if let Some(created) = record.created.filter(|created| created.place.pos > since) {
        let event = match record.kind {
            Kind::Task => Some("TASK_GIVEN"),
            Kind::Alert => Some("ALERT_RAISED"),
            _ => None,
        };
        found.extend(event.map(|event| entered(event, &created)));
    }
    for (index, step) in record.steps.iter().enumerate() {
        if step.stamp.place.pos > since {
            for event in events_of_step(record, documents, index, step) {
                found.push(entered(event, &step.stamp));
            }
        }
    }
    for attempt in &record.attempts {
        if attempt.stamp.place.pos > since {
            found.push(entered("STEP_NOT_APPLIED", &attempt.stamp));
        }
    }
    if record.kind == Kind::Task {
        // Whoever is given a task later hears of it like the first one.
        let given = record.writes().filter(|(stamp, fields)| {
            fields.has("assignee")
                && stamp.place.pos > since
                && record.created.is_some_and(|created| created != **stamp)
        });
        found.extend(given.map(|(stamp, _)| entered("TASK_GIVEN", stamp)));
    }
    found.extend(of_clock(record, documents, now_ms));
    found.extend(of_level_one(record, documents, now_ms));
    found
}

fn entered(event: &'static str, stamp: &Stamp) -> Occasion {
    Occasion {
        event,
        key: format!("{}.{}", stamp.replica.0, stamp.seq.0),
        pos: Some(stamp.place.pos),
        time_ms: stamp.time_ms,
        actor: Some(stamp.person),
        rank: 0,
    }
}

fn events_of_step(
    record: &RecordState,
    documents: &Documents,
    index: usize,
    step: &Step,
) -> Vec<&'static str> {
    let Some((from, to)) = step.states.as_ref().filter(|_| record.kind == Kind::Report) else {
        return Vec::new();
    };
    let mut events = match to.as_str() {
        "NEEDS_INFO" => vec!["CASE_RETURNED"],
        "REJECTED" => vec!["CASE_REJECTED"],
        "CLOSED" => vec!["CASE_CLOSED"],
        "DISPATCHED" => vec!["CASE_DISPATCHED"],
        "REWORK" => vec!["CASE_REWORK"],
        "BOUNCED" => vec!["CASE_BOUNCED"],
        _ => Vec::new(),
    };
    let before = || {
        record.steps[..index]
            .iter()
            .filter_map(|step| step.states.as_ref())
    };
    // An appeal is the way back from a decision; whatever is decided next decides it.
    let is_appeal = |(from, to): &(String, String)| {
        to == "SUBMITTED" && matches!(from.as_str(), "REJECTED" | "MERGED" | "CANCELLED")
    };
    if from == "SUBMITTED" && before().next_back().is_some_and(is_appeal) {
        events.push("CASE_APPEAL_DECIDED");
    }
    let escalation = documents
        .workflow(record.kind)
        .and_then(|workflow| workflow.step(from, to))
        .and_then(|step| step.escalate.as_ref());
    let times = before()
        .filter(|(one, other)| one == from && other == to)
        .count() as u32;
    if escalation.is_some_and(|escalation| times + 1 >= escalation.from_time) {
        events.push("CASE_REWORK_AGAIN");
    }
    events
}

/// What the clock of a case says: half, all, half as much again is used up. Of several only the last is news.
fn of_clock(record: &RecordState, documents: &Documents, now_ms: i64) -> Option<Occasion> {
    if !reminds(record, documents) {
        return None;
    }
    let clock = CaseClock::of(record, documents, now_ms)?;
    let event = match clock.stage() {
        Stage::InTime => return None,
        Stage::Reminded => "CLOCK_HALF",
        Stage::Overdue => "CLOCK_OVER",
        Stage::LongOverdue => "CLOCK_LONG_OVER",
    };
    // Another end that somebody set makes another clock of it.
    let key = format!(
        "{}.{}.{}",
        clock.kind.as_str(),
        clock.since_ms,
        clock.allowed_ms
    );
    Some(Occasion {
        event,
        key,
        pos: None,
        time_ms: now_ms,
        actor: None,
        rank: 0,
    })
}

/// A report of level I that nobody has taken up: the first on duty is told at once, others when it goes on.
fn of_level_one(record: &RecordState, documents: &Documents, now_ms: i64) -> Vec<Occasion> {
    let Some(created) = waits_as_level_one(record, documents) else {
        return Vec::new();
    };
    let after = &documents.notice_rules().level_one.next_after;
    let times = after
        .iter()
        .map(|after| after_ms(created.time_ms, *after, documents));
    std::iter::once(created.time_ms)
        .chain(times)
        .enumerate()
        .filter(|(_, at_ms)| *at_ms <= now_ms)
        .map(|(rank, at_ms)| Occasion {
            event: LEVEL_I,
            key: format!("duty.{rank}"),
            pos: None,
            time_ms: at_ms,
            actor: Some(created.person),
            rank,
        })
        .collect()
}

fn waits_as_level_one(record: &RecordState, documents: &Documents) -> Option<Stamp> {
    let is_waiting = record.kind == Kind::Report
        && record.state.as_deref() == Some("SUBMITTED")
        && record.steps.iter().all(|step| step.states.is_none());
    let is_first = || level_of(record, documents).as_deref() == Some("I");
    record.created.filter(|_| is_waiting && is_first())
}

/// When the next one on duty must be told of a report of level I, at the earliest; `None` for any other record.
pub fn next_on_duty_ms(record: &RecordState, documents: &Documents) -> Option<i64> {
    waits_as_level_one(record, documents).map(|created| created.time_ms)
}
