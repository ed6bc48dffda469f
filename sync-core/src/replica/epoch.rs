//! A new epoch: the server was restored from a copy and lost the end of its log. The phones bring it back.

use super::apply::Work;
use super::own::Own;
use super::{ApplyError, fork, receipts, record};
use crate::canary::{Canary, is_awake};
use crate::ids::{DocumentsVersion, Pos};
use crate::wire::SyncResponse;
use rusqlite::params;

/// Enters a new epoch. What the restored log may not hold is no longer trusted: records above its end are asked for as
/// images, and the cursor goes back to that end. The server says up to where its log and the one known here are the same,
/// whatever was restored in between; 0 when it has not heard of the epoch known here.
pub(super) fn begin(work: &mut Work<'_>, response: &SyncResponse) -> Result<(), ApplyError> {
    let start = response.epoch_start;
    let complete = work.meta.cursor_place();
    let mut above = Vec::new();
    {
        let mut statement = work.connection.prepare_cached(
            "SELECT id FROM record WHERE image IS NOT NULL AND pos > ?1 ORDER BY no",
        )?;
        let mut rows = statement.query([start.0 as i64])?;
        while let Some(row) = rows.next()? {
            above.push(record::id(row, 0)?);
        }
    }
    for record in above {
        let in_scope = record::read(work.connection, record)?.is_some_and(|row| row.in_scope);
        if in_scope {
            record::mark_stale(work.connection, record, complete)?;
        }
    }
    // A copy that is kept outside the scope has a place that says nothing any more: were the record to come into the scope,
    // it would pass for one that is up to date.
    work.connection
        .prepare_cached(
            "UPDATE record SET frozen = 1 WHERE image IS NOT NULL AND in_scope = 0 AND pos > ?1",
        )?
        .execute([start.0 as i64])?;
    for record in receipts::forget_rulings_above(work.connection, start)? {
        work.touched.insert(record);
        work.with_overlay.insert(record);
    }
    repeat_earlier_names(work, start)?;
    work.meta.epoch = response.epoch;
    work.meta.cursor.epoch = response.epoch;
    work.meta.cursor.pos = Pos(work.meta.cursor.pos.0.min(start.0));
    // Another history's documents may have the same number.
    work.meta.documents = DocumentsVersion(0);
    work.applied.new_epoch = true;
    Ok(())
}

/// What was received under an earlier name above the restored log's end is repeated under the present one: nobody offers
/// it again under the old one, which another database may speak under. What the log has all the same, the server finds out.
fn repeat_earlier_names(work: &mut Work<'_>, start: Pos) -> Result<(), ApplyError> {
    let lost = Own::select(
        work.connection,
        "o.chain < ?1 AND o.place_pos > ?2 AND o.header IS NOT NULL",
        params![work.identity.chain, start.0 as i64],
    )?;
    for own in &lost {
        work.touched.insert(own.record);
        work.with_overlay.insert(own.record);
    }
    fork::repeat_all(work.connection, &mut work.meta, work.identity, &lost)?;
    Ok(())
}

/// Own changes above the server's mark that it had answered once: the restored log lost them, and they are offered
/// again with their receipts. Their verdicts stay for the person to see.
pub(super) fn offer_again_above(
    work: &mut Work<'_>,
    response: &SyncResponse,
) -> Result<(), ApplyError> {
    if is_awake(Canary::OfferForgotten) {
        return Ok(());
    }
    let mut statement = work.connection.prepare_cached(
        "UPDATE own SET again = 1, settled = 0 WHERE chain = ?1 AND seq > ?2 AND answer IS NOT NULL AND again = 0
            AND header IS NOT NULL RETURNING record",
    )?;
    let mut rows = statement.query(params![work.identity.chain, response.mark.0 as i64])?;
    while let Some(row) = rows.next()? {
        let record = record::id(row, 0).map_err(ApplyError::from)?;
        work.touched.insert(record);
        work.with_overlay.insert(record);
    }
    Ok(())
}

/// Whether a change above the server's mark has left this phone: it was safe, and a copy from before the one that made it
/// so was put back. The chain cannot be offered again across that gap, and what comes after it must not wait for ever:
/// the phone goes on under a new name, as after a fork.
pub(super) fn lacks_what_was_lost(
    work: &Work<'_>,
    response: &SyncResponse,
) -> Result<bool, ApplyError> {
    Ok(work
        .connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM own WHERE chain = ?1 AND seq > ?2 AND header IS NULL)",
        )?
        .query_row(
            params![work.identity.chain, response.mark.0 as i64],
            |row| row.get(0),
        )?)
}
