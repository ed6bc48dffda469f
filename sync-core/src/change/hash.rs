//! The hash chain: salted commitments over parts, and one hash a change over header, commitments and the hash before.
//!
//! The chain covers commitments rather than contents, so that a sealed part can be deleted and the chain still
//! verifies; the salt keeps what was deleted from being guessed.

use super::PartClass;
use crate::ids::{DistrictId, ReplicaId, Seq};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// 32 bytes of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

/// 16 random bytes, handed in by whoever has randomness.
pub type Salt = [u8; 16];

impl Hash {
    /// What stands before the first change of a chain and the first entry of a log.
    pub const ZERO: Self = Self([0; 32]);

    /// SHA-256 over the concatenation of `parts`.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Hash({self})")
    }
}

/// `SHA-256("gridwork/part/1" | class | salt | bytes)`; the open part has no salt.
pub fn commitment(class: PartClass, salt: Option<&Salt>, bytes: &[u8]) -> Hash {
    Hash::of(&[
        b"gridwork/part/1",
        &[class.0],
        salt.map_or(&[][..], |salt| &salt[..]),
        bytes,
    ])
}

/// The commitments of parts, in order, each with its class.
pub fn hash_parts(parts: &[super::Part<'_>]) -> Vec<(PartClass, Hash)> {
    parts
        .iter()
        .map(|part| (part.class, part.commitment()))
        .collect()
}

/// The hash of one change, which stands for everything before it as well:
/// `SHA-256("gridwork/change/1" | version | suite | district | replica | seq | prev | SHA-256(header) | count | (class | commitment)*)`,
/// `seq` as eight bytes, most significant first.
pub fn change_hash(
    district: DistrictId,
    replica: ReplicaId,
    seq: Seq,
    prev: Hash,
    header: &[u8],
    commitments: &[(PartClass, Hash)],
) -> Hash {
    let header_hash = Hash::of(&[header]);
    let mut hasher = Sha256::new();
    hasher.update(b"gridwork/change/1");
    hasher.update([super::FRAME_VERSION, super::SUITE]);
    hasher.update(district.as_bytes());
    hasher.update(replica.as_bytes());
    hasher.update(seq.0.to_be_bytes());
    hasher.update(prev.0);
    hasher.update(header_hash.0);
    hasher.update([commitments.len() as u8]);
    for (class, commitment) in commitments {
        hasher.update([class.0]);
        hasher.update(commitment.0);
    }
    Hash(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_taken_from_32_bytes_only_and_printed_in_hexadecimal() {
        let bytes: [u8; 32] = std::array::from_fn(|index| index as u8);
        assert_eq!(Hash::from_slice(&bytes), Some(Hash(bytes)));
        assert_eq!(Hash::from_slice(&bytes[1..]), None);
        assert_eq!(Hash::from_slice(&[]), None);
        let text = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
        assert_eq!(Hash(bytes).to_string(), text);
        assert_eq!(format!("{:?}", Hash(bytes)), format!("Hash({text})"));
    }
}
