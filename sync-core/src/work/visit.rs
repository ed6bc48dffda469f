//! Visits: whether a second body has confirmed one, and what was last answered.

use crate::ids::{PersonId, UnitId};
use crate::merge::{RecordState, Stamp};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a visit answered to one item of its checklist.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// The item.
    pub item: String,
    /// The choice.
    pub answer: String,
}

/// Somebody's word on a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Whose word it is.
    pub person: PersonId,
    /// The body they came from.
    pub body: Option<UnitId>,
    /// Whether they were there.
    pub agrees: bool,
    /// When they said so.
    pub time_ms: i64,
}

/// A joint visit: two people from two bodies stand for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JointVisit {
    /// Who logged it; nobody has as long as only confirmations have come.
    pub logged_by: Option<PersonId>,
    /// The body they came from.
    pub body: Option<UnitId>,
    /// The last word of each other person, in order of their numbers.
    pub confirmations: Vec<Confirmation>,
    /// Whether somebody else, from another body, has confirmed it, and nobody has denied it.
    pub is_confirmed: bool,
}

fn doer(stamp: &Stamp) -> PersonId {
    stamp.whose.unwrap_or(stamp.person)
}

/// What is known of a joint visit; `None` for a visit that nobody asked to confirm and nobody did.
pub fn joint(record: &RecordState) -> Option<JointVisit> {
    let read_body = |text: &str| serde_json::from_str::<u32>(text).ok().map(UnitId);
    let body = record
        .shown("body")
        .and_then(|value| read_body(value.get()));
    let logged_by = record.created.as_ref().map(doer);
    let mut words: BTreeMap<PersonId, Confirmation> = BTreeMap::new();
    for element in record
        .elements
        .iter()
        .filter(|element| element.set == "confirmations")
    {
        let person = doer(&element.stamp);
        let word = Confirmation {
            person,
            body: element.fields.value::<u32>("body").map(UnitId),
            agrees: element.fields.value("agrees").unwrap_or(false),
            time_ms: element.stamp.time_ms,
        };
        words.insert(person, word);
    }
    let is_asked = record
        .shown("joint")
        .is_some_and(|value| value.get() == "true");
    if !is_asked && words.is_empty() {
        return None;
    }
    // Nobody confirms what they logged themselves, and two people of one body are no two bodies.
    words.retain(|person, _| Some(*person) != logged_by);
    let is_other_body = |word: &Confirmation| match (word.body, body) {
        (Some(theirs), Some(ours)) => theirs != ours,
        _ => false,
    };
    let confirmations: Vec<_> = words.into_values().collect();
    let is_confirmed = logged_by.is_some()
        && confirmations.iter().all(|word| word.agrees)
        && confirmations.iter().any(is_other_body);
    Some(JointVisit {
        logged_by,
        body,
        confirmations,
        is_confirmed,
    })
}

/// What a visit answered. A visit with *no change* answers what the one before it did; `previous` finds that one.
pub fn answers<'a>(
    record: &'a RecordState,
    previous: impl Fn(&str) -> Option<&'a RecordState>,
) -> Vec<Answer> {
    let mut record = record;
    // A chain of visits that changed nothing is followed for as long as anybody would keep one up.
    for _ in 0..1_000 {
        if let Some(answers) = record
            .shown("answers")
            .and_then(|value| serde_json::from_str::<Vec<Answer>>(value.get()).ok())
        {
            return answers;
        }
        let before = record
            .shown_text("outcome")
            .filter(|outcome| outcome == "no_change")
            .and_then(|_| record.shown_text("previous"))
            .and_then(|id| previous(&id));
        match before {
            Some(before) => record = before,
            None => break,
        }
    }
    Vec::new()
}
