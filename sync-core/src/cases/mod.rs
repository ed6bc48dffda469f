//! What the office and the phone reckon from a case: its clocks. Computed from the record's steps, the documents and the
//! calendar whenever they are asked for, and never stored.

mod automatic;
mod clock;
pub mod duplicates;
#[cfg(test)]
mod scene;

pub use automatic::{Automatic, SYSTEM_ROLE, automatic, intent_into, next_automatic};
pub use clock::{CaseClock, Stage};
