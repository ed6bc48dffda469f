//! SQLite: one file a district for all that decides, one control file for what no decision needs.

mod asked;
pub mod attachments;
mod audit;
pub mod control;
mod district;
mod entry;
pub mod facts;
mod held;
pub mod inbox;
pub mod index;
mod index_query;
mod packs;
mod people;
mod record;
mod replica;
pub mod rounds;
mod schema;

pub use asked::AskedRow;
pub use audit::{TABLES, WaitingRow};
pub use district::{Bucket, DistrictFacts, DistrictRead, DistrictWrite, Group};
pub use entry::{EntryRow, NewEntry, SealedRow};
pub use held::{HeldRow, WaitKey};
pub use index_query::{IndexFacts, IndexRead, IndexStream};
pub use packs::PackRow;
pub use people::PersonRow;
pub use record::RecordRow;
pub use replica::{
    Contact, ReceiptRow, ReplicaRow, branch_bounds, contacts_after, earliest_contact_ms,
    earliest_repeat_ms,
};
pub use schema::{SQLITE_VERSION_MIN, check_sqlite_version};

use super::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;
use sync_core::canary::{Canary, is_awake};

/// Opens a database for writing: WAL, and a commit returns only when its rows are on the disk.
fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    harden(&connection)?;
    // Counts for a new file only. Larger pages and a longer WAL took up to twice the changes a second (docs/benchmarks.md).
    connection.pragma_update(None, "page_size", 8_192)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Missing(format!(
            "{} does not take WAL mode ({mode})",
            path.display()
        )));
    }
    let waits = !is_awake(Canary::ReceiptBeforeDurability);
    connection.pragma_update(None, "synchronous", if waits { "FULL" } else { "OFF" })?;
    connection.pragma_update(None, "wal_autocheckpoint", 8_192)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    sync_log(&connection)?;
    Ok(connection)
}

/// Makes durable what the log holds. A process that was killed between writing a commit and syncing it leaves a commit
/// that the next one reads and answers from; a power cut must not take that back.
fn sync_log(connection: &Connection) -> Result<(), StoreError> {
    // Moving the log into the file begins with a sync of the log.
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        // It failed after the sync, for lack of room; reads go on.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Ok(()),
        other => Ok(other?),
    }
}

/// Whether SQLite can open a database here; asks SQLite, which may look into another file system than the machine's.
pub fn is_there(path: &Path) -> bool {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).is_ok()
}

/// Opens a database for reading only.
fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    harden(&connection)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

fn harden(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Plans do not depend on bound values; otherwise a statement with a range is planned anew at each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Writes a consistent copy to `to`, which must not exist, and makes sure that it is on the disk: SQLite does not.
fn vacuum_into(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    connection.execute("VACUUM INTO ?1", [to.display().to_string()])?;
    std::fs::File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|source| StoreError::File {
            path: to.display().to_string(),
            source,
        })
}
