//! SQLite's files in the browser: one pool of synchronous file handles, and durable connections to a database in it.
//!
//! A second worker cannot open the same pool while the first holds it: the browser refuses the handles. Who may hold it
//! (the leader among several tabs) is settled in JavaScript with a Web Lock, before `open` is called.

use std::cell::RefCell;

use rusqlite::Connection;
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};

/// The folder of the pool in the origin's private file system.
const POOL_DIRECTORY: &str = "gridwork";

/// Files the pool can hold: a database and its journal, each twice, and room for a copy while one is exported.
const POOL_FILES: usize = 6;

/// What SQLite answers to `PRAGMA synchronous` in the mode FULL.
const SYNCHRONOUS_FULL: i64 = 2;

/// Why the storage could not be opened, used or closed.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The browser refused the files: no secure context, not a dedicated worker, or another worker holds them.
    #[error("browser storage: {0}")]
    Pool(#[from] OpfsSAHError),
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// SQLite stayed in another mode than the one asked for. It does so without an error, and a commit would then
    /// not be what we promise, so we look and refuse.
    #[error("sqlite: {pragma} is {found}, wanted {wanted}")]
    Mode {
        /// The setting.
        pragma: &'static str,
        /// What SQLite says it is.
        found: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The files were asked for before `open` or after `close`.
    #[error("the store is not open")]
    NotOpen,
}

thread_local! {
    static POOL: RefCell<Option<OpfsSAHPoolUtil>> = const { RefCell::new(None) };
}

/// Takes the files of this origin for this worker.
///
/// # Errors
/// The browser refused, above all while another worker holds them.
pub async fn open() -> Result<(), StorageError> {
    let config = OpfsSAHPoolCfgBuilder::new()
        .directory(POOL_DIRECTORY)
        .initial_capacity(POOL_FILES)
        .build();
    // Installing again gives back the pool of this worker, as `close` left it.
    let pool = install::<WasmOsCallback>(&config, true).await?;
    if pool.is_paused() {
        pool.resume().await?;
    }
    POOL.set(Some(pool));
    Ok(())
}

/// Opens (and creates, the first time) the database `name`. A commit on it is durable: WAL with `synchronous=FULL`.
///
/// # Errors
/// The files are not ours, SQLite refused, or a mode did not take.
pub fn connect(name: &str) -> Result<Connection, StorageError> {
    if POOL.with_borrow(Option::is_none) {
        return Err(StorageError::NotOpen);
    }
    let connection = Connection::open(name)?;
    make_durable(&connection)?;
    Ok(connection)
}

/// Closes the connection and gives the file handles back, so that another worker can take over at once.
///
/// # Errors
/// SQLite could not finish, or the browser did not take the handles back.
pub fn close(connection: Option<Connection>) -> Result<(), StorageError> {
    if let Some(connection) = connection {
        connection.close().map_err(|(_, error)| error)?;
    }
    if let Some(pool) = POOL.take() {
        pool.pause()?;
    }
    Ok(())
}

/// Sets the three modes and reads each one back.
fn make_durable(connection: &Connection) -> Result<(), StorageError> {
    // Exclusive first, before anything is read: there is no shared memory here, so SQLite can neither enter WAL nor
    // open a database that is in it unless it knows that it is alone.
    let locking: String =
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |row| row.get(0))?;
    expect_mode("locking_mode", &locking, "exclusive")?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    expect_mode("journal_mode", &journal, "wal")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if synchronous != SYNCHRONOUS_FULL {
        return Err(StorageError::Mode {
            pragma: "synchronous",
            found: synchronous.to_string(),
            wanted: "2 (FULL)",
        });
    }
    Ok(())
}

fn expect_mode(
    pragma: &'static str,
    found: &str,
    wanted: &'static str,
) -> Result<(), StorageError> {
    if found.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(StorageError::Mode {
        pragma,
        found: found.to_owned(),
        wanted,
    })
}
