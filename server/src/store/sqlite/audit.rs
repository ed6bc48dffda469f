//! Reads that only `gridwork verify` makes: whole tables in their order, and how many rows each has.

use super::{DistrictRead, WaitKey};
use crate::store::StoreError;
use rusqlite::{OptionalExtension, Row, params};
use sync_core::change::Hash;
use sync_core::ids::{PersonId, Pos, ScopeVersion, UnitId};
use sync_core::verdict::Verdict;

/// Every table of a district's file.
pub const TABLES: [&str; 19] = [
    "meta", "epoch", "entry", "record", "sealed", "replica", "receipt", "scope", "held", "ruled",
    "origin", "bucket", "head", "person", "boundary", "document", "asked", "seen", "pack",
];

/// A change that waits, with what for.
#[derive(Clone, Debug)]
pub struct WaitingRow {
    /// Its place.
    pub pos: Pos,
    /// Held or quarantined.
    pub verdict: Verdict,
    /// Since when.
    pub since_ms: i64,
    /// What a held change waits for.
    pub wait: Option<WaitKey>,
}

fn read_waiting(row: &Row<'_>) -> Result<WaitingRow, StoreError> {
    let pos = Pos(row.get::<_, i64>(0)? as u64);
    let verdict = Verdict::from_code(row.get::<_, i64>(1)? as u64);
    Ok(WaitingRow {
        pos,
        verdict: verdict.ok_or_else(|| StoreError::corrupt("held", pos, "verdict"))?,
        since_ms: row.get(2)?,
        wait: row.get::<_, Option<Vec<u8>>>(3)?.map(WaitKey),
    })
}

impl DistrictRead {
    /// How many rows a table of [`TABLES`] has.
    ///
    /// # Errors
    /// The database's own.
    pub fn count_rows(&self, table: &str) -> Result<u64, StoreError> {
        assert!(TABLES.contains(&table), "BUG: there is no table {table}");
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = self
            .connection()
            .prepare_cached(&sql)?
            .query_row([], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// The place of the last entry, whatever the heads say; 0 when there is none.
    ///
    /// # Errors
    /// The database's own.
    pub fn last_entry_pos(&self) -> Result<Pos, StoreError> {
        let sql = "SELECT coalesce(max(pos), 0) FROM entry";
        let pos: i64 = self.connection().query_row(sql, [], |row| row.get(0))?;
        Ok(Pos(pos as u64))
    }

    /// Committed heads above a place, oldest first.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_heads_after(
        &self,
        after: Option<Pos>,
        limit: usize,
    ) -> Result<Vec<(Pos, Hash)>, StoreError> {
        let sql = "SELECT pos, hash FROM head WHERE pos > ?1 ORDER BY pos LIMIT ?2";
        let mut statement = self.connection().prepare_cached(sql)?;
        let after = after.map_or(i64::MIN, |pos| pos.0 as i64);
        let mut rows = statement.query(params![after, limit as i64])?;
        let mut heads = Vec::new();
        while let Some(row) = rows.next()? {
            let pos = Pos(row.get::<_, i64>(0)? as u64);
            let hash = Hash::from_slice(&row.get::<_, Vec<u8>>(1)?);
            heads.push((
                pos,
                hash.ok_or_else(|| StoreError::corrupt("head", pos, "hash"))?,
            ));
        }
        Ok(heads)
    }

    /// A waiting change's row.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_waiting(&self, pos: Pos) -> Result<Option<WaitingRow>, StoreError> {
        let sql = "SELECT pos, verdict, since_ms, wait_key FROM held WHERE pos = ?1";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([pos.0 as i64])?;
        rows.next()?.map(read_waiting).transpose()
    }

    /// Waiting changes above a place, oldest first.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_waiting_after(
        &self,
        after: Pos,
        limit: usize,
    ) -> Result<Vec<WaitingRow>, StoreError> {
        let sql = "SELECT pos, verdict, since_ms, wait_key FROM held WHERE pos > ?1 ORDER BY pos LIMIT ?2";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query(params![after.0 as i64, limit as i64])?;
        let mut waiting = Vec::new();
        while let Some(row) = rows.next()? {
            waiting.push(read_waiting(row)?);
        }
        Ok(waiting)
    }

    /// The text of one version of a document.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_document(&self, name: &str, version: u32) -> Result<Option<String>, StoreError> {
        let sql = "SELECT text FROM document WHERE name = ?1 AND version = ?2";
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement
            .query_row(params![name, version], |row| row.get(0))
            .optional()?)
    }

    /// Hands each version of each person's scope, in order, to `each`.
    ///
    /// # Errors
    /// The database's own.
    pub fn scan_scopes(
        &self,
        mut each: impl FnMut(PersonId, ScopeVersion, &[u8]),
    ) -> Result<(), StoreError> {
        let sql = "SELECT person, version, bytes FROM scope ORDER BY person, version";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let bytes: Vec<u8> = row.get(2)?;
            each(PersonId(row.get(0)?), ScopeVersion(row.get(1)?), &bytes);
        }
        Ok(())
    }

    /// The units that have a boundary.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_boundary_units(&self) -> Result<Vec<UnitId>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT unit FROM boundary ORDER BY unit")?;
        let rows = statement.query_map([], |row| Ok(UnitId(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
