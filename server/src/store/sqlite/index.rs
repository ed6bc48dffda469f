//! The projection's own file: one row a record for lists and search, in order of time. Derived from the log, and made
//! again from it whenever there is doubt.

use super::facts::{self, Facts, put_facts};
use super::harden;
use super::inbox::{self, InboxRow};
use super::index_query::read_place;
use super::rounds::{self, ProjectedRound};
use crate::store::StoreError;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use sync_core::ids::{DistrictId, Epoch, Pos, RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::limits;

/// The form of the file. A file of another form is not migrated but made again: the log has everything.
const VERSION: i64 = 6;

/// `key` orders records by time and number (see [`record_key`]); it is the row's number here and in `words`, so that
/// every index gives the newest first without sorting.
const SCHEMA: &str = "
    CREATE TABLE place (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        district BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        pos INTEGER NOT NULL,
        next_no INTEGER NOT NULL,
        documents TEXT NOT NULL,
        due_no INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE record (
        key INTEGER PRIMARY KEY,
        no INTEGER NOT NULL UNIQUE,
        id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        unit INTEGER NOT NULL,
        desk INTEGER,
        state TEXT,
        category TEXT,
        title TEXT,
        time_ms INTEGER NOT NULL,
        pos INTEGER NOT NULL,
        conflicts INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX record_unit ON record (unit);
    CREATE INDEX record_unit_state ON record (unit, state) WHERE state IS NOT NULL;
    CREATE INDEX record_unit_category ON record (unit, category) WHERE category IS NOT NULL;
    CREATE INDEX record_desk ON record (desk) WHERE desk IS NOT NULL;
    CREATE INDEX record_desk_state ON record (desk, state) WHERE desk IS NOT NULL AND state IS NOT NULL;
    CREATE INDEX record_desk_category ON record (desk, category) WHERE desk IS NOT NULL AND category IS NOT NULL;
    CREATE INDEX record_desk_both ON record (desk, category, state)
        WHERE desk IS NOT NULL AND category IS NOT NULL AND state IS NOT NULL;
    CREATE INDEX record_kind ON record (kind);
    CREATE INDEX record_state ON record (state) WHERE state IS NOT NULL;
    CREATE INDEX record_category ON record (category) WHERE category IS NOT NULL;
    CREATE INDEX record_conflict ON record (key) WHERE conflicts > 0;
    CREATE INDEX record_category_state ON record (category, state) WHERE category IS NOT NULL AND state IS NOT NULL;

    -- What waits for a person, the oldest first by `key`: time, then whatever is free.
    CREATE TABLE inbox (
        key INTEGER PRIMARY KEY,
        sort INTEGER NOT NULL,
        no INTEGER,
        pos INTEGER NOT NULL,
        field TEXT NOT NULL,
        kind INTEGER NOT NULL,
        unit INTEGER NOT NULL,
        desk INTEGER,
        since_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX inbox_no ON inbox (no) WHERE no IS NOT NULL;
    CREATE INDEX inbox_pos ON inbox (pos);
    CREATE INDEX inbox_sort ON inbox (sort);
    CREATE INDEX inbox_unit ON inbox (unit);
    -- What no longer waits, in the order in which that was found; the newest only.
    CREATE TABLE settled (
        id INTEGER PRIMARY KEY,
        sort INTEGER NOT NULL,
        no INTEGER,
        pos INTEGER NOT NULL,
        field TEXT NOT NULL,
        by_pos INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE words USING fts5 (text, facts, content = '', contentless_delete = 1, tokenize = 'unicode61');
";

/// What the projection is of, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPlace {
    /// The district.
    pub district: DistrictId,
    /// The epoch of its log.
    pub epoch: Epoch,
    /// Every entry at or below is reflected, once `next_no` is 0.
    pub pos: Pos,
    /// While the first pass over all records lasts: the number of the next one. 0 when done.
    pub next_no: i64,
    /// Which documents `facts` were reckoned with.
    pub documents: String,
    /// While they are reckoned anew with others: the number of the next record. 0 when done.
    pub due_no: i64,
}

/// A record as the projection has it.
#[derive(Clone, Debug)]
pub struct Projected {
    /// What lists show.
    pub row: IndexRow,
    /// What is searched.
    pub words: IndexWords,
    /// What is reckoned of it.
    pub facts: Facts,
    /// What of it waits for a person.
    pub items: Vec<InboxRow>,
}

/// What one step brings.
#[derive(Debug, Default)]
pub struct IndexStep {
    /// Records by number; one without content is in no list.
    pub records: Vec<(i64, Option<Projected>)>,
    /// Changes by place, with what of them waits for a person.
    pub changes: Vec<(Pos, Option<InboxRow>)>,
    /// What is reckoned of records, anew.
    pub facts: Vec<(i64, Option<Facts>)>,
    /// Patrols by number, with what is told of their rounds.
    pub rounds: Vec<(i64, Option<ProjectedRound>)>,
    /// Where the projection stands afterwards.
    pub pos: Pos,
    /// See [`IndexPlace::next_no`].
    pub next_no: i64,
    /// See [`IndexPlace::due_no`].
    pub due_no: i64,
}

/// A record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// The district's number of the record.
    pub no: i64,
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Its unit.
    pub unit: UnitId,
    /// Its desk.
    pub desk: Option<UnitId>,
    /// Where its workflow stands.
    pub state: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// Its shown title or description.
    pub title: Option<String>,
    /// When it was made.
    pub time_ms: i64,
    /// Its own place.
    pub pos: Pos,
    /// How many fields show a conflict.
    pub conflicts: u32,
}

/// What is searched of a record: its words, and its facts as words of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexWords {
    /// Open text, each Chinese character a word.
    pub text: String,
    /// Unit, desk, kind, state and category.
    pub facts: String,
}

const NO_BITS: u32 = 21;
const TIME_MAX: i64 = (1 << (63 - NO_BITS)) - 1;

/// The key of a record: its time, then its number. Times outside of what work can have are taken as the nearest;
/// two records of one millisecond whose numbers differ by a multiple of two million would share a key, so the lower
/// bits give way then (see [`IndexWrite::put`]).
pub fn record_key(time_ms: i64, no: i64) -> i64 {
    first_key_at(time_ms) | (no & ((1 << NO_BITS) - 1))
}

/// The smallest key of a record of this time.
pub fn first_key_at(time_ms: i64) -> i64 {
    time_ms
        .saturating_sub(limits::TIME_MS_MIN)
        .clamp(0, TIME_MAX)
        << NO_BITS
}

/// The connection that writes the projection.
#[derive(Debug)]
pub struct IndexWrite {
    pub(super) connection: Connection,
}

impl IndexWrite {
    /// Opens the file as the projection of this district and epoch. One that is missing, damaged, of another form or of
    /// another log, or that has come further than `head`, is thrown away; the flag says that it begins anew.
    ///
    /// # Errors
    /// The database's own.
    pub fn open(
        path: &Path,
        district: DistrictId,
        epoch: Epoch,
        head: Pos,
        documents: &str,
    ) -> Result<(Self, bool), StoreError> {
        if path.exists()
            && let Ok(connection) = connect(path)
            && let Ok(place) = read_place(&connection)
            && (place.district, place.epoch) == (district, epoch)
            && place.pos <= head
        {
            return Ok((Self { connection }, false));
        }
        remove(path)?;
        let connection = connect(path)?;
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {SCHEMA}; {}; {}; PRAGMA user_version = {VERSION}; COMMIT;",
            facts::SCHEMA,
            rounds::SCHEMA
        ))?;
        connection.execute(
            "INSERT INTO place (one, district, epoch, pos, next_no, documents, due_no)
             VALUES (1, ?1, ?2, ?3, 1, ?4, 0)",
            params![&district.as_bytes()[..], epoch.0, head.0 as i64, documents],
        )?;
        Ok((Self { connection }, true))
    }

    /// Throws the file away.
    ///
    /// # Errors
    /// The file system's.
    pub fn discard(path: &Path) -> Result<(), StoreError> {
        remove(path)
    }

    /// How far it has come.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn place(&self) -> Result<IndexPlace, StoreError> {
        read_place(&self.connection)
    }

    /// Writes rows and the place they bring the projection to, in one transaction.
    ///
    /// # Errors
    /// The database's own; nothing is changed then.
    pub fn write(&mut self, step: &IndexStep) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        for (no, record) in &step.records {
            let shown = record.as_ref().map(|record| (&record.row, &record.words));
            put(&transaction, *no, shown)?;
            let facts = record.as_ref().map(|record| &record.facts);
            put_facts(&transaction, *no, facts)?;
            inbox::put_record(&transaction, *no, record.as_ref())?;
            if record.is_none() {
                rounds::put(&transaction, *no, None)?;
            }
        }
        for (pos, item) in &step.changes {
            inbox::put_change(&transaction, *pos, item.as_ref(), step.pos)?;
        }
        for (no, facts) in &step.facts {
            put_facts(&transaction, *no, facts.as_ref())?;
        }
        for (no, round) in &step.rounds {
            rounds::put(&transaction, *no, round.as_ref())?;
        }
        transaction
            .prepare_cached("UPDATE place SET pos = ?1, next_no = ?2, due_no = ?3")?
            .execute(params![step.pos.0 as i64, step.next_no, step.due_no])?;
        Ok(transaction.commit()?)
    }

    /// Begins to reckon `facts` anew, with these documents.
    ///
    /// # Errors
    /// The database's own.
    pub fn reckon_anew(&self, documents: &str) -> Result<(), StoreError> {
        self.connection
            .execute("UPDATE place SET documents = ?1, due_no = 1", [documents])?;
        Ok(())
    }
}

fn put(
    connection: &Connection,
    no: i64,
    record: Option<(&IndexRow, &IndexWords)>,
) -> Result<(), StoreError> {
    let old = connection
        .prepare_cached("DELETE FROM record WHERE no = ?1 RETURNING key")?
        .query_row([no], |row| row.get::<_, i64>(0));
    match old {
        Ok(key) => {
            connection
                .prepare_cached("DELETE FROM words WHERE rowid = ?1")?
                .execute([key])?;
        }
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Err(error) => return Err(error.into()),
    }
    let Some((row, words)) = record else {
        return Ok(());
    };
    let mut key = record_key(row.time_ms, row.no);
    let mut insert = connection.prepare_cached(
        "INSERT INTO record (key, no, id, kind, unit, desk, state, category, title, time_ms, pos, conflicts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (key) DO NOTHING",
    )?;
    loop {
        let inserted = insert.execute(params![
            key,
            row.no,
            &row.id.as_bytes()[..],
            row.kind as u8,
            row.unit.0,
            row.desk.map(|desk| desk.0),
            row.state,
            row.category,
            row.title,
            row.time_ms,
            row.pos.0 as i64,
            row.conflicts,
        ])?;
        if inserted == 1 {
            break;
        }
        key += 1;
    }
    connection
        .prepare_cached("INSERT INTO words (rowid, text, facts) VALUES (?1, ?2, ?3)")?
        .execute(params![key, words.text, words.facts])?;
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    harden(&connection)?;
    connection.pragma_update(None, "page_size", 8_192)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // Consistent after a loss of power, though perhaps older: it catches up.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

/// Throws the file away, with what SQLite keeps beside it.
fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(StoreError::File {
                    path: path.display().to_string(),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Refuses a file of another form.
pub(super) fn check_version(connection: &Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == VERSION {
        Ok(())
    } else {
        Err(StoreError::Newer {
            what: "the projection".into(),
            found,
            known: VERSION,
        })
    }
}
