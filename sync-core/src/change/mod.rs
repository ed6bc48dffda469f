//! A change: one immutable intent made on a replica, as header and parts, hashed and chained (frame version 1).

mod batch;
mod hash;
mod header;
mod keys;

pub use batch::{Batch, BatchWriter, FramedChange, Part, PartClass};
pub use hash::{Hash, Salt, change_hash, commitment, hash_parts};
pub use header::{ChangeId, For, Header, Needs, Origin, Source};
pub use keys::{Signature, SigningKey, VerifyingKey, verify};

/// The frame version that this crate writes.
pub const FRAME_VERSION: u8 = 1;
/// Suite 1: SHA-256 and Ed25519. Suite 2 is kept for SM3 and SM2.
pub const SUITE: u8 = 1;
