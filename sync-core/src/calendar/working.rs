//! Reckoning with working time.

use super::{Calendar, Duration, Zone};
use chrono::NaiveDate;

/// Further than this no deadline lies; it keeps a calendar without working days from being searched for ever.
const DAYS_MAX: u32 = 4 * 366;

/// A stretch in which a clock stands still: from, until (`None` while it lasts), milliseconds since 1970.
pub type Pause = (i64, Option<i64>);

/// A time that is allowed for something, and the calendar it is reckoned by.
#[derive(Clone, Copy, Debug)]
pub struct Allowance<'a> {
    /// The calendar.
    pub calendar: &'a Calendar,
    /// The district's zone.
    pub zone: &'a Zone,
    /// Whether only working time counts.
    pub is_working: bool,
    /// How much is allowed, milliseconds.
    pub length_ms: i64,
}

impl<'a> Allowance<'a> {
    /// What a document allows.
    pub fn of(duration: Duration, calendar: &'a Calendar, zone: &'a Zone) -> Self {
        Self {
            calendar,
            zone,
            is_working: duration.is_working(),
            length_ms: duration.length_ms(calendar.working_day_minutes()),
        }
    }

    /// How much of it is used up at `now_ms` since `from_ms`, without the pauses, milliseconds. Pauses ascend and do not overlap.
    pub fn used_ms(&self, from_ms: i64, now_ms: i64, pauses: &[Pause]) -> i64 {
        let all = self.between_ms(from_ms, now_ms);
        let paused: i64 = pauses
            .iter()
            .map(|(begin, end)| {
                let begin = (*begin).max(from_ms);
                let end = end.unwrap_or(now_ms).min(now_ms);
                self.between_ms(begin, end)
            })
            .sum();
        all - paused
    }

    /// When it is used up; `None` while a pause that has no end yet stands before that.
    pub fn due_ms(&self, from_ms: i64, pauses: &[Pause]) -> Option<i64> {
        let mut left = self.length_ms;
        let mut at = from_ms;
        for (begin, end) in pauses {
            if end.is_some_and(|end| end <= at) {
                continue;
            }
            let until = self.between_ms(at, (*begin).max(at));
            if until >= left {
                break;
            }
            left -= until;
            at = (*end)?;
        }
        Some(self.after_ms(at, left))
    }

    fn between_ms(&self, from_ms: i64, to_ms: i64) -> i64 {
        if to_ms <= from_ms {
            0
        } else if self.is_working {
            self.calendar.working_ms(self.zone, from_ms, to_ms)
        } else {
            to_ms - from_ms
        }
    }

    fn after_ms(&self, from_ms: i64, length_ms: i64) -> i64 {
        if self.is_working {
            self.calendar
                .after_working_ms(self.zone, from_ms, length_ms)
        } else {
            from_ms.saturating_add(length_ms)
        }
    }
}

impl Calendar {
    /// The working time between two moments, milliseconds; 0 when the second is not after the first.
    pub fn working_ms(&self, zone: &Zone, from_ms: i64, to_ms: i64) -> i64 {
        let last = zone.day(to_ms);
        let mut day = zone.day(from_ms);
        let mut sum = 0;
        while day <= last {
            for (begin, end) in self.moments(zone, day) {
                sum += (end.min(to_ms) - begin.max(from_ms)).max(0);
            }
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        sum
    }

    /// The moment at which so much working time has gone by since `from_ms`. Where nothing is left to go by it is the moment
    /// itself; a moment outside of the hours stays where it is then.
    pub fn after_working_ms(&self, zone: &Zone, from_ms: i64, length_ms: i64) -> i64 {
        if length_ms <= 0 {
            return from_ms;
        }
        let mut left = length_ms;
        let mut day = zone.day(from_ms);
        for _ in 0..DAYS_MAX {
            for (begin, end) in self.moments(zone, day) {
                let begin = begin.max(from_ms);
                let here = (end - begin).max(0);
                if here >= left {
                    return begin + left;
                }
                left -= here;
            }
            let Some(next) = day.succ_opt() else { break };
            day = next;
        }
        crate::limits::TIME_MS_MAX
    }

    fn moments<'a>(
        &'a self,
        zone: &'a Zone,
        day: NaiveDate,
    ) -> impl Iterator<Item = (i64, i64)> + 'a {
        self.spans(day)
            .iter()
            .map(move |(begin, end)| (zone.moment_ms(day, *begin), zone.moment_ms(day, *end)))
    }
}
