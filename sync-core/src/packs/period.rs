//! The week, month or quarter that a pack is about.

use crate::calendar::Zone;
use crate::documents::Every;
use crate::duties::tasks::label_of;
use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// Years that a pack can be of.
const YEARS: std::ops::Range<i32> = 2000..2100;

/// A week (ISO 8601), month or quarter, whole days of the district's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Which of the three.
    pub every: Every,
    /// Its first day.
    pub first: NaiveDate,
    /// Its last day.
    pub last: NaiveDate,
}

impl Period {
    /// The one that a day belongs to; `None` for a day of another century.
    pub fn of(every: Every, day: NaiveDate) -> Option<Self> {
        let week = day.iso_week();
        let first = match every {
            Every::Week => NaiveDate::from_isoywd_opt(week.year(), week.week(), Weekday::Mon),
            Every::Month => day.with_day(1),
            Every::Quarter => NaiveDate::from_ymd_opt(day.year(), day.month0() / 3 * 3 + 1, 1),
        };
        let first = first.filter(|first| YEARS.contains(&first.year()))?;
        let next = match every {
            Every::Week => first.checked_add_days(Days::new(7)),
            Every::Month => first.checked_add_months(Months::new(1)),
            Every::Quarter => first.checked_add_months(Months::new(3)),
        };
        Some(Self {
            every,
            first,
            last: next?.pred_opt()?,
        })
    }

    /// The one of this label: `2026-W48`, `2026-11` or `2026-Q4`, in this spelling only.
    pub fn parse(label: &str) -> Option<Self> {
        let (year, rest) = label.split_once('-')?;
        let year: i32 = year.parse().ok()?;
        let (every, day) = if let Some(week) = rest.strip_prefix('W') {
            let day = NaiveDate::from_isoywd_opt(year, week.parse().ok()?, Weekday::Thu);
            (Every::Week, day)
        } else if let Some(quarter) = rest.strip_prefix('Q') {
            let month = quarter.parse::<u32>().ok()?.checked_mul(3)?;
            (Every::Quarter, NaiveDate::from_ymd_opt(year, month, 1))
        } else {
            let day = NaiveDate::from_ymd_opt(year, rest.parse().ok()?, 1);
            (Every::Month, day)
        };
        let period = Self::of(every, day?)?;
        (period.label() == label).then_some(period)
    }

    /// The last one that was over before a day.
    pub fn before(every: Every, day: NaiveDate) -> Option<Self> {
        let present = Self::of(every, day)?;
        Self::of(every, present.first.pred_opt()?)
    }

    /// What it is called.
    pub fn label(&self) -> String {
        // A week is named by the year that most of its days lie in.
        let day = match self.every {
            Every::Week => self.first + Days::new(3),
            Every::Month | Every::Quarter => self.first,
        };
        label_of(self.every, day)
    }

    /// When it begins, milliseconds since 1970.
    pub fn from_ms(&self, zone: &Zone) -> i64 {
        zone.moment_ms(self.first, 0)
    }

    /// When it is over: the first moment after it.
    pub fn to_ms(&self, zone: &Zone) -> i64 {
        zone.moment_ms(self.last + Days::new(1), 0)
    }

    /// Whether a day lies in it.
    pub fn contains(&self, day: NaiveDate) -> bool {
        (self.first..=self.last).contains(&day)
    }
}
