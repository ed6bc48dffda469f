//! The named conditions of transition tables.

use super::rights::Right;
use crate::calendar::{Allowance, Pause};
use crate::canary::{Canary, is_awake};
use crate::directory::Directory;
use crate::documents::{Documents, Transition};
use crate::ids::PersonId;
use crate::merge::{RecordState, Stamp};
use crate::payload::Payload;
use crate::verdict::{Problem, ProblemCode};
use crate::work::{inspection, mediation};

const KNOWN: &[&str] = &[
    "proof",
    "category_allows_self_handling",
    "own_report",
    "reporter_verifier_or_desk",
    "own_desk",
    "merge_target_is_another_report",
    "once",
    "within_1_working_day",
    "within_5_working_days",
    "within_10_days",
    "extension_within_15_working_days",
    "retention_over",
    "answer_is_whole",
    "second_extension_by_district",
    "verifier_is_not_handler",
    "verifier_is_not_registrar",
    "verifier_is_not_author",
    "confirmer_is_not_doer",
    "reviewer_is_not_claimant",
    "not_the_earlier_reviewer",
    "own_claim",
    "signed_by_all",
    "after_30_days",
    "has_open_faults",
    "no_open_faults",
];

/// Whether a table may name this guard.
pub fn is_known(guard: &str) -> bool {
    KNOWN.contains(&guard)
}

/// What a guard looks at.
pub(super) struct Attempted<'a> {
    pub directory: &'a Directory,
    pub documents: &'a Documents,
    pub record: &'a RecordState,
    pub record_id: String,
    pub step: &'a Transition,
    pub payload: &'a Payload,
    pub person: PersonId,
    pub right: &'a Right<'a>,
    pub time_ms: i64,
}

/// The first condition of the step that does not hold, as a problem; `None` when all hold.
pub(super) fn check(attempted: &Attempted<'_>) -> Option<Problem> {
    if is_awake(Canary::GuardsIgnored) {
        return None;
    }
    let missing = attempted
        .step
        .requires
        .iter()
        .find(|name| !attempted.payload.has(name));
    if let Some(name) = missing {
        let problem = Problem::field(ProblemCode::FieldNeededForTransition, name.clone());
        return Some(problem.limit(&attempted.step.to));
    }
    attempted
        .step
        .guards
        .iter()
        .find_map(|guard| attempted.refuse(guard))
}

impl Attempted<'_> {
    fn refuse(&self, guard: &str) -> Option<Problem> {
        let not_allowed = || Problem::whole(ProblemCode::TransitionNotAllowed).limit(guard);
        let field = |name: &str| {
            Problem::field(ProblemCode::FieldNeededForTransition, name).limit(&self.step.to)
        };
        match guard {
            "proof" => {
                let photos = self
                    .payload
                    .value::<Vec<String>>("proof")
                    .is_some_and(|list| !list.is_empty());
                let words_do = !self.proof_is_required() && self.payload.has("note");
                (!photos && !words_do).then(|| field("proof"))
            }
            "category_allows_self_handling" => {
                let allowed = self
                    .record
                    .shown_text("category")
                    .and_then(|code| self.documents.category(&code))
                    .is_none_or(|category| category.self_handled_allowed);
                (!allowed).then(not_allowed)
            }
            "own_report" => (!self.is_reporter() && !self.acts_as("duty_desk")).then(not_allowed),
            "reporter_verifier_or_desk" => {
                let may =
                    self.is_reporter() || self.acts_as("verifier") || self.acts_as("duty_desk");
                (!may).then(not_allowed)
            }
            "own_desk" => (!self.holds_the_desk()).then(not_allowed),
            "merge_target_is_another_report" => {
                let target = self.payload.value::<String>("merged_into");
                (target.as_deref() == Some(self.record_id.as_str())).then(|| field("merged_into"))
            }
            "once" => self
                .stamps_into(&self.step.to)
                .next()
                .is_some()
                .then(|| Problem::whole(ProblemCode::OnlyOnce).limit(&self.step.to)),
            "within_1_working_day" | "within_5_working_days" => {
                let entered = self.entered_state();
                (!self.is_within(guard, entered)).then(not_allowed)
            }
            "within_10_days" => {
                let closed = self.stamps_into("CLOSED").last();
                (!self.is_within(guard, closed)).then(not_allowed)
            }
            "extension_within_15_working_days" => {
                let granted = self.payload.value::<bool>("granted").unwrap_or(false);
                (granted && !self.extension_is_within(guard)).then(not_allowed)
            }
            "retention_over" => {
                let entered = self.entered_state();
                self.is_within(guard, entered).then(not_allowed)
            }
            "answer_is_whole" => {
                let granted = self.payload.value::<bool>("granted").unwrap_or(false);
                let needed = if granted { "due_ms" } else { "reason" };
                (!self.payload.has(needed)).then(|| field(needed))
            }
            "second_extension_by_district" => {
                let grants = self.payload.value::<bool>("granted").unwrap_or(false);
                let is_second = grants && self.extension_was_granted();
                (is_second && !self.acts_as("district_lead")).then(not_allowed)
            }
            "verifier_is_not_handler" => {
                let handled = ["IN_PROGRESS", "FEEDBACK", "SELF_DONE"];
                self.did_one_of(&handled)
                    .then(|| Problem::whole(ProblemCode::HandlerMayNotVerify))
            }
            "verifier_is_not_registrar" => self
                .did_one_of(&["REGISTERED"])
                .then(|| Problem::whole(ProblemCode::HandlerMayNotVerify)),
            "verifier_is_not_author" => {
                let author = self
                    .record
                    .created
                    .is_some_and(|stamp| self.is_by_or_for(&stamp));
                author.then(|| Problem::whole(ProblemCode::HandlerMayNotVerify))
            }
            "confirmer_is_not_doer" => self
                .did_one_of(&["DONE"])
                .then(|| Problem::whole(ProblemCode::HandlerMayNotVerify)),
            "reviewer_is_not_claimant" => self.is_reporter().then(not_allowed),
            "not_the_earlier_reviewer" => {
                self.did_one_of(&["REFUSED", "GRANTED"]).then(not_allowed)
            }
            "signed_by_all" => (!mediation::is_signed_by_all(self.record)).then(not_allowed),
            "after_30_days" => {
                let entered = self.entered_state();
                self.is_within(guard, entered).then(not_allowed)
            }
            "has_open_faults" => inspection::open_faults(self.record)
                .is_empty()
                .then(not_allowed),
            "no_open_faults" => {
                let open = inspection::open_faults(self.record);
                (!open.is_empty()).then(not_allowed)
            }
            "own_claim" => (!self.is_reporter()).then(not_allowed),
            _ => None,
        }
    }

    fn stamps_into<'s>(&'s self, state: &'s str) -> impl Iterator<Item = &'s Stamp> {
        self.record
            .steps
            .iter()
            .filter(move |step| step.states.as_ref().is_some_and(|(_, to)| to == state))
            .map(|step| &step.stamp)
    }

    /// What the record's present state was entered by.
    fn entered_state(&self) -> Option<&Stamp> {
        let steps = self.record.steps.iter().rev();
        let step = steps.into_iter().find(|step| step.states.is_some());
        step.map(|step| &step.stamp)
            .or(self.record.created.as_ref())
    }

    /// The time that the document gives a guard.
    fn allowance(&self, guard: &str) -> Option<Allowance<'_>> {
        let within = self.documents.workflow(self.record.kind)?.within(guard)?;
        let (calendar, zone) = (self.documents.calendar(), self.documents.zone());
        Some(Allowance::of(within, calendar, zone))
    }

    /// Whether the step is taken within the guard's time after another. A guard to which the document gives none holds.
    fn is_within(&self, guard: &str, since: Option<&Stamp>) -> bool {
        let since_ms = since.map_or(0, |stamp| stamp.time_ms);
        let due_ms = self
            .allowance(guard)
            .and_then(|time| time.due_ms(since_ms, &[]));
        due_ms.is_none_or(|due_ms| self.time_ms <= due_ms)
    }

    /// Whether the new end lies within all that the case may take since it was sent out. What it was suspended does not count.
    fn extension_is_within(&self, guard: &str) -> bool {
        let (Some(end_ms), Some(all)) =
            (self.payload.value::<i64>("due_ms"), self.allowance(guard))
        else {
            return true;
        };
        let Some((sent_ms, suspended)) = self.sent_out() else {
            return true;
        };
        all.due_ms(sent_ms, &suspended)
            .is_none_or(|due_ms| end_ms <= due_ms)
    }

    /// When the case was last sent out to a unit, and when it was suspended since. No step counts as before the one before it.
    fn sent_out(&self) -> Option<(i64, Vec<Pause>)> {
        let (mut at_ms, mut sent_ms) = (i64::MIN, None);
        let mut suspended: Vec<Pause> = Vec::new();
        for step in &self.record.steps {
            let Some((from, to)) = &step.states else {
                continue;
            };
            at_ms = at_ms.max(step.stamp.time_ms);
            if let Some((_, end)) = suspended.last_mut().filter(|_| from == "SUSPENDED") {
                *end = Some(at_ms);
            }
            if to == "DISPATCHED" && from != "IN_PROGRESS" {
                sent_ms = Some(at_ms);
                suspended.clear();
            } else if to == "SUSPENDED" {
                suspended.push((at_ms, None));
            }
        }
        Some((sent_ms?, suspended))
    }

    fn did_one_of(&self, states: &[&str]) -> bool {
        states.iter().any(|state| {
            self.stamps_into(state)
                .any(|stamp| self.is_by_or_for(stamp))
        })
    }

    fn is_by_or_for(&self, stamp: &Stamp) -> bool {
        stamp.person == self.person || stamp.whose == Some(self.person)
    }

    fn is_reporter(&self) -> bool {
        self.record
            .created
            .is_some_and(|stamp| self.is_by_or_for(&stamp))
    }

    fn acts_as(&self, role: &str) -> bool {
        self.right.grants.iter().any(|grant| grant.role == role)
    }

    /// What was solved on the spot is always proved by an attachment, and what the category says.
    fn proof_is_required(&self) -> bool {
        let category = self.record.shown_text("category");
        let category = category.and_then(|code| self.documents.category(&code));
        self.step.to == "SELF_DONE" || category.is_some_and(|category| category.proof.required)
    }

    fn extension_was_granted(&self) -> bool {
        self.record.steps.iter().any(|step| {
            let is_answer = step
                .states
                .as_ref()
                .is_some_and(|(from, _)| from == "EXT_ASKED");
            is_answer && step.fields.value::<bool>("granted").unwrap_or(false)
        })
    }

    /// A handler, worker or grid head acts for the unit that holds the case; the other roles are not bound to it.
    fn holds_the_desk(&self) -> bool {
        self.right
            .grants
            .iter()
            .any(|grant| match grant.role.as_str() {
                "department_handler" | "worker" | "grid_head" => self
                    .record
                    .desk
                    .is_some_and(|desk| self.directory.is_within(desk, grant.unit)),
                _ => true,
            })
    }
}
