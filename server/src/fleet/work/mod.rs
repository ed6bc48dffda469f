//! The reference work: reports as grid workers write them, the same for the same seed. `gridwork fleet` and the benchmarks share it.

mod phrases;
pub mod random;
pub mod record_ids;
pub mod reference_work;
pub mod report;
mod wordings;
