//! What the office and the phone reckon from a case: its clocks. Computed from the record's steps, the documents and the
//! calendar whenever they are asked for, and never stored.

mod clock;
pub mod duplicates;

pub use clock::{CaseClock, Stage};
