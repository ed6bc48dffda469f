//! The first function set: rows in a table of notes, enough to show that what was committed in a browser stays.

use rusqlite::Connection;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::storage;

/// Opens the store `name`, creating it the first time. Call it once, in the worker that holds the lock.
///
/// # Errors
/// The browser or SQLite refused; the message says which and why.
#[wasm_bindgen]
pub async fn open(name: String) -> Result<(), JsError> {
    storage::open(&name).await?;
    Ok(storage::with_connection(create_tables)?)
}

/// Closes the store and lets another worker take it.
///
/// # Errors
/// SQLite or the browser refused.
#[wasm_bindgen]
pub fn close() -> Result<(), JsError> {
    Ok(storage::close()?)
}

/// Adds one note in a transaction of its own; when it returns, the note is durable.
///
/// # Errors
/// The store is not open, or SQLite refused (a full disk, say).
#[wasm_bindgen]
pub fn insert(text: String) -> Result<(), JsError> {
    storage::with_connection(|connection| {
        connection
            .execute("INSERT INTO note (text) VALUES (?1)", [&text])
            .map(|_| ())
    })?;
    Ok(())
}

/// How many notes there are.
///
/// # Errors
/// The store is not open, or SQLite refused.
#[wasm_bindgen]
pub fn count() -> Result<u32, JsError> {
    Ok(storage::with_connection(|connection| {
        connection.query_row("SELECT count(*) FROM note", [], |row| row.get(0))
    })?)
}

/// SQLite's own check of its file: `ok`, or what is wrong with it.
///
/// # Errors
/// The store is not open, or SQLite could not read it.
#[wasm_bindgen]
pub fn integrity() -> Result<String, JsError> {
    Ok(storage::with_connection(|connection| {
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))
    })?)
}

/// The version of the SQLite inside.
#[wasm_bindgen]
pub fn sqlite_version() -> String {
    rusqlite::version().to_owned()
}

fn create_tables(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT",
    )
}
