//! One record as a screen shows it: the folded state with the person's own unsettled work, and where that work stands.

use super::outbox::{OPEN, OutboxItem};
use super::own::Own;
use super::record;
use super::{Replica, ReplicaError, overlay};
use crate::ids::RecordId;
use crate::merge::{RecordState, Stamp};
use crate::words::{NextStep, Standing, StateWord, word};

/// A record as a screen shows it. Shown fields, conflicts with every value, author and time, elements, steps and attempts
/// are read off `state`.
#[derive(Clone, Debug)]
pub struct RecordView {
    /// Which.
    pub record: RecordId,
    /// The server's state with own unsettled work on top.
    pub state: RecordState,
    /// Own work on it that waits or needs a person, in the order it was made.
    pub own: Vec<OutboxItem>,
    /// The word for the whole: that of the own work that most needs a person, else of the record.
    pub word: StateWord,
    /// What to do next.
    pub next: NextStep,
    /// Whether it is in the scope; others are copies that stay while own work waits.
    pub in_scope: bool,
    /// Whether the copy is known not to be whole; a whole one is on its way.
    pub stale: bool,
}

impl RecordView {
    /// Whether an effect of this stamp is own work that the server's state does not hold yet.
    pub fn is_pending(stamp: &Stamp) -> bool {
        overlay::is_pending(stamp)
    }
}

/// What most needs the person first.
fn urgency(standing: Standing) -> u8 {
    match standing {
        Standing::Quarantined => 0,
        Standing::NotApplied => 1,
        Standing::Rejected => 2,
        Standing::Unsent => 3,
        Standing::Held => 4,
        Standing::Draft | Standing::InForce | Standing::Conflict | Standing::Repaired => 5,
    }
}

impl Replica {
    /// A record as the person sees it; `None` when this replica holds nothing of it that can be shown.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn record_view(&self, record: RecordId) -> Result<Option<RecordView>, ReplicaError> {
        let Some(row) = record::read(&self.connection, record)? else {
            return Ok(None);
        };
        let unsettled = overlay::unsettled(&self.connection, record)?;
        let Some(state) = overlay::fold(&self.identity, &row, &unsettled)? else {
            return Ok(None);
        };
        let open: Vec<Own> = Own::select(
            &self.connection,
            &format!("o.record = ?1 AND {OPEN}"),
            [&record.as_bytes()[..]],
        )?;
        let standing = open
            .iter()
            .map(Own::standing)
            .min_by_key(|standing| urgency(*standing))
            .unwrap_or(if state.has_conflict() {
                Standing::Conflict
            } else {
                Standing::InForce
            });
        let shown = state.state.as_deref();
        let (word, next) = word(standing, shown);
        let own = open
            .into_iter()
            .map(|own| OutboxItem::of(own, shown))
            .collect();
        Ok(Some(RecordView {
            record,
            own,
            word,
            next,
            in_scope: row.in_scope,
            stale: row.stale,
            state,
        }))
    }
}
