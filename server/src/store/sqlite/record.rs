//! Records: where each stands now. No body is stored twice: the image is missing while one entry says it all.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{Row, params};
use sync_core::ids::{Pos, RecordId, UnitId};
use sync_core::kinds::Kind;

/// A record's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// The district's own number, in order of first arrival.
    pub no: i64,
    /// Its id.
    pub id: RecordId,
    /// Its kind.
    pub kind: Kind,
    /// Its unit.
    pub unit: UnitId,
    /// Its desk.
    pub desk: Option<UnitId>,
    /// The greatest place at which an entry touched its state; 0 while none did.
    pub pos: Pos,
    /// The last entry that names it, whatever became of that.
    pub last: Pos,
    /// Its image; `None` while the entry at `pos` says it all.
    pub image: Option<Vec<u8>>,
}

macro_rules! columns {
    () => {
        "no, id, kind, unit, desk, pos, last, image"
    };
}

fn read_row(row: &Row<'_>) -> Result<RecordRow, StoreError> {
    let no: i64 = row.get(0)?;
    let wrong = |what| StoreError::corrupt("record", no, what);
    let id = row.get_ref(1)?.as_blob().map_err(|_| wrong("id"))?;
    Ok(RecordRow {
        no,
        id: RecordId::from_slice(id).ok_or_else(|| wrong("id"))?,
        kind: Kind::from_code(row.get::<_, i64>(2)? as u64).ok_or_else(|| wrong("kind"))?,
        unit: UnitId(row.get(3)?),
        desk: row.get::<_, Option<u32>>(4)?.map(UnitId),
        pos: Pos(row.get::<_, i64>(5)? as u64),
        last: Pos(row.get::<_, i64>(6)? as u64),
        image: row.get(7)?,
    })
}

impl DistrictRead {
    /// A record by its id.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_record(&self, id: RecordId) -> Result<Option<RecordRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM record WHERE id = ?1");
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([&id.as_bytes()[..]])?;
        rows.next()?.map(read_row).transpose()
    }

    /// A record by its number.
    ///
    /// # Errors
    /// The database's own, a corrupt row, or that there is none.
    pub fn get_record_by_no(&self, no: i64) -> Result<RecordRow, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM record WHERE no = ?1");
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([no])?;
        rows.next()?.map(read_row).transpose()?.ok_or_else(|| {
            StoreError::corrupt("record", no, "an entry names it, but it is not there")
        })
    }

    /// Hands each record from number `from` on, in order, to `each` until it says stop or `limit` rows were read.
    /// Answers with the number to go on from, `None` at the end.
    ///
    /// # Errors
    /// The database's own, a corrupt row, or what `each` says.
    pub fn scan_records<E: From<StoreError>>(
        &self,
        from: i64,
        limit: usize,
        mut each: impl FnMut(RecordRow) -> Result<bool, E>,
    ) -> Result<Option<i64>, E> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM record WHERE no >= ?1 ORDER BY no LIMIT ?2"
        );
        let mut statement = self
            .connection()
            .prepare_cached(sql)
            .map_err(StoreError::from)?;
        let mut rows = statement
            .query(params![from, limit as i64])
            .map_err(StoreError::from)?;
        let mut read = 0;
        let mut next = from;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            let record = read_row(row)?;
            read += 1;
            next = record.no + 1;
            if !each(record)? {
                return Ok(Some(next));
            }
        }
        Ok((read == limit).then_some(next))
    }

    /// The greatest number given to a record; 0 when there is none.
    ///
    /// # Errors
    /// The database's own.
    pub fn last_record_no(&self) -> Result<i64, StoreError> {
        Ok(self
            .connection()
            .query_row("SELECT coalesce(max(no), 0) FROM record", [], |row| {
                row.get(0)
            })?)
    }
}

impl DistrictWrite {
    /// Inserts a record.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_record(&self, record: &RecordRow) -> Result<(), StoreError> {
        let sql = concat!(
            "INSERT INTO record (",
            columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        );
        self.connection().prepare_cached(sql)?.execute(params![
            record.no,
            &record.id.as_bytes()[..],
            record.kind as u8,
            record.unit.0,
            record.desk.map(|desk| desk.0),
            record.pos.0 as i64,
            record.last.0 as i64,
            record.image,
        ])?;
        Ok(())
    }

    /// Writes all that can change of a record.
    ///
    /// # Errors
    /// The database's own.
    pub fn update_record(&self, record: &RecordRow) -> Result<(), StoreError> {
        let sql = "UPDATE record SET kind = ?2, unit = ?3, desk = ?4, pos = ?5, last = ?6, image = ?7 WHERE no = ?1";
        self.connection().prepare_cached(sql)?.execute(params![
            record.no,
            record.kind as u8,
            record.unit.0,
            record.desk.map(|desk| desk.0),
            record.pos.0 as i64,
            record.last.0 as i64,
            record.image,
        ])?;
        Ok(())
    }
}
