//! What is known of people and units besides the directory: names, kept where they can be erased, and boundaries.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{OptionalExtension, params};
use sync_core::ids::{PersonId, UnitId};

/// A person's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// The permanent number.
    pub person: PersonId,
    /// The name.
    pub name: String,
    /// The district's own number of the person, if it gave one.
    pub external_id: Option<String>,
}

impl DistrictRead {
    /// A person's name; `None` when there is none or it was erased.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_person_name(&self, person: PersonId) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT name FROM person WHERE person = ?1")?;
        Ok(statement
            .query_row([person.0], |row| row.get(0))
            .optional()?)
    }

    /// All people, by number.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_people(&self) -> Result<Vec<PersonRow>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT person, name, external_id FROM person ORDER BY person")?;
        let rows = statement.query_map([], |row| {
            Ok(PersonRow {
                person: PersonId(row.get(0)?),
                name: row.get(1)?,
                external_id: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A unit's boundary as GeoJSON geometry.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_boundary(&self, unit: UnitId) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT geojson FROM boundary WHERE unit = ?1")?;
        Ok(statement.query_row([unit.0], |row| row.get(0)).optional()?)
    }
}

impl DistrictWrite {
    /// Writes a person's name.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_person(&self, person: &PersonRow) -> Result<(), StoreError> {
        let sql = "INSERT INTO person (person, name, external_id) VALUES (?1, ?2, ?3)
                   ON CONFLICT (person) DO UPDATE SET name = ?2, external_id = ?3";
        self.connection().prepare_cached(sql)?.execute(params![
            person.person.0,
            person.name,
            person.external_id
        ])?;
        Ok(())
    }

    /// Writes a unit's boundary.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_boundary(&self, unit: UnitId, geojson: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO boundary (unit, geojson) VALUES (?1, ?2) ON CONFLICT (unit) DO UPDATE SET geojson = ?2";
        self.connection()
            .prepare_cached(sql)?
            .execute(params![unit.0, geojson])?;
        Ok(())
    }

    /// Stores a version of a document's text.
    ///
    /// # Errors
    /// The database's own.
    pub fn put_document(&self, name: &str, version: u32, text: &str) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO document (name, version, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        self.connection()
            .prepare_cached(sql)?
            .execute(params![name, version, text])?;
        Ok(())
    }
}
