//! The reference work: reports of about 560 bytes of JSON with the twelve fields of `report.create`, the same for the same seed.
//!
//! An author is one grid worker with a grid of a few streets and a way of going through the day, because one upload holds the
//! work of one person: what compresses well in it and what does not is as in the field.

use std::fmt::Write;

use serde::Serialize;

use super::phrases::{
    CLOSINGS, COMMUNITIES, ESTATES, LANDMARKS, OPENINGS, REMARKS, ROADS, SIDES, TOWNS,
};
use super::random::Random;
use super::report::{Level, Place, Report, Source, Urgency, json_of};
use super::wordings::{WORDINGS, Wording};

/// The first moment of the reference work: 2026-03-02 07:30 in Shanghai.
pub const FIRST_MOMENT_MS: i64 = 1_772_407_800_000;

/// How often a report tells a second thing that was seen. With [`REMARK_PERCENT`] it sets the reports' size.
const SECOND_DETAIL_PERCENT: u64 = 20;
/// How often a report ends with a remark.
const REMARK_PERCENT: u64 = 92;

/// One grid worker: an endless run of reports out of one grid.
#[derive(Clone, Debug)]
pub struct Author {
    random: Random,
    town: &'static str,
    community: &'static str,
    streets: Vec<Street>,
    centre: (i32, i32),
    now_ms: i64,
}

#[derive(Clone, Debug)]
struct Street {
    road: &'static str,
    estate: &'static str,
    first_house: i64,
    pole_prefix: String,
}

impl Author {
    /// Author `number` of the work that `seed` names.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::for_part(seed, number);
        let town = random.pick(&TOWNS);
        let community = random.pick(&COMMUNITIES);
        let streets = (0..random.between(4, 7))
            .map(|_| Street {
                road: random.pick(&ROADS),
                estate: random.pick(&ESTATES),
                first_house: random.between(1, 380),
                pole_prefix: format!(
                    "{}{:03}",
                    random.pick(&["LD", "DX", "YD", "WS"]),
                    random.below(1_000)
                ),
            })
            .collect();
        let centre = (
            random.between(303_000_000, 304_500_000) as i32,
            random.between(1_201_000_000, 1_203_500_000) as i32,
        );
        let now_ms = FIRST_MOMENT_MS + random.between(0, 3_600_000);
        Self {
            random,
            town,
            community,
            streets,
            centre,
            now_ms,
        }
    }

    fn walk_on(&mut self) {
        self.now_ms += self.random.between(4 * 60_000, 70 * 60_000);
        let of_day_ms = (self.now_ms - FIRST_MOMENT_MS) % 86_400_000;
        // Work ends about ten and a half hours after it began; the next report is tomorrow's.
        if of_day_ms > 38_000_000 {
            self.now_ms += 86_400_000 - of_day_ms + self.random.between(0, 2_400_000);
        }
    }

    fn fill(&mut self, template: &str, into: &mut String) {
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            into.push_str(&rest[..at]);
            let random = &mut self.random;
            let written = match rest.as_bytes().get(at + 1) {
                // Small counts are common, large ones are not.
                Some(b'n') => {
                    let most = random.between(2, 16);
                    write!(into, "{}", random.between(1, most))
                }
                Some(b'm') => {
                    let most = random.between(5, 80);
                    write!(into, "{}", random.between(2, most))
                }
                _ => write!(
                    into,
                    "{}:{:02}",
                    random.between(6, 22),
                    random.between(0, 11) * 5
                ),
            };
            written.expect("BUG: writing to a string failed");
            rest = &rest[at + 3..];
        }
        into.push_str(rest);
    }

    fn description(&mut self, wording: &Wording, seen: usize) -> String {
        let mut text = String::with_capacity(256);
        let opening = self.random.pick(&OPENINGS);
        self.fill(opening, &mut text);
        text.push_str(self.random.pick(&LANDMARKS));
        let side = self.random.pick(&SIDES);
        self.fill(side, &mut text);
        text.push('，');
        self.fill(wording.details[seen], &mut text);
        text.push('，');
        let effect = self.random.pick(wording.effects);
        self.fill(effect, &mut text);
        if self.random.chance(SECOND_DETAIL_PERCENT) {
            text.push('；');
            let second = (seen + 1) % wording.details.len();
            self.fill(wording.details[second], &mut text);
        }
        if self.random.chance(REMARK_PERCENT) {
            text.push('。');
            let remark = self.random.pick(&REMARKS);
            self.fill(remark, &mut text);
        }
        let closing = self.random.pick(&CLOSINGS);
        self.fill(closing, &mut text);
        text
    }

    fn address(&mut self, street: &Street) -> String {
        let random = &mut self.random;
        let house = street.first_house + random.between(0, 40) * 2;
        let mut text = format!("{}{}{}{house}号", self.town, self.community, street.road);
        if random.chance(70) {
            text.push_str(street.estate);
            write!(text, "{}幢", random.between(1, 24)).expect("BUG: writing to a string failed");
            if random.chance(60) {
                write!(text, "{}单元", random.between(1, 4))
                    .expect("BUG: writing to a string failed");
            }
        } else {
            text.push_str(random.pick(&["对面", "门前", "旁", "西侧", "路口"]));
        }
        text
    }

    /// The author's next report.
    pub fn next_report(&mut self) -> Report {
        self.walk_on();
        let wording = &WORDINGS[self.random.below(WORDINGS.len() as u64) as usize];
        let street_number = self.random.below(self.streets.len() as u64) as usize;
        let street = self.streets[street_number].clone();
        let seen = self.random.below(wording.details.len() as u64) as usize;
        let title = format!("{}{}", street.estate, wording.titles[seen]);
        let description = self.description(wording, seen);
        let address = self.address(&street);
        let random = &mut self.random;
        // Two dice give a middle: most reports lie near the middle of the grid.
        let mut around =
            |spread: i64| (random.between(0, spread) - random.between(0, spread)) as i32;
        let place = Place {
            latitude_e7: self.centre.0 + around(32_000),
            longitude_e7: self.centre.1 + around(36_000),
            accuracy_m: self.random.between(3, 28) as u32,
        };
        let random = &mut self.random;
        Report {
            category: wording.code.to_owned(),
            level: level_of(wording.level),
            title,
            description,
            place,
            address,
            floor: if random.chance(65) {
                "1".to_owned()
            } else {
                random.between(-2, 18).to_string()
            },
            urgency: match random.below(10) {
                0 => Urgency::Low,
                1 | 2 => Urgency::High,
                _ => Urgency::Normal,
            },
            source: random.pick(&[
                Source::Patrol,
                Source::Patrol,
                Source::Visit,
                Source::Resident,
                Source::Inspection,
                Source::Other,
            ]),
            happened_at_ms: self.now_ms + random.between(0, 59_999),
            facility_number: format!("{}{:03}", street.pole_prefix, random.below(240)),
            self_handled: wording.self_handling && random.chance(45),
        }
    }
}

fn level_of(text: &str) -> Level {
    match text {
        "I" => Level::I,
        "II" => Level::II,
        "III" => Level::III,
        _ => Level::IV,
    }
}

/// `reports` reports of `authors` authors in uploads of at most `batch`; each upload is the work of one author, and authors take turns.
/// Panics when there is no author or the batch is empty.
pub fn batches(seed: u64, authors: u64, reports: usize, batch: usize) -> Vec<Vec<Report>> {
    let mut people: Vec<Author> = (0..authors)
        .map(|number| Author::new(seed, number))
        .collect();
    let mut made = Vec::with_capacity(reports.div_ceil(batch));
    let mut left = reports;
    while left > 0 {
        let size = batch.min(left);
        let turn = made.len() % people.len();
        let author = &mut people[turn];
        made.push((0..size).map(|_| author.next_report()).collect());
        left -= size;
    }
    made
}

/// What the reference work weighs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WorkSize {
    /// Bytes of JSON of a report, on average.
    pub json_bytes: f64,
    /// Bytes of a report inside an upload of a hundred, compressed by zstd at level 3, without ids and frame.
    pub batched_zstd_bytes: f64,
    /// Bytes of a report compressed alone by zstd at level 3, without a dictionary.
    pub single_zstd_bytes: f64,
}

/// Weighs ten authors' first hundred reports.
pub fn size_of_work(seed: u64) -> WorkSize {
    let made = batches(seed, 10, 1_000, 100);
    let (mut json, mut batched, mut single) = (0, 0, 0);
    for batch in &made {
        let mut joined = Vec::new();
        for report in batch {
            let text = json_of(report);
            json += text.len();
            single += compressed_len(&text);
            joined.extend_from_slice(&text);
        }
        batched += compressed_len(&joined);
    }
    let average = |sum: usize| sum as f64 / 1_000.0;
    WorkSize {
        json_bytes: average(json),
        batched_zstd_bytes: average(batched),
        single_zstd_bytes: average(single),
    }
}

fn compressed_len(bytes: &[u8]) -> usize {
    zstd::bulk::compress(bytes, 3)
        .expect("BUG: zstd refused memory")
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::work::report::FIELDS;

    #[test]
    fn reports_weigh_about_560_bytes_and_have_twelve_fields() {
        let size = size_of_work(1);
        assert!((540.0..580.0).contains(&size.json_bytes), "{size:?}");
        let value = serde_json::to_value(Author::new(1, 0).next_report()).expect("json");
        assert_eq!(value.as_object().expect("an object").len(), FIELDS);
    }

    #[test]
    fn every_category_of_the_catalogue_has_a_title_for_each_detail() {
        let codes: std::collections::BTreeSet<&str> =
            WORDINGS.iter().map(|wording| wording.code).collect();
        assert_eq!(codes.len(), 25);
        assert!(
            WORDINGS
                .iter()
                .all(|wording| wording.titles.len() == wording.details.len())
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_work_in_batches_of_the_asked_size() {
        let made = batches(5, 3, 250, 100);
        assert_eq!(made, batches(5, 3, 250, 100));
        assert_ne!(made, batches(6, 3, 250, 100));
        let sizes: Vec<usize> = made.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 50]);
        assert_eq!(batches(5, 3, 0, 100).len(), 0);
    }

    #[test]
    fn an_author_never_goes_back_in_time_and_never_says_the_same_twice() {
        let mut author = Author::new(9, 4);
        let reports: Vec<Report> = (0..500).map(|_| author.next_report()).collect();
        assert!(
            reports
                .windows(2)
                .all(|pair| pair[0].happened_at_ms < pair[1].happened_at_ms)
        );
        let texts: std::collections::BTreeSet<&str> = reports
            .iter()
            .map(|report| report.description.as_str())
            .collect();
        assert!(texts.len() > 480, "{} different descriptions", texts.len());
        assert!(
            reports
                .iter()
                .all(|report| !report.description.contains(['{', '}']))
        );
    }
}
