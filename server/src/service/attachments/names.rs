//! Which records name what: read from the log behind the writer, for two questions only. May somebody have bytes without
//! sending them, because they could read them; and are there bytes that nobody names.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use serde_json::Value;
use sync_core::change::Hash;
use sync_core::entry::EntryKind;
use sync_core::hex;
use sync_core::scope::Scope;

use super::Shelf;
use super::reading::named_in;
use crate::service::ServiceError;
use crate::store::StoreError;
use crate::store::sqlite::EntryRow;

/// Entries of one step: bounds how long a state of the log is held open.
const STEP: usize = 2_000;
/// Records that are looked at to see whether one of them lets somebody read bytes.
const RECORDS_LOOKED_AT_MAX: usize = 50;

impl Shelf {
    /// Follows the log up to its head, until `go_on` says stop.
    pub(super) fn follow_names(&self, go_on: &dyn Fn() -> bool) -> Result<(), ServiceError> {
        let state = self.district.state();
        let (district, epoch, head) = (self.district.id(), state.facts.epoch().0, state.head.0);
        let store = || self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pos = store().naming_place(district, epoch)?;
        while pos < head && go_on() {
            let from = pos;
            let mut names = Vec::new();
            pos = self.district.read_here(|read| {
                let mut last = from;
                read.scan_entries(from, STEP, |entry| {
                    last = entry.pos;
                    names.extend(names_of(&entry));
                    Ok::<_, StoreError>(true)
                })?;
                Ok(last)
            })?;
            if pos == from {
                break;
            }
            store().note_names(district, epoch, pos, &names)?;
        }
        Ok(())
    }

    /// Whether one of the records that name it is in this scope.
    pub(super) async fn is_named_within(
        self: &Arc<Self>,
        sha256: Hash,
        scope: Scope,
    ) -> Result<bool, ServiceError> {
        let records = self
            .with_store(move |store| store.list_naming(sha256, RECORDS_LOOKED_AT_MAX))
            .await?;
        let district = Arc::clone(&self.district);
        self.district
            .read(move |read, state| {
                let view = district.view(read, state);
                for no in records {
                    // After a restore a number may be another record's, or none's.
                    let Ok(row) = read.get_record_by_no(no) else {
                        continue;
                    };
                    if scope.contains(row.kind, row.unit, row.desk)
                        && view
                            .load_state(&row)?
                            .is_some_and(|state| named_in(&state).contains(&sha256))
                    {
                        return Ok(true);
                    }
                }
                Ok(false)
            })
            .await
    }
}

/// Every SHA-256 in the open part of a change, whatever it was ruled and whether its intent is known: a change that
/// waits may come into force.
fn names_of(entry: &EntryRow) -> Vec<(Hash, i64)> {
    let (Some(record), Some(body)) = (entry.record, &entry.body) else {
        return Vec::new();
    };
    if entry.kind != EntryKind::Change {
        return Vec::new();
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let mut found = BTreeSet::new();
    collect(&value, &mut found);
    found.into_iter().map(|hash| (hash, record)).collect()
}

/// Gathers every string that is a SHA-256.
pub(super) fn collect(value: &Value, found: &mut BTreeSet<Hash>) {
    match value {
        Value::String(text) if text.len() == 64 => {
            found.extend(hex::decode(text).and_then(|bytes| Hash::from_slice(&bytes)));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

impl Shelf {
    /// How far the log was followed.
    #[cfg(test)]
    pub(super) fn named_up_to(&self) -> Result<sync_core::ids::Pos, StoreError> {
        let epoch = self.district.state().facts.epoch().0;
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.naming_place(self.district.id(), epoch)
    }
}
