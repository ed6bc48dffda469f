//! Documents that decisions read: workflows and roles. Data that a district can change, never code.

use crate::kinds::Kind;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A text in the languages of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Name {
    /// Chinese, the first language of every screen.
    pub zh: String,
    /// English.
    pub en: String,
}

/// One state of a workflow.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// Its code, in capitals.
    pub code: String,
    /// What people call it.
    pub name: Name,
}

/// One step that a workflow allows.
#[derive(Clone, Debug, Deserialize)]
pub struct Transition {
    /// The state it leaves.
    pub from: String,
    /// The state it enters.
    pub to: String,
    /// Who may take it.
    pub roles: Vec<String>,
    /// Payload fields that must be there.
    pub requires: Vec<String>,
    /// Named conditions; see [`crate::decide::guards`].
    pub guards: Vec<String>,
}

/// The transition table of one kind of record.
#[derive(Clone, Debug, Deserialize)]
pub struct Workflow {
    /// The kind it is for.
    pub kind: Kind,
    /// The version that entries name.
    pub version: u32,
    /// Where a new record starts.
    pub initial: String,
    /// All states.
    pub states: Vec<State>,
    /// All steps.
    pub transitions: Vec<Transition>,
}

impl Workflow {
    /// The step between two states, if the table has it.
    pub fn step(&self, from: &str, to: &str) -> Option<&Transition> {
        self.transitions
            .iter()
            .find(|step| step.from == from && step.to == to)
    }
}

/// How a role reads a kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Records of the unit where the role is held and of all below it.
    Place,
    /// Records whose desk is that unit or below it.
    Desk,
}

/// What a role may do and see.
#[derive(Clone, Debug, Deserialize)]
pub struct Role {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// The intents it may author. Which steps of a workflow it may take is the workflow's matter.
    pub intents: Vec<String>,
    /// The kinds it reads, and how.
    pub reads: BTreeMap<Kind, Reads>,
}

/// What the decisions need of a category.
#[derive(Clone, Debug, Deserialize)]
pub struct Category {
    /// Its code, such as `SAN-01`.
    pub code: String,
    /// What people call it.
    pub name: Name,
    /// The default level, `I` to `IV`.
    pub level: String,
    /// Whether the worker may solve it on the spot.
    pub self_handled_allowed: bool,
    /// What must prove that it was done.
    #[serde(default)]
    pub proof: Proof,
}

/// What must prove that a case was solved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Proof {
    /// Whether it takes an attachment; otherwise words do.
    #[serde(default)]
    pub required: bool,
}

#[derive(Deserialize)]
struct RolesFile {
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct CategoriesFile {
    categories: Vec<Category>,
}

/// The documents in force.
#[derive(Clone, Debug)]
pub struct Documents {
    workflows: BTreeMap<Kind, Workflow>,
    roles: BTreeMap<String, Role>,
    categories: BTreeMap<String, Category>,
}

/// The default documents as they ship, name and text.
pub const DEFAULTS: &[(&str, &str)] = &[
    ("categories", include_str!("../documents/categories.json")),
    (
        "case_workflow",
        include_str!("../documents/case_workflow.json"),
    ),
    (
        "patrol_workflow",
        include_str!("../documents/patrol_workflow.json"),
    ),
    (
        "task_workflow",
        include_str!("../documents/task_workflow.json"),
    ),
    (
        "claim_workflow",
        include_str!("../documents/claim_workflow.json"),
    ),
    ("roles", include_str!("../documents/roles.json")),
];

impl Documents {
    /// The documents that ship with the product.
    pub fn defaults() -> Self {
        let text = |name: &str| {
            DEFAULTS
                .iter()
                .find(|(at, _)| *at == name)
                .map(|(_, text)| *text)
                .expect("BUG: a default document is missing")
        };
        let workflow = |name: &str| -> Workflow {
            serde_json::from_str(text(name)).expect("BUG: a default workflow does not parse")
        };
        let workflows = [
            "case_workflow",
            "patrol_workflow",
            "task_workflow",
            "claim_workflow",
        ]
        .map(workflow)
        .into_iter()
        .map(|workflow| (workflow.kind, workflow))
        .collect();
        let roles: RolesFile =
            serde_json::from_str(text("roles")).expect("BUG: the default roles do not parse");
        let categories: CategoriesFile = serde_json::from_str(text("categories"))
            .expect("BUG: the default categories do not parse");
        Self {
            workflows,
            roles: roles
                .roles
                .into_iter()
                .map(|role| (role.code.clone(), role))
                .collect(),
            categories: categories
                .categories
                .into_iter()
                .map(|each| (each.code.clone(), each))
                .collect(),
        }
    }

    /// The transition table of a kind; `None` for kinds that have no workflow.
    pub fn workflow(&self, kind: Kind) -> Option<&Workflow> {
        self.workflows.get(&kind)
    }

    /// A role by its code.
    pub fn role(&self, code: &str) -> Option<&Role> {
        self.roles.get(code)
    }

    /// A category by its code.
    pub fn category(&self, code: &str) -> Option<&Category> {
        self.categories.get(code)
    }

    /// All categories, by code.
    pub fn categories(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::guards, kinds};
    use std::collections::BTreeSet;

    #[test]
    fn every_step_names_known_states_roles_and_guards() {
        let documents = Documents::defaults();
        assert_eq!(documents.categories().count(), 25);
        for workflow in documents.workflows.values() {
            let states: BTreeSet<_> = workflow
                .states
                .iter()
                .map(|state| state.code.as_str())
                .collect();
            assert!(states.contains(workflow.initial.as_str()));
            for step in &workflow.transitions {
                assert!(
                    states.contains(step.from.as_str()) && states.contains(step.to.as_str()),
                    "{step:?}"
                );
                assert!(
                    step.roles.iter().all(|role| documents.role(role).is_some()),
                    "{step:?}"
                );
                for guard in &step.guards {
                    assert!(guards::is_known(guard), "{guard}");
                }
            }
        }
    }

    #[test]
    fn every_role_names_known_intents_and_a_volunteer_reads_no_report_and_no_visit() {
        let documents = Documents::defaults();
        for role in documents.roles.values() {
            assert!(
                role.intents
                    .iter()
                    .all(|intent| kinds::find(intent).is_some()),
                "{role:?}"
            );
        }
        for volunteer in ["patrol_member", "patrol_leader"] {
            let reads = &documents.role(volunteer).expect("a default role").reads;
            assert!(
                reads
                    .keys()
                    .all(|kind| matches!(kind, Kind::Patrol | Kind::Notice))
            );
        }
    }
}
