//! Gridwork's pure heart: the vocabulary of changes, their bytes, admission, merging, and the phone's replica.
//!
//! Nothing here reads a clock, makes a random number or opens a socket; time, ids, randomness and storage are handed in.

pub mod backoff;
pub mod calendar;
pub mod canary;
pub mod cases;
pub mod change;
pub mod codec;
pub mod decide;
pub mod digest;
pub mod directory;
pub mod documents;
pub mod duties;
pub mod entry;
#[cfg(test)]
mod fake_server;
pub mod geo;
pub mod hex;
pub mod ids;
pub mod kinds;
pub mod limits;
pub mod merge;
pub mod messages;
pub mod packs;
pub mod patrols;
pub mod payload;
pub mod replica;
pub mod scope;
pub mod session;
#[cfg(test)]
mod testing;
pub mod time;
pub mod validate;
pub mod verdict;
pub mod wire;
pub mod words;
pub mod work;
