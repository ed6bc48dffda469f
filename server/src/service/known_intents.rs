//! What a newer server does with changes whose intents the one before did not know: each gets its ruling.

use super::log_writer::{LogWriter, WriterState};
use crate::store::StoreError;
use crate::store::sqlite::{DistrictWrite, Group};
use sync_core::change::SigningKey;
use sync_core::ids::Pos;
use sync_core::kinds::KnownIntents;

/// Notes in the district which intents the server knows from here on. When it has learned some since the last time, what
/// waits for an intent is looked at again, all of it in the transaction that notes it.
///
/// # Errors
/// Storage's own, or that the server before knew more: its records hold what this one cannot fold.
pub(super) fn learn(
    write: &DistrictWrite,
    key: &(String, SigningKey),
    known: KnownIntents,
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut state = WriterState::load(write)?;
    let head = state.head.0;
    let mut noted = state.facts.known.clone();
    // Every log that was begun before this was noted is one of the first version's.
    let before = match noted.last() {
        Some((before, _)) => Some(*before),
        None => (head > Pos(0)).then(|| state.facts.known_at(head)),
    };
    match before {
        Some(before) if before > known => {
            return Err(StoreError::Newer {
                what: "the district's table of intents".to_owned(),
                found: i64::from(before.version()),
                known: i64::from(known.version()),
            });
        }
        Some(before) if before == known && !noted.is_empty() => return Ok(()),
        Some(before) if noted.is_empty() => noted.push((before, Pos(0))),
        _ => {}
    }
    if before != Some(known) {
        noted.push((known, head));
    }
    let transaction = Group::begin(write)?;
    write.put_known(&noted)?;
    state.facts.known = noted;
    if before.is_some_and(|before| before < known) {
        let now_ms = now_ms.max(write.last_received_ms()?);
        let mut log = LogWriter::new(write, (&key.0, &key.1), &state);
        log.refresh_documents(now_ms)?;
        for pos in write.list_waiting_for_intents()? {
            log.release_one(pos, now_ms)?;
        }
        log.finish(head)?;
    }
    transaction.commit()
}
