//! The deterministic simulator: one thread and virtual time a world; seed -> explicit plan -> run.
//!
//! A world is one server and some phones, each on an SQLite database of its own over a simulated disk that knows what
//! was synced; the real sync-core, the real service and store. It lives through its plan under faults (safety), then all
//! faults end and it must come to rest (liveness), then everything that was promised is looked for.

pub mod campaign;
mod check;
mod delivery;
pub mod disk;
pub mod district;
mod exchange;
pub mod generate;
mod incidents;
mod judge;
mod judge_office;
pub mod marks;
mod office;
mod office_documents;
mod other_work;
pub mod phone;
pub mod plan;
mod promises;
mod restores;
mod revival;
mod rogue;
pub mod server;
pub mod shrink;
pub mod sweep;
mod template;
mod work;
pub mod world;
