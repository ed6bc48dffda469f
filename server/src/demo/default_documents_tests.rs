//! The default documents that a demo district starts from are whole: nothing in them names what is not there,
//! and no record can get stuck.

use serde_json::Value;
use std::collections::BTreeSet;

const ROLES: &str = include_str!("../../../sync-core/documents/roles.json");
const WORKFLOWS: [&str; 4] = [
    include_str!("../../../sync-core/documents/case_workflow.json"),
    include_str!("../../../sync-core/documents/patrol_workflow.json"),
    include_str!("../../../sync-core/documents/task_workflow.json"),
    include_str!("../../../sync-core/documents/claim_workflow.json"),
];

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("a document is JSON")
}

fn items<'a>(document: &'a Value, list: &str) -> &'a [Value] {
    document[list]
        .as_array()
        .unwrap_or_else(|| panic!("no list {list}"))
}

fn words<'a>(value: &'a Value, list: &str) -> BTreeSet<&'a str> {
    items(value, list)
        .iter()
        .map(|word| word.as_str().expect("a word"))
        .collect()
}

fn codes<'a>(document: &'a Value, list: &str) -> BTreeSet<&'a str> {
    let codes: BTreeSet<&str> = items(document, list)
        .iter()
        .map(|item| item["code"].as_str().expect("a code"))
        .collect();
    assert_eq!(
        codes.len(),
        items(document, list).len(),
        "a code twice in {list}"
    );
    codes
}

/// Every state that can be reached from one, itself included.
fn reachable<'a>(from: &'a str, steps: &BTreeSet<(&'a str, &'a str)>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([from]);
    loop {
        let next: BTreeSet<&str> = steps
            .iter()
            .filter(|(from, _)| reached.contains(from))
            .map(|(_, to)| *to)
            .collect();
        if next.is_subset(&reached) {
            return reached;
        }
        reached.extend(next);
    }
}

#[test]
fn workflows_name_only_what_is_there_and_have_no_dead_ends() {
    let roles = parse(ROLES);
    let role_codes = codes(&roles, "roles");
    for document in WORKFLOWS.map(parse) {
        let name = document["document"].as_str().expect("a name");
        let (states, guards) = (codes(&document, "states"), codes(&document, "guards"));
        let transitions = items(&document, "transitions");
        let mut steps = BTreeSet::new();
        for transition in transitions {
            let [from, to] = ["from", "to"].map(|end| transition[end].as_str().expect("a state"));
            assert!(
                states.contains(from) && states.contains(to) && from != to,
                "{name}: {from} {to}"
            );
            assert!(steps.insert((from, to)), "{name}: {from} {to} twice");
            let may = words(transition, "roles");
            assert!(
                !may.is_empty() && may.is_subset(&role_codes),
                "{name}: {from} {to}"
            );
            assert!(
                words(transition, "guards").is_subset(&guards),
                "{name}: {from} {to}"
            );
            assert!(transition["offline"].is_boolean(), "{name}: {from} {to}");
        }
        let initial = document["initial"].as_str().expect("an initial state");
        assert_eq!(
            reachable(initial, &steps),
            states,
            "{name}: a state that nothing leads to"
        );
        let is_final = |state: &&Value| state["final"] == true;
        let finals: BTreeSet<&str> = items(&document, "states")
            .iter()
            .filter(is_final)
            .filter_map(|state| state["code"].as_str())
            .collect();
        for state in states {
            let ends = reachable(state, &steps);
            assert!(!ends.is_disjoint(&finals), "{name}: {state} never ends");
            assert_eq!(finals.contains(state), ends.len() == 1, "{name}: {state}");
        }
    }
}

#[test]
fn each_ask_in_a_case_is_answered_both_ways() {
    let document = parse(WORKFLOWS[0]);
    let find = |from: &str, to: &str| {
        let is_it = |step: &&Value| step["from"] == from && step["to"] == to;
        items(&document, "transitions")
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {from} {to}"))
    };
    // An extension is granted or refused by one step, which has to say which.
    assert!(words(find("EXT_ASKED", "IN_PROGRESS"), "requires").contains("granted"));
    for (asked, granted, refused) in [
        ("SUSPEND_ASKED", "SUSPENDED", "IN_PROGRESS"),
        ("REOPENED", "DISPATCHED", "CLOSED"),
        ("FEEDBACK", "CLOSED", "REWORK"),
        ("SELF_DONE", "CLOSED", "REGISTERED"),
    ] {
        find(asked, granted);
        assert!(
            words(find(asked, refused), "requires").contains("reason"),
            "{asked} {refused}"
        );
    }
}

#[test]
fn a_volunteer_reads_no_report_and_a_handler_only_what_was_sent_to_them() {
    let roles = parse(ROLES);
    let reads = |code: &str| {
        let role = items(&roles, "roles")
            .iter()
            .find(|role| role["code"] == code)
            .expect("a role");
        role["reads"].clone()
    };
    for volunteer in ["patrol_member", "patrol_leader"] {
        assert_eq!(
            reads(volunteer),
            serde_json::json!({"patrol": "place", "notice": "place"})
        );
    }
    assert_eq!(
        reads("department_handler"),
        serde_json::json!({"report": "desk", "alert": "desk", "notice": "place"})
    );
    assert_eq!(reads("system_admin"), serde_json::json!({}));
}

#[test]
fn both_catalogues_have_the_same_keys_and_placeholders() {
    let [zh, en] = [
        include_str!("../../../sync-core/messages/zh.json"),
        include_str!("../../../sync-core/messages/en.json"),
    ]
    .map(parse);
    let (zh, en) = (
        zh.as_object().expect("an object"),
        en.as_object().expect("an object"),
    );
    assert!(zh.keys().eq(en.keys()));
    let placeholders = |text: &Value| -> BTreeSet<String> {
        let text = text.as_str().expect("a text");
        assert!(!text.is_empty());
        text.split('{')
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
            .collect()
    };
    for (key, text) in zh {
        assert_eq!(placeholders(text), placeholders(&en[key]), "{key}");
    }
}
