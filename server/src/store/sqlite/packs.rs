//! Frozen packs.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{Row, params};
use sync_core::ids::Pos;
use sync_core::packs::Observed;

/// One frozen pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRow {
    /// Which: `2026-W48`, `2026-11`, `2026-Q4`.
    pub label: String,
    /// The place of the log that it was made at.
    pub pos: Pos,
    /// When it was frozen.
    pub frozen_ms: i64,
    /// What was seen then that no log holds.
    pub observed: Observed,
    /// Its text.
    pub text: String,
}

const COLUMNS: &str = "SELECT label, pos, frozen_ms, observed, text FROM pack";

fn read_row(row: &Row<'_>) -> Result<PackRow, StoreError> {
    let label: String = row.get(0)?;
    let observed: String = row.get(3)?;
    Ok(PackRow {
        observed: serde_json::from_str(&observed)
            .map_err(|error| StoreError::corrupt("pack", &label, error))?,
        pos: Pos(row.get::<_, i64>(1)? as u64),
        frozen_ms: row.get(2)?,
        text: row.get(4)?,
        label,
    })
}

impl DistrictRead {
    /// The frozen pack of a label.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_pack(&self, label: &str) -> Result<Option<PackRow>, StoreError> {
        let sql = format!("{COLUMNS} WHERE label = ?1");
        let mut statement = self.connection().prepare_cached(&sql)?;
        let mut rows = statement.query([label])?;
        rows.next()?.map(read_row).transpose()
    }

    /// All frozen packs, by label.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_packs(&self) -> Result<Vec<PackRow>, StoreError> {
        let sql = format!("{COLUMNS} ORDER BY label");
        let mut statement = self.connection().prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut packs = Vec::new();
        while let Some(row) = rows.next()? {
            packs.push(read_row(row)?);
        }
        Ok(packs)
    }
}

impl DistrictWrite {
    /// Keeps a frozen pack.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_pack(&self, pack: &PackRow) -> Result<(), StoreError> {
        let observed = serde_json::to_string(&pack.observed);
        let observed = observed.expect("BUG: what was observed is always JSON");
        let sql =
            "INSERT INTO pack (label, pos, frozen_ms, observed, text) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.connection().prepare_cached(sql)?.execute(params![
            pack.label,
            pack.pos.0 as i64,
            pack.frozen_ms,
            observed,
            pack.text
        ])?;
        Ok(())
    }
}
