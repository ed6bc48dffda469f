//! Whether a step of a workflow, or a move to another unit, applies: by the tables of the documents and their guards.

use super::documents::{Documents, Step};
use super::fold::{OracleRecord, saw};
use super::people::{Grant, People};
use super::plain::{Entry, Problem};

/// What a step is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Attempted<'a> {
    /// The documents in force.
    pub documents: &'a Documents,
    /// Units and roles.
    pub people: &'a People,
    /// The record before the step.
    pub record: &'a OracleRecord,
    /// The step as it would be entered.
    pub entry: &'a Entry,
    /// The grants by which its author may author it.
    pub grants: &'a [Grant],
}

fn problem(code: &str, field: &str) -> Problem {
    (code.to_owned(), field.to_owned())
}

/// Why a step to a state does not apply; nothing when it does.
pub fn failing(attempted: &Attempted<'_>, to: &str) -> Option<Problem> {
    let record = attempted.record;
    let state = record.state.as_deref().unwrap_or_default();
    let has_moved_on = record
        .last_step()
        .is_some_and(|step| !saw(attempted.entry, &step.stamp));
    if has_moved_on {
        return Some(problem("state_moved_on", ""));
    }
    let Some(step) = attempted.documents.step(&record.kind, state, to) else {
        return Some(problem("transition_not_allowed", ""));
    };
    let grants: Vec<&Grant> = attempted
        .grants
        .iter()
        .filter(|grant| step.roles.contains(&grant.role))
        .collect();
    if grants.is_empty() {
        return Some(problem("right_missing", ""));
    }
    let fields = attempted.entry.fields.as_ref();
    for name in &step.needs {
        if fields.is_none_or(|fields| !fields.contains_key(name)) {
            return Some(problem("field_needed_for_transition", name));
        }
    }
    step.guards
        .iter()
        .find_map(|guard| failing_guard(attempted, step, &grants, guard))
}

/// Why a move does not apply; nothing when it does.
pub fn failing_move(attempted: &Attempted<'_>, to: u32) -> Option<Problem> {
    let has_moved_on = attempted
        .record
        .last_move()
        .is_some_and(|step| !saw(attempted.entry, &step.stamp));
    if has_moved_on {
        return Some(problem("state_moved_on", ""));
    }
    if !attempted.people.has_unit(to) {
        return Some(problem("unknown_choice", "unit"));
    }
    None
}

/// The problem of a guard that does not hold.
fn failing_guard(
    attempted: &Attempted<'_>,
    step: &Step,
    grants: &[&Grant],
    guard: &str,
) -> Option<Problem> {
    let record = attempted.record;
    let person = attempted.entry.stamp.person;
    let fields = attempted.entry.fields.clone().unwrap_or_default();
    let has_role = |codes: &[&str]| {
        grants
            .iter()
            .any(|grant| codes.contains(&grant.role.as_str()))
    };
    let entered = |states: &[&str]| {
        record.steps.iter().any(|taken| {
            let to = taken.states.as_ref().map(|(_, to)| to.as_str());
            taken.stamp.person == person && to.is_some_and(|to| states.contains(&to))
        })
    };
    let is_author = record
        .created
        .as_ref()
        .is_some_and(|made| made.person == person || made.whose == Some(person));
    let is_flag = |name: &str, wanted: bool| {
        fields
            .get(name)
            .is_some_and(|raw| serde_json::from_str::<bool>(raw).ok() == Some(wanted))
    };
    let (holds, otherwise) = match guard {
        "proof" => {
            let names_one = fields
                .get("proof")
                .and_then(|raw| serde_json::from_str::<Vec<String>>(raw).ok())
                .is_some_and(|list| !list.is_empty());
            (names_one, problem("field_needed_for_transition", "proof"))
        }
        "category_allows_self_handling" => {
            let category = record.shown_text("category").unwrap_or_default();
            let allows = attempted
                .documents
                .categories
                .get(&category)
                .is_some_and(|category| category.self_handled_allowed);
            (allows, problem("transition_not_allowed", ""))
        }
        "own_report" => (
            is_author || has_role(&["duty_desk"]),
            problem("right_missing", ""),
        ),
        "own_claim" => (is_author, problem("right_missing", "")),
        "reporter_verifier_or_desk" => (
            is_author || has_role(&["verifier", "duty_desk"]),
            problem("right_missing", ""),
        ),
        "own_desk" => (
            acts_for_desk(attempted, grants),
            problem("right_missing", ""),
        ),
        "merge_target_is_another_report" => {
            let own = uuid::Uuid::from_bytes(attempted.entry.record).to_string();
            let other = fields
                .get("merged_into")
                .and_then(|raw| serde_json::from_str::<String>(raw).ok());
            (
                other.is_some_and(|other| other != own),
                problem("out_of_range", "merged_into"),
            )
        }
        "once" => {
            let was_taken = record
                .steps
                .iter()
                .any(|taken| taken.states.as_ref() == Some(&(step.from.clone(), step.to.clone())));
            (!was_taken, problem("only_once", ""))
        }
        "answer_is_whole" if is_flag("granted", true) => (
            fields.contains_key("due_ms"),
            problem("field_needed_for_transition", "due_ms"),
        ),
        "answer_is_whole" => (
            fields.contains_key("reason"),
            problem("field_needed_for_transition", "reason"),
        ),
        "second_extension_by_district" => {
            let was_granted = record.steps.iter().any(|taken| {
                taken.states.as_ref() == Some(&(step.from.clone(), step.to.clone()))
                    && taken.fields.get("granted").is_some_and(|raw| raw == "true")
            });
            let holds = !was_granted || !is_flag("granted", true) || has_role(&["district_lead"]);
            (holds, problem("right_missing", ""))
        }
        "verifier_is_not_handler" => (
            !entered(&["SELF_DONE", "IN_PROGRESS", "FEEDBACK"]),
            problem("handler_may_not_verify", ""),
        ),
        "verifier_is_not_registrar" => (
            !entered(&["REGISTERED"]),
            problem("handler_may_not_verify", ""),
        ),
        "verifier_is_not_author" => (!is_author, problem("handler_may_not_verify", "")),
        "confirmer_is_not_doer" => (!entered(&["DONE"]), problem("handler_may_not_verify", "")),
        "reviewer_is_not_claimant" => (!is_author, problem("handler_may_not_verify", "")),
        "not_the_earlier_reviewer" => (
            !entered(&["GRANTED", "REFUSED"]),
            problem("handler_may_not_verify", ""),
        ),
        // These need the working calendar, which no document holds yet: they hold.
        _ => return within_days(attempted, guard),
    };
    (!holds).then_some(otherwise)
}

/// Guards that count in days from when the state that is left was entered; all others hold.
fn within_days(attempted: &Attempted<'_>, guard: &str) -> Option<Problem> {
    let record = attempted.record;
    let days = attempted
        .documents
        .days
        .get(&(record.kind.clone(), guard.to_owned()))?;
    let entered_ms = record.last_step()?.stamp.time_ms;
    let is_late = attempted.entry.stamp.time_ms > entered_ms + days * 24 * 3_600_000;
    is_late.then(|| problem("transition_not_allowed", ""))
}

/// Who acts as a handler, worker or grid head does so for the unit that is the desk of the case.
fn acts_for_desk(attempted: &Attempted<'_>, grants: &[&Grant]) -> bool {
    let bound = ["department_handler", "worker", "grid_head"];
    grants.iter().any(|grant| {
        let is_bound = bound.contains(&grant.role.as_str());
        let is_desk = attempted
            .record
            .desk
            .is_some_and(|desk| attempted.people.is_within(desk, grant.unit));
        !is_bound || is_desk
    })
}
