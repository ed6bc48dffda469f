//! Checklists: what an inspection looks at and what a visit asks.

use super::Name;
use serde::Deserialize;

/// What a checklist is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecklistFor {
    /// An inspection: each item is right, wrong or does not apply.
    Inspection,
    /// A visit: each item has choices of its own.
    Visit,
}

/// A choice of an item.
#[derive(Clone, Debug, Deserialize)]
pub struct Choice {
    /// Its code.
    pub code: String,
    /// What people call it.
    pub name: Name,
}

/// One item.
#[derive(Clone, Debug, Deserialize)]
pub struct ChecklistItem {
    /// Its code, within the checklist.
    pub code: String,
    /// What is looked at or asked.
    pub name: Name,
    /// The category of the report that a fault becomes.
    #[serde(default)]
    pub category: Option<String>,
    /// What may be answered at a visit.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Whether it is not asked any more.
    #[serde(default)]
    pub retired: bool,
}

/// A checklist.
#[derive(Clone, Debug, Deserialize)]
pub struct Checklist {
    /// Its code, which records name.
    pub code: String,
    /// What it is for.
    #[serde(rename = "for")]
    pub is_for: ChecklistFor,
    /// What people call it.
    pub name: Name,
    /// Its items, in the order in which they are gone through.
    pub items: Vec<ChecklistItem>,
    /// Whether nobody may begin with it any more.
    #[serde(default)]
    pub retired: bool,
}

impl Checklist {
    /// An item by its code.
    pub fn item(&self, code: &str) -> Option<&ChecklistItem> {
        self.items.iter().find(|item| item.code == code)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ChecklistsFile {
    pub checklists: Vec<Checklist>,
}
