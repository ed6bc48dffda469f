//! Reading the projection: streams of rows, newest first, out of the index that fits the question best.

use super::index::{IndexPlace, IndexRow, check_version};
use crate::store::StoreError;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params};
use std::path::Path;
use sync_core::ids::{DistrictId, Epoch, Pos, RecordId, UnitId};
use sync_core::kinds::Kind;

/// A connection that reads the projection.
#[derive(Debug)]
pub struct IndexRead {
    pub(super) connection: Connection,
}

/// Which rows a stream gives. Whatever else a question asks is for the reader of the stream to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexStream {
    /// All.
    All,
    /// Those of a unit, itself only.
    Unit(UnitId),
    /// Those of a unit in a state.
    UnitState(UnitId, String),
    /// Those of a unit and a category.
    UnitCategory(UnitId, String),
    /// Those of a desk.
    Desk(UnitId),
    /// Those of a desk in a state.
    DeskState(UnitId, String),
    /// Those of a desk and a category.
    DeskCategory(UnitId, String),
    /// Those of a desk and a category in a state.
    DeskCategoryState(UnitId, String, String),
    /// Those of a kind.
    Kind(Kind),
    /// Those in a state.
    State(String),
    /// Those of a category.
    Category(String),
    /// Those of a category in a state.
    CategoryState(String, String),
    /// Those that show a conflict.
    Conflict,
    /// Those whose words match an FTS5 expression.
    Words(String),
}

/// The columns that decide whether a row is wanted at all.
#[derive(Clone, Copy, Debug)]
pub struct IndexFacts<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Its unit.
    pub unit: UnitId,
    /// Its desk.
    pub desk: Option<UnitId>,
    /// Its workflow's state.
    pub state: Option<&'a str>,
    /// Its category.
    pub category: Option<&'a str>,
    /// How many fields show a conflict.
    pub conflicts: u32,
}

macro_rules! columns {
    () => {
        "r.key, r.kind, r.unit, r.desk, r.state, r.category, r.no, r.id, r.title, r.time_ms, r.pos, r.conflicts"
    };
}

macro_rules! stream {
    ($from:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM record r ",
            $from,
            " r.key >= ?2 AND r.key < ?3 ORDER BY r.key DESC"
        )
    };
}

/// By one column, or by none; the second value is not used.
macro_rules! stream_by {
    ($index:literal, $column:literal) => {
        stream!(concat!(
            "INDEXED BY ",
            $index,
            " WHERE r.",
            $column,
            " = ?1 AND ?4 IS NULL AND ?5 IS NULL AND"
        ))
    };
    ($index:literal, $column:literal, $second:literal) => {
        stream!(concat!(
            "INDEXED BY ",
            $index,
            " WHERE r.",
            $column,
            " = ?1 AND r.",
            $second,
            " = ?4 AND ?5 IS NULL AND"
        ))
    };
}

const ALL: &str = stream!("NOT INDEXED WHERE ?1 IS NULL AND ?4 IS NULL AND ?5 IS NULL AND");
const UNIT: &str = stream_by!("record_unit", "unit");
const UNIT_STATE: &str = stream_by!("record_unit_state", "unit", "state");
const UNIT_CATEGORY: &str = stream_by!("record_unit_category", "unit", "category");
const DESK: &str = stream_by!("record_desk", "desk");
const DESK_STATE: &str = stream_by!("record_desk_state", "desk", "state");
const DESK_CATEGORY: &str = stream_by!("record_desk_category", "desk", "category");
const DESK_CATEGORY_STATE: &str = stream!(
    "INDEXED BY record_desk_both WHERE r.desk = ?1 AND r.category = ?4 AND r.state = ?5 AND"
);
const CONFLICT: &str = stream!(
    "INDEXED BY record_conflict WHERE ?1 IS NULL AND ?4 IS NULL AND ?5 IS NULL AND r.conflicts > 0 AND"
);
const KIND: &str = stream_by!("record_kind", "kind");
const STATE: &str = stream_by!("record_state", "state");
const CATEGORY: &str = stream_by!("record_category", "category");
const CATEGORY_STATE: &str = stream_by!("record_category_state", "category", "state");
const WORDS: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM words CROSS JOIN record r ON r.key = words.rowid
      WHERE words MATCH ?1 AND ?4 IS NULL AND ?5 IS NULL AND words.rowid >= ?2 AND words.rowid < ?3 ORDER BY words.rowid DESC"
);

impl IndexRead {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// The database's own, or that it is not of this form.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = super::open_reader(path)?;
        read_place(&connection)?;
        Ok(Self { connection })
    }

    /// How far the projection has come.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn place(&self) -> Result<IndexPlace, StoreError> {
        read_place(&self.connection)
    }

    /// Runs `read` over one state of the projection.
    ///
    /// # Errors
    /// The database's own, or what `read` says.
    pub fn snapshot<T>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connection.execute_batch("BEGIN")?;
        let result = read(self);
        self.connection.execute_batch("ROLLBACK")?;
        result
    }

    /// Hands the rows of a stream with `from <= key < below`, greatest key first, to `take` with their keys, if `wants`
    /// says so, until `take` says stop.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn scan(
        &self,
        stream: &IndexStream,
        from: i64,
        below: i64,
        mut wants: impl FnMut(IndexFacts<'_>) -> bool,
        mut take: impl FnMut(i64, IndexRow) -> bool,
    ) -> Result<(), StoreError> {
        let (sql, of, [second, third]) = question(stream);
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![of, from, below, second, third])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            let facts = read_facts(key, row)?;
            if !wants(facts) {
                continue;
            }
            if !take(key, read_row(key, row)?) {
                break;
            }
        }
        Ok(())
    }

    /// A record's row by its number.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_row(&self, no: i64) -> Result<Option<IndexRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM record r WHERE r.no = ?1");
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([no])?;
        rows.next()?
            .map(|row| read_row(row.get(0)?, row))
            .transpose()
    }

    /// How many records there are.
    ///
    /// # Errors
    /// The database's own.
    pub fn count(&self) -> Result<u64, StoreError> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM record", [], |row| row.get(0))?;
        Ok(count as u64)
    }
}

/// The statement of a stream, its first value, and those after the bounds.
fn question(stream: &IndexStream) -> (&'static str, Value, [Option<&str>; 2]) {
    let of_text = |text: &String| Value::from(text.clone());
    let of_unit = |unit: &UnitId| Value::from(unit.0);
    let none = [None; 2];
    match stream {
        IndexStream::All => (ALL, Value::Null, none),
        IndexStream::Unit(unit) => (UNIT, of_unit(unit), none),
        IndexStream::UnitState(unit, state) => (UNIT_STATE, of_unit(unit), [Some(state), None]),
        IndexStream::UnitCategory(unit, category) => {
            (UNIT_CATEGORY, of_unit(unit), [Some(category), None])
        }
        IndexStream::Desk(desk) => (DESK, of_unit(desk), none),
        IndexStream::DeskState(desk, state) => (DESK_STATE, of_unit(desk), [Some(state), None]),
        IndexStream::DeskCategory(desk, category) => {
            (DESK_CATEGORY, of_unit(desk), [Some(category), None])
        }
        IndexStream::DeskCategoryState(desk, category, state) => (
            DESK_CATEGORY_STATE,
            of_unit(desk),
            [Some(category), Some(state)],
        ),
        IndexStream::Kind(kind) => (KIND, Value::from(*kind as u8), none),
        IndexStream::State(state) => (STATE, of_text(state), none),
        IndexStream::Category(category) => (CATEGORY, of_text(category), none),
        IndexStream::CategoryState(category, state) => {
            (CATEGORY_STATE, of_text(category), [Some(state), None])
        }
        IndexStream::Conflict => (CONFLICT, Value::Null, none),
        IndexStream::Words(expression) => (WORDS, of_text(expression), none),
    }
}

fn wrong(key: i64, what: &str) -> StoreError {
    StoreError::corrupt("projection", key, what)
}

fn text<'a>(key: i64, row: &'a Row<'_>, index: usize) -> Result<Option<&'a str>, StoreError> {
    row.get_ref(index)?
        .as_str_or_null()
        .map_err(|_| wrong(key, "a text"))
}

fn read_facts<'a>(key: i64, row: &'a Row<'_>) -> Result<IndexFacts<'a>, StoreError> {
    Ok(IndexFacts {
        kind: Kind::from_code(row.get::<_, i64>(1)? as u64).ok_or_else(|| wrong(key, "kind"))?,
        unit: UnitId(row.get(2)?),
        desk: row.get::<_, Option<u32>>(3)?.map(UnitId),
        state: text(key, row, 4)?,
        category: text(key, row, 5)?,
        conflicts: row.get(11)?,
    })
}

fn read_row(key: i64, row: &Row<'_>) -> Result<IndexRow, StoreError> {
    let facts = read_facts(key, row)?;
    let id = row.get_ref(7)?.as_blob().map_err(|_| wrong(key, "id"))?;
    Ok(IndexRow {
        no: row.get(6)?,
        id: RecordId::from_slice(id).ok_or_else(|| wrong(key, "id"))?,
        kind: facts.kind,
        unit: facts.unit,
        desk: facts.desk,
        state: facts.state.map(str::to_owned),
        category: facts.category.map(str::to_owned),
        title: row.get(8)?,
        time_ms: row.get(9)?,
        pos: Pos(row.get::<_, i64>(10)? as u64),
        conflicts: facts.conflicts,
    })
}

pub(super) fn read_place(connection: &Connection) -> Result<IndexPlace, StoreError> {
    check_version(connection)?;
    let mut statement = connection
        .prepare_cached("SELECT district, epoch, pos, next_no, documents, due_no FROM place")?;
    let place = statement.query_row([], |row| {
        Ok((
            row.get::<_, Vec<u8>>(0)?,
            row.get(1)?,
            row.get::<_, i64>(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        ))
    })?;
    Ok(IndexPlace {
        district: DistrictId::from_slice(&place.0)
            .ok_or_else(|| StoreError::corrupt("projection", "place", "district"))?,
        epoch: Epoch(place.1),
        pos: Pos(place.2 as u64),
        next_no: place.3,
        documents: place.4,
        due_no: place.5,
    })
}
