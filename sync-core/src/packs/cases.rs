//! Cases in a pack: what happened to each in the period, and how it stood at its end.

use super::Tally;
use super::walk::{Moment, is_over, walk};
use crate::documents::ClockKind;
use crate::ids::RecordId;
use crate::kinds::Kind;
use crate::merge::RecordState;
use serde_json::json;

/// States of a case that came to a good end.
const ENDED_WELL: &[&str] = &["CLOSED", "EVALUATED", "ARCHIVED"];
/// States of a case that is no case.
const SET_ASIDE: &[&str] = &["MERGED", "REJECTED", "CANCELLED"];

/// What one case came to until the end of the period.
#[derive(Default)]
struct Course {
    was_registered: bool,
    /// Some run of a clock of disposal was overrun.
    was_late: bool,
    was_reworked: bool,
    /// When the last disposal was due.
    due_ms: Option<i64>,
    counted: Vec<&'static str>,
    shares: Vec<(&'static str, bool)>,
    was_closed: bool,
}

fn is_disposal(kind: ClockKind) -> bool {
    matches!(kind, ClockKind::Dispose | ClockKind::DisposeHalf)
}

impl Course {
    fn take(&mut self, moment: &Moment<'_>, is_within: bool) {
        let is_late = moment.before.as_ref().is_some_and(is_over);
        if let Some(clock) = moment.before.as_ref().filter(|_| is_late) {
            self.was_late |= is_disposal(clock.kind);
        }
        if let Some(clock) = &moment.after
            && is_disposal(clock.kind)
        {
            self.due_ms = clock.due_ms;
        }
        let mut counted = Vec::new();
        let mut shares = Vec::new();
        if moment.from == "SUBMITTED" {
            counted.push("acknowledged");
            shares.push(("acknowledged_in_time", !is_late));
        }
        if moment.from == "FEEDBACK" {
            shares.push(("reworked", moment.to == "REWORK"));
        }
        match moment.to {
            "REGISTERED" if !self.was_registered => {
                self.was_registered = true;
                counted.push("registered");
                shares.push(("self_handled", false));
            }
            "SELF_DONE" => {
                counted.push("self_handled");
                shares.push(("self_handled", true));
            }
            "NEEDS_INFO" => counted.push("returned"),
            "BOUNCED" => counted.push("bounced"),
            "REWORK" => {
                self.was_reworked = true;
                counted.push("reworked");
            }
            "FEEDBACK" => shares.push(("disposed_on_time", !is_late)),
            "REOPENED" => counted.push("reopened"),
            "SUSPENDED" => counted.push("suspended"),
            "MERGED" => counted.push("merged"),
            "REJECTED" => counted.push("rejected"),
            "CANCELLED" => counted.push("cancelled"),
            "CLOSED" => {
                counted.push("closed");
                if !self.was_late {
                    counted.push("on_time");
                }
                if moment.from == "FEEDBACK" {
                    shares.push(("verified_at_first", !self.was_reworked));
                }
                self.was_closed |= is_within;
            }
            _ => {}
        }
        if moment.step.fields.value::<bool>("granted") == Some(true)
            && moment.step.fields.has("due_ms")
        {
            counted.push("extended");
        }
        if is_within {
            self.counted.extend(counted);
            self.shares.extend(shares);
        }
    }
}

impl Tally<'_> {
    pub(super) fn add_case(&mut self, id: RecordId, record: &RecordState) {
        let (documents, until_ms) = (self.scene.documents, self.until_ms());
        let mut course = Course::default();
        let mut times = Vec::new();
        let then = walk(record, documents, until_ms, |moment| {
            let is_within = moment.at_ms >= self.since_ms();
            course.take(moment, is_within);
            times.push(moment.at_ms);
        });
        let unit = record.unit;
        for name in course.counted {
            self.count(unit, name, 1);
        }
        for (name, is_part) in course.shares {
            self.share(name, is_part);
        }
        let reopened = self.counted_of(id, &then, &times, course.was_closed);
        if let Some(was_reopened) = reopened {
            self.share("reopened", was_reopened);
        }
        let state = then.state.as_deref().unwrap_or_default();
        let due_ms = course.due_ms;
        if due_ms.is_some_and(|due_ms| self.is_within(due_ms)) && !SET_ASIDE.contains(&state) {
            self.share("effective_disposal", ENDED_WELL.contains(&state));
        }
        let workflow = documents.workflow(Kind::Report);
        let has_work = workflow
            .and_then(|workflow| workflow.state(state))
            .is_some_and(|state| state.has_work());
        if has_work {
            self.count(unit, "open", 1);
            self.share("suspended", state == "SUSPENDED");
            self.note_overdue(id, &then);
        }
    }

    /// For a case that was closed in the period: whether it was opened again in it. It may be drawn for the sample.
    fn counted_of(
        &mut self,
        id: RecordId,
        then: &RecordState,
        times: &[i64],
        was_closed: bool,
    ) -> Option<bool> {
        if !was_closed {
            return None;
        }
        self.closed.push(id);
        let steps = then.steps.iter().filter_map(|step| step.states.as_ref());
        let mut reopened = steps
            .zip(times)
            .filter(|((_, to), at_ms)| to == "REOPENED" && self.is_within(**at_ms));
        Some(reopened.next().is_some())
    }

    /// Lists a record whose clock was overrun at the end of the period.
    pub(super) fn note_overdue(&mut self, id: RecordId, then: &RecordState) {
        let clock = super::clock_at(then, self.scene.documents, self.until_ms());
        let Some(clock) = clock.filter(is_over) else {
            return;
        };
        let name = match then.kind {
            Kind::Task => "tasks_overdue",
            _ => "overdue",
        };
        self.count(then.unit, name, 1);
        self.overdue.insert(
            (then.kind.as_str(), id),
            json!({
                "record": id.to_string(), "kind": then.kind.as_str(), "unit": then.unit.0,
                "desk": then.desk.map(|desk| desk.0), "state": then.state, "clock": clock.kind.as_str(),
                "due_ms": clock.due_ms, "extensions": clock.extensions,
            }),
        );
    }
}
