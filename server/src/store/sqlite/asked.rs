//! What people asked for online, by their own id for it: the same asked again has the same answer.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{Row, params};
use sync_core::change::Hash;
use sync_core::ids::{PersonId, Pos};
use uuid::Uuid;

/// One thing that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRow {
    /// Who.
    pub person: PersonId,
    /// Their id for it.
    pub id: Uuid,
    /// The hash of all that was asked.
    pub hash: Hash,
    /// The entry that came of it.
    pub pos: Pos,
    /// Where the record's workflow stood afterwards.
    pub state: Option<String>,
}

fn read_row(row: &Row<'_>) -> Result<AskedRow, StoreError> {
    let person = PersonId(row.get(0)?);
    let wrong = |what| StoreError::corrupt("asked", person, what);
    Ok(AskedRow {
        person,
        id: Uuid::from_slice(&row.get::<_, Vec<u8>>(1)?).map_err(|_| wrong("id"))?,
        hash: Hash::from_slice(&row.get::<_, Vec<u8>>(2)?).ok_or_else(|| wrong("hash"))?,
        pos: Pos(row.get::<_, i64>(3)? as u64),
        state: row.get(4)?,
    })
}

impl DistrictRead {
    /// What a person asked for under an id.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_asked(&self, person: PersonId, id: Uuid) -> Result<Option<AskedRow>, StoreError> {
        let sql = "SELECT person, id, hash, pos, state FROM asked WHERE person = ?1 AND id = ?2";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query(params![person.0, &id.as_bytes()[..]])?;
        rows.next()?.map(read_row).transpose()
    }

    /// Hands all that was ever asked for to `each`.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn scan_asked(&self, mut each: impl FnMut(AskedRow)) -> Result<(), StoreError> {
        let sql = "SELECT person, id, hash, pos, state FROM asked ORDER BY person, id";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(read_row(row)?);
        }
        Ok(())
    }
}

impl DistrictWrite {
    /// Keeps what was asked for beside the entry that came of it.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_asked(&self, asked: &AskedRow) -> Result<(), StoreError> {
        self.connection()
            .prepare_cached(
                "INSERT INTO asked (person, id, hash, pos, state) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                asked.person.0,
                &asked.id.as_bytes()[..],
                &asked.hash.0[..],
                asked.pos.0 as i64,
                asked.state
            ])?;
        Ok(())
    }
}
