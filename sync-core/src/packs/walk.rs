//! A record's steps one after the other, each with the clock that ran until it and the one that runs from it.

use crate::cases::{CaseClock, Stage};
use crate::documents::Documents;
use crate::merge::{RecordState, Step};

/// One step of the workflow.
pub(super) struct Moment<'a> {
    pub from: &'a str,
    pub to: &'a str,
    /// When; never before the step before it, whatever a phone's clock said.
    pub at_ms: i64,
    pub step: &'a Step,
    /// The clock that ran until this step, as it stood then.
    pub before: Option<CaseClock>,
    /// The clock that runs from here on.
    pub after: Option<CaseClock>,
}

/// Whether a clock had been overrun when it was looked at.
pub(super) fn is_over(clock: &CaseClock) -> bool {
    !clock.is_paused && clock.stage() >= Stage::Overdue
}

/// Hands the steps that were taken before a moment to `each`, and answers with the record as it stood at that moment, without
/// what no clock looks at.
pub(super) fn walk(
    record: &RecordState,
    documents: &Documents,
    until_ms: i64,
    mut each: impl FnMut(&Moment<'_>),
) -> RecordState {
    let mut then = record.clone();
    let steps = std::mem::take(&mut then.steps);
    then.elements.clear();
    then.attempts.clear();
    let mut at_ms = record.created.map_or(i64::MIN, |created| created.time_ms);
    let first = steps.iter().find_map(|step| step.states.as_ref());
    if let Some((from, _)) = first {
        then.state = Some(from.clone());
    }
    for step in &steps {
        let Some((from, to)) = &step.states else {
            continue;
        };
        at_ms = at_ms.max(step.stamp.time_ms);
        if at_ms >= until_ms {
            break;
        }
        let before = CaseClock::of(&then, documents, at_ms);
        then.steps.push(step.clone());
        then.state = Some(to.clone());
        let after = CaseClock::of(&then, documents, at_ms);
        each(&Moment {
            from,
            to,
            at_ms,
            step,
            before,
            after,
        });
    }
    then
}
