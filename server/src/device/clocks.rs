//! A device's clocks: the machine's, with a lie on the wall clock where one is asked for.

use std::sync::Arc;

use sync_core::time::Evidence;

use crate::clock::Clock;
use crate::ids::Entropy;

/// What a device reads when it wants to know the time.
pub struct DeviceClocks {
    clock: Arc<dyn Clock>,
    offset_ms: i64,
    /// The monotonic side counts from the start of this process, so each process is a boot of its own.
    boot: u64,
}

impl DeviceClocks {
    /// Clocks whose wall side is off by so much.
    pub fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy, offset_ms: i64) -> Self {
        let mut boot = [0; 8];
        entropy.fill(&mut boot);
        Self {
            clock,
            offset_ms,
            // Half of the numbers fit everywhere; zero would say that the boot is not known.
            boot: (u64::from_be_bytes(boot) >> 1) | 1,
        }
    }

    /// What they say now.
    pub fn read(&self, skew_ms: i64) -> Evidence {
        Evidence {
            wall_ms: self.clock.wall_ms().saturating_add(self.offset_ms),
            monotonic_ms: self.clock.monotonic_ms() + 1,
            boot: self.boot,
            skew_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use crate::ids::SeededEntropy;

    #[test]
    fn only_the_wall_clock_lies() {
        let clock = Arc::new(FixedClock::at(1_000));
        let entropy = SeededEntropy::new(1);
        let clocks = DeviceClocks::new(Arc::clone(&clock) as Arc<dyn Clock>, &entropy, -5_000);
        let before = clocks.read(0);
        clock.advance_ms(10);
        let after = clocks.read(7);
        assert_eq!((before.wall_ms, after.wall_ms), (-4_000, -3_990));
        assert_eq!(after.monotonic_ms - before.monotonic_ms, 10);
        assert_eq!((before.boot, after.skew_ms), (after.boot, 7));
        assert_ne!(before.boot, 0);
    }
}
