//! Times of day and moments of the district's own clock, as documents write them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use serde::Deserialize;

/// A time of day, `07:30`, as minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(pub u32);

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        use chrono::Timelike;
        let time = NaiveTime::parse_from_str(&text, "%H:%M")
            .map_err(|_| format!("{text} is no time of day, such as 07:30"))?;
        Ok(Self(time.hour() * 60 + time.minute()))
    }
}

/// A moment of the district's clock, `2026-11-28 20:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct LocalMoment {
    /// The day.
    pub day: NaiveDate,
    /// The time of that day.
    pub time: TimeOfDay,
}

impl TryFrom<String> for LocalMoment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        use chrono::Timelike;
        let moment = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M")
            .map_err(|_| format!("{text} is no moment, such as 2026-11-28 20:00"))?;
        let minute = moment.time().hour() * 60 + moment.time().minute();
        Ok(Self {
            day: moment.date(),
            time: TimeOfDay(minute),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_others_are_named() {
        assert_eq!(TimeOfDay::try_from("07:30".to_owned()), Ok(TimeOfDay(450)));
        let moment = LocalMoment::try_from("2026-11-28 20:05".to_owned()).expect("a moment");
        assert_eq!(moment.time, TimeOfDay(1_205));
        for bad in ["7", "24:00", "07:60"] {
            assert!(TimeOfDay::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(LocalMoment::try_from("2026-02-30 20:00".to_owned()).is_err());
    }
}
