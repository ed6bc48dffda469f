//! Changes that wait: held for something not yet in force, or quarantined until a person rules or the author repairs.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{OptionalExtension, params};
use sync_core::change::Hash;
use sync_core::ids::{Pos, RecordId, ReplicaId, Seq};
use sync_core::verdict::Verdict;

/// What a held change waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitKey(pub Vec<u8>);

impl WaitKey {
    /// A record that is not in force yet.
    pub fn record(record: RecordId) -> Self {
        Self([b"r", &record.as_bytes()[..]].concat())
    }

    /// A change that is not in force yet.
    pub fn change(replica: ReplicaId, seq: Seq) -> Self {
        Self([b"c", &replica.as_bytes()[..], &seq.0.to_be_bytes()].concat())
    }

    /// An intent that the server does not know yet.
    pub fn intent(name: &str) -> Self {
        Self([b"i", name.as_bytes()].concat())
    }
}

/// A change that waits.
#[derive(Clone, Debug)]
pub struct HeldRow {
    /// Its place.
    pub pos: Pos,
    /// Held or quarantined.
    pub verdict: Verdict,
    /// Since when.
    pub since_ms: i64,
}

impl DistrictRead {
    /// The changes that wait for this, oldest first.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_waiting_for(&self, key: &WaitKey) -> Result<Vec<Pos>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT pos FROM held WHERE wait_key = ?1 ORDER BY pos")?;
        let rows = statement.query_map([&key.0], |row| Ok(Pos(row.get::<_, i64>(0)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The changes that wait for an intent that the server did not know, oldest first.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_waiting_for_intents(&self) -> Result<Vec<Pos>, StoreError> {
        let sql = "SELECT pos FROM held WHERE wait_key >= ?1 AND wait_key < ?2 ORDER BY pos";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map([&b"i"[..], &b"j"[..]], |row| {
            Ok(Pos(row.get::<_, i64>(0)? as u64))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everything that some change waits for.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_wait_keys(&self) -> Result<Vec<WaitKey>, StoreError> {
        let sql = "SELECT DISTINCT wait_key FROM held WHERE wait_key IS NOT NULL";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok(WaitKey(row.get(0)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All waiting changes that came before `before_ms`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_held(&self, before_ms: i64, limit: usize) -> Result<Vec<HeldRow>, StoreError> {
        let sql =
            "SELECT pos, verdict, since_ms FROM held WHERE since_ms < ?1 ORDER BY pos LIMIT ?2";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query(params![before_ms, limit as i64])?;
        let mut held = Vec::new();
        while let Some(row) = rows.next()? {
            let pos = Pos(row.get::<_, i64>(0)? as u64);
            let verdict = Verdict::from_code(row.get::<_, i64>(1)? as u64)
                .ok_or_else(|| StoreError::corrupt("held", pos, "verdict"))?;
            held.push(HeldRow {
                pos,
                verdict,
                since_ms: row.get(2)?,
            });
        }
        Ok(held)
    }

    /// Every change that waits, or that repeats one of a forked branch.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_perhaps_waiting(&self) -> Result<Vec<Pos>, StoreError> {
        let sql = "SELECT pos FROM held UNION SELECT pos FROM origin ORDER BY pos";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok(Pos(row.get::<_, i64>(0)? as u64)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether a change waits, and as what.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_held(&self, pos: Pos) -> Result<Option<Verdict>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT verdict FROM held WHERE pos = ?1")?;
        let code: Option<i64> = statement
            .query_row([pos.0 as i64], |row| row.get(0))
            .optional()?;
        Ok(code.and_then(|code| Verdict::from_code(code as u64)))
    }

    /// How many changes wait.
    ///
    /// # Errors
    /// The database's own.
    pub fn count_held(&self) -> Result<u64, StoreError> {
        Ok(self
            .connection()
            .query_row("SELECT count(*) FROM held", [], |row| row.get::<_, i64>(0))?
            as u64)
    }

    /// The newest ruling about a change at or below `at`. One that released it as quarantined may be followed by the
    /// one that ends it.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_ruling(&self, pos: Pos, at: Pos) -> Result<Option<Pos>, StoreError> {
        let sql =
            "SELECT ruling FROM ruled WHERE pos = ?1 AND ruling <= ?2 ORDER BY ruling DESC LIMIT 1";
        let mut statement = self.connection().prepare_cached(sql)?;
        let at = at.0.min(i64::MAX as u64) as i64;
        let found: Option<i64> = statement
            .query_row([pos.0 as i64, at], |row| row.get(0))
            .optional()?;
        Ok(found.map(|pos| Pos(pos as u64)))
    }

    /// The ruling that says that a person has looked at a change.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_seen(&self, pos: Pos) -> Result<Option<Pos>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT ruling FROM seen WHERE pos = ?1")?;
        let found: Option<i64> = statement
            .query_row([pos.0 as i64], |row| row.get(0))
            .optional()?;
        Ok(found.map(|pos| Pos(pos as u64)))
    }

    /// Whether any change repeats one of a forked branch.
    ///
    /// # Errors
    /// The database's own.
    pub fn has_origins(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM origin)";
        Ok(self.connection().query_row(sql, [], |row| row.get(0))?)
    }

    /// The place of the change that repeated a forked branch's change of this hash.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_origin(&self, hash: Hash) -> Result<Option<Pos>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT pos FROM origin WHERE hash = ?1")?;
        let found: Option<i64> = statement
            .query_row([&hash.0[..]], |row| row.get(0))
            .optional()?;
        Ok(found.map(|pos| Pos(pos as u64)))
    }
}

impl DistrictWrite {
    /// A change waits from now on.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_held(
        &self,
        pos: Pos,
        verdict: Verdict,
        since_ms: i64,
        wait: Option<&WaitKey>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO held (pos, verdict, since_ms, wait_key) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (pos) DO UPDATE SET wait_key = ?4";
        let key = wait.map(|wait| &wait.0);
        self.connection().prepare_cached(sql)?.execute(params![
            pos.0 as i64,
            verdict as i64,
            since_ms,
            key
        ])?;
        Ok(())
    }

    /// A ruling about a change that waits ends its waiting, unless it was released as quarantined: then it waits on, for
    /// a person or a repair, since the time it came.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_ruled(&self, pos: Pos, ruling: Pos, waits_on: bool) -> Result<(), StoreError> {
        let sql = if waits_on {
            "UPDATE held SET verdict = 4, wait_key = NULL WHERE pos = ?1"
        } else {
            "DELETE FROM held WHERE pos = ?1"
        };
        self.connection()
            .prepare_cached(sql)?
            .execute([pos.0 as i64])?;
        self.connection()
            .prepare_cached("INSERT INTO ruled (pos, ruling) VALUES (?1, ?2)")?
            .execute(params![pos.0 as i64, ruling.0 as i64])?;
        Ok(())
    }

    /// A person has looked at a change.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_seen(&self, pos: Pos, ruling: Pos) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO seen (pos, ruling) VALUES (?1, ?2)")?
            .execute(params![pos.0 as i64, ruling.0 as i64])?;
        Ok(())
    }

    /// A forked branch's change of this hash is in the log at `pos`.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_origin(&self, hash: Hash, pos: Pos) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO origin (hash, pos) VALUES (?1, ?2)")?
            .execute(params![&hash.0[..], pos.0 as i64])?;
        Ok(())
    }
}
