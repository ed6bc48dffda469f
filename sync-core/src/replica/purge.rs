//! What leaves the phone: records out of scope, and everything when the replica was revoked. Never anything unsent.

use super::apply::Work;
use super::meta::{Condition, Meta};
use super::record::{self, Columns};
use super::{Replica, ReplicaError};
use crate::canary::{Canary, is_awake};
use crate::ids::RecordId;
use rusqlite::{Connection, params};

/// What became of a wipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wipe {
    /// The replica was not revoked: nothing was done.
    NotOrdered,
    /// So many changes have no receipt yet; nothing was done.
    Waits {
        /// How many.
        unsent: u64,
    },
    /// Everything is gone but the name, so that the app can say what happened.
    Wiped,
}

/// Whether own work on a record still waits: then its copy stays, frozen.
fn is_pending(connection: &Connection, record: RecordId) -> Result<bool, rusqlite::Error> {
    if is_awake(Canary::PurgeTakesUnsent) {
        connection.execute(
            "UPDATE own SET standing = 2, answer = x'0100' WHERE record = ?1 AND answer IS NULL",
            [&record.as_bytes()[..]],
        )?;
        return Ok(false);
    }
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM own WHERE record = ?1 AND dismissed = 0
                AND (standing IN (1, 5, 6) OR again = 1))",
        )?
        .query_row([&record.as_bytes()[..]], |row| row.get(0))
}

/// A record leaves: its copy goes, or is frozen while own work on it waits.
pub(super) fn leave(work: &mut Work<'_>, record: RecordId) -> Result<(), ReplicaError> {
    let Some(row) = record::read(work.connection, record)? else {
        return Ok(());
    };
    if is_pending(work.connection, record)? {
        record::uncount(&mut work.meta, record, &row);
        let complete = row.complete.max(if row.in_scope && !row.stale {
            work.meta.cursor_place()
        } else {
            row.complete
        });
        work.connection
            .prepare_cached(
                "UPDATE record SET in_scope = 0, stale = 0, asked = 0, frozen = ?2, complete_epoch = ?3,
                    complete_pos = ?4 WHERE no = ?1",
            )?
            .execute(params![
                row.no,
                row.image.is_some(),
                complete.epoch.0,
                complete.pos.0 as i64
            ])?;
        work.touched.insert(record);
        return Ok(());
    }
    record::remove(work.connection, &mut work.meta, record, &row)?;
    work.connection
        .prepare_cached("UPDATE own SET settled = 1 WHERE record = ?1 AND settled = 0")?
        .execute([&record.as_bytes()[..]])?;
    work.touched.remove(&record);
    if row.image.is_some() {
        work.applied.left += 1;
    }
    Ok(())
}

/// All records that the present scope does not hold leave. Those of a scope gained come as images.
pub(super) fn leave_outside(work: &mut Work<'_>) -> Result<u64, ReplicaError> {
    let Some(scope) = work.meta.scope.clone() else {
        return Ok(0);
    };
    let mut outside = Vec::new();
    {
        let mut statement = work.connection.prepare_cached(
            "SELECT id, kind, unit, desk FROM record WHERE image IS NOT NULL AND frozen = 0 ORDER BY no",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = record::id(row, 0)?;
            let contained = if work.with_overlay.contains(&record) {
                // The columns show the overlay; the scope goes by what the server holds.
                let image = record::read(work.connection, record)?.and_then(|row| row.image);
                let columns = Columns::of_image(&image.unwrap_or_default(), work.identity.person);
                scope.contains(columns.kind, columns.unit, columns.desk)
            } else {
                let kind = u64::try_from(row.get::<_, i64>(1)?).unwrap_or(u64::MAX);
                let kind =
                    crate::kinds::Kind::from_code(kind).unwrap_or(crate::kinds::Kind::Unknown);
                let desk = row.get::<_, Option<u32>>(3)?.map(crate::ids::UnitId);
                scope.contains(kind, crate::ids::UnitId(row.get(2)?), desk)
            };
            if !contained {
                outside.push(record);
            }
        }
    }
    leave_all(work, outside)
}

/// All records that a full repair did not bring again leave.
pub(super) fn leave_missed(work: &mut Work<'_>) -> Result<u64, ReplicaError> {
    let mut missed = Vec::new();
    {
        let mut statement = work.connection.prepare_cached(
            "SELECT id FROM record WHERE in_scope = 1 AND image IS NOT NULL AND round < ?1 ORDER BY no",
        )?;
        let mut rows = statement.query([work.meta.round])?;
        while let Some(row) = rows.next()? {
            missed.push(record::id(row, 0)?);
        }
    }
    leave_all(work, missed)
}

fn leave_all(work: &mut Work<'_>, records: Vec<RecordId>) -> Result<u64, ReplicaError> {
    let before = work.applied.left;
    for record in records {
        leave(work, record)?;
    }
    Ok(std::mem::replace(&mut work.applied.left, before) - before)
}

/// Drops frozen copies that no own work waits for any more.
pub(super) fn drop_thawed(connection: &Connection, meta: &mut Meta) -> Result<u64, ReplicaError> {
    let mut thawed = Vec::new();
    {
        let mut statement = connection
            .prepare_cached("SELECT id FROM record WHERE frozen = 1 AND stale = 0 ORDER BY no")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let record = record::id(row, 0)?;
            if !is_pending(connection, record)? {
                thawed.push(record);
            }
        }
    }
    for record in &thawed {
        if let Some(row) = record::read(connection, *record)? {
            record::remove(connection, meta, *record, &row)?;
        }
        connection
            .prepare_cached("UPDATE own SET settled = 1 WHERE record = ?1 AND settled = 0")?
            .execute([&record.as_bytes()[..]])?;
    }
    Ok(thawed.len() as u64)
}

impl Replica {
    /// Wipes a revoked replica once every change it made has a verified receipt; until then it says how many wait.
    /// Names, receipts and hashes stay; keys, records, contents and drafts go, from the free pages of the file as well.
    /// A wipe that was cut off in the middle is ended by calling this again, as after each start of the app.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn wipe_when_safe(&mut self) -> Result<Wipe, ReplicaError> {
        match self.condition()? {
            Condition::Revoked => {}
            Condition::Wiped => {
                self.connection.execute_batch("VACUUM")?;
                return Ok(Wipe::Wiped);
            }
            _ => return Ok(Wipe::NotOrdered),
        }
        let unsent: i64 = self.connection.query_row(
            "SELECT count(*) FROM own WHERE standing = 1 OR again = 1",
            [],
            |row| row.get(0),
        )?;
        if unsent > 0 && !is_awake(Canary::WipeTakesUnsent) {
            return Ok(Wipe::Waits {
                unsent: unsent as u64,
            });
        }
        self.connection.execute_batch("PRAGMA secure_delete = ON")?;
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(
            "DELETE FROM record; DELETE FROM own_part; DELETE FROM draft; DELETE FROM unknown_entry;
             UPDATE own SET header = NULL, open = NULL, reason = '', settled = 1;
             UPDATE identity SET seed = zeroblob(32);
             UPDATE meta SET scope = NULL, digest = zeroblob(24), cursor_pos = 0, scope_version = 0, backfill = 0;",
        )?;
        transaction.execute("UPDATE meta SET condition = ?1", [Condition::Wiped as i64])?;
        transaction.commit()?;
        self.connection.execute_batch("VACUUM")?;
        Ok(Wipe::Wiped)
    }
}
