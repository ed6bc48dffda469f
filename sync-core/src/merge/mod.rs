//! Merging: the three shapes (register, add-only set, guarded workflow) and the one fold. Knows no kind of record by name.
//!
//! A register's value is visible unless an entry in force wrote the field having seen it, or is a later one of the
//! same replica. Elements of sets are only ever added. Steps of a workflow are applied in order; whether one applies
//! was decided at admission and is never decided here.

mod event;
mod fold;
mod stamp;
mod state;
#[cfg(test)]
mod tests;

pub use event::{Act, Event};
pub use fold::fold;
pub use stamp::Stamp;
pub use state::{Attempt, Conflict, Element, RecordState, Step, Write};
