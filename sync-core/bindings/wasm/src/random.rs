//! Randomness of the browser (`crypto.getRandomValues`) and the ids made of it.

use sync_core::ids::{RecordId, ReplicaId};
use uuid::Builder;

use crate::failure::Failure;

/// So many random bytes.
///
/// # Errors
/// The browser gave none.
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Failure::storage)?;
    Ok(bytes)
}

/// Any number, evenly spread.
///
/// # Errors
/// The browser gave none.
pub fn number() -> Result<u64, Failure> {
    Ok(u64::from_be_bytes(bytes()?))
}

/// The id of a new record. Its time only orders ids; a clock before 1970 counts as 1970.
///
/// # Errors
/// The browser gave no random bytes.
pub fn record_id(now_ms: i64) -> Result<RecordId, Failure> {
    let millis = u64::try_from(now_ms).unwrap_or(0);
    let id = Builder::from_unix_timestamp_millis(millis, &bytes()?).into_uuid();
    Ok(RecordId(id))
}

/// The id of a new replica.
///
/// # Errors
/// The browser gave no random bytes.
pub fn replica_id() -> Result<ReplicaId, Failure> {
    Ok(ReplicaId(Builder::from_random_bytes(bytes()?).into_uuid()))
}
