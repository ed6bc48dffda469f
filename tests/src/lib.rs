//! Test harness and benchmarks.

pub mod bench;
pub mod chaos;
pub mod engine;
pub mod fuzz;
pub mod oracle;
pub mod sim;
pub mod small_log;
pub mod tus;
pub mod worked_conflicts;
