//! What the phone's lists read: indexed columns only, no folding, the newest first.

use super::meta::Meta;
use super::{Replica, ReplicaError, record};
use crate::ids::{RecordId, UnitId};
use crate::kinds::Kind;
use rusqlite::{Row, params};

/// States of a report in which nothing more happens.
const ENDED: &str = "('CLOSED', 'EVALUATED', 'REJECTED', 'MERGED', 'CANCELLED', 'ARCHIVED')";

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    /// Which record.
    pub record: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Where it is.
    pub unit: UnitId,
    /// Who must act.
    pub desk: Option<UnitId>,
    /// Where its workflow stands.
    pub state: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// When it was made.
    pub time_ms: i64,
    /// Whether own work on it waits.
    pub pending: bool,
    /// Whether a field holds more than one value.
    pub conflict: bool,
}

/// Which records a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The kind.
    pub kind: Kind,
    /// Only of this unit.
    pub unit: Option<UnitId>,
    /// Only in this state.
    pub state: Option<String>,
    /// Made at or after.
    pub from_ms: i64,
    /// Made before; with the last row's time it turns the page.
    pub before_ms: i64,
    /// At most so many.
    pub limit: u32,
}

impl Filter {
    /// Everything of a kind, one screen of it.
    pub fn of(kind: Kind) -> Self {
        Self {
            kind,
            unit: None,
            state: None,
            from_ms: i64::MIN,
            before_ms: i64::MAX,
            limit: 100,
        }
    }
}

/// What the strip at the top of the screen counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Own changes without a verified receipt.
    pub waiting: u64,
    /// Received and held.
    pub held: u64,
    /// Quarantined or not applied, and not put aside.
    pub needs_repair: u64,
    /// Ended by a person without effect, and not put aside.
    pub returned: u64,
    /// Forms not sent.
    pub drafts: u64,
    /// Records in scope.
    pub records: u64,
    /// Records with a field of more than one value.
    pub conflicts: u64,
    /// Records that are asked for, because their copy is not whole.
    pub stale: u64,
}

const COLUMNS: &str = "id, kind, unit, desk, state, category, title, time_ms, pending, conflict";

fn list_row(row: &Row<'_>) -> Result<ListRow, ReplicaError> {
    let kind = u64::try_from(row.get::<_, i64>(1)?)
        .ok()
        .and_then(Kind::from_code)
        .ok_or(ReplicaError::Damaged("a record's kind"))?;
    Ok(ListRow {
        record: record::id(row, 0)?,
        kind,
        unit: UnitId(row.get(2)?),
        desk: row.get::<_, Option<u32>>(3)?.map(UnitId),
        state: row.get(4)?,
        category: row.get(5)?,
        title: row.get(6)?,
        time_ms: row.get(7)?,
        pending: row.get(8)?,
        conflict: row.get(9)?,
    })
}

impl Replica {
    fn rows(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<ListRow>, ReplicaError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM record WHERE {condition}"))?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(list_row(row)?);
        }
        Ok(found)
    }

    /// Own reports, or those entered for the person, in which something may still happen; the newest first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn my_open_reports(&self, limit: u32) -> Result<Vec<ListRow>, ReplicaError> {
        self.rows(
            &format!(
                "kind = ?1 AND mine = 1 AND (state IS NULL OR state NOT IN {ENDED}) ORDER BY time_ms DESC LIMIT ?2"
            ),
            params![Kind::Report as i64, limit],
        )
    }

    /// Reports of a category in which something may still happen, the newest first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn open_reports(&self, category: &str, limit: u32) -> Result<Vec<ListRow>, ReplicaError> {
        self.rows(
            &format!(
                "kind = ?1 AND category = ?2 AND (state IS NULL OR state NOT IN {ENDED})
                    ORDER BY time_ms DESC LIMIT ?3"
            ),
            params![Kind::Report as i64, category, limit],
        )
    }

    /// Patrols that started within `[from_ms, until_ms)`: the caller knows when the district's day begins and ends.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn patrols_between(
        &self,
        from_ms: i64,
        until_ms: i64,
    ) -> Result<Vec<ListRow>, ReplicaError> {
        self.list(&Filter {
            from_ms,
            before_ms: until_ms,
            limit: 1_000,
            ..Filter::of(Kind::Patrol)
        })
    }

    /// Records of a kind, the newest first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn list(&self, filter: &Filter) -> Result<Vec<ListRow>, ReplicaError> {
        self.rows(
            "kind = ?1 AND time_ms >= ?2 AND time_ms < ?3 AND (?4 IS NULL OR unit = ?4)
                AND (?5 IS NULL OR state = ?5) ORDER BY time_ms DESC LIMIT ?6",
            params![
                filter.kind as i64,
                filter.from_ms,
                filter.before_ms,
                filter.unit.map(|unit| unit.0),
                filter.state,
                filter.limit,
            ],
        )
    }

    /// Records with a field that holds more than one value.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn conflicts(&self, limit: u32) -> Result<Vec<ListRow>, ReplicaError> {
        self.rows("conflict = 1 ORDER BY no LIMIT ?1", [limit])
    }

    /// The counts.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn counts(&self) -> Result<Counts, ReplicaError> {
        let count = |sql: &str| -> Result<u64, ReplicaError> {
            let number: i64 = self
                .connection
                .prepare_cached(sql)?
                .query_row([], |row| row.get(0))?;
            Ok(number as u64)
        };
        let open = |standings: &str| {
            count(&format!(
                "SELECT count(*) FROM own WHERE (standing IN (1, 4, 5, 6, 7) OR again = 1) AND dismissed = 0
                    AND standing IN ({standings}) AND again = 0"
            ))
        };
        Ok(Counts {
            waiting: count("SELECT count(*) FROM own WHERE standing = 1 OR again = 1")?,
            held: open("5")?,
            needs_repair: open("4, 6")?,
            returned: open("7")?,
            drafts: count("SELECT count(*) FROM draft")?,
            records: Meta::load(&self.connection)?.digest.count,
            conflicts: count("SELECT count(*) FROM record WHERE conflict = 1")?,
            stale: count("SELECT count(*) FROM record WHERE stale = 1")?,
        })
    }

    /// Records to ask for as images: the longest unasked first.
    pub(crate) fn wanted(&self, limit: usize) -> Result<Vec<RecordId>, ReplicaError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM record WHERE stale = 1 ORDER BY asked, no LIMIT ?1")?;
        let mut rows = statement.query([limit as i64])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record::id(row, 0)?);
        }
        Ok(found)
    }
}
