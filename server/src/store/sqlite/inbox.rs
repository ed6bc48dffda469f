//! What waits for a person, in the projection's file: conflicts of fields, steps that were not applied, changes that wait or
//! came from a forked branch.

use super::IndexRead;
use super::index::Projected;
use crate::store::StoreError;
use rusqlite::{Connection, Row, params};
use sync_core::ids::{Pos, UnitId};
use sync_core::kinds::Kind;
use sync_core::limits;

/// Of what sort something is that waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum InboxSort {
    /// A field holds values of people who did not see each other's.
    Conflict = 1,
    /// A step was not applied, and nobody has taken a later one.
    NotApplied = 2,
    /// A change waits for something that is not in force.
    Held = 3,
    /// Something is wrong with a change.
    Quarantined = 4,
    /// A change of a forked branch is in force, and nobody has looked at it.
    Forked = 5,
}

impl InboxSort {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Conflict,
        Self::NotApplied,
        Self::Held,
        Self::Quarantined,
        Self::Forked,
    ];

    /// Its name, as the API has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::NotApplied => "not_applied",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Forked => "forked",
        }
    }
}

/// One thing that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxRow {
    /// Of what sort.
    pub sort: InboxSort,
    /// The district's number of the record; `None` for an unreadable change.
    pub no: Option<i64>,
    /// The change; of a conflict, the newest value's.
    pub pos: Pos,
    /// The field of a conflict; empty otherwise.
    pub field: String,
    /// The record's kind; unknown for what cannot be read.
    pub kind: Kind,
    /// The record's unit; that of the change while nobody has made the record.
    pub unit: UnitId,
    /// The record's desk.
    pub desk: Option<UnitId>,
    /// Since when it waits.
    pub since_ms: i64,
}

/// Something that no longer waits: somebody has settled it, or it settled itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledRow {
    /// Grows; where a reader goes on. Begins anew with a projection that is made again.
    pub id: i64,
    /// Of what sort it was.
    pub sort: InboxSort,
    /// The district's number of the record.
    pub no: Option<i64>,
    /// The change that it was about: whose author may want to know.
    pub pos: Pos,
    /// The field of a conflict.
    pub field: String,
    /// The entry that settled it, or one soon after it.
    pub by: Pos,
}

/// What is kept of things that no longer wait.
const SETTLED_MAX: i64 = 10_000;

const NO_BITS: u32 = 20;
const TIME_MAX: i64 = (1 << (63 - NO_BITS)) - 1;

fn first_key_at(time_ms: i64) -> i64 {
    (time_ms.saturating_sub(limits::TIME_MS_MIN)).clamp(0, TIME_MAX) << NO_BITS
}

/// The items of a record take the place of those that it had; its waiting changes follow it to where it is.
pub(super) fn put_record(
    connection: &Connection,
    no: i64,
    record: Option<&Projected>,
) -> Result<(), StoreError> {
    let before = take(
        connection,
        "DELETE FROM inbox WHERE no = ?1 AND sort <= 2
         RETURNING key, sort, no, pos, field, kind, unit, desk, since_ms",
        no,
    )?;
    let Some(record) = record else { return Ok(()) };
    let row = &record.row;
    for old in before {
        let is_same = |new: &&InboxRow| {
            let same_change = old.sort == InboxSort::Conflict || new.pos == old.pos;
            (new.sort, &new.field) == (old.sort, &old.field) && same_change
        };
        if !record.items.iter().any(|new| is_same(&new)) {
            note_settled(connection, &old, row.pos)?;
        }
    }
    connection
        .prepare_cached("UPDATE inbox SET kind = ?2, unit = ?3, desk = ?4 WHERE no = ?1")?
        .execute(params![
            no,
            row.kind as u8,
            row.unit.0,
            row.desk.map(|desk| desk.0)
        ])?;
    for item in &record.items {
        insert(connection, item)?;
    }
    Ok(())
}

/// What of a change waits takes the place of what did before.
pub(super) fn put_change(
    connection: &Connection,
    pos: Pos,
    item: Option<&InboxRow>,
    at: Pos,
) -> Result<(), StoreError> {
    let before = take(
        connection,
        "DELETE FROM inbox WHERE pos = ?1 AND sort > 2
         RETURNING key, sort, no, pos, field, kind, unit, desk, since_ms",
        pos.0 as i64,
    )?;
    for old in before {
        if item.is_none() {
            note_settled(connection, &old, at)?;
        }
    }
    item.map_or(Ok(()), |item| insert(connection, item))
}

/// Takes items out and hands them back.
fn take(connection: &Connection, sql: &str, of: i64) -> Result<Vec<InboxRow>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([of])?;
    let mut taken = Vec::new();
    while let Some(row) = rows.next()? {
        taken.push(read_row(row)?.1);
    }
    Ok(taken)
}

fn note_settled(connection: &Connection, item: &InboxRow, by: Pos) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO settled (sort, no, pos, field, by_pos) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            item.sort as u8,
            item.no,
            item.pos.0 as i64,
            item.field,
            by.0 as i64
        ])?;
    let last = connection.last_insert_rowid();
    connection
        .prepare_cached("DELETE FROM settled WHERE id <= ?1")?
        .execute([last - SETTLED_MAX])?;
    Ok(())
}

fn insert(connection: &Connection, item: &InboxRow) -> Result<(), StoreError> {
    let first = first_key_at(item.since_ms);
    // The next that is free: things of one moment stand behind each other.
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(key) FROM inbox WHERE key >= ?1 AND key < ?2")?
        .query_row(params![first, first + (1 << NO_BITS)], |row| row.get(0))?;
    let key = last.map_or(first, |last| last + 1);
    connection
        .prepare_cached(
            "INSERT INTO inbox (key, sort, no, pos, field, kind, unit, desk, since_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            key,
            item.sort as u8,
            item.no,
            item.pos.0 as i64,
            item.field,
            item.kind as u8,
            item.unit.0,
            item.desk.map(|desk| desk.0),
            item.since_ms
        ])?;
    Ok(())
}

fn read_row(row: &Row<'_>) -> Result<(i64, InboxRow), StoreError> {
    let key: i64 = row.get(0)?;
    let wrong = |what| StoreError::corrupt("inbox", key, what);
    let sort: u8 = row.get(1)?;
    let sort = InboxSort::ALL.into_iter().find(|each| *each as u8 == sort);
    let kind = Kind::from_code(row.get::<_, i64>(5)? as u64);
    let item = InboxRow {
        sort: sort.ok_or_else(|| wrong("sort"))?,
        no: row.get(2)?,
        pos: Pos(row.get::<_, i64>(3)? as u64),
        field: row.get(4)?,
        kind: kind.ok_or_else(|| wrong("kind"))?,
        unit: UnitId(row.get(6)?),
        desk: row.get::<_, Option<u32>>(7)?.map(UnitId),
        since_ms: row.get(8)?,
    };
    Ok((key, item))
}

impl IndexRead {
    /// The changes of a sort that wait about records of a kind, in the order of the log.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_waiting(&self, sort: InboxSort, kind: Kind) -> Result<Vec<Pos>, StoreError> {
        let sql = "SELECT pos FROM inbox WHERE sort = ?1 AND kind = ?2 ORDER BY pos";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([sort as u8, kind as u8], |row| {
            Ok(Pos(row.get::<_, i64>(0)? as u64))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was settled after an id of this list, in order, at most so much.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_settled(&self, after: i64, limit: usize) -> Result<Vec<SettledRow>, StoreError> {
        let sql = "SELECT id, sort, no, pos, field, by_pos FROM settled WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![after, limit as i64])?;
        let mut settled = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, sort): (i64, u8) = (row.get(0)?, row.get(1)?);
            let sort = InboxSort::ALL.into_iter().find(|each| *each as u8 == sort);
            settled.push(SettledRow {
                id,
                sort: sort.ok_or_else(|| StoreError::corrupt("settled", id, "sort"))?,
                no: row.get(2)?,
                pos: Pos(row.get::<_, i64>(3)? as u64),
                field: row.get(4)?,
                by: Pos(row.get::<_, i64>(5)? as u64),
            });
        }
        Ok(settled)
    }

    /// Hands what waits, of one sort or of all, to `take` with its key, the oldest first and from above a key on, until
    /// `take` says stop.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn scan_inbox(
        &self,
        sort: Option<InboxSort>,
        above: i64,
        mut take: impl FnMut(i64, InboxRow) -> bool,
    ) -> Result<(), StoreError> {
        let sql = match sort {
            Some(_) => {
                "SELECT key, sort, no, pos, field, kind, unit, desk, since_ms FROM inbox INDEXED BY inbox_sort
                 WHERE sort = ?1 AND key > ?2 ORDER BY key"
            }
            None => {
                "SELECT key, sort, no, pos, field, kind, unit, desk, since_ms FROM inbox NOT INDEXED
                 WHERE ?1 IS NULL AND key > ?2 ORDER BY key"
            }
        };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![sort.map(|sort| sort as u8), above])?;
        while let Some(row) = rows.next()? {
            let (key, item) = read_row(row)?;
            if !take(key, item) {
                break;
            }
        }
        Ok(())
    }
}
