//! A digest of a set of records: one number that two sides compare to know that they hold the same.

use crate::ids::{Pos, RecordId};
use sha2::{Digest as _, Sha256};

/// The sum of one number for each `(record, pos)`, modulo 2^128, and how many there are. Adding and taking away in
/// any order gives the same, so it is kept up to date change by change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetDigest {
    /// The sum.
    pub sum: u128,
    /// How many records.
    pub count: u64,
}

/// The number of one record at one place: the first 16 bytes, least significant first, of
/// `SHA-256("gridwork/digest/1" | record | pos)`, `pos` as eight bytes, most significant first.
pub fn record_number(record: RecordId, pos: Pos) -> u128 {
    let mut hasher = Sha256::new();
    hasher.update(b"gridwork/digest/1");
    hasher.update(record.as_bytes());
    hasher.update(pos.0.to_be_bytes());
    let hash = hasher.finalize();
    u128::from_le_bytes(hash[..16].try_into().expect("BUG: SHA-256 has 32 bytes"))
}

impl SetDigest {
    /// Adds a record.
    pub fn add(&mut self, record: RecordId, pos: Pos) {
        self.sum = self.sum.wrapping_add(record_number(record, pos));
        self.count += 1;
    }

    /// Takes a record away that was added at this place.
    pub fn remove(&mut self, record: RecordId, pos: Pos) {
        self.sum = self.sum.wrapping_sub(record_number(record, pos));
        self.count = self
            .count
            .checked_sub(1)
            .expect("BUG: a record is taken from an empty digest");
    }

    /// Adds all of another, disjoint set.
    pub fn add_all(&mut self, other: Self) {
        self.sum = self.sum.wrapping_add(other.sum);
        self.count += other.count;
    }

    /// 24 bytes: sum and count, least significant first.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&self.sum.to_le_bytes());
        bytes[16..].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// The inverse of [`SetDigest::to_bytes`].
    pub fn from_bytes(bytes: &[u8; 24]) -> Self {
        Self {
            sum: u128::from_le_bytes(bytes[..16].try_into().expect("BUG: 16 bytes")),
            count: u64::from_le_bytes(bytes[16..].try_into().expect("BUG: 8 bytes")),
        }
    }
}
