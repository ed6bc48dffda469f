//! Working time as the written rules say it, counted day by day from the plain document.

use chrono::{Datelike, Days, NaiveDate};
use serde_json::Value;
use std::collections::BTreeSet;

const MINUTE_MS: i64 = 60_000;
/// The reference district lies eight hours east of UTC.
const EAST_MS: i64 = 8 * 60 * MINUTE_MS;

/// A calendar.
#[derive(Clone, Debug)]
pub struct Calendar {
    free: BTreeSet<String>,
    moved: BTreeSet<String>,
    /// Days of the week that are not worked, Monday first, from 1.
    weekend: BTreeSet<u32>,
    /// From which `MM-DD` on, and begin and end of each stretch in minutes of the day.
    seasons: Vec<(String, Vec<(i64, i64)>)>,
    /// What a working day counts for, minutes.
    pub working_day_minutes: i64,
}

fn minutes(text: &Value) -> i64 {
    let text = text.as_str().unwrap_or_default();
    let (hours, minutes) = text.split_once(':').expect("BUG: a time of day");
    hours.parse::<i64>().expect("hours") * 60 + minutes.parse::<i64>().expect("minutes")
}

fn all<'a>(value: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    value[list].as_array().expect("BUG: a list").iter()
}

fn date(text: &Value) -> NaiveDate {
    let text = text.as_str().unwrap_or_default();
    text.parse().expect("BUG: a date")
}

impl Calendar {
    /// The calendar of a document.
    pub fn read(document: &Value) -> Self {
        let (mut free, mut moved) = (BTreeSet::new(), BTreeSet::new());
        for year in all(document, "years") {
            for holiday in all(year, "holidays") {
                let mut day = date(&holiday["from"]);
                while day <= date(&holiday["to"]) {
                    free.insert(day.to_string());
                    day = day + Days::new(1);
                }
            }
            moved.extend(all(year, "working_days").map(|day| date(day).to_string()));
        }
        let span = |span: &Value| (minutes(&span[0]), minutes(&span[1]));
        let season = |season: &Value| {
            let from = season["from"].as_str().unwrap_or_default().to_owned();
            (from, all(season, "spans").map(span).collect())
        };
        let mut seasons: Vec<_> = all(document, "hours").map(season).collect();
        seasons.sort();
        const DAYS: [&str; 7] = [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
        ];
        let number = |day: &Value| {
            let at = DAYS.iter().position(|name| day == name);
            at.expect("BUG: a day of the week") as u32 + 1
        };
        Self {
            weekend: all(document, "weekend").map(number).collect(),
            free,
            moved,
            seasons,
            working_day_minutes: document["working_day_minutes"].as_i64().unwrap_or_default(),
        }
    }

    fn spans(&self, day: NaiveDate) -> &[(i64, i64)] {
        let name = day.to_string();
        let is_weekend = self.weekend.contains(&day.weekday().number_from_monday());
        let is_worked = self.moved.contains(&name) || (!is_weekend && !self.free.contains(&name));
        if !is_worked {
            return &[];
        }
        let mut begun = self.seasons.iter().filter(|(from, _)| **from <= name[5..]);
        // In the first months the last season of the year before goes on.
        let season = begun.next_back().or(self.seasons.last());
        season.map_or(&[], |(_, spans)| spans)
    }

    /// Working time from one moment to another, milliseconds.
    pub fn worked_ms(&self, from_ms: i64, to_ms: i64) -> i64 {
        let local = |at_ms: i64| {
            let at = chrono::DateTime::from_timestamp_millis(at_ms + EAST_MS);
            at.expect("BUG: a date").date_naive()
        };
        if to_ms <= from_ms {
            return 0;
        }
        let (mut day, mut sum) = (local(from_ms), 0);
        while day <= local(to_ms) {
            let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
            let midnight_ms = midnight.timestamp_millis() - EAST_MS;
            for (begin, end) in self.spans(day) {
                let begin_ms = (midnight_ms + begin * MINUTE_MS).max(from_ms);
                let end_ms = (midnight_ms + end * MINUTE_MS).min(to_ms);
                sum += (end_ms - begin_ms).max(0);
            }
            day = day + Days::new(1);
        }
        sum
    }
}
