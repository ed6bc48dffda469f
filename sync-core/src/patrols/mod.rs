//! Patrol rounds: who was there, which points were visited, what is doubtful, and which rounds of the plan were walked.
//! All of it is read from records and documents whenever it is asked for; nothing here refuses anything.

pub mod codes;
pub mod coverage;
pub mod doubts;
mod round;
mod settled;

pub use round::{CheckIn, Completion, Member, Round, window_end_ms};

#[cfg(test)]
mod tests;
