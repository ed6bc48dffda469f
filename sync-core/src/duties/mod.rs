//! What the server does by itself: which notices, tasks and alerts there should be, from records, documents and the moment.
//! Each has an id that follows from what it is about, so that whoever looks again makes nothing twice. Nothing here writes.

pub mod alerts;
pub mod notices;
pub mod occasions;
mod people;
pub mod tasks;
#[cfg(test)]
mod tests;

pub use people::{holders_near, lineage, lineage_codes};

use crate::calendar::Allowance;
use crate::cases::{CaseClock, next_automatic};
use crate::change::Hash;
use crate::documents::Documents;
use crate::ids::{RecordId, UnitId};
use crate::merge::RecordState;

/// Something that the server should make: a record with its first change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The record, always the same for the same occasion.
    pub record: RecordId,
    /// Its unit.
    pub unit: UnitId,
    /// The intent.
    pub intent: &'static str,
    /// The open part, JSON.
    pub open: String,
}

/// The id of the record that an occasion makes: a version 7 UUID whose time is that of the occasion and whose other bits
/// follow from what it is (RFC 9562, section 5.7).
pub fn derived_id(time_ms: i64, what: &[&str]) -> RecordId {
    let parts: Vec<Vec<u8>> = what
        .iter()
        .map(|part| {
            // Lengths first, so that no two lists of parts read alike.
            let mut bytes = (part.len() as u32).to_be_bytes().to_vec();
            bytes.extend_from_slice(part.as_bytes());
            bytes
        })
        .collect();
    let parts: Vec<&[u8]> = std::iter::once(&b"gridwork/derived/1"[..])
        .chain(parts.iter().map(Vec::as_slice))
        .collect();
    let hash = Hash::of(&parts);
    let mut bytes = [0; 16];
    bytes[6..].copy_from_slice(&hash.0[..10]);
    bytes[..6].copy_from_slice(&time_ms.max(0).to_be_bytes()[2..]);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    RecordId(uuid::Uuid::from_bytes(bytes))
}

/// When a record wants to be looked at while nobody changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// The first moment at which the server must look by itself: a step that comes by itself, half of a clock, a task that
    /// comes some time after, the next one on duty. `None` when never.
    pub due_ms: Option<i64>,
    /// When its clock is over; `None` where none runs or it stands still.
    pub over_ms: Option<i64>,
}

/// The moments of a record, its clock reckoned once.
pub fn moments(record: &RecordState, documents: &Documents) -> Moments {
    let clock = CaseClock::moments(record, documents);
    let step = next_automatic(record, documents).map(|coming| coming.due_ms);
    let half = clock
        .filter(|_| occasions::reminds(record, documents))
        .and_then(|clock| clock[0]);
    let task = tasks::first_due_ms(record, documents);
    let duty = occasions::next_on_duty_ms(record, documents);
    Moments {
        due_ms: [step, half, task, duty].into_iter().flatten().min(),
        over_ms: clock.and_then(|clock| clock[1]),
    }
}

/// When something that is allowed so long is over.
fn after_ms(from_ms: i64, allowed: crate::calendar::Duration, documents: &Documents) -> i64 {
    let allowance = Allowance::of(allowed, documents.calendar(), documents.zone());
    allowance.due_ms(from_ms, &[]).unwrap_or(i64::MAX)
}
