//! One change against the state at its place: verdict, time, and the state after it.

use super::Prepared;
use super::guards::{self, Attempted};
use super::rights::{Right, find_right};
use crate::canary::{Canary, is_awake};
use crate::change::Header;
use crate::directory::{Directory, Replica};
use crate::documents::Documents;
use crate::ids::{LogPlace, UnitId};
use crate::kinds::{Intent, Kind, Shape};
use crate::merge::{Act, Event, RecordState, Stamp, fold};
use crate::payload::Payload;
use crate::time::{self, Evidence, FixedTime, Interval};
use crate::verdict::{Answer, Marks, Problem, ProblemCode, Verdict};

/// All that a decision looks at besides the change itself, read inside the committing transaction.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Units, people, roles, replicas.
    pub directory: &'a Directory,
    /// Workflows and roles.
    pub documents: &'a Documents,
    /// The author's replica.
    pub replica: &'a Replica,
    /// The record as it stands before this change; `None` when nothing touched it yet.
    pub record: Option<&'a RecordState>,
    /// What the record's entries do, all of them, when the change comes into force late: whether other values stand beside
    /// its own then follows from the whole fold. What is shown may lack a later value of its author that another has
    /// replaced meanwhile. `None` for a change that is new.
    pub entries: Option<&'a [Event]>,
    /// Between when and when it was made.
    pub interval: Interval,
    /// The device's clocks when the request was sent.
    pub sent_at: Evidence,
    /// The place that the change will get.
    pub place: LogPlace,
    /// Whether what it needs is in force; true when it needs nothing.
    pub needs_in_force: bool,
    /// Whether the change that it repeats from a forked branch is in the log already, or it was itself repeated before.
    pub origin_admitted: bool,
    /// Whether the change that it says it repairs is a quarantined one of the same author; true when it repairs none.
    pub repairs_quarantined: bool,
    /// The event time, where it is fixed already: that of the change it repairs, or its own when a ruling looks again.
    pub time_ms: Option<i64>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Verdict, marks and problems.
    pub answer: Answer,
    /// When it was done, for all that reads the log.
    pub time_ms: i64,
    /// The record's state after it; `None` when the change did not touch it.
    pub after: Option<RecordState>,
}

/// Decides one change. Pure and total.
pub fn admit(context: &Context<'_>, change: &Prepared) -> Decision {
    let Some(header) = &change.header else {
        return Decision {
            answer: refused(
                Verdict::Quarantined,
                change.problems.clone(),
                Marks::default(),
            ),
            time_ms: context.interval.received_ms,
            after: None,
        };
    };
    let fixed = fix_time(context, header);
    let mut marks = if fixed.bounded {
        Marks::CLOCK_BOUNDED
    } else {
        Marks::default()
    };
    if header.origin.is_some() {
        marks = marks.with(Marks::FORKED);
    }
    let mut judge = Judge {
        context,
        header,
        time_ms: fixed.time_ms,
        marks,
    };
    let (verdict, problems, event) = match judge.judge(change) {
        Ok((verdict, event)) => (verdict, Vec::new(), event),
        Err(refusal) => (
            refusal.verdict,
            refusal.problems,
            refusal.attempt.map(|attempt| *attempt),
        ),
    };
    let after = event.and_then(|event| match context.entries {
        Some(entries) => fold(entries.iter().cloned().chain([event]).collect()),
        None => Some(RecordState::advance(context.record.cloned(), event)),
    });
    let verdict = match (&after, verdict) {
        (Some(after), Verdict::Accepted) if wrote_a_conflict(change, after) => Verdict::Conflict,
        _ => verdict,
    };
    let marks = judge.marks;
    Decision {
        answer: Answer {
            verdict,
            marks,
            problems,
        },
        time_ms: fixed.time_ms,
        after,
    }
}

fn refused(verdict: Verdict, problems: Vec<Problem>, marks: Marks) -> Answer {
    Answer {
        verdict,
        marks,
        problems,
    }
}

fn wrote_a_conflict(change: &Prepared, after: &RecordState) -> bool {
    let writes = change
        .intent
        .is_some_and(|intent| matches!(intent.shape, Shape::Amend | Shape::Create(_)));
    writes
        && change
            .payload
            .iter()
            .flat_map(Payload::iter)
            .any(|(name, _)| after.is_conflicted(name))
}

/// The event time: fixed already, or the best estimate between the bounds, never below what the author saw.
fn fix_time(context: &Context<'_>, header: &Header) -> FixedTime {
    if let Some(time_ms) = context.time_ms {
        return FixedTime {
            time_ms,
            bounded: false,
        };
    }
    let seen_ms = context
        .record
        .into_iter()
        .flat_map(RecordState::stamps)
        .filter(|stamp| stamp.seen_from(header.base) || stamp.replica == context.replica.no)
        .map(|stamp| stamp.time_ms)
        .max()
        .unwrap_or(i64::MIN);
    let estimate_ms = time::estimate_ms(&header.at, &context.sent_at, context.interval.received_ms);
    time::fix(estimate_ms, context.interval, seen_ms)
}

struct Refusal {
    verdict: Verdict,
    problems: Vec<Problem>,
    /// On the heap, since refusals are rare and an event is large.
    attempt: Option<Box<Event>>,
}

impl Refusal {
    fn new(verdict: Verdict, code: ProblemCode) -> Self {
        Self {
            verdict,
            problems: vec![Problem::whole(code)],
            attempt: None,
        }
    }
}

struct Judge<'a> {
    context: &'a Context<'a>,
    header: &'a Header,
    time_ms: i64,
    marks: Marks,
}

impl<'a> Judge<'a> {
    fn judge(&mut self, change: &Prepared) -> Result<(Verdict, Option<Event>), Refusal> {
        let (context, header) = (self.context, self.header);
        // What arrived before the revocation and waited is judged like any other change.
        let received_ms = context.interval.received_ms;
        if context
            .replica
            .revoked_ms
            .is_some_and(|revoked_ms| revoked_ms <= received_ms)
        {
            return Err(Refusal::new(
                Verdict::Quarantined,
                ProblemCode::ReplicaRevoked,
            ));
        }
        if context.origin_admitted {
            self.marks = self.marks.with(Marks::REPEAT);
            return Ok((Verdict::Accepted, None));
        }
        let Some(intent) = change.intent else {
            return Err(Refusal::new(Verdict::Held, ProblemCode::IntentUnknown));
        };
        let mut problems = change.problems.clone();
        if header
            .for_person
            .is_some_and(|whose| !context.directory.has_person(whose.person))
        {
            problems.push(Problem::field(ProblemCode::UnknownChoice, "for"));
        }
        if !context.repairs_quarantined {
            problems.push(Problem::field(ProblemCode::NothingToRepair, "repairs"));
        }
        let payload = match &change.payload {
            Some(payload) if problems.is_empty() => payload,
            _ => {
                return Err(Refusal {
                    verdict: Verdict::Quarantined,
                    problems,
                    attempt: None,
                });
            }
        };
        self.check_record(intent)?;
        let right = self.check_right(intent)?;
        let plan = context.documents.patrol_plan();
        if intent.name == "patrol.track" && !plan.track.is_asked() {
            return Err(Refusal::new(
                Verdict::Quarantined,
                ProblemCode::TrackNotAsked,
            ));
        }
        if right.ended {
            self.marks = self.marks.with(Marks::RIGHT_ENDED);
        }
        let waits = matches!(
            intent.shape,
            Shape::Amend | Shape::Transition(_) | Shape::Move
        );
        if waits && !context.needs_in_force {
            return Err(Refusal::new(Verdict::Held, ProblemCode::NeedsMissing));
        }
        let guard = match intent.shape {
            Shape::Transition(_) => self.check_step(intent, payload, &right),
            Shape::Move => self.check_move(payload),
            Shape::Create(_) | Shape::Amend | Shape::Element(_) => None,
        };
        if let Some(problem) = guard {
            let to = Act::target_state(intent, payload).unwrap_or_default();
            let attempt = self.event(Act::Attempt {
                to,
                code: problem.code,
            });
            return Err(Refusal {
                verdict: Verdict::NotApplied,
                problems: vec![problem],
                attempt: Some(Box::new(attempt)),
            });
        }
        let act =
            Act::of(intent, payload.clone()).expect("BUG: a valid payload lacks a required field");
        Ok((Verdict::Accepted, Some(self.event(act))))
    }

    fn event(&self, act: Act) -> Event {
        let stamp = Stamp {
            place: self.context.place,
            first_place: None,
            time_ms: self.time_ms,
            person: self.context.replica.person,
            whose: self.header.for_person.map(|whose| whose.person),
            replica: self.context.replica.no,
            seq: self.header.seq,
        };
        Event {
            stamp,
            base: self.header.base,
            unit: self.header.unit,
            act,
        }
    }

    fn check_record(&self, intent: &Intent) -> Result<(), Refusal> {
        let record = self.context.record;
        let exists = record.is_some_and(|record| record.created.is_some());
        let kind = record.map_or(Kind::Unknown, |record| record.kind);
        if intent
            .kind
            .is_some_and(|wanted| kind != Kind::Unknown && kind != wanted)
        {
            return Err(Refusal::new(Verdict::Quarantined, ProblemCode::WrongKind));
        }
        match intent.shape {
            Shape::Create(_) if exists => Err(Refusal::new(
                Verdict::Quarantined,
                ProblemCode::RecordExists,
            )),
            Shape::Amend | Shape::Transition(_) | Shape::Move if !exists => {
                // Rights cannot be judged before it is known where the record belongs; the release does that.
                Err(Refusal::new(Verdict::Held, ProblemCode::RecordMissing))
            }
            _ => Ok(()),
        }
    }

    /// The units that count for a right: where the record is and its desk, and where the author took it to be, if a
    /// move that they had not seen has taken it from there. A new record belongs where its author says.
    fn units(&self) -> Vec<UnitId> {
        let header = self.header;
        let Some(record) = self
            .context
            .record
            .filter(|record| record.created.is_some())
        else {
            return vec![header.unit];
        };
        let mut units = vec![record.unit];
        units.extend(record.desk);
        let moved_unseen = record.steps.iter().any(|step| {
            step.units.is_some_and(|(from, _)| from == header.unit)
                && !step.stamp.seen_from(header.base)
        });
        if moved_unseen {
            units.push(header.unit);
        }
        units
    }

    fn check_right(&self, intent: &Intent) -> Result<Right<'a>, Refusal> {
        let context = self.context;
        find_right(
            context.directory,
            context.documents,
            context.replica.person,
            intent.name,
            &self.units(),
            context.interval,
        )
        .ok_or_else(|| Refusal::new(Verdict::Quarantined, ProblemCode::RightMissing))
    }

    fn check_step(&self, intent: &Intent, payload: &Payload, right: &Right<'_>) -> Option<Problem> {
        let record = self
            .context
            .record
            .expect("BUG: a transition of a record that is not there");
        let from = record.state.as_deref().unwrap_or_default();
        if record
            .last_step()
            .is_some_and(|step| !self.saw(&step.stamp))
            && !is_awake(Canary::StepUnseenApplies)
        {
            return Some(Problem::whole(ProblemCode::StateMovedOn).limit(from));
        }
        let to = Act::target_state(intent, payload).unwrap_or_default();
        let step = self
            .context
            .documents
            .workflow(record.kind)
            .and_then(|workflow| workflow.step(from, &to));
        let Some(step) = step else {
            return Some(Problem::field(ProblemCode::TransitionNotAllowed, "to").limit(from));
        };
        let grants: Vec<_> = right
            .grants
            .iter()
            .copied()
            .filter(|grant| step.roles.contains(&grant.role))
            .collect();
        if grants.is_empty() {
            return Some(Problem::whole(ProblemCode::RightMissing).limit(to));
        }
        guards::check(&Attempted {
            directory: self.context.directory,
            documents: self.context.documents,
            record,
            record_id: self.header.record.to_string(),
            step,
            payload,
            person: self.context.replica.person,
            right: &Right {
                grants,
                ended: right.ended,
            },
            time_ms: self.time_ms,
        })
    }

    fn check_move(&self, payload: &Payload) -> Option<Problem> {
        let record = self
            .context
            .record
            .expect("BUG: a move of a record that is not there");
        if record
            .last_move()
            .is_some_and(|step| !self.saw(&step.stamp))
        {
            return Some(Problem::whole(ProblemCode::StateMovedOn));
        }
        let to = payload.value("unit").map(UnitId);
        let known = to.is_some_and(|to| self.context.directory.unit(to).is_some());
        (!known).then(|| Problem::field(ProblemCode::UnknownChoice, "unit"))
    }

    fn saw(&self, stamp: &Stamp) -> bool {
        let is_own = stamp.replica == self.context.replica.no && stamp.seq < self.header.seq;
        is_own || stamp.seen_from(self.header.base)
    }
}
