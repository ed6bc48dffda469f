//! The only place that asks the machine what time it is; everything else is handed a [`Clock`].

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What time it is.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970 by the wall clock; may jump.
    fn wall_ms(&self) -> i64;
    /// Milliseconds since some moment in the past; never jumps and never falls.
    fn monotonic_ms(&self) -> u64;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts now.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let signed = |ms: u128| i64::try_from(ms).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => signed(since.as_millis()),
            // A machine set to before 1970 still gets an answer; the engine then refuses to admit.
            Err(before) => -signed(before.duration().as_millis()),
        }
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct FixedClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl FixedClock {
    /// A clock that shows this wall time.
    pub fn at(wall_ms: i64) -> Self {
        Self {
            wall_ms: AtomicI64::new(wall_ms),
            monotonic_ms: AtomicU64::new(0),
        }
    }

    /// Lets this much time pass on both sides.
    pub fn advance_ms(&self, ms: u32) {
        self.wall_ms.fetch_add(i64::from(ms), Ordering::SeqCst);
        self.monotonic_ms.fetch_add(u64::from(ms), Ordering::SeqCst);
    }

    /// Makes the wall clock jump; no time passes.
    pub fn set_wall_ms(&self, wall_ms: i64) {
        self.wall_ms.store(wall_ms, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> u64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::at(1_000);
        clock.advance_ms(5);
        assert_eq!((clock.wall_ms(), clock.monotonic_ms()), (1_005, 5));
        clock.set_wall_ms(-3);
        assert_eq!((clock.wall_ms(), clock.monotonic_ms()), (-3, 5));
    }

    #[test]
    fn the_system_clock_never_falls_on_its_monotonic_side() {
        let clock = SystemClock::new();
        let before = clock.monotonic_ms();
        assert!(clock.monotonic_ms() >= before);
        assert!(
            clock.wall_ms() > 1_577_836_800_000,
            "this machine's clock is before 2020"
        );
    }
}
