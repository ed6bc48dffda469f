//! What a database says, table by table, so that two states can be told apart and a torn one found.

use crate::sim::disk::Node;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use sync_core::change::Hash;

/// A hash for each table of each database of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State(BTreeMap<String, Hash>);

/// Columns that follow from how often a process was started, not from what it was asked to do.
const PASSED_OVER: [(&str, &[&str]); 1] = [("district", &["head_pos", "head_hash"])];

impl State {
    /// Reads the databases of a node as they are; a file that is not there, or empty, has no tables.
    ///
    /// # Errors
    /// What SQLite says, also when its own check of a whole file finds fault.
    pub fn read(node: &Node, databases: &[&str]) -> Result<Self, String> {
        let mut tables = BTreeMap::new();
        let sizes: BTreeMap<String, usize> = node.files().into_iter().collect();
        for database in databases {
            if sizes.get(*database).is_none_or(|size| *size == 0) {
                continue;
            }
            read_database(node, database, &mut tables)
                .map_err(|error| format!("{database}: {error}"))?;
        }
        Ok(Self(tables))
    }

    /// Takes a table out, named `file/table`.
    pub fn pass_over(&mut self, table: &str) {
        self.0.remove(table);
    }

    /// The tables in which two states differ.
    pub fn differences<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let names = self.0.keys().chain(other.0.keys());
        let mut names: Vec<&str> = names
            .filter(|name| self.0.get(*name) != other.0.get(*name))
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn read_database(
    node: &Node,
    database: &str,
    tables: &mut BTreeMap<String, Hash>,
) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    // Writing, since reading alone does not recover a log that a crash left.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(node.path(database), flags).map_err(text)?;
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .map_err(text)?;
    if sound != "ok" {
        return Err(format!("integrity check: {sound}"));
    }
    let names: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .and_then(|mut statement| statement.query_map([], |row| row.get(0))?.collect())
        .map_err(text)?;
    for name in names {
        let hash = hash_table(&connection, &name).map_err(text)?;
        tables.insert(format!("{database}/{name}"), hash);
    }
    Ok(())
}

fn hash_table(connection: &Connection, name: &str) -> rusqlite::Result<Hash> {
    let rows = format!("SELECT * FROM \"{name}\"");
    let count = connection.prepare(&rows)?.column_count();
    let order: Vec<String> = (1..=count).map(|column| column.to_string()).collect();
    let mut statement = connection.prepare(&format!("{rows} ORDER BY {}", order.join(", ")))?;
    let passed_over = PASSED_OVER
        .iter()
        .find(|(table, _)| *table == name)
        .map_or(&[][..], |(_, columns)| columns);
    let columns: Vec<usize> = statement
        .column_names()
        .enumerate()
        .filter(|(_, column)| !passed_over.contains(column))
        .map(|(index, _)| index)
        .collect();
    let mut bytes = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for index in &columns {
            put_value(&mut bytes, row.get_ref(*index)?);
        }
    }
    Ok(Hash::of(&[&bytes]))
}

fn put_value(bytes: &mut Vec<u8>, value: ValueRef<'_>) {
    let mut put = |kind: u8, content: &[u8]| {
        bytes.push(kind);
        bytes.extend((content.len() as u64).to_be_bytes());
        bytes.extend_from_slice(content);
    };
    match value {
        ValueRef::Null => put(0, &[]),
        ValueRef::Integer(number) => put(1, &number.to_be_bytes()),
        ValueRef::Real(number) => put(2, &number.to_be_bytes()),
        ValueRef::Text(text) => put(3, text),
        ValueRef::Blob(blob) => put(4, blob),
    }
}
