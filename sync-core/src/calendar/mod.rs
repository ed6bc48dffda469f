//! The working calendar: which days and hours are worked, how much working time lies between two moments, and when an
//! allowed time is over. China moves working days to weekends around its holidays, and each year's plan comes out in the
//! November before; a year whose plan is missing has its weekends and no holidays.

mod duration;
mod working;
mod zone;

pub use duration::{Duration, DurationUnit};
pub use working::{Allowance, Pause};
pub use zone::Zone;

use crate::documents::Name;
use chrono::{Datelike, NaiveDate, NaiveTime, Weekday};
use serde::Deserialize;
use serde::de::Error as _;
use std::collections::{BTreeMap, BTreeSet};

/// Minutes of a day.
const DAY_MINUTES: u32 = 24 * 60;

/// Hours that are worked from a day of the year on, until the next season begins.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Season {
    /// Month and day of its beginning.
    from: (u32, u32),
    /// Begin and end of each stretch of work, minutes of the day, ascending.
    spans: Vec<(u32, u32)>,
}

/// A holiday of one year, its last day included.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Holiday {
    /// What people call it.
    pub name: Name,
    /// Its first day.
    pub from: NaiveDate,
    /// Its last day.
    pub to: NaiveDate,
}

/// A district's working calendar. Times of day are those of the district's [`Zone`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CalendarFile")]
pub struct Calendar {
    weekend: Vec<Weekday>,
    seasons: Vec<Season>,
    working_day_minutes: u32,
    holidays: BTreeMap<i32, Vec<Holiday>>,
    working_days: BTreeSet<NaiveDate>,
}

impl Calendar {
    /// Whether people work on this day: a day that was moved to a weekend, or a day that is neither weekend nor holiday.
    pub fn is_working_day(&self, day: NaiveDate) -> bool {
        if self.working_days.contains(&day) {
            return true;
        }
        !self.weekend.contains(&day.weekday()) && self.holiday(day).is_none()
    }

    /// The holiday on this day, if there is one.
    pub fn holiday(&self, day: NaiveDate) -> Option<&Holiday> {
        let of_year = self.holidays.get(&day.year())?;
        of_year
            .iter()
            .find(|holiday| holiday.from <= day && day <= holiday.to)
    }

    /// Whether the plan of this year is here.
    pub fn has_year(&self, year: i32) -> bool {
        self.holidays.contains_key(&year)
    }

    /// The year whose plan is missing and must be entered: this year's at any time, the next one's from 1 December.
    pub fn missing_year(&self, today: NaiveDate) -> Option<i32> {
        let year = today.year();
        if !self.has_year(year) {
            return Some(year);
        }
        (today.month() == 12 && !self.has_year(year + 1)).then_some(year + 1)
    }

    /// What a working day counts for where a time is allowed in working days, minutes.
    pub fn working_day_minutes(&self) -> u32 {
        self.working_day_minutes
    }

    /// The stretches of work of a day, minutes of the day; none on a day that is not worked.
    fn spans(&self, day: NaiveDate) -> &[(u32, u32)] {
        if !self.is_working_day(day) {
            return &[];
        }
        let at = (day.month(), day.day());
        let begun = self.seasons.iter().rev().find(|season| season.from <= at);
        // Before the first beginning of a year the last season of the year before goes on.
        let season = begun.or(self.seasons.last());
        season.map_or(&[], |season| &season.spans)
    }
}

#[derive(Deserialize)]
struct CalendarFile {
    weekend: Vec<WeekdayName>,
    working_day_minutes: u32,
    hours: Vec<SeasonFile>,
    years: Vec<YearFile>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WeekdayName {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<WeekdayName> for Weekday {
    fn from(name: WeekdayName) -> Self {
        match name {
            WeekdayName::Monday => Self::Mon,
            WeekdayName::Tuesday => Self::Tue,
            WeekdayName::Wednesday => Self::Wed,
            WeekdayName::Thursday => Self::Thu,
            WeekdayName::Friday => Self::Fri,
            WeekdayName::Saturday => Self::Sat,
            WeekdayName::Sunday => Self::Sun,
        }
    }
}

#[derive(Deserialize)]
struct SeasonFile {
    #[serde(deserialize_with = "month_and_day")]
    from: (u32, u32),
    spans: Vec<(TimeOfDay, TimeOfDay)>,
}

#[derive(Deserialize)]
struct YearFile {
    year: i32,
    holidays: Vec<Holiday>,
    working_days: Vec<NaiveDate>,
}

/// `08:30`; `24:00` is the end of the day.
#[derive(Clone, Copy)]
struct TimeOfDay(u32);

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "24:00" {
            return Ok(Self(DAY_MINUTES));
        }
        let time = NaiveTime::parse_from_str(&text, "%H:%M").ok();
        let since = time.map(|time| time.signed_duration_since(NaiveTime::MIN).num_minutes());
        let minutes = since.and_then(|minutes| u32::try_from(minutes).ok());
        minutes.map(Self).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is no time of day such as \"08:30\""))
        })
    }
}

fn month_and_day<'de, D: serde::Deserializer<'de>>(from: D) -> Result<(u32, u32), D::Error> {
    let text = String::deserialize(from)?;
    // In a year without a leap day, so that it is there in every year.
    let day = NaiveDate::parse_from_str(&format!("2001-{text}"), "%Y-%m-%d");
    day.map(|day| (day.month(), day.day()))
        .map_err(|_| D::Error::custom(format!("{text:?} is no day of the year such as \"05-01\"")))
}

impl TryFrom<CalendarFile> for Calendar {
    type Error = String;

    fn try_from(file: CalendarFile) -> Result<Self, String> {
        if !(1..=DAY_MINUTES).contains(&file.working_day_minutes) {
            return Err(format!(
                "working_day_minutes is not within 1 to {DAY_MINUTES}"
            ));
        }
        if file.weekend.len() > 6 {
            return Err("weekend leaves no day to work on".to_owned());
        }
        let mut seasons = Vec::new();
        for season in file.hours {
            seasons.push(Season {
                from: season.from,
                spans: read_spans(&season.spans)?,
            });
        }
        seasons.sort_by_key(|season| season.from);
        if seasons.is_empty() {
            return Err("hours names no season".to_owned());
        }
        if let Some(twice) = seasons.windows(2).find(|two| two[0].from == two[1].from) {
            let (month, day) = twice[0].from;
            return Err(format!("two seasons begin on {month:02}-{day:02}"));
        }
        let (mut holidays, mut working_days) = (BTreeMap::new(), BTreeSet::new());
        for year in file.years {
            check_year(&year)?;
            working_days.extend(year.working_days);
            if holidays.insert(year.year, year.holidays).is_some() {
                return Err(format!("the year {} is there twice", year.year));
            }
        }
        Ok(Self {
            weekend: file.weekend.into_iter().map(Weekday::from).collect(),
            seasons,
            working_day_minutes: file.working_day_minutes,
            holidays,
            working_days,
        })
    }
}

fn read_spans(spans: &[(TimeOfDay, TimeOfDay)]) -> Result<Vec<(u32, u32)>, String> {
    let mut last = 0;
    let mut read = Vec::new();
    for (from, to) in spans {
        if from.0 >= to.0 || (from.0 < last && !read.is_empty()) {
            return Err(
                "spans of a day must follow each other, each with an end after its begin"
                    .to_owned(),
            );
        }
        last = to.0;
        read.push((from.0, to.0));
    }
    if read.is_empty() {
        return Err("a season has no spans".to_owned());
    }
    Ok(read)
}

fn check_year(year: &YearFile) -> Result<(), String> {
    for holiday in &year.holidays {
        if holiday.from > holiday.to {
            return Err(format!(
                "the holiday from {} ends before it begins",
                holiday.from
            ));
        }
        if holiday.from.year() != year.year || holiday.to.year() != year.year {
            return Err(format!(
                "the holiday from {} does not lie within {}",
                holiday.from, year.year
            ));
        }
    }
    for day in &year.working_days {
        if day.year() != year.year {
            return Err(format!(
                "the working day {day} does not lie within {}",
                year.year
            ));
        }
        let inside = year
            .holidays
            .iter()
            .find(|holiday| holiday.from <= *day && *day <= holiday.to);
        if inside.is_some() {
            return Err(format!("{day} is a holiday and a working day"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
