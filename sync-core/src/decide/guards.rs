//! The named conditions of transition tables.

use super::rights::Right;
use crate::canary::{Canary, is_awake};
use crate::directory::Directory;
use crate::documents::{Documents, Transition};
use crate::ids::PersonId;
use crate::merge::{RecordState, Stamp};
use crate::payload::Payload;
use crate::verdict::{Problem, ProblemCode};

const DAY_MS: i64 = 24 * 3_600_000;

/// Guards that need the working calendar, which is a document of its own and not decided on yet: they hold.
const NEED_THE_CALENDAR: &[&str] = &[
    "within_1_working_day",
    "within_5_working_days",
    "extension_within_15_working_days",
    "retention_over",
];

const KNOWN: &[&str] = &[
    "proof",
    "category_allows_self_handling",
    "own_report",
    "reporter_verifier_or_desk",
    "own_desk",
    "merge_target_is_another_report",
    "once",
    "within_10_days",
    "answer_is_whole",
    "second_extension_by_district",
    "verifier_is_not_handler",
    "verifier_is_not_registrar",
    "verifier_is_not_author",
    "confirmer_is_not_doer",
    "reviewer_is_not_claimant",
    "not_the_earlier_reviewer",
    "own_claim",
];

/// Whether a table may name this guard.
pub fn is_known(guard: &str) -> bool {
    KNOWN.contains(&guard) || NEED_THE_CALENDAR.contains(&guard)
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
            "within_10_days" => {
                let closed = self.stamps_into("CLOSED").last();
                let since_ms = closed.map_or(0, |stamp| stamp.time_ms);
                (self.time_ms.saturating_sub(since_ms) > 10 * DAY_MS).then(not_allowed)
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
