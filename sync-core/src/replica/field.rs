//! What a phone helps with outdoors, out of what it holds and without a network: codes that it shows, changes that answer
//! to a code or tick a member, the round as it stands, the last visit of a household, reports that may be the same.

use super::{Draft, Filter, Replica, ReplicaError};
use crate::cases::duplicates::{Hint, Sighting, hints};
use crate::change::{For, Needs, Source};
use crate::ids::{PersonId, RecordId, UnitId};
use crate::kinds::Kind;
use crate::merge::RecordState;
use crate::patrols::Round;
use crate::patrols::codes::ShownCode;
use crate::time::Evidence;
use crate::work::visit;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Records of a kind that are looked through, the newest first.
const LOOKED_AT_MAX: u32 = 5_000;
/// Visits with *no change* that are followed back to the one that answered.
const FOLLOWED_MAX: usize = 1_000;

/// The last visit of a household: what a form for the next one begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastVisit {
    /// Its record, which the next one names as `previous`.
    pub record: RecordId,
    /// When it was made.
    pub time_ms: i64,
    /// How it went.
    pub outcome: Option<String>,
    /// What it answered; one with *no change*, what the one before it did.
    pub answers: Vec<visit::Answer>,
}

/// Joins the round whose leader's phone shows this code; `None` for a text that is no such code. The leader's phone may
/// be the later one to sync: joining waits for nothing.
pub fn join_draft(code: &str, unit: UnitId) -> Option<Draft> {
    let record = ShownCode::parse(code)?.record;
    Some(after(record, unit, "patrol.join", &json!({ "code": code })))
}

/// The leader ticks a member who is there.
pub fn tick_draft(record: RecordId, unit: UnitId, member: PersonId, since_ms: i64) -> Draft {
    Draft {
        for_person: Some(For {
            person: member,
            source: Source::Leader,
            happened_at_ms: since_ms,
        }),
        ..Draft::new(record, unit, "patrol.join", "{}")
    }
}

/// A member's own word about a round: that they were there, or that they were not.
pub fn confirm_draft(
    record: RecordId,
    unit: UnitId,
    was_there: bool,
    reason: Option<&str>,
) -> Draft {
    let mut open = json!({ "was_there": was_there });
    if let Some(reason) = reason {
        open["reason"] = Value::from(reason);
    }
    after(record, unit, "patrol.confirm", &open)
}

/// Confirms the visit whose code another phone shows, for the body that one comes from.
pub fn visit_confirm_draft(
    code: &str,
    unit: UnitId,
    body: Option<UnitId>,
    agrees: bool,
) -> Option<Draft> {
    let record = ShownCode::parse(code)?.record;
    let mut open = json!({ "agrees": agrees, "code": code });
    if let Some(body) = body {
        open["body"] = Value::from(body.0);
    }
    Some(after(record, unit, "visit.confirm", &open))
}

/// A change about a record that another phone made and may hand in later.
fn after(record: RecordId, unit: UnitId, intent: &str, open: &Value) -> Draft {
    Draft {
        needs: Some(Needs::Record(record)),
        ..Draft::new(record, unit, intent, open.to_string())
    }
}

impl Replica {
    /// The code that this phone shows so that others join a round or confirm a visit; good for some minutes.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn show_code(&self, record: RecordId, now: &Evidence) -> Result<String, ReplicaError> {
        let at_ms = self.estimate_ms(now)?;
        let code = ShownCode::sign(record, self.replica_id(), at_ms, self.signing_key());
        Ok(code.to_string())
    }

    /// A round as this phone has it, own work that waits on top; `None` while the phone does not hold its beginning.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn round(&self, record: RecordId, now: &Evidence) -> Result<Option<Round>, ReplicaError> {
        let Some(view) = self.record_view(record)? else {
            return Ok(None);
        };
        Ok(Round::of(&view.state, &self.documents(now)?))
    }

    /// The newest visit of a household that nobody has taken back; `None` when this phone holds none.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn last_visit(&self, household: RecordId) -> Result<Option<LastVisit>, ReplicaError> {
        let wanted = household.to_string();
        let visits = Filter {
            limit: LOOKED_AT_MAX,
            ..Filter::of(Kind::Visit)
        };
        for row in self.list(&visits)? {
            let Some(view) = self.record_view(row.record)? else {
                continue;
            };
            let state = view.state;
            let is_void = state.elements.iter().any(|each| each.set == "voids");
            if is_void || state.shown_text("household").as_ref() != Some(&wanted) {
                continue;
            }
            let earlier = self.earlier_visits(&state)?;
            return Ok(Some(LastVisit {
                record: row.record,
                time_ms: row.time_ms,
                outcome: state.shown_text("outcome"),
                answers: visit::answers(&state, |id| earlier.get(id)),
            }));
        }
        Ok(None)
    }

    /// The visits that a chain of *no change* goes back to.
    fn earlier_visits(
        &self,
        state: &RecordState,
    ) -> Result<BTreeMap<String, RecordState>, ReplicaError> {
        let mut found = BTreeMap::new();
        let mut next = state.shown_text("previous");
        while let Some(id) = next.take() {
            let record = RecordId::parse_canonical(&id);
            let Some(record) = record.filter(|_| found.len() < FOLLOWED_MAX) else {
                break;
            };
            if found.contains_key(&id) {
                break;
            }
            if let Some(view) = self.record_view(record)? {
                next = view.state.shown_text("previous");
                found.insert(id, view.state);
            }
        }
        Ok(found)
    }

    /// Open reports that this phone holds and that may be the same as a new one, the likeliest first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn duplicate_hints(
        &self,
        new: &Sighting<RecordId>,
    ) -> Result<Vec<Hint<RecordId>>, ReplicaError> {
        let mut open = Vec::new();
        for row in self.open_reports(&new.category, LOOKED_AT_MAX)? {
            let Some(view) = self.record_view(row.record)? else {
                continue;
            };
            let place = view.state.shown("place");
            open.push(Sighting {
                id: row.record,
                category: new.category.clone(),
                place: place.and_then(|place| serde_json::from_str(place.get()).ok()),
                address: view.state.shown_text("address"),
                time_ms: row.time_ms,
            });
        }
        Ok(hints(new, open))
    }
}
