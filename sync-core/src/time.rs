//! When a change was made: evidence from the phone, brought between what the author had last received and the arrival.
//!
//! No clock refuses a change, blocks a queue, wins beyond the moment of arrival, or reaches back before the last contact.

use crate::canary::{Canary, is_awake};
use serde::{Deserialize, Serialize};

/// What a device knew about time when it made a change. Evidence, never a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The device's wall clock, milliseconds since 1970; may be decades off.
    pub wall_ms: i64,
    /// Milliseconds since the device's boot; comparable only under the same `boot`. 0 where unknown.
    pub monotonic_ms: u64,
    /// A number that differs for each boot of the device; 0 where unknown.
    pub boot: u64,
    /// The server's clock minus the device's, as measured at the last contact.
    pub skew_ms: i64,
}

/// The times between which a change was made, as far as the server can prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The later of: when the entry at the author's base was received, and the last contact that announced a
    /// chain shorter than this change.
    pub earliest_ms: i64,
    /// When the change arrived.
    pub received_ms: i64,
}

/// The server's time for a change, and whether the evidence had to be bounded to get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedTime {
    /// When the author did it, for all that reads the log.
    pub time_ms: i64,
    /// Whether the estimate lay outside of the interval by more than a minute.
    pub bounded: bool,
}

/// The best estimate of when a change was made, in server time.
///
/// When the device has not been restarted since, the two monotonic readings give the age exactly, whatever the
/// wall clock says. Otherwise the wall clock is corrected by the skew of the last contact.
pub fn estimate_ms(made: &Evidence, sent: &Evidence, received_ms: i64) -> i64 {
    if made.boot != 0 && made.boot == sent.boot && made.monotonic_ms <= sent.monotonic_ms {
        let age_ms = i64::try_from(sent.monotonic_ms - made.monotonic_ms).unwrap_or(i64::MAX);
        received_ms.saturating_sub(age_ms)
    } else {
        made.wall_ms.saturating_add(made.skew_ms)
    }
}

/// Brings an estimate into the interval, and not below `seen_ms`, the time of what the author was looking at.
pub fn fix(estimate_ms: i64, interval: Interval, seen_ms: i64) -> FixedTime {
    let floor_ms = interval.earliest_ms.max(seen_ms).min(interval.received_ms);
    let time_ms = if is_awake(Canary::ClockBelieved) {
        estimate_ms
    } else {
        estimate_ms.clamp(floor_ms, interval.received_ms)
    };
    FixedTime {
        time_ms,
        bounded: estimate_ms.abs_diff(time_ms) > 60_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unbroken_boot_tells_the_age_whatever_the_wall_clock_says() {
        let made = Evidence {
            wall_ms: 0,
            monotonic_ms: 1_000,
            boot: 5,
            skew_ms: 0,
        };
        let sent = Evidence {
            wall_ms: i64::MAX,
            monotonic_ms: 61_000,
            boot: 5,
            skew_ms: 0,
        };
        assert_eq!(estimate_ms(&made, &sent, 1_000_000), 940_000);
        let rebooted = Evidence { boot: 6, ..sent };
        assert_eq!(
            estimate_ms(
                &Evidence {
                    wall_ms: 400,
                    skew_ms: -100,
                    ..made
                },
                &rebooted,
                1_000_000
            ),
            300
        );
    }

    proptest! {
        #[test]
        fn no_clock_leaves_the_interval(wall: i64, skew: i64, earliest in 0i64..1_000_000, span in 0i64..1_000_000, seen in 0i64..3_000_000) {
            let made = Evidence { wall_ms: wall, skew_ms: skew, ..Evidence::default() };
            let interval = Interval { earliest_ms: earliest, received_ms: earliest + span };
            let fixed = fix(estimate_ms(&made, &Evidence::default(), interval.received_ms), interval, seen);
            prop_assert!(fixed.time_ms >= earliest && fixed.time_ms <= interval.received_ms);
            prop_assert!(fixed.time_ms >= seen.min(interval.received_ms));
        }
    }
}
