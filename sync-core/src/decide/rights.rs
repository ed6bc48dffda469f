//! Who may author an intent on a record: the roles that held on its unit or desk at some time in the interval.

use crate::canary::{Canary, is_awake};
use crate::directory::{Directory, Grant};
use crate::documents::Documents;
use crate::ids::{PersonId, UnitId};
use crate::limits;
use crate::time::Interval;

/// What was found about a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right<'a> {
    /// The grants that carry it, in the order they were given.
    pub grants: Vec<&'a Grant>,
    /// Whether it had ended when the change arrived.
    pub ended: bool,
}

/// The grants by which `person` may author `intent` on a record of these units (its unit and, where it has one, its
/// desk); `None` when there is none that held at some time in the interval, at most 35 days back.
pub fn find_right<'a>(
    directory: &'a Directory,
    documents: &Documents,
    person: PersonId,
    intent: &str,
    units: &[UnitId],
    interval: Interval,
) -> Option<Right<'a>> {
    let reach_ms = interval.received_ms.saturating_sub(limits::RIGHT_REACH_MS);
    let from_ms = interval.earliest_ms.max(reach_ms).min(interval.received_ms);
    let grants: Vec<_> = directory
        .grants(person)
        .iter()
        .filter(|grant| grant.holds_within(from_ms, interval.received_ms))
        .filter(|grant| {
            documents
                .role(&grant.role)
                .is_some_and(|role| role.intents.iter().any(|name| name == intent))
        })
        .filter(|grant| {
            is_awake(Canary::RightsEverywhere)
                || units
                    .iter()
                    .any(|unit| directory.is_within(*unit, grant.unit))
        })
        .collect();
    if grants.is_empty() {
        return None;
    }
    let ended = !grants
        .iter()
        .any(|grant| grant.holds_within(interval.received_ms, interval.received_ms));
    Some(Right { grants, ended })
}
