//! Steps that a workflow lets the server take by itself: which is next for a record, and from when on.

use crate::calendar::Allowance;
use crate::documents::{Documents, Transition};
use crate::kinds::{self, Form, Intent, Kind, Shape};
use crate::merge::RecordState;
use crate::patrols::window_end_ms;

/// The role in whose name the server acts. A table lets the server take a step by naming it.
pub const SYSTEM_ROLE: &str = "system";

/// What a table names instead of a field: the end of the window of a round.
const WINDOW_END: &str = "window_end";

/// A step that comes by itself.
#[derive(Clone, Copy, Debug)]
pub struct Automatic<'a> {
    /// The step.
    pub step: &'a Transition,
    /// The first moment at which it may be taken, milliseconds since 1970.
    pub due_ms: i64,
}

/// The step that comes next by itself while nobody takes another, whenever that is: of several, the one that is due first.
pub fn next_automatic<'a>(record: &RecordState, documents: &'a Documents) -> Option<Automatic<'a>> {
    let workflow = documents.workflow(record.kind)?;
    let state = record.state.as_deref()?;
    let steps = workflow
        .transitions
        .iter()
        .filter(|step| step.from == state);
    let coming = steps.filter_map(|step| {
        let due_ms = due_ms(record, documents, step)?;
        Some(Automatic { step, due_ms })
    });
    coming.min_by_key(|coming| coming.due_ms)
}

/// The step that is due by itself at a moment, and since when.
pub fn automatic<'a>(
    record: &RecordState,
    documents: &'a Documents,
    now_ms: i64,
) -> Option<Automatic<'a>> {
    next_automatic(record, documents).filter(|coming| coming.due_ms <= now_ms)
}

fn due_ms(record: &RecordState, documents: &Documents, step: &Transition) -> Option<i64> {
    let last = record.last_step();
    let after_ms = step.automatic_after.and_then(|after| {
        let entered = record.created.iter().map(|stamp| stamp.time_ms);
        let steps = record.steps.iter().filter(|step| step.states.is_some());
        // No step counts as before the one before it, whatever a phone's clock says.
        let entered_ms = entered.chain(steps.map(|step| step.stamp.time_ms)).max()?;
        let allowed = Allowance::of(after, documents.calendar(), documents.zone());
        // Until then the time is not over: guards that ask whether it is say so, too.
        Some(allowed.due_ms(entered_ms, &[])?.saturating_add(1))
    });
    let at_ms = step.automatic_at.as_deref().and_then(|field| {
        if field == WINDOW_END {
            return window_end_ms(record, documents);
        }
        let named = last.and_then(|step| step.fields.value::<i64>(field));
        named.or_else(|| serde_json::from_str(record.shown(field)?.get()).ok())
    });
    match (after_ms, at_ms) {
        (Some(after_ms), Some(at_ms)) => Some(after_ms.min(at_ms)),
        (after_ms, at_ms) => after_ms.or(at_ms),
    }
}

/// The intent by which a record of a kind enters a state, and whether its payload names that state.
pub fn intent_into(kind: Kind, to: &str) -> Option<(&'static Intent, bool)> {
    let of_kind = || kinds::all().filter(move |intent| intent.kind == Some(kind));
    let fixed = of_kind()
        .find(|intent| matches!(intent.shape, Shape::Transition(Some(state)) if state == to));
    let may_name = |intent: &&Intent| {
        let field = intent.fields.iter().find(|field| field.name == "to");
        field.is_some_and(|field| match field.form {
            Form::Choice(states) => states.contains(&to),
            _ => true,
        })
    };
    let named = || {
        of_kind().find(|intent| matches!(intent.shape, Shape::Transition(None)) && may_name(intent))
    };
    fixed
        .map(|intent| (intent, false))
        .or_else(|| named().map(|intent| (intent, true)))
}

#[cfg(test)]
#[path = "automatic_tests.rs"]
mod tests;
