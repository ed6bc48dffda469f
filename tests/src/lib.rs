//! Test harness and benchmarks.

pub mod bench;
pub mod small_log;
