//! Every step of the default tables, decided: taken by each role that it names, refused to every other one, refused without
//! a field that it needs, and no step that is not in the table.

use super::scene::{AUTHOR, OTHER, Scene, created, event, header, record};
use crate::documents::{Documents, Transition, Workflow};
use crate::kinds::Kind;
use crate::merge::RecordState;
use crate::verdict::{ProblemCode, Verdict};
use std::collections::BTreeSet;

/// What a step of the table may ask for; all of it can stand in any step.
const FIELDS: [(&str, &str); 12] = [
    ("reason", r#""because""#),
    ("note", r#""a note""#),
    ("desk", "2"),
    ("level", r#""II""#),
    ("due_ms", "1780300000000"),
    ("until_ms", "1780300000000"),
    ("merged_into", r#""018f4c1e-7b7a-7cc3-98c4-dc0c0c07398f""#),
    (
        "proof",
        r#"["abababababababababababababababababababababababababababababababab"]"#,
    ),
    ("granted", "true"),
    ("reply", r#""agreed""#),
    ("rating", "5"),
    ("result", r#""done""#),
];

fn payload(to: &str, without: &str) -> String {
    let fields = FIELDS.iter().filter(|(name, _)| *name != without);
    let fields: String = fields
        .map(|(name, value)| format!(r#","{name}":{value}"#))
        .collect();
    format!(r#"{{"to":"{to}"{fields}}}"#)
}

/// A report or task in a state, made by the other person, at a desk in the town.
fn at(workflow: &Workflow, state: &str) -> RecordState {
    let json = r#"{"category":"SAN-01"}"#;
    let mut record = record([event(1, OTHER, created(workflow.kind, state, json))]);
    record.desk = Some(super::scene::TOWN);
    record
}

/// The roles that may author the intent by which a person takes a step of this kind.
fn roles(documents: &Documents, intent: &str) -> Vec<&'static str> {
    let all = [
        "resident",
        "worker",
        "patrol_member",
        "patrol_leader",
        "grid_head",
        "duty_desk",
        "department_handler",
        "verifier",
        "points_reviewer",
        "settlement_officer",
        "district_lead",
        "privacy_officer",
        "auditor",
        "system_admin",
    ];
    let may = |role: &&str| {
        let role = documents.role(role).expect("a default role");
        role.intents.iter().any(|name| name == intent)
    };
    all.into_iter().filter(may).collect()
}

fn decided(
    workflow: &Workflow,
    from: &str,
    to: &str,
    role: &str,
    without: &str,
) -> (Verdict, Option<ProblemCode>, String) {
    let intent = if workflow.kind == Kind::Report {
        "report.transition"
    } else {
        "task.result"
    };
    let scene = Scene::new(&[role], Some(at(workflow, from)));
    let decision = scene.decide(&header(intent, 1), &payload(to, without));
    let after = decision.after.expect("a step or an attempt");
    if decision.answer.verdict.is_in_force() {
        assert_eq!(after.state.as_deref(), Some(to));
        let step = after.last_step().expect("the step");
        assert_eq!(step.states, Some((from.to_owned(), to.to_owned())));
        assert_eq!(step.stamp.person, AUTHOR);
    } else {
        assert_eq!(after.state.as_deref(), Some(from));
        assert_eq!(after.attempts.back().expect("an attempt").to, to);
    }
    let problem = decision.answer.problems.into_iter().next();
    let (code, field) = problem.map_or((None, String::new()), |problem| {
        (Some(problem.code), problem.field)
    });
    (decision.answer.verdict, code, field)
}

/// The guards that hold for a step of the other person's record when all fields are there; the last one needs the reporter.
fn is_refused_by_a_guard(step: &Transition, role: &str) -> bool {
    step.guards.iter().any(|guard| match guard.as_str() {
        "own_report" => role != "duty_desk",
        "reporter_verifier_or_desk" => role != "duty_desk" && role != "verifier",
        "within_10_days" | "retention_over" => true,
        _ => false,
    })
}

fn check_steps(kind: Kind, intent: &str) -> usize {
    let documents = Documents::defaults();
    let workflow = documents.workflow(kind).expect("a default workflow");
    let mut taken = 0;
    // A payload of `task.result` names no other states.
    let can_name = |to: &str| kind == Kind::Report || ["DONE", "DECLINED"].contains(&to);
    for step in workflow
        .transitions
        .iter()
        .filter(|step| can_name(&step.to))
    {
        for role in roles(&documents, intent) {
            let (verdict, code, field) = decided(workflow, &step.from, &step.to, role, "");
            let context = format!("{} -> {} as {role}: {code:?}", step.from, step.to);
            if !step.roles.iter().any(|named| named == role) {
                assert_eq!(
                    (verdict, code),
                    (Verdict::NotApplied, Some(ProblemCode::RightMissing)),
                    "{context}"
                );
                continue;
            }
            if is_refused_by_a_guard(step, role) {
                assert_eq!(
                    (verdict, code),
                    (Verdict::NotApplied, Some(ProblemCode::TransitionNotAllowed)),
                    "{context}"
                );
                assert_eq!(field, "", "a guard, not the table; {context}");
                continue;
            }
            assert_eq!((verdict, code), (Verdict::Accepted, None), "{context}");
            taken += 1;
            for needed in &step.requires {
                let (verdict, code, field) = decided(workflow, &step.from, &step.to, role, needed);
                assert_eq!(verdict, Verdict::NotApplied, "{context} without {needed}");
                assert_eq!(code, Some(ProblemCode::FieldNeededForTransition));
                assert_eq!(&field, needed);
            }
        }
    }
    let known: BTreeSet<_> = workflow
        .transitions
        .iter()
        .map(|step| (step.from.as_str(), step.to.as_str()))
        .collect();
    for from in &workflow.states {
        for to in workflow.states.iter().filter(|to| can_name(&to.code)) {
            if !known.contains(&(from.code.as_str(), to.code.as_str())) {
                let (verdict, code, field) = decided(workflow, &from.code, &to.code, "worker", "");
                let refused = (
                    Verdict::NotApplied,
                    Some(ProblemCode::TransitionNotAllowed),
                    "to".to_owned(),
                );
                assert_eq!(
                    (verdict, code, field),
                    refused,
                    "{} -> {}",
                    from.code,
                    to.code
                );
            }
        }
    }
    taken
}

#[test]
fn the_steps_of_a_report_are_those_of_the_table() {
    let taken = check_steps(Kind::Report, "report.transition");
    assert!(taken > 80, "{taken}");
}

#[test]
fn the_steps_of_a_task_are_those_of_the_table() {
    let taken = check_steps(Kind::Task, "task.result");
    assert!(taken >= 9, "{taken}");
}
