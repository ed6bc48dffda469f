//! What a document names: states, roles, guards, intents, levels and kinds that must be there, codes that must be there once,
//! and codes of the version before, which are retired and never removed.

use super::document::KnownDocuments;
use super::{Reason, RoleCatalogue, RoleCatalogueError};
use serde_json::Value;
use std::collections::BTreeSet;
use sync_core::decide;
use sync_core::kinds::{self, Kind};

/// Something wrong, at a JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issue {
    pub pointer: String,
    pub reason: Reason,
    pub value: String,
}

pub(super) fn issue(pointer: impl Into<String>, reason: Reason, value: &str) -> Issue {
    Issue {
        pointer: pointer.into(),
        reason,
        value: value.to_owned(),
    }
}

/// What the tables of a kind are called.
pub(super) fn table_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Report => "case",
        other => other.as_str(),
    }
}

/// Everything that a document names and that is not there.
pub(super) fn check(name: &str, value: &Value, known: &KnownDocuments) -> Vec<Issue> {
    let mut issues = twice(value);
    match name {
        "roles" => roles(value, &mut issues),
        "categories" => categories(value, &mut issues),
        "calendar" | "indicators" => {}
        _ if name.ends_with("_workflow") => workflow(name, value, known, &mut issues),
        _ => super::document_rules::check(name, value, known, &mut issues),
    }
    issues
}

/// The items of a list, each with its pointer.
pub(super) fn items<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = (String, &'a Value)> {
    let array = value[list]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let list = list.to_owned();
    array
        .iter()
        .enumerate()
        .map(move |(index, item)| (format!("/{list}/{index}"), item))
}

pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

pub(super) fn codes<'a>(value: &'a Value, list: &str) -> BTreeSet<&'a str> {
    let array = value[list]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    array.iter().map(|item| text(item, "code")).collect()
}

/// The lists of a document whose items have codes.
fn coded_lists(value: &Value) -> impl Iterator<Item = &String> {
    let lists = value.as_object().into_iter().flatten();
    lists
        .filter(|(_, list)| {
            let first = list.as_array().and_then(|list| list.first());
            first.is_some_and(|item| item["code"].is_string())
        })
        .map(|(name, _)| name)
}

/// Codes that stand twice, in the lists of the document and in those of its items.
fn twice(value: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    for list in coded_lists(value) {
        let mut seen = BTreeSet::new();
        for (pointer, item) in items(value, list) {
            for mut inner in twice(item) {
                inner.pointer.insert_str(0, &pointer);
                issues.push(inner);
            }
            if !seen.insert(text(item, "code")) {
                issues.push(issue(pointer, Reason::CodeTwice, text(item, "code")));
            }
        }
    }
    issues
}

/// The codes that the version before had and this one has not, in the lists of the document and in those of its items. Old
/// records name them.
pub(super) fn removed(value: &Value, before: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    for list in coded_lists(before) {
        for (_, old) in items(before, list) {
            let code = text(old, "code");
            let there = items(value, list).find(|(_, item)| text(item, "code") == code);
            let Some((pointer, new)) = there else {
                issues.push(issue(format!("/{list}"), Reason::CodeRemoved, code));
                continue;
            };
            for mut inner in removed(new, old) {
                inner.pointer.insert_str(0, &pointer);
                issues.push(inner);
            }
        }
    }
    issues
}

fn roles(value: &Value, issues: &mut Vec<Issue>) {
    if let Err(RoleCatalogueError::NameTwice { name }) =
        RoleCatalogue::from_document(&value.to_string())
    {
        issues.push(issue("/roles", Reason::CodeTwice, &name));
    }
    for (pointer, role) in items(value, "roles") {
        let intents = role["intents"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        for (index, intent) in intents.iter().enumerate() {
            let name = intent.as_str().unwrap_or_default();
            if kinds::find(name).is_none() {
                issues.push(issue(
                    format!("{pointer}/intents/{index}"),
                    Reason::IntentUnknown,
                    name,
                ));
            }
        }
        for kind in role["reads"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, _)| kind)
        {
            if Kind::from_text(kind).is_none() {
                issues.push(issue(
                    format!("{pointer}/reads/{kind}"),
                    Reason::RecordKindUnknown,
                    kind,
                ));
            }
        }
    }
}

fn categories(value: &Value, issues: &mut Vec<Issue>) {
    let levels = codes(value, "levels");
    for (pointer, category) in items(value, "categories") {
        let raised = category["raised_level"]["level"].as_str();
        let own = [
            ("level", Some(text(category, "level"))),
            ("raised_level", raised),
        ];
        for (field, level) in own {
            if let Some(level) = level.filter(|level| !levels.contains(level)) {
                issues.push(issue(
                    format!("{pointer}/{field}"),
                    Reason::LevelUnknown,
                    level,
                ));
            }
        }
    }
}

fn workflow(name: &str, value: &Value, known: &KnownDocuments, issues: &mut Vec<Issue>) {
    let states = codes(value, "states");
    let roles = known.value("roles").unwrap_or_default();
    let roles = codes(&roles, "roles");
    let kind = text(value, "kind");
    if Kind::from_text(kind).is_none_or(|kind| name != format!("{}_workflow", table_of(kind))) {
        issues.push(issue("/kind", Reason::RecordKindUnknown, kind));
    }
    let mut state = |pointer: String, code: &str| {
        if !states.contains(code) {
            issues.push(issue(pointer, Reason::StateUnknown, code));
        }
    };
    state("/initial".to_owned(), text(value, "initial"));
    for (pointer, step) in items(value, "transitions") {
        state(format!("{pointer}/from"), text(step, "from"));
        state(format!("{pointer}/to"), text(step, "to"));
    }
    let mut seen = BTreeSet::new();
    let explained = codes(value, "guards");
    for (pointer, step) in items(value, "transitions") {
        let between = (text(step, "from"), text(step, "to"));
        if !seen.insert(between) {
            let value = format!("{} -> {}", between.0, between.1);
            issues.push(issue(pointer.clone(), Reason::CodeTwice, &value));
        }
        let each = |list: &str| {
            let list = step[list].as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter()
                .map(|item| item.as_str().unwrap_or_default())
                .enumerate()
        };
        for (index, role) in each("roles").filter(|(_, role)| !roles.contains(role)) {
            issues.push(issue(
                format!("{pointer}/roles/{index}"),
                Reason::RoleUnknown,
                role,
            ));
        }
        for (index, guard) in each("guards") {
            if !decide::guards::is_known(guard) || !explained.contains(guard) {
                issues.push(issue(
                    format!("{pointer}/guards/{index}"),
                    Reason::GuardUnknown,
                    guard,
                ));
            }
        }
    }
}
