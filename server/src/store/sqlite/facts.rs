//! What the server reckons of records beside what lists show: when it must look at one again, when its clock is over, what it
//! is about, and where it is.

use super::IndexRead;
use crate::store::StoreError;
use rusqlite::{Connection, params};
use sync_core::geo::Place;
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;

/// The tables, in the projection's file.
pub(super) const SCHEMA: &str = "
    -- When the server looks at a record by itself, unless somebody moves it before; when its clock is over; which other record
    -- it is about; where it is.
    CREATE TABLE facts (
        no INTEGER PRIMARY KEY,
        due_ms INTEGER,
        over_ms INTEGER,
        subject BLOB,
        latitude_e7 INTEGER,
        longitude_e7 INTEGER,
        accuracy_m INTEGER
    ) STRICT;
    CREATE INDEX facts_due ON facts (due_ms, no) WHERE due_ms IS NOT NULL;
    CREATE INDEX facts_over ON facts (over_ms, no) WHERE over_ms IS NOT NULL;
    CREATE INDEX facts_subject ON facts (subject, no) WHERE subject IS NOT NULL;
";

/// What is reckoned of one record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the server looks at it by itself.
    pub due_ms: Option<i64>,
    /// When its clock is over.
    pub over_ms: Option<i64>,
    /// The record that it is about.
    pub subject: Option<RecordId>,
    /// Where it is.
    pub place: Option<Place>,
}

impl Facts {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A report as rules that look for many of them see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SightedRow {
    /// The district's number of the record.
    pub no: i64,
    /// Its id.
    pub id: RecordId,
    /// Its unit.
    pub unit: UnitId,
    /// Its category.
    pub category: String,
    /// Where its workflow stands.
    pub state: String,
    /// When it was made.
    pub time_ms: i64,
    /// When its clock is over.
    pub over_ms: Option<i64>,
    /// Where it is.
    pub place: Option<Place>,
}

/// An alert in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// Its id.
    pub id: RecordId,
    /// Its unit.
    pub unit: UnitId,
    /// Where its workflow stands.
    pub state: String,
    /// When it was raised.
    pub time_ms: i64,
}

/// Writes what is reckoned of a record in the place of what was.
pub(super) fn put_facts(
    connection: &Connection,
    no: i64,
    facts: Option<&Facts>,
) -> Result<(), StoreError> {
    let Some(facts) = facts.filter(|facts| !facts.is_empty()) else {
        connection
            .prepare_cached("DELETE FROM facts WHERE no = ?1")?
            .execute([no])?;
        return Ok(());
    };
    let sql = "INSERT OR REPLACE INTO facts (no, due_ms, over_ms, subject, latitude_e7, longitude_e7, accuracy_m)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    connection.prepare_cached(sql)?.execute(params![
        no,
        facts.due_ms,
        facts.over_ms,
        facts.subject.map(|subject| subject.as_bytes().to_vec()),
        facts.place.map(|place| place.latitude_e7),
        facts.place.map(|place| place.longitude_e7),
        facts.place.map(|place| place.accuracy_m),
    ])?;
    Ok(())
}

const SIGHTED: &str = "SELECT r.no, r.id, r.unit, r.category, r.state, r.time_ms, f.over_ms,
    f.latitude_e7, f.longitude_e7, f.accuracy_m FROM record r";

impl IndexRead {
    /// Records that the server must look at up to a time, after a time and number; the oldest first, at most so many.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_due(
        &self,
        after: (i64, i64),
        until_ms: i64,
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql =
            "SELECT due_ms, no FROM facts WHERE due_ms IS NOT NULL AND (due_ms, no) > (?1, ?2)
                   AND due_ms <= ?3 ORDER BY due_ms, no LIMIT ?4";
        self.list_pairs(sql, after, until_ms, limit)
    }

    /// Records whose clock is over up to a time, after a time and number; the one that is over first comes first.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_over(
        &self,
        after: (i64, i64),
        until_ms: i64,
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let sql =
            "SELECT over_ms, no FROM facts WHERE over_ms IS NOT NULL AND (over_ms, no) > (?1, ?2)
                   AND over_ms <= ?3 ORDER BY over_ms, no LIMIT ?4";
        self.list_pairs(sql, after, until_ms, limit)
    }

    fn list_pairs(
        &self,
        sql: &str,
        after: (i64, i64),
        until_ms: i64,
        limit: usize,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement
            .query_map(params![after.0, after.1, until_ms, limit as i64], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When the last record of a kind about another was made; `None` when there is none.
    ///
    /// # Errors
    /// The database's own.
    pub fn last_about_ms(&self, subject: RecordId, kind: Kind) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(r.time_ms) FROM facts f JOIN record r ON r.no = f.no
                   WHERE f.subject = ?1 AND r.kind = ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let last = statement.query_row(params![&subject.as_bytes()[..], kind as u8], |row| {
            row.get(0)
        })?;
        Ok(last)
    }

    /// The id of a record by its number.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_id(&self, no: i64) -> Result<Option<RecordId>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id FROM record WHERE no = ?1")?;
        let mut rows = statement.query([no])?;
        let id = rows
            .next()?
            .map(|row| row.get::<_, Vec<u8>>(0))
            .transpose()?;
        Ok(id.and_then(|id| RecordId::from_slice(&id)))
    }

    /// The numbers of all records of a kind, the newest first.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_of_kind(&self, kind: Kind) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT no FROM record INDEXED BY record_kind WHERE kind = ?1 ORDER BY key DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([kind as u8], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Reports of a category since a key (see [`super::index::first_key_at`]), the newest first, at most so many.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_sighted(
        &self,
        category: &str,
        from: i64,
        limit: usize,
    ) -> Result<Vec<SightedRow>, StoreError> {
        let sql = format!(
            "{SIGHTED} INDEXED BY record_category LEFT JOIN facts f ON f.no = r.no
             WHERE r.category = ?1 AND r.key >= ?2 AND r.kind = ?3 ORDER BY r.key DESC LIMIT ?4"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let kind = Kind::Report as u8;
        let rows = statement.query_map(params![category, from, kind, limit as i64], sighted)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Reports in a state, the newest first.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_in_state(&self, state: &str) -> Result<Vec<SightedRow>, StoreError> {
        let sql = format!(
            "{SIGHTED} INDEXED BY record_state LEFT JOIN facts f ON f.no = r.no
             WHERE r.state = ?1 AND r.kind = ?2 ORDER BY r.key DESC"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![state, Kind::Report as u8], sighted)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The alerts of a rule, the newest first.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_alerts(&self, rule: &str) -> Result<Vec<AlertRow>, StoreError> {
        let sql = "SELECT unit, state, time_ms, id FROM record INDEXED BY record_category
                   WHERE category = ?1 AND kind = ?2 ORDER BY key DESC";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![rule, Kind::Alert as u8], |row| {
            let id: Vec<u8> = row.get(3)?;
            Ok(AlertRow {
                id: RecordId::from_slice(&id).ok_or(rusqlite::Error::InvalidQuery)?,
                unit: UnitId(row.get(0)?),
                state: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                time_ms: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn sighted(row: &rusqlite::Row<'_>) -> rusqlite::Result<SightedRow> {
    let id: Vec<u8> = row.get(1)?;
    let id = RecordId::from_slice(&id).ok_or(rusqlite::Error::InvalidQuery)?;
    let latitude: Option<i64> = row.get(7)?;
    let longitude: Option<i64> = row.get(8)?;
    let accuracy_m: Option<i64> = row.get(9)?;
    Ok(SightedRow {
        no: row.get(0)?,
        id,
        unit: UnitId(row.get(2)?),
        category: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        state: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        time_ms: row.get(5)?,
        over_ms: row.get(6)?,
        place: latitude
            .zip(longitude)
            .map(|(latitude_e7, longitude_e7)| Place {
                latitude_e7,
                longitude_e7,
                accuracy_m: accuracy_m.unwrap_or(0),
            }),
    })
}
