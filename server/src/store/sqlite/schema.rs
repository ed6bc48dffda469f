//! Tables and their forward-only, numbered migrations; a file of a newer version is refused.

use crate::store::StoreError;
use rusqlite::Connection;

/// The oldest SQLite that may be linked: earlier ones can lose a commit when a WAL is reset.
pub const SQLITE_VERSION_MIN: i32 = 3_051_003;

/// Refuses to run on an older SQLite than [`SQLITE_VERSION_MIN`].
///
/// # Errors
/// Names both versions.
pub fn check_sqlite_version() -> Result<(), StoreError> {
    let found = rusqlite::version_number();
    if found < SQLITE_VERSION_MIN {
        return Err(StoreError::Missing(format!(
            "SQLite {found} is linked; {SQLITE_VERSION_MIN} or newer is needed"
        )));
    }
    Ok(())
}

const DISTRICT: &[&str] = &["
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE epoch (epoch INTEGER PRIMARY KEY, start_pos INTEGER NOT NULL, since_ms INTEGER NOT NULL) STRICT;

    -- One row a place of the log. `prev` leads to the record's entry before, so that a record's history needs no index.
    -- Replica and seq need none either: the places of a receipt's range are contiguous.
    CREATE TABLE entry (
        pos INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        replica INTEGER NOT NULL,
        person INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        record INTEGER,
        prev INTEGER,
        received_ms INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        verdict INTEGER NOT NULL,
        answer BLOB,
        hash BLOB,
        header BLOB,
        body BLOB,
        was_unit INTEGER,
        was_desk INTEGER,
        first_epoch INTEGER,
        first_pos INTEGER
    ) STRICT;
    CREATE INDEX entry_directory ON entry (pos) WHERE kind = 3;

    CREATE TABLE record (
        no INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        kind INTEGER NOT NULL,
        unit INTEGER NOT NULL,
        desk INTEGER,
        pos INTEGER NOT NULL,
        last INTEGER NOT NULL,
        image BLOB
    ) STRICT;

    CREATE TABLE sealed (
        pos INTEGER NOT NULL,
        class INTEGER NOT NULL,
        commitment BLOB NOT NULL,
        salt BLOB,
        bytes BLOB,
        PRIMARY KEY (pos, class)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE replica (
        no INTEGER PRIMARY KEY,
        mark INTEGER NOT NULL,
        mark_hash BLOB NOT NULL,
        contacts BLOB NOT NULL,
        request_no INTEGER NOT NULL,
        last_seen_ms INTEGER NOT NULL,
        unsent INTEGER NOT NULL,
        app TEXT NOT NULL,
        forks INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE receipt (
        replica INTEGER NOT NULL,
        to_seq INTEGER NOT NULL,
        from_seq INTEGER NOT NULL,
        first_pos INTEGER NOT NULL,
        received_ms INTEGER NOT NULL,
        sent_at BLOB NOT NULL,
        contacts BLOB NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (replica, to_seq)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE scope (
        person INTEGER NOT NULL,
        version INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (person, version)
    ) STRICT, WITHOUT ROWID;

    -- Changes that wait for a ruling, with what they wait for.
    CREATE TABLE held (
        pos INTEGER PRIMARY KEY,
        verdict INTEGER NOT NULL,
        since_ms INTEGER NOT NULL,
        wait_key BLOB
    ) STRICT;
    CREATE INDEX held_wait ON held (wait_key) WHERE wait_key IS NOT NULL;
    CREATE TABLE ruled (pos INTEGER PRIMARY KEY, ruling INTEGER NOT NULL) STRICT;
    CREATE TABLE origin (hash BLOB PRIMARY KEY, pos INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE bucket (
        kind INTEGER NOT NULL,
        unit INTEGER NOT NULL,
        desk INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (kind, unit, desk)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE head (pos INTEGER PRIMARY KEY, hash BLOB NOT NULL) STRICT;
    CREATE TABLE person (person INTEGER PRIMARY KEY, name TEXT NOT NULL, external_id TEXT UNIQUE) STRICT;
    CREATE TABLE boundary (unit INTEGER PRIMARY KEY, geojson TEXT NOT NULL) STRICT;
    CREATE TABLE document (name TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, version)) STRICT, WITHOUT ROWID;
", "
    -- A change may be ruled about twice: released as quarantined, and then by a person or a repair.
    CREATE TABLE ruled_more (
        pos INTEGER NOT NULL,
        ruling INTEGER NOT NULL,
        PRIMARY KEY (pos, ruling)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO ruled_more (pos, ruling) SELECT pos, ruling FROM ruled;
    DROP TABLE ruled;
    ALTER TABLE ruled_more RENAME TO ruled;
    -- Those that were released so before, and were out of reach since, wait from now on like any other.
    INSERT INTO held (pos, verdict, since_ms, wait_key)
        SELECT change.pos, 4, change.received_ms, NULL
        FROM ruled JOIN entry change ON change.pos = ruled.pos JOIN entry ruling ON ruling.pos = ruled.ruling
        WHERE json_extract(CAST(ruling.body AS TEXT), '$.ruling') = 'released'
            AND json_extract(CAST(ruling.body AS TEXT), '$.verdict') = 'quarantined';
", "
    -- What was asked for by people who act online: who asks the same again gets the answer that the log has.
    CREATE TABLE asked (
        person INTEGER NOT NULL,
        id BLOB NOT NULL,
        hash BLOB NOT NULL,
        pos INTEGER NOT NULL,
        state TEXT,
        PRIMARY KEY (person, id)
    ) STRICT, WITHOUT ROWID;
", "
    -- Steps that were not applied, and changes of forked branches, which a person has looked at, with the ruling that says so.
    CREATE TABLE seen (pos INTEGER PRIMARY KEY, ruling INTEGER NOT NULL) STRICT;
", "
    -- Frozen packs: the text whose hash the log names, the place that it was made at, and what was seen that no log holds.
    CREATE TABLE pack (
        label TEXT PRIMARY KEY,
        pos INTEGER NOT NULL,
        frozen_ms INTEGER NOT NULL,
        observed TEXT NOT NULL,
        text TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

const CONTROL: &[&str] = &[
    "
    CREATE TABLE district (
        code TEXT PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        name TEXT NOT NULL,
        last_epoch INTEGER NOT NULL,
        head_pos INTEGER NOT NULL,
        head_hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE server_key (
        district TEXT NOT NULL REFERENCES district (code),
        id TEXT NOT NULL,
        purpose TEXT NOT NULL,
        seed BLOB NOT NULL,
        PRIMARY KEY (district, purpose, id)
    ) STRICT, WITHOUT ROWID;
    -- One-time codes are kept as hashes only.
    CREATE TABLE one_time_code (
        hash BLOB PRIMARY KEY,
        district TEXT NOT NULL REFERENCES district (code),
        purpose TEXT NOT NULL,
        person INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        used_by BLOB
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Since when a key signs; the one before is good for what it signed.
    ALTER TABLE server_key ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;
",
    "
    -- The server's own replicas, each of one person in one epoch of a district's log.
    CREATE TABLE office_replica (
        district TEXT NOT NULL REFERENCES district (code),
        person INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        replica BLOB NOT NULL,
        seed BLOB NOT NULL,
        since_ms INTEGER NOT NULL,
        PRIMARY KEY (district, person, epoch, replica)
    ) STRICT, WITHOUT ROWID;
",
];

const ATTACHMENTS: &[&str] = &["
    CREATE TABLE upload (
        id BLOB PRIMARY KEY,
        replica BLOB NOT NULL,
        person INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        offset_bytes INTEGER NOT NULL,
        metadata TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX upload_replica ON upload (replica, sha256);
    CREATE INDEX upload_expires ON upload (expires_ms);

    CREATE TABLE attachment (
        sha256 BLOB PRIMARY KEY,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        kept_sha256 BLOB NOT NULL,
        kept_bytes INTEGER NOT NULL,
        small_sha256 BLOB,
        small_bytes INTEGER,
        width INTEGER,
        height INTEGER,
        taken_at_ms INTEGER,
        latitude_e7 INTEGER,
        longitude_e7 INTEGER,
        replica BLOB NOT NULL,
        person INTEGER NOT NULL,
        finished_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX attachment_kept ON attachment (kept_sha256);
    CREATE INDEX attachment_small ON attachment (small_sha256) WHERE small_sha256 IS NOT NULL;

    -- Which records name what, read from the log up to the place in `naming`.
    CREATE TABLE named (
        sha256 BLOB NOT NULL,
        record INTEGER NOT NULL,
        PRIMARY KEY (sha256, record)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE naming (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        district BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        pos INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE day_use (
        replica BLOB NOT NULL,
        day INTEGER NOT NULL,
        files INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (replica, day)
    ) STRICT, WITHOUT ROWID;
"];

/// Brings a district's file to this version.
pub(super) fn migrate_district(connection: &Connection) -> Result<(), StoreError> {
    migrate(connection, "the district's file", DISTRICT)
}

/// Brings the control file to this version.
pub(super) fn migrate_control(connection: &Connection) -> Result<(), StoreError> {
    migrate(connection, "the control file", CONTROL)
}

/// Brings the file of a district's attachments to this version.
pub(super) fn migrate_attachments(connection: &Connection) -> Result<(), StoreError> {
    migrate(connection, "the attachments' file", ATTACHMENTS)
}

/// Refuses a district's file of a newer version, or one that was never migrated; for readers.
pub(super) fn check_district(connection: &Connection) -> Result<(), StoreError> {
    check(connection, "the district's file", DISTRICT).map(|_| ())
}

/// The same of the control file.
pub(super) fn check_control(connection: &Connection) -> Result<(), StoreError> {
    check(connection, "the control file", CONTROL).map(|_| ())
}

fn check(connection: &Connection, what: &str, steps: &[&str]) -> Result<usize, StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match usize::try_from(found) {
        Ok(done) if done <= steps.len() => Ok(done),
        _ => Err(StoreError::Newer {
            what: what.to_owned(),
            found,
            known: steps.len() as i64,
        }),
    }
}

fn migrate(connection: &Connection, what: &str, steps: &[&str]) -> Result<(), StoreError> {
    let done = check(connection, what, steps)?;
    for (index, step) in steps.iter().enumerate().skip(done) {
        // One transaction a step: a crash leaves the old or the new form, never one between.
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step}; PRAGMA user_version = {}; COMMIT;",
            index + 1
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_run_once_and_a_newer_file_is_refused() {
        check_sqlite_version().expect("the bundled SQLite is new enough");
        let connection = Connection::open_in_memory().expect("memory");
        migrate_district(&connection).expect("first");
        migrate_district(&connection).expect("second does nothing");
        connection
            .pragma_update(None, "user_version", 99)
            .expect("pragma");
        assert!(matches!(
            migrate_district(&connection),
            Err(StoreError::Newer { found: 99, .. })
        ));
    }
}
