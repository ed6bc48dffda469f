//! The only place that asks the machine for randomness; everything else is handed an [`Entropy`].

use std::sync::Mutex;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::Clock;

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's cryptographic randomness.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// The operating system has no randomness to give; no key or code may be made then.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives no randomness");
    }
}

/// Bytes that follow from a seed, for tests and repeatable runs; never for keys that matter.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<(u64, u64)>,
}

impl SeededEntropy {
    /// The bytes that follow from this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            state: Mutex::new((seed, 0)),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        for chunk in bytes.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update(b"gridwork/seeded/1");
            hash.update(state.0.to_be_bytes());
            hash.update(state.1.to_be_bytes());
            state.1 += 1;
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
    }
}

/// A new time-ordered UUID (version 7). A clock before 1970 counts as 1970.
pub fn new_uuid(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let ms = u64::try_from(clock.wall_ms()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        let draw = |seed| {
            let entropy = SeededEntropy::new(seed);
            let mut bytes = [0; 100];
            entropy.fill(&mut bytes[..33]);
            entropy.fill(&mut bytes[33..]);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(7)[..32], draw(7)[33..65], "the stream does not repeat");
    }

    #[test]
    fn ids_are_ordered_by_time() {
        let (clock, entropy) = (FixedClock::at(1_700_000_000_000), SeededEntropy::new(1));
        let first = new_uuid(&clock, &entropy);
        clock.advance_ms(1);
        let second = new_uuid(&clock, &entropy);
        assert!(first < second);
        assert_eq!(first.get_version_num(), 7);
    }
}
