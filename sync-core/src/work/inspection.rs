//! Inspections: what was wrong, what is still wrong, and which reports it should become.

use crate::documents::{Checklist, Documents};
use crate::merge::RecordState;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The answer to one item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The item.
    pub item: String,
    /// `ok`, `fault` or `not_applicable`.
    pub answer: String,
    /// What was seen.
    #[serde(default)]
    pub note: Option<String>,
}

/// A fault, and the category of the report that it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// The item of the checklist.
    pub item: String,
    /// The category, where the checklist names one.
    pub category: Option<String>,
    /// What was seen.
    pub note: Option<String>,
}

/// The answers as they are shown; none for a record that is no inspection.
pub fn answers(record: &RecordState) -> Vec<Answer> {
    record
        .shown("answers")
        .and_then(|value| serde_json::from_str(value.get()).ok())
        .unwrap_or_default()
}

/// The items that were wrong and that nobody has found right since, in order of their codes. The last look counts.
pub fn open_faults(record: &RecordState) -> Vec<String> {
    let mut wrong: BTreeMap<String, bool> = answers(record)
        .into_iter()
        .map(|answer| (answer.item, answer.answer == "fault"))
        .collect();
    for element in record
        .elements
        .iter()
        .filter(|element| element.set == "rechecks")
    {
        let item = element.fields.value::<String>("item");
        let answer = element.fields.value::<String>("answer");
        if let (Some(item), Some(answer)) = (item, answer) {
            wrong.insert(item, answer == "fault");
        }
    }
    wrong
        .into_iter()
        .filter(|(_, is_wrong)| *is_wrong)
        .map(|(item, _)| item)
        .collect()
}

/// The faults that should become reports: each item that is wrong, with the category of the checklist.
pub fn hazards(answers: &[Answer], checklist: &Checklist) -> Vec<Hazard> {
    answers
        .iter()
        .filter(|answer| answer.answer == "fault")
        .map(|answer| Hazard {
            item: answer.item.clone(),
            category: checklist
                .item(&answer.item)
                .and_then(|item| item.category.clone()),
            note: answer.note.clone(),
        })
        .collect()
}

/// The items of an inspection's checklist that nobody answered and items that it has not: what a form says before it is
/// sent. Empty when the checklist is not known, since a phone may hold an older one.
pub fn unanswered(code: &str, answers: &[Answer], documents: &Documents) -> Vec<String> {
    let Some(checklist) = documents.checklist(code) else {
        return Vec::new();
    };
    checklist
        .items
        .iter()
        .filter(|item| !item.retired && answers.iter().all(|answer| answer.item != item.code))
        .map(|item| item.code.clone())
        .collect()
}
