//! What the rules of a district name in other documents, and what contradicts itself in them: checklists, the routing tree,
//! patrols, tasks, alerts, notices, rosters, points.

use super::Reason;
use super::document::KnownDocuments;
use super::document_references::{Issue, codes, issue, items, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Everything that a document of rules names and that is not there, and what contradicts itself.
pub(super) fn check(name: &str, value: &Value, known: &KnownDocuments, issues: &mut Vec<Issue>) {
    let mut rules = Rules {
        value,
        known,
        issues,
    };
    match name {
        "checklists" => rules.checklists(),
        "routing" => rules.routing(),
        "patrol_plan" => rules.patrol_plan(),
        "patrol_routes" => rules.patrol_routes(),
        "task_rules" => rules.task_rules(),
        "alert_rules" => rules.alert_rules(),
        "notice_rules" => rules.notice_rules(),
        "duty_roster" => rules.duty_roster(),
        "points_rules" => rules.points_rules(),
        _ => {}
    }
}

struct Rules<'a> {
    value: &'a Value,
    known: &'a KnownDocuments,
    issues: &'a mut Vec<Issue>,
}

/// The texts of a list, each with its pointer.
fn texts<'a>(item: &'a Value, list: &str, pointer: &str) -> Vec<(String, &'a str)> {
    let array = item[list].as_array().map(Vec::as_slice).unwrap_or_default();
    array
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let pointer = format!("{pointer}/{list}/{index}");
            (pointer, text.as_str().unwrap_or_default())
        })
        .collect()
}

impl Rules<'_> {
    fn say(&mut self, pointer: impl Into<String>, reason: Reason, value: &str) {
        self.issues.push(issue(pointer, reason, value));
    }

    /// The codes of a list of another document.
    fn of(&self, document: &str, list: &str) -> BTreeSet<String> {
        let value = self.known.value(document).unwrap_or_default();
        codes(&value, list).into_iter().map(str::to_owned).collect()
    }

    /// The codes of a list of this document.
    fn own(&self, list: &str) -> BTreeSet<String> {
        codes(self.value, list)
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn must_be_among(&mut self, pointer: String, code: &str, known: &BTreeSet<String>) {
        if !known.contains(code) {
            self.say(pointer, Reason::CodeUnknown, code);
        }
    }

    fn each_among(&mut self, item: &Value, list: &str, pointer: &str, known: &BTreeSet<String>) {
        for (pointer, code) in texts(item, list, pointer) {
            self.must_be_among(pointer, code, known);
        }
    }

    fn role(&mut self, pointer: String, role: &str) {
        let roles = self.of("roles", "roles");
        if !roles.contains(role) {
            self.say(pointer, Reason::RoleUnknown, role);
        }
    }

    fn checklists(&mut self) {
        let categories = self.of("categories", "categories");
        for (pointer, list) in items(self.value, "checklists") {
            for (inner, item) in items(list, "items") {
                let at = format!("{pointer}{inner}");
                if let Some(category) = item["category"].as_str() {
                    self.must_be_among(format!("{at}/category"), category, &categories);
                }
                if list["for"] == "visit" && item["choices"].is_null() {
                    self.say(at, Reason::FieldMissingForKind, "choices");
                }
            }
        }
    }

    fn routing(&mut self) {
        let (categories, nodes) = (self.of("categories", "categories"), self.own("nodes"));
        let mut centres = 0;
        for (pointer, node) in items(self.value, "nodes") {
            self.each_among(node, "categories", &pointer, &categories);
            let parent = node["parent"].as_str();
            match (text(node, "kind"), parent) {
                ("centre", None) => centres += 1,
                ("centre", Some(parent)) => {
                    self.say(format!("{pointer}/parent"), Reason::OrderWrong, parent);
                }
                (_, None) => self.say(pointer, Reason::FieldMissingForKind, "parent"),
                (_, Some(parent)) => {
                    self.must_be_among(format!("{pointer}/parent"), parent, &nodes);
                    if self.is_circle(text(node, "code")) {
                        self.say(format!("{pointer}/parent"), Reason::OrderWrong, parent);
                    }
                }
            }
        }
        if centres != 1 {
            self.say("/nodes", Reason::FieldMissingForKind, "centre");
        }
    }

    /// Whether a node lies above itself.
    fn is_circle(&self, code: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut at = code.to_owned();
        loop {
            if !seen.insert(at.clone()) {
                return true;
            }
            let node = items(self.value, "nodes").find(|(_, node)| text(node, "code") == at);
            match node.and_then(|(_, node)| node["parent"].as_str()) {
                Some(parent) => at = parent.to_owned(),
                None => return false,
            }
        }
    }

    fn patrol_plan(&mut self) {
        let number = |name: &str| self.value[name].as_u64().unwrap_or(0);
        if number("partial_percent") > number("complete_percent") {
            self.say("/partial_percent", Reason::OrderWrong, "partial_percent");
        }
        for crew in ["normal", "key_period"] {
            let minutes = |name: &str| self.value[crew][name].as_u64().unwrap_or(0);
            if minutes("minutes_min") > minutes("minutes_max") {
                self.say(
                    format!("/{crew}/minutes_min"),
                    Reason::OrderWrong,
                    "minutes_min",
                );
            }
        }
        for (pointer, period) in items(self.value, "key_periods") {
            if text(period, "from") > text(period, "to") {
                self.say(
                    format!("{pointer}/to"),
                    Reason::OrderWrong,
                    text(period, "to"),
                );
            }
        }
        // Nobody is followed without a reason that is written down.
        if self.value["track"]["on"] == true && self.value["track"]["reason"].is_null() {
            self.say("/track", Reason::FieldMissingForKind, "reason");
        }
    }

    fn patrol_routes(&mut self) {
        let (points, routes) = (self.own("points"), self.own("routes"));
        let slots = self.of("patrol_plan", "slots");
        for (pointer, route) in items(self.value, "routes") {
            self.each_among(route, "points", &pointer, &points);
        }
        for (pointer, team) in items(self.value, "teams") {
            self.each_among(team, "routes", &pointer, &routes);
            self.each_among(team, "slots", &pointer, &slots);
        }
    }

    fn task_rules(&mut self) {
        for (pointer, rule) in items(self.value, "rules") {
            self.role(format!("{pointer}/role"), text(rule, "role"));
            let when = &rule["when"];
            if let (Some(kind), Some(state)) = (when["kind"].as_str(), when["state"].as_str()) {
                let table = match kind {
                    "report" => "case",
                    other => other,
                };
                let states = self.of(&format!("{table}_workflow"), "states");
                if !states.contains(state) {
                    self.say(format!("{pointer}/when/state"), Reason::StateUnknown, state);
                }
            }
        }
    }

    fn alert_rules(&mut self) {
        let categories = self.of("categories", "categories");
        for (pointer, rule) in items(self.value, "rules") {
            self.role(format!("{pointer}/role"), text(rule, "role"));
            self.each_among(rule, "categories", &pointer, &categories);
            let needed = match text(rule, "kind") {
                "cluster" => "radius_m",
                "overdue_share" => "share_permille",
                _ => continue,
            };
            if rule[needed].is_null() {
                self.say(pointer, Reason::FieldMissingForKind, needed);
            }
        }
    }

    fn notice_rules(&mut self) {
        let events = self.own("events");
        for (pointer, event) in items(self.value, "events") {
            for (pointer, addressee) in texts(event, "to", &pointer) {
                let role = addressee.strip_prefix("role:");
                if let Some((role, _)) = role.and_then(|role| role.split_once('@')) {
                    self.role(pointer, role);
                }
            }
        }
        let quiet = &self.value["quiet"];
        self.each_among(quiet, "except", "/quiet", &events);
    }

    fn duty_roster(&mut self) {
        for (pointer, shift) in items(self.value, "shifts") {
            if text(shift, "from") >= text(shift, "until") {
                self.say(
                    format!("{pointer}/until"),
                    Reason::OrderWrong,
                    text(shift, "until"),
                );
            }
        }
        for (pointer, leave) in items(self.value, "leave") {
            if text(leave, "from") > text(leave, "to") {
                self.say(
                    format!("{pointer}/to"),
                    Reason::OrderWrong,
                    text(leave, "to"),
                );
            }
            if leave["deputy"].is_number() && leave["deputy"] == leave["person"] {
                self.say(format!("{pointer}/deputy"), Reason::OrderWrong, "deputy");
            }
        }
    }

    fn points_rules(&mut self) {
        let rules = self.own("rules");
        for (pointer, rule) in items(self.value, "rules") {
            self.each_among(rule, "replaces", &pointer, &rules);
            if let Some(other) = rule["multiplies"]["rule"].as_str() {
                self.must_be_among(format!("{pointer}/multiplies/rule"), other, &rules);
            }
            let parts = rule["parts"]
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            let sum: u64 = parts
                .iter()
                .filter_map(|part| part["milli_points"].as_u64())
                .sum();
            if !parts.is_empty() && Some(sum) != rule["milli_points"].as_u64() {
                self.say(
                    format!("{pointer}/parts"),
                    Reason::OrderWrong,
                    "milli_points",
                );
            }
        }
    }
}
