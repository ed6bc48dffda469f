//! The default documents as the models need them: workflows, roles, categories. Read as plain JSON.

use super::calendar::Calendar;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A step of a workflow.
#[derive(Clone, Debug)]
pub struct Step {
    /// The state it leaves.
    pub from: String,
    /// The state it enters.
    pub to: String,
    /// Who may take it.
    pub roles: BTreeSet<String>,
    /// Fields that it needs.
    pub needs: Vec<String>,
    /// Its conditions, in order.
    pub guards: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// What its holder may author.
    pub intents: BTreeSet<String>,
    /// The kinds read by place.
    pub by_place: BTreeSet<String>,
    /// The kinds read by desk.
    pub by_desk: BTreeSet<String>,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Documents {
    /// Steps by kind.
    pub steps: BTreeMap<String, Vec<Step>>,
    /// Days or working days of each guard that speaks of some, by kind and guard.
    pub days: BTreeMap<(String, String), i64>,
    /// Roles by code.
    pub roles: BTreeMap<String, Role>,
    /// Categories by code.
    pub categories: BTreeMap<String, Category>,
    /// The working calendar.
    pub calendar: Calendar,
}

/// A category.
#[derive(Clone, Copy, Debug)]
pub struct Category {
    /// Whether it may be solved on the spot.
    pub self_handled_allowed: bool,
    /// Whether an attachment must prove what was done.
    pub proof_is_required: bool,
}

const WORKFLOWS: [&str; 4] = [
    include_str!("../../../sync-core/documents/case_workflow.json"),
    include_str!("../../../sync-core/documents/patrol_workflow.json"),
    include_str!("../../../sync-core/documents/task_workflow.json"),
    include_str!("../../../sync-core/documents/claim_workflow.json"),
];

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("BUG: a default document is JSON")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

impl Documents {
    /// The documents that ship with the product.
    pub fn defaults() -> Self {
        let mut documents = Self {
            steps: BTreeMap::new(),
            days: BTreeMap::new(),
            roles: BTreeMap::new(),
            categories: BTreeMap::new(),
            calendar: Calendar::default_one(),
        };
        for workflow in WORKFLOWS.map(parse) {
            let kind = text(&workflow["kind"]);
            for guard in list(&workflow["guards"]) {
                if let Some(days) = guard["within"]["value"].as_i64() {
                    documents
                        .days
                        .insert((kind.clone(), text(&guard["code"])), days);
                }
            }
            let steps = list(&workflow["transitions"]);
            documents
                .steps
                .insert(kind, steps.iter().map(read_step).collect());
        }
        let roles = parse(include_str!("../../../sync-core/documents/roles.json"));
        for role in list(&roles["roles"]) {
            documents
                .roles
                .insert(text(&role["code"]), read_role(&role));
        }
        let categories = parse(include_str!("../../../sync-core/documents/categories.json"));
        for category in list(&categories["categories"]) {
            documents.categories.insert(
                text(&category["code"]),
                Category {
                    self_handled_allowed: category["self_handled_allowed"] == true,
                    proof_is_required: category["proof"]["required"] == true,
                },
            );
        }
        documents
    }

    /// The step between two states of a kind, if its table has it.
    pub fn step(&self, kind: &str, from: &str, to: &str) -> Option<&Step> {
        self.steps
            .get(kind)?
            .iter()
            .find(|step| step.from == from && step.to == to)
    }
}

fn read_step(step: &Value) -> Step {
    Step {
        from: text(&step["from"]),
        to: text(&step["to"]),
        roles: texts(&step["roles"]).into_iter().collect(),
        needs: texts(&step["requires"]),
        guards: texts(&step["guards"]),
    }
}

fn read_role(role: &Value) -> Role {
    let reads = role["reads"].as_object().cloned().unwrap_or_default();
    let kinds = |how: &str| {
        reads
            .iter()
            .filter(|(_, reads)| *reads == how)
            .map(|(kind, _)| kind.clone())
            .collect()
    };
    Role {
        intents: texts(&role["intents"]).into_iter().collect(),
        by_place: kinds("place"),
        by_desk: kinds("desk"),
    }
}
