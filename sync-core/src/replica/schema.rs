//! The tables of a phone's database and their migrations, numbered by `PRAGMA user_version`.

use super::ReplicaError;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// One step a version, forward only. A step that was shipped is never altered.
const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4];

const VERSION_1: &str = "
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    district BLOB NOT NULL,
    person INTEGER NOT NULL,
    chain INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    cursor_epoch INTEGER NOT NULL,
    scope_version INTEGER NOT NULL,
    cursor_pos INTEGER NOT NULL,
    backfill INTEGER NOT NULL,
    scope BLOB,
    digest BLOB NOT NULL,
    round INTEGER NOT NULL,
    repairing INTEGER NOT NULL,
    mismatches INTEGER NOT NULL,
    request_no INTEGER NOT NULL,
    skew_ms INTEGER NOT NULL,
    contact_ms INTEGER NOT NULL,
    contact_monotonic_ms INTEGER NOT NULL,
    contact_boot INTEGER NOT NULL,
    safe_seq INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    condition INTEGER NOT NULL,
    reads_version INTEGER NOT NULL
) STRICT;
CREATE TABLE identity (
    chain INTEGER PRIMARY KEY,
    replica BLOB NOT NULL UNIQUE,
    replica_no INTEGER NOT NULL,
    seed BLOB NOT NULL
) STRICT;
CREATE TABLE server_key (id TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT;
CREATE TABLE record (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    image BLOB,
    in_scope INTEGER NOT NULL,
    frozen INTEGER NOT NULL DEFAULT 0,
    stale INTEGER NOT NULL DEFAULT 0,
    asked INTEGER NOT NULL DEFAULT 0,
    round INTEGER NOT NULL,
    complete_epoch INTEGER NOT NULL,
    complete_pos INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    unit INTEGER NOT NULL,
    desk INTEGER,
    state TEXT,
    category TEXT,
    title TEXT,
    time_ms INTEGER NOT NULL,
    mine INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    conflict INTEGER NOT NULL
) STRICT;
CREATE INDEX record_by_time ON record (kind, time_ms);
CREATE INDEX record_mine ON record (kind, time_ms) WHERE mine = 1;
CREATE INDEX record_stale ON record (asked, no) WHERE stale = 1;
CREATE INDEX record_frozen ON record (no) WHERE frozen = 1;
CREATE INDEX record_conflict ON record (no) WHERE conflict = 1;
CREATE TABLE own (
    local INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES identity (chain),
    seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    intent TEXT NOT NULL,
    hash BLOB NOT NULL,
    header BLOB,
    open BLOB,
    made_ms INTEGER NOT NULL,
    answer BLOB,
    time_ms INTEGER,
    place_epoch INTEGER,
    place_pos INTEGER,
    again INTEGER NOT NULL DEFAULT 0,
    standing INTEGER NOT NULL DEFAULT 1,
    ruling INTEGER,
    ruling_pos INTEGER,
    ruling_answer BLOB,
    reason TEXT NOT NULL DEFAULT '',
    repaired_by INTEGER,
    dismissed INTEGER NOT NULL DEFAULT 0,
    settled INTEGER NOT NULL DEFAULT 0,
    UNIQUE (chain, seq)
) STRICT;
CREATE INDEX own_overlay ON own (record, local) WHERE settled = 0;
CREATE INDEX own_unanswered ON own (chain, seq) WHERE answer IS NULL OR again = 1;
CREATE INDEX own_open ON own (local) WHERE (standing IN (1, 4, 5, 6, 7) OR again = 1) AND dismissed = 0;
CREATE INDEX own_by_record ON own (record, local);
CREATE TABLE own_part (
    local INTEGER NOT NULL REFERENCES own (local) ON DELETE CASCADE,
    class INTEGER NOT NULL,
    salt BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (local, class)
) STRICT;
CREATE TABLE receipt (
    chain INTEGER NOT NULL REFERENCES identity (chain),
    epoch INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (chain, epoch, first, last)
) STRICT;
CREATE TABLE head (
    epoch INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (epoch, pos)
) STRICT;
CREATE TABLE unknown_entry (
    record BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    item BLOB NOT NULL,
    PRIMARY KEY (record, epoch, pos)
) STRICT;
CREATE TABLE draft (
    record BLOB NOT NULL,
    intent TEXT NOT NULL,
    unit INTEGER NOT NULL,
    payload BLOB NOT NULL,
    base_epoch INTEGER NOT NULL,
    base_pos INTEGER NOT NULL,
    saved_ms INTEGER NOT NULL,
    PRIMARY KEY (record, intent)
) STRICT;
";

/// The order of the server's keys. Where a change stood before a person ruled, in case a restore takes that ruling away; the server's word for who this
/// replica is, in case a restore takes the enrolment away.
const VERSION_2: &str = "
ALTER TABLE own ADD COLUMN released_pos INTEGER;
ALTER TABLE own ADD COLUMN released_answer BLOB;
ALTER TABLE identity ADD COLUMN certificate BLOB;
ALTER TABLE server_key ADD COLUMN no INTEGER NOT NULL DEFAULT 1;
";

/// When the server received an own change, by its clock.
const VERSION_3: &str = "ALTER TABLE own ADD COLUMN received_ms INTEGER;";

/// The documents of the district: the list of versions as the server told it, their texts, and how many entries have changed
/// them by the server's last word; `documents` is the number of which all texts are held.
const VERSION_4: &str = "
CREATE TABLE document_text (hash BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
ALTER TABLE meta ADD COLUMN manifest BLOB;
ALTER TABLE meta ADD COLUMN documents_told INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET documents_told = documents, documents = 0;
";

/// Prepares a connection and brings its tables to the present version; a new file gets them all.
///
/// # Errors
/// [`ReplicaError::NewerVersion`] for a database that a later version wrote, which is left untouched.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), ReplicaError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(MIGRATIONS.len()).expect("BUG: too many migrations");
    if version > known {
        return Err(ReplicaError::NewerVersion { version, known });
    }
    if version < 0 {
        return Err(ReplicaError::Damaged("the version of the tables"));
    }
    // Storage that knows no write-ahead log keeps its own mode; what counts is that a commit is durable.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    // Plans do not depend on bound values; otherwise SQLite plans a statement over a partial index anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    sync_log(connection)?;
    // In one step: no app ever meets a database that is half of one version and half of another.
    let transaction = connection.transaction()?;
    for step in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(step)?;
    }
    if version < known {
        transaction.pragma_update(None, "user_version", known)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Makes durable what the log holds. An app that was killed between writing a commit and syncing it leaves a commit that
/// the next start reads; what is shown or sent from it must not be gone after a power cut.
fn sync_log(connection: &Connection) -> Result<(), ReplicaError> {
    // Moving the log into the file begins with a sync of the log. Storage that knows no such log answers with nothing done.
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        // It failed after the sync, for lack of room; reading and handing in go on.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_refused_and_left_as_it_is() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection
            .pragma_update(None, "user_version", 99)
            .expect("pragma");
        let error = migrate(&mut connection).expect_err("refused");
        assert!(matches!(
            error,
            ReplicaError::NewerVersion { version: 99, .. }
        ));
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .expect("count");
        assert_eq!(tables, 0);
    }

    #[test]
    fn a_database_of_the_first_version_keeps_what_it_holds() {
        let mut connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch(VERSION_1).expect("version 1");
        connection
            .execute_batch(
                "PRAGMA user_version = 1;
                 INSERT INTO identity (chain, replica, replica_no, seed) VALUES (1, x'01', 7, x'02');",
            )
            .expect("a row");
        migrate(&mut connection).expect("migrate");
        let (no, certificate): (u32, Option<Vec<u8>>) = connection
            .query_row("SELECT replica_no, certificate FROM identity", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("the row");
        assert_eq!((no, certificate), (7, None));
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = Connection::open_in_memory().expect("memory");
        migrate(&mut connection).expect("first");
        migrate(&mut connection).expect("second");
    }
}
