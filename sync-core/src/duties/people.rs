//! Who serves where: the people with a role near a unit.

use crate::directory::Directory;
use crate::documents::Documents;
use crate::ids::{PersonId, UnitId};
use crate::kinds::Kind;
use std::collections::BTreeSet;

/// A unit and all above it, nearest first.
pub fn lineage(directory: &Directory, unit: UnitId) -> Vec<UnitId> {
    let above = |unit: &UnitId| directory.unit(*unit)?.parent;
    // The tree is shallow; the bound keeps a cycle, which no command makes, from going on.
    std::iter::successors(directory.unit(unit).map(|unit| unit.unit), above)
        .take(16)
        .collect()
}

/// The codes of a unit and of all above it, nearest first.
pub fn lineage_codes(directory: &Directory, unit: UnitId) -> Vec<&str> {
    lineage(directory, unit)
        .into_iter()
        .filter_map(|unit| Some(directory.unit(unit)?.code.as_str()))
        .collect()
}

/// Everybody who has the role at a moment in the unit or the nearest one above it where anybody has.
pub fn holders_near(
    directory: &Directory,
    role: &str,
    unit: UnitId,
    at_ms: i64,
) -> BTreeSet<PersonId> {
    for near in lineage(directory, unit) {
        let has = |person: &PersonId| {
            directory.grants(*person).iter().any(|grant| {
                grant.role == role && grant.unit == near && grant.holds_within(at_ms, at_ms)
            })
        };
        let found: BTreeSet<PersonId> = directory.people().filter(has).collect();
        if !found.is_empty() {
            return found;
        }
    }
    BTreeSet::new()
}

/// The unit by which a person reads records of a kind, the one that they were given first; `None` when they read none.
pub(super) fn home_of(
    directory: &Directory,
    documents: &Documents,
    person: PersonId,
    kind: Kind,
    at_ms: i64,
) -> Option<UnitId> {
    let reads = |role: &str| {
        documents
            .role(role)
            .is_some_and(|role| role.reads.contains_key(&kind))
    };
    directory
        .grants(person)
        .iter()
        .find(|grant| grant.holds_within(at_ms, at_ms) && reads(&grant.role))
        .map(|grant| grant.unit)
}
