//! The documents as the models need them: workflows, roles, categories, the calendar; which version is in force when. Read as
//! plain JSON.

use super::calendar::Calendar;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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
    /// Whether the patrol plan asks for tracks, and says why.
    pub asks_for_tracks: bool,
}

/// A category.
#[derive(Clone, Copy, Debug)]
pub struct Category {
    /// Whether it may be solved on the spot.
    pub self_handled_allowed: bool,
    /// Whether an attachment must prove what was done.
    pub proof_is_required: bool,
}

const WORKFLOWS: [&str; 7] = [
    "case_workflow",
    "patrol_workflow",
    "task_workflow",
    "claim_workflow",
    "mediation_workflow",
    "inspection_workflow",
    "alert_workflow",
];

macro_rules! shipped {
    ($($name:literal,)*) => {
        [$((
            $name,
            include_str!(concat!("../../../sync-core/documents/", $name, ".json")),
        ),)*]
    };
}

/// What ships with the product, by name.
const SHIPPED: [(&str, &str); 20] = shipped![
    "case_workflow",
    "patrol_workflow",
    "task_workflow",
    "claim_workflow",
    "mediation_workflow",
    "inspection_workflow",
    "alert_workflow",
    "roles",
    "categories",
    "calendar",
    "checklists",
    "routing",
    "patrol_plan",
    "patrol_routes",
    "task_rules",
    "alert_rules",
    "indicators",
    "notice_rules",
    "duty_roster",
    "points_rules",
];

/// A version that the log has named.
#[derive(Clone, Debug)]
struct Version {
    name: String,
    from_ms: i64,
    /// The hash of its text; the name of the document for what a district begins with.
    hash: String,
}

/// The versions that the log has named so far, and those in force at the last moment asked for.
#[derive(Clone, Debug)]
pub struct Versions {
    texts: BTreeMap<String, String>,
    entered: Vec<Version>,
    in_force: Arc<Documents>,
    /// How many were entered when they were read, and between which moments they hold.
    read_at: (usize, i64, i64),
}

impl Default for Versions {
    fn default() -> Self {
        let texts = SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Self {
            texts: texts.into(),
            entered: Vec::new(),
            in_force: Arc::new(Documents::defaults()),
            read_at: (0, i64::MIN, i64::MAX),
        }
    }
}

impl Versions {
    /// A text that an entry to come will name by this hash.
    pub fn know(&mut self, hash: String, text: String) {
        self.texts.insert(hash, text);
    }

    /// Takes in what a directory entry says of documents.
    pub fn apply(&mut self, body: &Value) {
        let from_ms = body["from_ms"].as_i64();
        match (body["directory"].as_str(), from_ms) {
            (Some("documents"), _) => {
                let names = body["hashes"].as_object().into_iter().flatten();
                self.entered.extend(names.map(|(name, _)| Version {
                    name: name.clone(),
                    from_ms: i64::MIN,
                    hash: name.clone(),
                }));
            }
            (Some("document"), Some(from_ms)) => self.entered.push(Version {
                name: text(&body["name"]),
                from_ms,
                hash: text(&body["hash"]),
            }),
            _ => {}
        }
    }

    /// Whether those that were read last are in force at a moment too.
    fn holds(&self, at_ms: i64) -> bool {
        let (entered, from_ms, until_ms) = self.read_at;
        entered == self.entered.len() && from_ms <= at_ms && at_ms < until_ms
    }

    fn read(&self, at_ms: i64) -> Documents {
        let mut texts: BTreeMap<&str, &str> = SHIPPED.into();
        let begun = self.entered.iter();
        for version in begun.filter(|version| version.from_ms <= at_ms) {
            let text = self.texts.get(&version.hash);
            texts.insert(
                &version.name,
                text.expect("BUG: a text that nobody brought in"),
            );
        }
        Documents::read(&texts)
    }

    /// Those in force at a moment: of each document the last one entered whose time has come.
    pub fn at(&mut self, at_ms: i64) -> Arc<Documents> {
        if !self.holds(at_ms) {
            self.in_force = Arc::new(self.read(at_ms));
            let times = || self.entered.iter().map(|version| version.from_ms);
            let begun = times().filter(|from_ms| *from_ms <= at_ms).max();
            let next = times().filter(|from_ms| *from_ms > at_ms).min();
            self.read_at = (
                self.entered.len(),
                begun.unwrap_or(i64::MIN),
                next.unwrap_or(i64::MAX),
            );
        }
        Arc::clone(&self.in_force)
    }

    /// The same, without keeping them.
    pub fn seen_at(&self, at_ms: i64) -> Arc<Documents> {
        if self.holds(at_ms) {
            Arc::clone(&self.in_force)
        } else {
            Arc::new(self.read(at_ms))
        }
    }
}

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

fn asks_for_tracks(plan: &Value) -> bool {
    let reason = &plan["track"]["reason"];
    let says_why = ["zh", "en"]
        .iter()
        .any(|language| !reason[language].as_str().unwrap_or("").trim().is_empty());
    plan["track"]["on"] == true && says_why
}

impl Documents {
    /// The documents that ship with the product.
    pub fn defaults() -> Self {
        Self::read(&SHIPPED.into())
    }

    fn read(texts: &BTreeMap<&str, &str>) -> Self {
        let mut documents = Self {
            steps: BTreeMap::new(),
            days: BTreeMap::new(),
            roles: BTreeMap::new(),
            categories: BTreeMap::new(),
            calendar: Calendar::read(&parse(texts["calendar"])),
            asks_for_tracks: asks_for_tracks(&parse(texts["patrol_plan"])),
        };
        for workflow in WORKFLOWS.map(|name| parse(texts[name])) {
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
        let roles = parse(texts["roles"]);
        for role in list(&roles["roles"]) {
            documents
                .roles
                .insert(text(&role["code"]), read_role(&role));
        }
        let categories = parse(texts["categories"]);
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
