//! The overlay: own changes on top of the server's image, until the image holds them itself.
//!
//! What the person sees: work without an answer, and work that is held, as if it were in force; a quarantined creation
//! with its own values, since nothing else shows it; other quarantined work, steps not applied and rejected work not at
//! all, since they have no effect on the record. The outbox shows them.

use super::ReplicaError;
use super::meta::{Identity, Meta};
use super::own::Own;
use super::record::{self, Columns, Row};
use crate::change::Header;
use crate::ids::{Epoch, LogPlace, Pos, RecordId};
use crate::kinds::{self, Shape};
use crate::limits;
use crate::merge::{Act, Event, RecordState, Stamp};
use crate::payload::Payload;
use crate::words::Standing;
use rusqlite::{Connection, params};

/// The epoch of effects that have no place yet: after everything that has one.
const PENDING_EPOCH: Epoch = Epoch(u32::MAX);

/// Whether a stamp is that of an own change which is not part of the server's image yet.
pub(super) fn is_pending(stamp: &Stamp) -> bool {
    stamp.place.epoch == PENDING_EPOCH
}

/// Whether the copy of the record holds an own change's effect already, by the place that its receipt gave it.
pub(super) fn is_in_copy(own: &Own, row: &Row) -> bool {
    let in_force = matches!(own.standing(), Standing::InForce | Standing::Conflict);
    let Some(place) = own.effect_place().filter(|_| in_force) else {
        return false;
    };
    if row.image.is_none() || row.place.pos < place.pos {
        return false;
    }
    if own.again {
        // The restored log lacks it: only the copy from before the restore holds it.
        row.place.epoch == place.epoch
    } else {
        row.place.epoch >= place.epoch
    }
}

/// Whether the copy shows a change of this replica that was made later: then the server has this one too, and only its
/// receipt was lost on the way, or is still to come.
fn is_seen_in_copy(own: &Own, row: &Row, state: Option<&RecordState>) -> bool {
    let unanswered = own.standing() == Standing::Unsent;
    let taken_again = own.again && own.place.is_some_and(|place| place.epoch < row.place.epoch);
    (unanswered || taken_again)
        && state.is_some_and(|state| {
            state
                .stamps()
                .any(|stamp| stamp.replica == own.replica_no && stamp.seq >= own.seq)
        })
}

/// The effect of an own change on what the person sees, if it has one there.
fn event(own: &Own, identity: &Identity) -> Option<Event> {
    let intent = kinds::find(&own.intent)?;
    let shown = match own.standing() {
        Standing::Unsent | Standing::Held => true,
        Standing::InForce | Standing::Conflict => !own.is_repeat(),
        Standing::Quarantined => matches!(intent.shape, Shape::Create(_)),
        Standing::Draft | Standing::NotApplied | Standing::Rejected | Standing::Repaired => false,
    };
    if !shown {
        return None;
    }
    let header = Header::decode(own.header.as_deref()?).ok()?;
    let payload = Payload::read(own.open.as_deref().unwrap_or(b"{}")).ok()?;
    let stamp = Stamp {
        place: LogPlace {
            epoch: PENDING_EPOCH,
            pos: Pos(own.local as u64),
        },
        first_place: None,
        time_ms: own.time_ms.unwrap_or(own.made_ms),
        person: identity.person,
        whose: header.for_person.map(|whose| whose.person),
        replica: own.replica_no,
        seq: own.seq,
    };
    Some(Event {
        stamp,
        base: header.base,
        unit: header.unit,
        act: Act::of(intent, payload)?,
    })
}

/// What the person sees of a record: the server's state with the unsettled own changes on top.
pub(super) fn fold(
    identity: &Identity,
    row: &Row,
    unsettled: &[Own],
) -> Result<Option<RecordState>, ReplicaError> {
    let mut state = match &row.image {
        Some(image) => match RecordState::from_image(image) {
            Ok(state) => Some(state),
            // An image of a later version: nothing can be laid over it.
            Err(_) => return Ok(None),
        },
        None => None,
    };
    let over: Vec<&Own> = unsettled
        .iter()
        .filter(|own| !is_in_copy(own, row) && !is_seen_in_copy(own, row, state.as_ref()))
        .collect();
    for own in over {
        if let Some(event) = event(own, identity) {
            state = Some(RecordState::advance(state, event));
        }
    }
    Ok(state)
}

/// The own changes that may still stand over a record's image.
pub(super) fn unsettled(
    connection: &Connection,
    record: RecordId,
) -> Result<Vec<Own>, ReplicaError> {
    Own::select(
        connection,
        "o.record = ?1 AND o.settled = 0",
        [&record.as_bytes()[..]],
    )
}

/// Brings the list columns of a record up to date with image and overlay. A row that holds nothing any more goes.
pub(super) fn refresh(
    connection: &Connection,
    identity: &Identity,
    record: RecordId,
) -> Result<(), ReplicaError> {
    let Some(row) = record::read(connection, record)? else {
        return Ok(());
    };
    let own = unsettled(connection, record)?;
    let state = fold(identity, &row, &own)?;
    if state.is_none() && row.image.is_none() && !row.stale && own.is_empty() {
        // Without an image it is in no digest.
        connection
            .prepare_cached("DELETE FROM record WHERE no = ?1")?
            .execute([row.no])?;
        return Ok(());
    }
    let columns = state.map_or_else(Columns::unreadable, |state| {
        Columns::of_state(&state, identity.person)
    });
    connection
        .prepare_cached(
            "UPDATE record SET kind = ?2, unit = ?3, desk = ?4, state = ?5, category = ?6, title = ?7, time_ms = ?8,
                mine = ?9, conflict = ?10, pending = ?11 WHERE no = ?1",
        )?
        .execute(params![
            row.no,
            columns.kind as i64,
            columns.unit.0,
            columns.desk.map(|desk| desk.0),
            columns.state,
            columns.category,
            columns.title,
            columns.time_ms,
            columns.mine,
            columns.conflict,
            own.iter().any(Own::is_pending),
        ])?;
    Ok(())
}

/// Settles what has no more part in the overlay. `is_current` says that the replica holds its scope up to the cursor,
/// with nothing more to come: then an effect at or below the cursor is either in an image or out of the scope.
/// Answers with the records that look different now.
pub(super) fn settle(
    connection: &Connection,
    meta: &Meta,
    is_current: bool,
) -> Result<Vec<RecordId>, ReplicaError> {
    let mut touched = Vec::new();
    for own in Own::select(connection, "o.settled = 0 AND o.standing <> 1", [])? {
        let done = match own.standing() {
            Standing::NotApplied | Standing::Rejected | Standing::Repaired => true,
            Standing::Quarantined => !kinds::find(&own.intent)
                .is_some_and(|intent| matches!(intent.shape, Shape::Create(_))),
            Standing::InForce | Standing::Conflict if !own.again => {
                has_arrived(connection, meta, is_current, &own)?
            }
            _ => false,
        };
        if done {
            connection
                .prepare_cached("UPDATE own SET settled = 1 WHERE local = ?1")?
                .execute([own.local])?;
            touched.push(own.record);
        }
    }
    Ok(touched)
}

fn has_arrived(
    connection: &Connection,
    meta: &Meta,
    is_current: bool,
    own: &Own,
) -> Result<bool, ReplicaError> {
    let row = record::read(connection, own.record)?;
    if row.as_ref().is_some_and(|row| is_in_copy(own, row)) {
        return Ok(true);
    }
    let waits = row.is_some_and(|row| row.stale);
    Ok(is_current
        && !waits
        && own
            .effect_place()
            .is_some_and(|place| place <= meta.cursor_place()))
}

/// Forgets the bytes of own changes that are safe, part of the record's image and received so long ago, by the server's
/// clock, that no backup from before them will be put back any more; seq, hash and receipt stay for good.
pub(super) fn forget_safe(
    connection: &Connection,
    identity: &Identity,
    meta: &Meta,
) -> Result<(), rusqlite::Error> {
    let received_before_ms = meta.contact_ms.saturating_sub(limits::OWN_KEPT_MS);
    let parameters = params![identity.chain, meta.safe_seq.0 as i64, received_before_ms];
    connection
        .prepare_cached(
            "DELETE FROM own_part WHERE local IN (SELECT local FROM own WHERE chain = ?1 AND seq <= ?2
                AND coalesce(received_ms, made_ms) < ?3 AND settled = 1 AND again = 0 AND standing IN (2, 3, 8) AND header IS NOT NULL)",
        )?
        .execute(parameters)?;
    connection
        .prepare_cached(
            "UPDATE own SET header = NULL, open = NULL WHERE chain = ?1 AND seq <= ?2 AND coalesce(received_ms, made_ms) < ?3 AND settled = 1 AND again = 0
                AND standing IN (2, 3, 8) AND header IS NOT NULL",
        )?
        .execute(parameters)?;
    Ok(())
}
