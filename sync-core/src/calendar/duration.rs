//! How long something may take, as documents say it.

use serde::{Deserialize, Serialize};

/// What a duration is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurationUnit {
    /// Minutes, day and night.
    Minute,
    /// Hours, day and night.
    Hour,
    /// Days of 24 hours.
    Day,
    /// Hours of working time.
    WorkingHour,
    /// Working days; each counts for the calendar's `working_day_minutes` of working time.
    WorkingDay,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duration {
    /// How many.
    pub value: u32,
    /// Of what.
    pub unit: DurationUnit,
}

impl Duration {
    /// One day.
    pub const DAY: Self = Self {
        value: 1,
        unit: DurationUnit::Day,
    };

    /// Whether only working time counts.
    pub fn is_working(self) -> bool {
        matches!(
            self.unit,
            DurationUnit::WorkingHour | DurationUnit::WorkingDay
        )
    }

    /// Its length where a working day has so many minutes, milliseconds.
    pub fn length_ms(self, working_day_minutes: u32) -> i64 {
        let minutes = match self.unit {
            DurationUnit::Minute => 1,
            DurationUnit::Hour | DurationUnit::WorkingHour => 60,
            DurationUnit::Day => 24 * 60,
            DurationUnit::WorkingDay => i64::from(working_day_minutes),
        };
        i64::from(self.value) * minutes * 60_000
    }
}
