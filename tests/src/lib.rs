//! Test harness and benchmarks.

pub mod bench;
