//! Whether a step of a workflow, or a move to another unit, applies: by the tables of the documents and their guards.

use super::documents::{Documents, Step};
use super::fold::{OracleRecord, Taken, saw};
use super::people::{Grant, People};
use super::plain::{Entry, Problem, Stamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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

impl Attempted<'_> {
    /// How many days, or working days, the document gives a guard.
    fn days_of(&self, guard: &str) -> i64 {
        let key = (self.record.kind.clone(), guard.to_owned());
        self.documents.days.get(&key).copied().unwrap_or(0)
    }

    fn has_seen(&self, step: &Taken) -> bool {
        saw(self.entry, &step.stamp)
    }

    /// The steps that entered a state.
    fn into<'a>(&'a self, state: &'a str) -> impl Iterator<Item = &'a Taken> {
        self.record
            .steps
            .iter()
            .filter(move |step| step.states.as_ref().is_some_and(|(_, to)| to == state))
    }
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
        .is_some_and(|step| !attempted.has_seen(step));
    if has_moved_on {
        return Some(problem("state_moved_on", ""));
    }
    let Some(step) = attempted.documents.step(&record.kind, state, to) else {
        return Some(problem("transition_not_allowed", "to"));
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
        .is_some_and(|step| !attempted.has_seen(step));
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
    let is_by_or_for = |stamp: &Stamp| stamp.person == person || stamp.whose == Some(person);
    let did = |states: &[&str]| {
        states.iter().any(|state| {
            attempted
                .into(state)
                .any(|taken| is_by_or_for(&taken.stamp))
        })
    };
    let is_author = record.created.as_ref().is_some_and(is_by_or_for);
    let needed = |name: &str| problem("field_needed_for_transition", name);
    let not_allowed = problem("transition_not_allowed", "");
    let not_verify = problem("handler_may_not_verify", "");
    let (holds, otherwise) = match guard {
        "proof" => (is_proved(attempted, step), needed("proof")),
        "category_allows_self_handling" => (allows_self_handling(attempted), not_allowed),
        "own_report" => (is_author || has_role(&["duty_desk"]), not_allowed),
        "own_claim" => (is_author, not_allowed),
        "reporter_verifier_or_desk" => (
            is_author || has_role(&["verifier", "duty_desk"]),
            not_allowed,
        ),
        "own_desk" => (acts_for_desk(attempted, grants), not_allowed),
        "merge_target_is_another_report" => {
            let own = uuid::Uuid::from_bytes(attempted.entry.record).to_string();
            let target = fields
                .get("merged_into")
                .and_then(|raw| serde_json::from_str::<String>(raw).ok());
            (target.as_ref() != Some(&own), needed("merged_into"))
        }
        "once" => (
            attempted.into(&step.to).next().is_none(),
            problem("only_once", ""),
        ),
        "within_10_days" => (is_within_days_of_closing(attempted, guard), not_allowed),
        "answer_is_whole" => {
            let name = if is_granted(&fields) {
                "due_ms"
            } else {
                "reason"
            };
            (fields.contains_key(name), needed(name))
        }
        "second_extension_by_district" => (
            is_first_extension(attempted) || has_role(&["district_lead"]),
            not_allowed,
        ),
        "verifier_is_not_handler" => (!did(&["SELF_DONE", "IN_PROGRESS", "FEEDBACK"]), not_verify),
        "verifier_is_not_registrar" => (!did(&["REGISTERED"]), not_verify),
        "verifier_is_not_author" => (!is_author, not_verify),
        "confirmer_is_not_doer" => (!did(&["DONE"]), not_verify),
        "reviewer_is_not_claimant" => (!is_author, not_allowed),
        "not_the_earlier_reviewer" => (!did(&["GRANTED", "REFUSED"]), not_allowed),
        "within_1_working_day" | "within_5_working_days" => {
            let days = attempted.days_of(guard);
            let calendar = &attempted.documents.calendar;
            let end_ms = attempted.entry.stamp.time_ms;
            let used_ms = calendar.worked_ms(entered_ms(attempted), end_ms - 1);
            (
                used_ms < days * calendar.working_day_minutes * 60_000,
                not_allowed,
            )
        }
        "extension_within_15_working_days" => {
            let holds = !is_granted(&fields) || is_end_within(attempted, &fields, guard);
            (holds, not_allowed)
        }
        "retention_over" | "after_30_days" => {
            let over_ms = attempted.days_of(guard) * 24 * 3_600_000;
            let at_ms = attempted.entry.stamp.time_ms;
            (at_ms > entered_ms(attempted) + over_ms, not_allowed)
        }
        "signed_by_all" => (is_signed(attempted), not_allowed),
        "has_open_faults" => (is_anything_wrong(attempted), not_allowed),
        "no_open_faults" => (!is_anything_wrong(attempted), not_allowed),
        _ => panic!("BUG: a document names a guard that no oracle knows: {guard}"),
    };
    (!holds).then_some(otherwise)
}

/// At least one attachment; or words, where the category does not require one. What was solved on the spot needs one.
fn is_proved(attempted: &Attempted<'_>, step: &Step) -> bool {
    let fields = attempted.entry.fields.clone().unwrap_or_default();
    let names_one = fields
        .get("proof")
        .and_then(|raw| serde_json::from_str::<Vec<String>>(raw).ok())
        .is_some_and(|list| !list.is_empty());
    let category = attempted.record.shown_text("category").unwrap_or_default();
    let category = attempted.documents.categories.get(&category);
    let is_required =
        step.to == "SELF_DONE" || category.is_some_and(|category| category.proof_is_required);
    names_one || (!is_required && fields.contains_key("note"))
}

/// Whether every party of a mediation has signed.
fn is_signed(attempted: &Attempted<'_>) -> bool {
    let register = attempted.record.registers.get("parties");
    let parties = register
        .and_then(|values| values.first())
        .and_then(|value| value.raw.parse::<i64>().ok())
        .unwrap_or(0);
    let signatures = attempted.record.elements.iter();
    let signatures = signatures.filter(|element| element.set == "signatures");
    let signed: BTreeSet<i64> = signatures
        .filter_map(|element| element.fields.get("party")?.parse().ok())
        .collect();
    parties >= 1 && (1..=parties).all(|party| signed.contains(&party))
}

/// Whether the last look at some item of an inspection found it wrong.
fn is_anything_wrong(attempted: &Attempted<'_>) -> bool {
    let read = |raw: &str| serde_json::from_str::<Value>(raw).unwrap_or_default();
    let register = attempted.record.registers.get("answers");
    let answers = register.and_then(|values| values.first());
    let answers = answers.map_or(Value::Null, |value| read(&value.raw));
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    let mut look = |item: &Value, answer: &Value| {
        if let (Some(item), Some(answer)) = (item.as_str(), answer.as_str()) {
            last.insert(item.to_owned(), answer.to_owned());
        }
    };
    for answer in answers.as_array().into_iter().flatten() {
        look(&answer["item"], &answer["answer"]);
    }
    for element in &attempted.record.elements {
        if element.set == "rechecks" {
            let part = |name: &str| {
                element
                    .fields
                    .get(name)
                    .map_or(Value::Null, |raw| read(raw))
            };
            look(&part("item"), &part("answer"));
        }
    }
    last.values().any(|answer| answer == "fault")
}

/// A category that the catalogue does not have is no reason to refuse.
fn allows_self_handling(attempted: &Attempted<'_>) -> bool {
    let category = attempted.record.shown_text("category").unwrap_or_default();
    attempted
        .documents
        .categories
        .get(&category)
        .is_none_or(|category| category.self_handled_allowed)
}

/// When the record's state was entered: by its last step, or when it was made.
fn entered_ms(attempted: &Attempted<'_>) -> i64 {
    let mut steps = attempted.record.steps.iter().rev();
    let step = steps.find(|step| step.states.is_some());
    let made = attempted.record.created.as_ref();
    step.map(|step| &step.stamp)
        .or(made)
        .map_or(0, |stamp| stamp.time_ms)
}

/// The new end lies within what the case may take since it was sent out last (a unit that hands it on sends it out no
/// more), without the time for which it was suspended. No step counts as before the one before it.
fn is_end_within(attempted: &Attempted<'_>, fields: &super::plain::Fields, guard: &str) -> bool {
    let end_ms = fields
        .get("due_ms")
        .and_then(|raw| serde_json::from_str::<i64>(raw).ok());
    let calendar = &attempted.documents.calendar;
    let (mut at_ms, mut used_ms, mut is_out) = (i64::MIN, 0, false);
    let mut state = String::new();
    for step in &attempted.record.steps {
        let Some((from, to)) = &step.states else {
            continue;
        };
        let next_ms = at_ms.max(step.stamp.time_ms);
        if is_out && state != "SUSPENDED" {
            used_ms += calendar.worked_ms(at_ms, next_ms);
        }
        if to == "DISPATCHED" && from != "IN_PROGRESS" {
            (is_out, used_ms) = (true, 0);
        }
        at_ms = next_ms;
        state.clone_from(to);
    }
    let Some(end_ms) = end_ms.filter(|_| is_out) else {
        return true;
    };
    let allowed_ms = attempted.days_of(guard) * calendar.working_day_minutes * 60_000;
    // What it may take can be over before the last of these steps; then no end lies within.
    end_ms <= at_ms && used_ms < allowed_ms
        || end_ms > at_ms && used_ms + calendar.worked_ms(at_ms, end_ms - 1) < allowed_ms
}

/// Days count from the last step to `CLOSED`.
fn is_within_days_of_closing(attempted: &Attempted<'_>, guard: &str) -> bool {
    let days = attempted.days_of(guard);
    let closed = attempted.into("CLOSED").last();
    let closed_ms = closed.map_or(0, |step| step.stamp.time_ms);
    attempted.entry.stamp.time_ms <= closed_ms + days * 24 * 3_600_000
}

fn is_granted(fields: &super::plain::Fields) -> bool {
    fields
        .get("granted")
        .is_some_and(|raw| serde_json::from_str(raw).unwrap_or(false))
}

/// Whether this is no second extension.
fn is_first_extension(attempted: &Attempted<'_>) -> bool {
    let was_granted = attempted
        .record
        .steps
        .iter()
        .filter(|step| {
            let from = step.states.as_ref().map(|(from, _)| from.as_str());
            from == Some("EXT_ASKED")
        })
        .any(|step| is_granted(&step.fields));
    let fields = attempted.entry.fields.clone().unwrap_or_default();
    !was_granted || !is_granted(&fields)
}

/// Who acts as a handler, worker or grid head does so for the unit that is the desk of the case.
fn acts_for_desk(attempted: &Attempted<'_>, grants: &[&Grant]) -> bool {
    grants.iter().any(|grant| {
        let bound = ["department_handler", "worker", "grid_head"];
        let is_bound = bound.contains(&grant.role.as_str());
        let is_desk = attempted
            .record
            .desk
            .is_some_and(|desk| attempted.people.is_within(desk, grant.unit));
        !is_bound || is_desk
    })
}
