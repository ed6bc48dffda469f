//! A short life of a database, and what must be true of it afterwards.

use rusqlite::{Connection, OptionalExtension};
use std::time::Duration;
use tests::sim::disk::{Disk, Node};

pub const DATABASE: &str = "district.db";
const TRANSACTIONS: u32 = 20;
const ROWS_OF_A_TRANSACTION: i64 = 3;

/// What a run was told had been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub schema: bool,
    pub transactions: u32,
}

pub fn node(name: &str) -> Node {
    let node = Disk::install().node(name);
    node.restore(&tests::sim::disk::Files::default());
    node
}

/// A connection that waits for nobody.
pub fn open(node: &Node) -> rusqlite::Result<Connection> {
    let connection = Connection::open(node.path(DATABASE))?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// A connection in WAL mode that checkpoints often.
pub fn open_wal(node: &Node, synchronous: &str) -> rusqlite::Result<Connection> {
    let connection = open(node)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    assert_eq!(mode, "wal");
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", 24)?;
    Ok(connection)
}

pub fn make_schema(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE row (number INTEGER, part INTEGER, bytes BLOB, PRIMARY KEY (number, part)) STRICT;
         CREATE TABLE total (transactions INTEGER) STRICT;
         INSERT INTO total VALUES (0);
         COMMIT;",
    )
}

/// Transaction `number`, in several rows of several pages.
pub fn transact(connection: &Connection, number: u32) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    for part in 0..ROWS_OF_A_TRANSACTION {
        transaction.execute(
            "INSERT INTO row VALUES (?1, ?2, ?3)",
            (number, part, payload(number)),
        )?;
    }
    transaction.execute("UPDATE total SET transactions = transactions + 1", [])?;
    transaction.commit()
}

/// Schema, transactions, checkpoint, close: up to the first error.
pub fn run(node: &Node, synchronous: &str) -> Told {
    let mut told = Told {
        schema: false,
        transactions: 0,
    };
    // The error itself is the end of the story; what counts is how far it came.
    let _ = run_to_error(node, synchronous, &mut told);
    told
}

fn run_to_error(node: &Node, synchronous: &str, told: &mut Told) -> rusqlite::Result<()> {
    let connection = open_wal(node, synchronous)?;
    make_schema(&connection)?;
    told.schema = true;
    for number in 1..=TRANSACTIONS {
        transact(&connection, number)?;
        told.transactions = number;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}

/// Opens what is there, checks it through and says what it holds, or what is wrong with it.
pub fn examine(node: &Node) -> Result<Told, String> {
    let wrong = |error: rusqlite::Error| error.to_string();
    let connection = open(node).map_err(wrong)?;
    let found = examine_open(&connection);
    drop(connection);
    found
}

pub fn examine_open(connection: &Connection) -> Result<Told, String> {
    let wrong = |error: rusqlite::Error| error.to_string();
    let integrity: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(wrong)?;
    if integrity != "ok" {
        return Err(integrity);
    }
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
    match connection.query_row(tables, [], |row| row.get::<_, i64>(0)) {
        Ok(2) => {}
        Ok(0) => {
            return Ok(Told {
                schema: false,
                transactions: 0,
            });
        }
        Ok(count) => return Err(format!("{count} tables")),
        Err(error) => return Err(wrong(error)),
    }
    let transactions: u32 = connection
        .query_row("SELECT transactions FROM total", [], |row| row.get(0))
        .optional()
        .map_err(wrong)?
        .ok_or("no total")?;
    let mut statement = connection
        .prepare("SELECT number, part, bytes FROM row ORDER BY number, part")
        .map_err(wrong)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(wrong)?;
    let found: Vec<(u32, i64, Vec<u8>)> = rows.collect::<Result<_, _>>().map_err(wrong)?;
    let expected: Vec<(u32, i64, Vec<u8>)> = (1..=transactions)
        .flat_map(|number| (0..ROWS_OF_A_TRANSACTION).map(move |part| (number, part)))
        .map(|(number, part)| (number, part, payload(number)))
        .collect();
    if found != expected {
        return Err(format!("rows do not fit {transactions} transactions"));
    }
    Ok(Told {
        schema: true,
        transactions,
    })
}

fn payload(number: u32) -> Vec<u8> {
    (0..900).map(|at| (number * 7 + at) as u8).collect()
}
