//! Admission: rights, guards, time and verdict of a change, decided once, by one pure function.
//!
//! The server runs it inside the committing transaction, over values read there; `gridwork verify` runs it again and
//! compares; the phone runs it as a forecast.

mod admission;
pub mod guards;
mod prepare;
mod rights;
#[cfg(test)]
mod tests;

pub use admission::{Context, Decision, admit};
pub use prepare::{Prepared, SealedPart, prepare};
pub use rights::{Right, find_right};
