//! What people said about doubts. Nobody settles a doubt about what they did or entered themselves: such a word stays in
//! the record and counts for nothing, so that it needs no refusal, which a phone without a network could not foresee.

use super::round::subject;
use crate::ids::PersonId;
use crate::merge::RecordState;
use std::collections::{BTreeMap, BTreeSet};

/// What a person said about a doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Whether they found that it was right to doubt.
    pub is_upheld: bool,
    /// Who said so.
    pub by: PersonId,
    /// When.
    pub time_ms: i64,
    /// Why.
    pub reason: String,
}

/// The last word of somebody else, by doubt and subject.
pub(super) fn settled(record: &RecordState) -> BTreeMap<(String, String), Settled> {
    let mut own: BTreeMap<String, [Option<PersonId>; 2]> = BTreeMap::new();
    let in_doubt = |set: &str| matches!(set, "check_ins" | "members");
    for element in record.elements.iter().filter(|each| in_doubt(&each.set)) {
        let stamp = &element.stamp;
        own.insert(
            subject(stamp.replica, stamp.seq),
            [Some(stamp.person), stamp.whose],
        );
    }
    let mut words = BTreeMap::new();
    let said = |set: &str| set == "settled_doubts";
    for element in record.elements.iter().filter(|each| said(&each.set)) {
        let (fields, by) = (&element.fields, element.stamp.person);
        let (Some(doubt), Some(about)) = (
            fields.value::<String>("doubt"),
            fields.value::<String>("about"),
        ) else {
            continue;
        };
        if own.get(&about).is_some_and(|own| own.contains(&Some(by))) {
            continue;
        }
        let word = Settled {
            is_upheld: fields.value::<String>("outcome").as_deref() == Some("upheld"),
            by,
            time_ms: element.stamp.time_ms,
            reason: fields.value("reason").unwrap_or_default(),
        };
        words.insert((doubt, about), word);
    }
    words
}

/// What a doubt was upheld about.
pub(super) fn upheld(record: &RecordState) -> BTreeSet<String> {
    settled(record)
        .into_iter()
        .filter(|(_, word)| word.is_upheld)
        .map(|((_, about), _)| about)
        .collect()
}
