//! The rules of sync-core, as sources, with their unit tests, the laws, the golden files and the hostile bytes: what
//! `tests/mutants.sh` builds and runs for each mutant. Replica, session and SQLite are left out, and one crate stands
//! for six, so that a mutant takes seconds. A module added to sync-core's rules is added here; the build says so.
#![allow(dead_code, reason = "a test uses what it tests, not all that there is")]

extern crate self as sync_core;
extern crate self as tests;

#[path = "../../sync-core/src/calendar/mod.rs"]
pub mod calendar;
#[path = "../../sync-core/src/canary.rs"]
pub mod canary;
#[path = "../../sync-core/src/cases/mod.rs"]
pub mod cases;
#[path = "../../sync-core/src/change/mod.rs"]
pub mod change;
#[path = "../../sync-core/src/codec/mod.rs"]
pub mod codec;
#[path = "../../sync-core/src/decide/mod.rs"]
pub mod decide;
#[path = "../../sync-core/src/digest.rs"]
pub mod digest;
#[path = "../../sync-core/src/directory.rs"]
pub mod directory;
#[path = "../../sync-core/src/documents/mod.rs"]
pub mod documents;
#[path = "../../sync-core/src/duties/mod.rs"]
pub mod duties;
#[path = "../../sync-core/src/entry.rs"]
pub mod entry;
#[path = "../../sync-core/src/geo.rs"]
pub mod geo;
#[path = "../../sync-core/src/hex.rs"]
pub mod hex;
#[path = "../../sync-core/src/ids.rs"]
pub mod ids;
#[path = "../../sync-core/src/kinds/mod.rs"]
pub mod kinds;
#[path = "../../sync-core/src/limits.rs"]
pub mod limits;
#[path = "../../sync-core/src/merge/mod.rs"]
pub mod merge;
#[path = "../../sync-core/src/patrols/mod.rs"]
pub mod patrols;
#[path = "../../sync-core/src/payload.rs"]
pub mod payload;
#[path = "../../sync-core/src/scope.rs"]
pub mod scope;
#[cfg(test)]
#[path = "../../sync-core/src/testing.rs"]
mod testing;
#[path = "../../sync-core/src/time.rs"]
pub mod time;
#[path = "../../sync-core/src/validate.rs"]
pub mod validate;
#[path = "../../sync-core/src/verdict.rs"]
pub mod verdict;
#[path = "../../sync-core/src/wire/mod.rs"]
pub mod wire;
#[path = "../../sync-core/src/words.rs"]
pub mod words;
#[path = "../../sync-core/src/work/mod.rs"]
pub mod work;

#[path = "../src/small_log.rs"]
pub mod small_log;

#[path = "../tests/boundaries.rs"]
mod boundaries;
#[path = "../tests/golden.rs"]
mod golden;
#[path = "../tests/hostile_bytes.rs"]
mod hostile_bytes;
#[path = "../tests/laws.rs"]
mod laws;
