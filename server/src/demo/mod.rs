//! The demo district: made up, seeded, and of realistic size.

pub mod day;
mod dice;
mod district;
mod geometry;
mod land;
mod names;
mod staff;

pub use dice::Dice;
pub use district::{DIVISION_CODE, DemoDistrict, MustPoint, Person, Team, Unit};

#[cfg(test)]
mod default_documents_tests;
