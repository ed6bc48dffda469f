//! The district's one time zone, as offsets that are handed in: this crate knows no time-zone database.

use chrono::{NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// Offsets from UTC, each from a moment on. A zone without changes, such as Asia/Shanghai since 1991, has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// From when, milliseconds since 1970, and how many minutes east of UTC; ascending. The first holds before as well.
    offsets: Vec<(i64, i32)>,
}

impl Zone {
    /// A zone that is always so many minutes east of UTC.
    pub fn fixed(offset_minutes: i32) -> Self {
        Self {
            offsets: vec![(i64::MIN, offset_minutes)],
        }
    }

    /// A zone whose offset changes; the changes in ascending order. `None` without any.
    pub fn changing(offsets: Vec<(i64, i32)>) -> Option<Self> {
        (!offsets.is_empty()).then_some(Self { offsets })
    }

    /// Minutes east of UTC at a moment.
    fn offset_minutes(&self, at_ms: i64) -> i32 {
        let begun = self
            .offsets
            .iter()
            .rev()
            .find(|(from_ms, _)| *from_ms <= at_ms);
        begun
            .or(self.offsets.first())
            .map_or(0, |(_, minutes)| *minutes)
    }

    /// The day that a moment belongs to.
    pub fn day(&self, at_ms: i64) -> NaiveDate {
        self.local(at_ms).date()
    }

    /// The local date and time of a moment.
    pub fn local(&self, at_ms: i64) -> NaiveDateTime {
        let local_ms = at_ms.saturating_add(i64::from(self.offset_minutes(at_ms)) * MINUTE_MS);
        let bounded = local_ms.clamp(crate::limits::TIME_MS_MIN, crate::limits::TIME_MS_MAX);
        chrono::DateTime::from_timestamp_millis(bounded)
            .expect("BUG: a time within limits is a date")
            .naive_utc()
    }

    /// The moment of a minute of a day. Where the clocks were put forward over it, the moment an hour later; where they
    /// were put back, the first of the two.
    pub fn moment_ms(&self, day: NaiveDate, minute: u32) -> i64 {
        let midnight = day
            .and_time(chrono::NaiveTime::MIN)
            .and_utc()
            .timestamp_millis();
        let local_ms = midnight + i64::from(minute) * MINUTE_MS;
        let guess = local_ms - i64::from(self.offset_minutes(local_ms)) * MINUTE_MS;
        local_ms - i64::from(self.offset_minutes(guess)) * MINUTE_MS
    }
}
