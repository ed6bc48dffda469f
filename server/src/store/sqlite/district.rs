//! A district's file: facts, epochs, heads, digests, and the transaction that groups many batches into one commit.

use super::{open_reader, open_writer, schema};
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use std::ops::Deref;
use std::path::Path;
use sync_core::change::Hash;
use sync_core::digest::SetDigest;
use sync_core::ids::{DistrictId, Epoch, LogPlace, Pos, UnitId};
use sync_core::kinds::{self, Kind, KnownIntents};

/// What the servers knew that did not note it yet.
const KNOWN_FIRST: KnownIntents = KnownIntents::up_to(1);

/// What never changes, or seldom, about a district.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistrictFacts {
    /// Its id, which stands in every hash.
    pub id: DistrictId,
    /// Its code, such as `440305`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its one time zone, an IANA name.
    pub time_zone: String,
    /// Each epoch with the place that the log had when it began, ascending.
    pub epochs: Vec<(Epoch, Pos)>,
    /// The place up to which the log has reached the second place; 0 without one.
    pub safe_pos: Pos,
    /// Which intents the server knew, with the place that the log had when it learned them, ascending.
    pub known: Vec<(KnownIntents, Pos)>,
    /// The last epoch that began because the log was found rolled back to nobody knows where; 0 when none did. Whoever
    /// knows an earlier one shares no place with this log for certain.
    pub anew: Epoch,
}

impl DistrictFacts {
    /// The present epoch and the place where it began.
    pub fn epoch(&self) -> (Epoch, Pos) {
        *self
            .epochs
            .last()
            .expect("BUG: a district has an epoch from the start")
    }

    /// Which intents the server knew when it gave a place.
    pub fn known_at(&self, pos: Pos) -> KnownIntents {
        let before = self.known.iter().rev().find(|(_, start)| *start < pos);
        before
            .or(self.known.first())
            .map_or(KNOWN_FIRST, |known| known.0)
    }

    /// Up to which place somebody who stands in `epoch` is sure to share this log.
    pub fn common_with(&self, epoch: Epoch) -> Pos {
        let known = self.epochs.iter().any(|(each, _)| *each == epoch);
        if !known || epoch < self.anew {
            return Pos(0);
        }
        let later = self.epochs.iter().find(|(each, _)| *each > epoch);
        later.map_or(Pos(u64::MAX), |(_, start)| *start)
    }

    /// The epoch in which a place was given.
    pub fn place(&self, pos: Pos) -> LogPlace {
        let epoch = self
            .epochs
            .iter()
            .rev()
            .find(|(_, start)| *start < pos)
            .unwrap_or(&self.epochs[0])
            .0;
        LogPlace { epoch, pos }
    }
}

/// The key of a digest that is kept up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    /// The records' kind.
    pub kind: Kind,
    /// Their unit.
    pub unit: UnitId,
    /// Their desk.
    pub desk: Option<UnitId>,
}

/// A connection that reads.
#[derive(Debug)]
pub struct DistrictRead {
    connection: Connection,
}

/// The one connection that writes; it reads as well.
#[derive(Debug)]
pub struct DistrictWrite {
    read: DistrictRead,
}

impl Deref for DistrictWrite {
    type Target = DistrictRead;

    fn deref(&self) -> &DistrictRead {
        &self.read
    }
}

impl DistrictRead {
    /// Opens a district's file for reading.
    ///
    /// # Errors
    /// The database's own, or that the file is of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_reader(path)?;
        schema::check_district(&connection)?;
        Ok(Self { connection })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs `read` over one state of the database.
    ///
    /// # Errors
    /// The database's own, or what `read` says.
    pub fn snapshot<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection
            .execute_batch("BEGIN")
            .map_err(StoreError::from)?;
        let result = read(self);
        self.connection
            .execute_batch("ROLLBACK")
            .map_err(StoreError::from)?;
        result
    }

    /// The district's facts.
    ///
    /// # Errors
    /// The database's own, or that the file is not a district's.
    pub fn facts(&self) -> Result<DistrictFacts, StoreError> {
        let meta = |name: &str| -> Result<Vec<u8>, StoreError> {
            self.find_meta(name)?
                .ok_or_else(|| StoreError::corrupt("meta", name, "missing"))
        };
        let text = |name: &str| -> Result<String, StoreError> {
            String::from_utf8(meta(name)?)
                .map_err(|_| StoreError::corrupt("meta", name, "not UTF-8"))
        };
        let id = DistrictId::from_slice(&meta("district")?);
        let mut statement = self
            .connection
            .prepare_cached("SELECT epoch, start_pos FROM epoch ORDER BY epoch")?;
        let epochs = statement
            .query_map([], |row| {
                Ok((Epoch(row.get(0)?), Pos(row.get::<_, i64>(1)? as u64)))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if epochs.is_empty() {
            return Err(StoreError::corrupt("epoch", 1, "missing"));
        }
        let safe_pos = self
            .find_meta("safe_pos")?
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        let anew = self
            .find_meta("anew_epoch")?
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_be_bytes);
        Ok(DistrictFacts {
            id: id.ok_or_else(|| StoreError::corrupt("meta", "district", "not an id"))?,
            code: text("code")?,
            name: text("name")?,
            time_zone: text("time_zone")?,
            epochs,
            safe_pos: Pos(safe_pos),
            known: self.list_known()?,
            anew: Epoch(anew),
        })
    }

    fn list_known(&self) -> Result<Vec<(KnownIntents, Pos)>, StoreError> {
        let bytes = self.find_meta("known_intents")?.unwrap_or_default();
        let rows = bytes.chunks_exact(12);
        if !rows.remainder().is_empty() {
            return Err(StoreError::corrupt("meta", "known_intents", "length"));
        }
        rows.map(|row| {
            let version = u32::from_be_bytes(row[..4].try_into().expect("BUG: 4 bytes"));
            if version > kinds::VERSION {
                return Err(StoreError::Newer {
                    what: "the district's table of intents".to_owned(),
                    found: i64::from(version),
                    known: i64::from(kinds::VERSION),
                });
            }
            let start = u64::from_be_bytes(row[4..].try_into().expect("BUG: 8 bytes"));
            Ok((KnownIntents::up_to(version), Pos(start)))
        })
        .collect()
    }

    fn find_meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// The last committed head: place and hash.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn head(&self) -> Result<(Pos, Hash), StoreError> {
        Ok(self
            .list_heads_before(Pos(u64::MAX >> 1), 1)?
            .first()
            .copied()
            .unwrap_or((Pos(0), Hash::ZERO)))
    }

    /// How far the steward has followed the log; `None` when it never has.
    ///
    /// # Errors
    /// The database's own.
    pub fn steward_pos(&self) -> Result<Option<Pos>, StoreError> {
        let bytes = self.find_meta("steward_pos")?;
        Ok(bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(|bytes| Pos(u64::from_be_bytes(bytes))))
    }

    /// Committed heads at or below a place, newest first.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_heads_before(
        &self,
        pos: Pos,
        limit: usize,
    ) -> Result<Vec<(Pos, Hash)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT pos, hash FROM head WHERE pos <= ?1 ORDER BY pos DESC LIMIT ?2",
        )?;
        let mut rows = statement.query(params![pos.0 as i64, limit as i64])?;
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

    /// Every digest that is kept.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_buckets(&self) -> Result<Vec<(Bucket, SetDigest)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, unit, desk, digest FROM bucket")?;
        let mut rows = statement.query([])?;
        let mut buckets = Vec::new();
        while let Some(row) = rows.next()? {
            let (kind, unit, desk): (u8, u32, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let wrong = |what| StoreError::corrupt("bucket", format!("{kind}/{unit}/{desk}"), what);
            let digest: [u8; 24] = row
                .get::<_, Vec<u8>>(3)?
                .try_into()
                .map_err(|_| wrong("digest"))?;
            let kind = Kind::from_code(u64::from(kind)).ok_or_else(|| wrong("kind"))?;
            let bucket = Bucket {
                kind,
                unit: UnitId(unit),
                desk: (desk != 0).then_some(UnitId(desk)),
            };
            buckets.push((bucket, SetDigest::from_bytes(&digest)));
        }
        Ok(buckets)
    }

    /// SQLite's own check of the whole file.
    ///
    /// # Errors
    /// The database's own, or what the check found.
    pub fn integrity_check(&self) -> Result<(), StoreError> {
        let found: String = self
            .connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if found == "ok" {
            Ok(())
        } else {
            Err(StoreError::corrupt("the file", "", found))
        }
    }

    /// Makes a consistent copy of the file at `to`, which must not exist. The copy is on the disk when this returns; its
    /// name in the folder is the caller's to make last.
    ///
    /// One read transaction: it ends however much is written meanwhile, which SQLite's stepwise backup need not, since that
    /// begins anew at each write of another connection.
    ///
    /// # Errors
    /// The database's own, or the file system's.
    pub fn copy_to(&self, to: &Path) -> Result<(), StoreError> {
        super::vacuum_into(&self.connection, to)
    }
}

impl DistrictWrite {
    /// Opens a district's file for writing, bringing it to this version.
    ///
    /// # Errors
    /// The database's own, or that the file is of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_writer(path)?;
        schema::migrate_district(&connection)?;
        Ok(Self {
            read: DistrictRead { connection },
        })
    }

    /// Writes the facts of a new district, over those of one that was begun and never came to an entry.
    ///
    /// # Errors
    /// The database's own; that the file holds a district with entries.
    pub fn create(&self, facts: &DistrictFacts, now_ms: i64) -> Result<(), StoreError> {
        let group = Group::begin(self)?;
        if self.head()?.0 > Pos(0) {
            return Err(StoreError::Missing(format!(
                "room for district {}: its file holds one already",
                facts.code
            )));
        }
        self.connection().execute("DELETE FROM epoch", [])?;
        for (name, value) in [
            ("district", &facts.id.as_bytes()[..]),
            ("code", facts.code.as_bytes()),
            ("name", facts.name.as_bytes()),
            ("time_zone", facts.time_zone.as_bytes()),
            ("steward_pos", &0_u64.to_be_bytes()),
        ] {
            self.put_meta(name, value)?;
        }
        let (epoch, start) = facts.epoch();
        self.insert_epoch(epoch, start, now_ms)?;
        group.commit()
    }

    fn put_meta(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
        self.connection()
            .prepare_cached(sql)?
            .execute(params![name, value])?;
        Ok(())
    }

    /// Begins an epoch at the present head.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_epoch(&self, epoch: Epoch, start: Pos, now_ms: i64) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO epoch (epoch, start_pos, since_ms) VALUES (?1, ?2, ?3)")?
            .execute(params![epoch.0, start.0 as i64, now_ms])?;
        Ok(())
    }

    /// Notes which intents the server knew, from where on.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_known(&self, known: &[(KnownIntents, Pos)]) -> Result<(), StoreError> {
        let bytes: Vec<u8> = known
            .iter()
            .flat_map(|(known, start)| {
                let version = known.version().to_be_bytes();
                version.into_iter().chain(start.0.to_be_bytes())
            })
            .collect();
        self.put_meta("known_intents", &bytes)
    }

    /// Says that the log has reached the second place up to `pos`.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_safe_pos(&self, pos: Pos) -> Result<(), StoreError> {
        self.put_meta("safe_pos", &pos.0.to_be_bytes())
    }

    /// Says that whoever knows an epoch before this one starts anew.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_anew(&self, epoch: Epoch) -> Result<(), StoreError> {
        self.put_meta("anew_epoch", &epoch.0.to_be_bytes())
    }

    /// Notes how far the steward has followed the log.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_steward_pos(&self, pos: Pos) -> Result<(), StoreError> {
        self.put_meta("steward_pos", &pos.0.to_be_bytes())
    }

    /// Notes when writing was last tried for its own sake.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_touched(&self, now_ms: i64) -> Result<(), StoreError> {
        self.put_meta("touched_ms", &now_ms.to_be_bytes())
    }

    /// Notes the head of a group.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_head(&self, pos: Pos, hash: Hash) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached("INSERT INTO head (pos, hash) VALUES (?1, ?2)")?
            .execute(params![pos.0 as i64, &hash.0[..]])?;
        Ok(())
    }

    /// Writes a digest.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_bucket(&self, bucket: Bucket, digest: SetDigest) -> Result<(), StoreError> {
        let sql = "INSERT INTO bucket (kind, unit, desk, digest) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (kind, unit, desk) DO UPDATE SET digest = ?4";
        self.connection().prepare_cached(sql)?.execute(params![
            bucket.kind as u8,
            bucket.unit.0,
            bucket.desk.map_or(0, |desk| desk.0),
            &digest.to_bytes()[..],
        ])?;
        Ok(())
    }

    /// Runs `work` so that it is taken back whole when it fails, and only it.
    ///
    /// # Errors
    /// The database's own, or what `work` says.
    pub fn savepoint<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection()
            .execute_batch("SAVEPOINT batch")
            .map_err(StoreError::from)?;
        let result = work(self);
        let end = if result.is_ok() {
            "RELEASE batch"
        } else {
            "ROLLBACK TO batch; RELEASE batch"
        };
        let ended = self
            .connection()
            .execute_batch(end)
            .map_err(StoreError::from);
        match (result, ended) {
            // What failed first is the cause; a full disk ends the transaction, and the savepoint with it.
            (Err(error), _) => Err(error),
            (Ok(_), Err(error)) => Err(error.into()),
            (Ok(value), Ok(())) => Ok(value),
        }
    }
}

/// One write transaction for a group of batches. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub struct Group<'a> {
    write: &'a DistrictWrite,
    done: bool,
}

impl<'a> Group<'a> {
    /// Takes the write lock.
    ///
    /// # Errors
    /// The database's own.
    pub fn begin(write: &'a DistrictWrite) -> Result<Self, StoreError> {
        write.connection().execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self { write, done: false })
    }

    /// Commits; the rows are on the disk when this returns.
    ///
    /// # Errors
    /// The database's own; everything of the group is rolled back then.
    pub fn commit(mut self) -> Result<(), StoreError> {
        self.write.connection().execute_batch("COMMIT")?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.done && !self.write.connection().is_autocommit() {
            // A failed roll-back leaves the transaction open; the next BEGIN says so.
            let _ = self.write.connection().execute_batch("ROLLBACK");
        }
    }
}
