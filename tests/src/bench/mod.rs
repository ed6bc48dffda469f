//! The benchmarks: reference work, floors measured in the same run, and the places where the engine is measured beside them.
//!
//! Nothing here knows the engine: `under_test` says what a subject must offer, the floors offer it, and so does the engine.

pub use server::fleet::cpu;
pub use server::fleet::work::{random, record_ids, reference_work, report};

pub mod floor_client;
pub mod floor_merge;
pub mod floor_serve;
pub mod floor_server;
pub mod http1;
pub mod load;
pub mod machine;
pub mod merge_work;
pub mod snapshot_work;
pub mod suite;
pub mod table;
pub mod timing;
pub mod under_test;
