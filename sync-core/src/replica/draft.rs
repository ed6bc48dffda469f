//! Drafts: forms that are not changes yet, saved with each keystroke, together with what the author was looking at.

use super::{Replica, ReplicaError, record};
use crate::ids::{LogPlace, RecordId, UnitId};
use rusqlite::params;

/// A form that was opened and not sent. Its bytes are the form's own: nothing here reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormDraft {
    /// The record that it is about.
    pub record: RecordId,
    /// The intent that it will become.
    pub intent: String,
    /// The unit.
    pub unit: UnitId,
    /// The form's content so far.
    pub payload: Vec<u8>,
    /// What the author was looking at when the form opened.
    pub base: LogPlace,
    /// When it was last saved, device time.
    pub saved_ms: i64,
}

impl Replica {
    /// Saves a draft, over an older one of the same record and intent. Making the change removes it.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn save_draft(&mut self, draft: &FormDraft) -> Result<(), ReplicaError> {
        self.connection
            .prepare_cached(
                "INSERT INTO draft (record, intent, unit, payload, base_epoch, base_pos, saved_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (record, intent) DO UPDATE SET unit = excluded.unit, payload = excluded.payload,
                    base_epoch = excluded.base_epoch, base_pos = excluded.base_pos, saved_ms = excluded.saved_ms",
            )?
            .execute(params![
                &draft.record.as_bytes()[..],
                draft.intent,
                draft.unit.0,
                draft.payload,
                draft.base.epoch.0,
                draft.base.pos.0 as i64,
                draft.saved_ms,
            ])?;
        Ok(())
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn discard_draft(&mut self, record: RecordId, intent: &str) -> Result<(), ReplicaError> {
        self.connection.execute(
            "DELETE FROM draft WHERE record = ?1 AND intent = ?2",
            params![&record.as_bytes()[..], intent],
        )?;
        Ok(())
    }

    /// All drafts, the last saved first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn drafts(&self) -> Result<Vec<FormDraft>, ReplicaError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record, intent, unit, payload, base_epoch, base_pos, saved_ms FROM draft
             ORDER BY saved_ms DESC, record, intent",
        )?;
        let mut rows = statement.query([])?;
        let mut drafts = Vec::new();
        while let Some(row) = rows.next()? {
            drafts.push(FormDraft {
                record: record::id(row, 0)?,
                intent: row.get(1)?,
                unit: UnitId(row.get(2)?),
                payload: row.get(3)?,
                base: record::place(row, 4)?,
                saved_ms: row.get(6)?,
            });
        }
        Ok(drafts)
    }
}
