//! Epochs: each counts one time that the log was put back from a copy. No number may go on naming two histories;
//! `docs/decisions/0009-epochs-of-restored-logs.md` says how that is found out.

use super::ServiceError;
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::sqlite::control::{Control, KnownDistrict};
use crate::store::sqlite::{DistrictWrite, is_there};
use std::path::Path;
use sync_core::ids::{Epoch, Pos};
use sync_core::limits;

/// The epoch that follows all that are known.
///
/// # Errors
/// No number is left.
pub fn next_epoch(known: Epoch) -> Result<Epoch, StoreError> {
    let next = known.0.saturating_add(1);
    (next <= limits::EPOCH_MAX)
        .then_some(Epoch(next))
        .ok_or_else(|| StoreError::corrupt("epoch", known, "no later one is left"))
}

/// Begins a new epoch in a district's file that was put back from a copy.
///
/// # Errors
/// Storage's own.
pub fn begin_restored(
    path: &Path,
    known: &KnownDistrict,
    control: &Control,
    now_ms: i64,
) -> Result<(Epoch, Pos), ServiceError> {
    let write = DistrictWrite::open(path)?;
    let (last, _) = write.facts()?.epoch();
    let head = write.head()?;
    let epoch = next_epoch(last.max(known.last_epoch))?;
    write.insert_epoch(epoch, head.0, now_ms)?;
    control.note_head(&known.code, epoch, head)?;
    Ok((epoch, head.0))
}

/// Refuses a file that is older than what this server had answered, unless a new epoch is asked for, which it begins.
pub(super) fn check_restored(
    path: &Path,
    known: &KnownDistrict,
    control: &Control,
    clock: &dyn Clock,
    restored: bool,
) -> Result<(), ServiceError> {
    if !path.exists() && !is_there(path) {
        return Err(StoreError::Missing(format!(
            "the file of district {} is missing: {}",
            known.code,
            path.display()
        ))
        .into());
    }
    if restored {
        begin_restored(path, known, control, clock.wall_ms())?;
        return Ok(());
    }
    let write = DistrictWrite::open(path)?;
    let (epoch, _) = write.facts()?.epoch();
    let noted = write.list_heads_before(known.head.0, 1)?;
    let same = known.head.0 == Pos(0) || noted.first() == Some(&known.head);
    if epoch < known.last_epoch || !same {
        return Err(StoreError::Missing(format!(
            "the file of district {} is older than what this server has answered (place {}); if it was put back from a copy, start with --restored",
            known.code, known.head.0
        ))
        .into());
    }
    Ok(())
}
