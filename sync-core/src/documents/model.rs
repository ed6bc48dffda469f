//! A transition table, walked through in every way: which states are dead ends, whether anybody can verify their own work,
//! and whether a case can be closed around a step. What a guard asks of people is followed exactly; what it asks of time,
//! proof and place is taken to hold, so that every real walk is among those looked at.

use super::{ClockKind, Documents, Transition, Workflow};
use crate::kinds::{self, Kind, Shape};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// People in the model. The guards tell whoever acts now from those who acted before: with three, one can always be neither.
const PEOPLE: u8 = 3;

/// What the model found. Each text names states by their codes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// How many states the table has.
    pub states: usize,
    /// How many steps.
    pub transitions: usize,
    /// How many roles take them.
    pub roles: usize,
    /// How many situations were looked at: a state, who had handled and registered, and which steps were behind.
    pub situations: usize,
    /// States that nothing leads to, or from which no final state can be reached, and steps that nobody can take.
    pub dead_ends: Vec<String>,
    /// Walks in which somebody verifies what they handled, registered or reported themselves.
    pub self_verifications: Vec<String>,
    /// Walks that close a case around a step.
    pub bypasses: Vec<String>,
}

impl Findings {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.dead_ends.is_empty() && self.self_verifications.is_empty() && self.bypasses.is_empty()
    }
}

/// A situation of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Situation {
    state: usize,
    /// Who handled, one bit a person.
    handled: u8,
    registered: u8,
    /// Steps of the work that are behind, one bit a step, since it was last begun anew.
    behind: u16,
}

/// Who reported the case. People differ by what they did only, so it may be any of them.
const AUTHOR: u8 = 0;

struct Model<'a> {
    workflow: &'a Workflow,
    numbers: BTreeMap<&'a str, usize>,
    steps: Vec<(usize, usize, &'a Transition)>,
}

impl<'a> Model<'a> {
    fn of(workflow: &'a Workflow) -> Self {
        let numbers: BTreeMap<_, _> = workflow
            .states
            .iter()
            .enumerate()
            .map(|(number, state)| (state.code.as_str(), number))
            .collect();
        let steps = workflow
            .transitions
            .iter()
            .filter_map(|step| {
                Some((
                    *numbers.get(step.from.as_str())?,
                    *numbers.get(step.to.as_str())?,
                    step,
                ))
            })
            .collect();
        Self {
            workflow,
            numbers,
            steps,
        }
    }

    fn code(&self, state: usize) -> &'a str {
        &self.workflow.states[state].code
    }

    /// The states that can be reached from these over the table's steps, or against them.
    fn reach(&self, from: impl IntoIterator<Item = usize>, backwards: bool) -> BTreeSet<usize> {
        let mut seen: BTreeSet<usize> = from.into_iter().collect();
        let mut queue: VecDeque<usize> = seen.iter().copied().collect();
        while let Some(state) = queue.pop_front() {
            for (from, to, _) in &self.steps {
                let (near, far) = if backwards { (to, from) } else { (from, to) };
                if *near == state && seen.insert(*far) {
                    queue.push_back(*far);
                }
            }
        }
        seen
    }

    /// The bits of the steps of the work that a state stands for.
    fn bits(&self, state: usize) -> u16 {
        let state = &self.workflow.states[state];
        state
            .covers
            .iter()
            .chain([&state.step])
            .filter(|step| (1..16).contains(*step))
            .fold(0, |bits, step| bits | 1 << step)
    }

    /// Whether a step closes the work: it leads to the first state after all its steps.
    fn closes(&self, to: usize) -> bool {
        self.code(to) == "CLOSED"
    }

    /// Every situation that can come about, with the step and the person that led there.
    fn walk(&self, findings: &mut Findings) {
        let Some(initial) = self.numbers.get(self.workflow.initial.as_str()) else {
            return;
        };
        let start = Situation {
            state: *initial,
            handled: 0,
            registered: 0,
            behind: self.bits(*initial),
        };
        let mut seen = BTreeSet::from([start]);
        let mut queue = VecDeque::from([start]);
        let (mut verified, mut bypassed) = (BTreeSet::new(), BTreeSet::new());
        while let Some(at) = queue.pop_front() {
            for (from, to, step) in self.steps.iter().filter(|(from, ..)| *from == at.state) {
                for person in 0..PEOPLE {
                    if !may(step, at, person) {
                        continue;
                    }
                    let name = format!("{} -> {}", step.from, step.to);
                    if self.closes(*to) {
                        let own = at.handled & bit(person) > 0
                            || self.is_verified(*from)
                                && (at.registered & bit(person) > 0 || person == AUTHOR);
                        if own {
                            verified.insert(name.clone());
                        }
                        for missed in self.missed(at) {
                            bypassed.insert(format!("{name}: {missed}"));
                        }
                    }
                    let next = self.after(at, *to, person);
                    if seen.insert(next) {
                        queue.push_back(next);
                    }
                }
            }
        }
        findings.situations = seen.len();
        findings.self_verifications = verified.into_iter().collect();
        findings.bypasses = bypassed.into_iter().collect();
    }

    fn is_verified(&self, state: usize) -> bool {
        self.workflow.states[state].clock == ClockKind::Verify
    }

    /// The states of the steps that are not behind a case that is being closed.
    fn missed(&self, at: Situation) -> Vec<&'a str> {
        let last = self
            .numbers
            .get("CLOSED")
            .map_or(0, |closed| self.workflow.states[*closed].step);
        (1..last)
            .filter(|step| at.behind & 1 << step == 0)
            .filter_map(|step| {
                let of_step = |state: &&super::State| state.step == step;
                self.workflow.states.iter().find(of_step)
            })
            .map(|state| state.code.as_str())
            .collect()
    }

    fn after(&self, at: Situation, to: usize, person: u8) -> Situation {
        let mut next = Situation { state: to, ..at };
        match self.code(to) {
            "IN_PROGRESS" | "FEEDBACK" | "SELF_DONE" => next.handled |= bit(person),
            "REGISTERED" => next.registered |= bit(person),
            _ => {}
        }
        let came_from = &self.workflow.states[at.state];
        // What was handled on the spot counts while it is being verified and no longer.
        if !came_from.covers.is_empty() && !self.closes(to) {
            next.behind = 0b11;
        }
        next.behind |= self.bits(to);
        next
    }
}

fn bit(person: u8) -> u8 {
    1 << person
}

/// Whether the guards that look at people let this one take the step.
fn may(step: &Transition, at: Situation, person: u8) -> bool {
    step.guards.iter().all(|guard| match guard.as_str() {
        "verifier_is_not_handler" => at.handled & bit(person) == 0,
        "verifier_is_not_registrar" => at.registered & bit(person) == 0,
        "verifier_is_not_author" => person != AUTHOR,
        _ => true,
    })
}

/// Walks through the transition table of a kind.
pub fn check(workflow: &Workflow, documents: &Documents) -> Findings {
    let model = Model::of(workflow);
    let roles: BTreeSet<&str> = workflow
        .transitions
        .iter()
        .flat_map(|step| step.roles.iter().map(String::as_str))
        .collect();
    let mut findings = Findings {
        states: workflow.states.len(),
        transitions: workflow.transitions.len(),
        roles: roles.len(),
        ..Findings::default()
    };
    let initial = model.numbers.get(workflow.initial.as_str()).copied();
    let begun = model.reach(initial, false);
    let finals = (0..workflow.states.len()).filter(|state| workflow.states[*state].is_final);
    let ending = model.reach(finals, true);
    for state in 0..workflow.states.len() {
        if !begun.contains(&state) {
            findings
                .dead_ends
                .push(format!("nothing leads to {}", model.code(state)));
        } else if !ending.contains(&state) {
            findings
                .dead_ends
                .push(format!("nothing ends {}", model.code(state)));
        }
    }
    let has_work = step_intents(workflow.kind).next().is_some();
    for step in &workflow.transitions {
        let is_taken = !has_work
            || step.automatic_after.is_some()
            || step.automatic_at.is_some()
            || step
                .roles
                .iter()
                .any(|role| may_author(role, workflow.kind, documents));
        if !is_taken {
            findings
                .dead_ends
                .push(format!("nobody may take {} -> {}", step.from, step.to));
        }
    }
    if workflow.kind == Kind::Report {
        model.walk(&mut findings);
    }
    findings
}

/// The intents that take steps of this kind; none where the product has the table and not yet the work.
fn step_intents(kind: Kind) -> impl Iterator<Item = &'static str> {
    kinds::all()
        .filter(move |intent| {
            intent.kind == Some(kind) && matches!(intent.shape, Shape::Transition(_))
        })
        .map(|intent| intent.name)
}

/// Whether a role may author a step of this kind at all.
fn may_author(role: &str, kind: Kind, documents: &Documents) -> bool {
    documents.role(role).is_some_and(|role| {
        step_intents(kind).any(|name| role.intents.iter().any(|each| each == name))
    })
}

#[cfg(test)]
mod tests {
    use super::super::DEFAULTS;
    use super::*;
    use crate::calendar::Zone;
    use serde_json::{Value, json};

    fn changed(change: impl Fn(&mut Value)) -> Findings {
        let texts = DEFAULTS.iter().map(|(name, text)| {
            let mut value: Value = serde_json::from_str(text).expect("json");
            if *name == "case_workflow" {
                change(&mut value);
            }
            (*name, value.to_string())
        });
        let texts: Vec<_> = texts.collect();
        let texts = texts.iter().map(|(name, text)| (*name, text.as_str()));
        let documents = Documents::read(texts, Zone::fixed(480)).expect("readable");
        check(
            documents.workflow(Kind::Report).expect("the table"),
            &documents,
        )
    }

    fn step<'a>(value: &'a mut Value, from: &str, to: &str) -> &'a mut Value {
        let steps = value["transitions"].as_array_mut().expect("a list");
        steps
            .iter_mut()
            .find(|step| step["from"] == from && step["to"] == to)
            .expect("the step")
    }

    #[test]
    fn the_tables_that_ship_have_no_dead_end_no_self_verification_and_no_way_around() {
        let documents = Documents::defaults();
        for workflow in documents.workflows() {
            let findings = check(workflow, &documents);
            assert!(findings.is_clean(), "{:?}: {findings:?}", workflow.kind);
        }
        let report = check(
            documents.workflow(Kind::Report).expect("a table"),
            &documents,
        );
        assert!(report.situations > 500, "{report:?}");
    }

    #[test]
    fn a_state_without_an_end_is_found() {
        let findings = changed(|value| {
            let steps = value["transitions"].as_array_mut().expect("a list");
            steps.retain(|step| step["from"] != "REWORK");
        });
        assert_eq!(findings.dead_ends, ["nothing ends REWORK"]);
        let findings = changed(|value| {
            let steps = value["transitions"].as_array_mut().expect("a list");
            steps.retain(|step| step["to"] != "REOPENED");
        });
        assert_eq!(findings.dead_ends, ["nothing leads to REOPENED"]);
        let findings = changed(|value| {
            step(value, "REOPENED", "REGISTERED")["roles"] = json!(["auditor"]);
        });
        assert_eq!(
            findings.dead_ends,
            ["nobody may take REOPENED -> REGISTERED"]
        );
    }

    #[test]
    fn every_guard_against_verifying_ones_own_work_is_needed() {
        for (from, guard) in [
            ("FEEDBACK", "verifier_is_not_handler"),
            ("FEEDBACK", "verifier_is_not_registrar"),
            ("FEEDBACK", "verifier_is_not_author"),
            ("SELF_DONE", "verifier_is_not_handler"),
            ("SELF_DONE", "verifier_is_not_author"),
            ("REOPENED", "verifier_is_not_handler"),
        ] {
            let findings = changed(|value| {
                let guards = &mut step(value, from, "CLOSED")["guards"];
                let kept = guards.as_array().expect("a list").iter();
                *guards = kept.filter(|each| **each != guard).cloned().collect();
            });
            let found = format!("{from} -> CLOSED");
            assert_eq!(findings.self_verifications, [found], "{from} {guard}");
        }
    }

    #[test]
    fn a_way_around_a_step_is_found() {
        let findings = changed(|value| {
            let steps = value["transitions"].as_array_mut().expect("a list");
            steps.push(
                json!({"from": "REGISTERED", "to": "FEEDBACK", "roles": ["duty_desk"],
                "requires": [], "guards": []}),
            );
        });
        assert_eq!(
            findings.bypasses,
            [
                "FEEDBACK -> CLOSED: DISPATCHED",
                "FEEDBACK -> CLOSED: SELF_DONE",
                "REOPENED -> CLOSED: DISPATCHED",
                "REOPENED -> CLOSED: SELF_DONE"
            ]
        );
        let findings = changed(|value| {
            let states = value["states"].as_array_mut().expect("a list");
            let spot = states.iter_mut().find(|state| state["code"] == "SELF_DONE");
            spot.expect("the state")["covers"] = json!([]);
        });
        let missed: Vec<_> = findings.bypasses.iter().map(String::as_str).collect();
        assert!(
            missed.contains(&"SELF_DONE -> CLOSED: DISPATCHED"),
            "{missed:?}"
        );
    }
}
