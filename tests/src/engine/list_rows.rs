//! A district of eight towns with a year's reports in its projection, as lists find them: by the reference work, with states,
//! desks and times as an office has them.
//!
//! The rows are written straight into the projection: what is measured reads nothing else.

use std::path::Path;
use std::sync::Arc;

use server::clock::{Clock, SystemClock};
use server::fleet::district::CODE;
use server::ids::SystemEntropy;
use server::service::ServiceError;
use server::service::district::District;
use server::service::gridwork::{Gridwork, OpenOptions};
use server::service::projection::index_path;
use server::service::search_text::{
    category_fact, desk_fact, kind_fact, state_fact, unit_fact, words_from,
};
use server::store::StoreError;
use server::store::sqlite::PersonRow;
use server::store::sqlite::facts::Facts;
use server::store::sqlite::index::{IndexRow, IndexStep, IndexWrite, Projected};
use sync_core::directory::{DirectoryChange, Grant, Unit};
use sync_core::ids::{PersonId, Pos, RecordId, UnitId};
use sync_core::kinds::Kind;

use crate::bench::random::Random;
use crate::bench::record_ids::{IdOrder, IdSource};
use crate::bench::reference_work::Author;
use crate::bench::under_test::BenchError;

pub(super) const TOWNS: u32 = 8;
pub(super) const COMMUNITIES: u32 = TOWNS * 10;
pub(super) const GRIDS: u32 = COMMUNITIES * 12;
pub(super) const DEPARTMENTS: u32 = 12;
/// Over so long the reports are spread.
pub(super) const SPAN_MS: i64 = 365 * 86_400_000;
/// Rows of one transaction.
const STEP: usize = 5_000;

/// The first unit of each layer; the district is 1.
pub(super) const fn town(number: u32) -> UnitId {
    UnitId(2 + number)
}

pub(super) const fn community(number: u32) -> UnitId {
    UnitId(2 + TOWNS + number)
}

pub(super) const fn grid(number: u32) -> UnitId {
    UnitId(2 + TOWNS + COMMUNITIES + number)
}

pub(super) const fn department(number: u32) -> UnitId {
    UnitId(2 + TOWNS + COMMUNITIES + GRIDS + number)
}

/// Who asks: role and unit; person numbers count from 1 in this order.
pub(super) const CALLERS: [(&str, &str, UnitId); 5] = [
    ("district_desk", "duty_desk", UnitId(1)),
    ("town_desk", "duty_desk", town(3)),
    ("community_desk", "duty_desk", community(33)),
    ("worker", "worker", grid(400)),
    ("department", "department_handler", department(8)),
];

/// The district in a directory: a one-time code for each caller, and when its last report was made.
pub(super) struct Made {
    pub codes: Vec<String>,
    pub index: std::path::PathBuf,
    pub last_ms: i64,
}

/// Makes all of it in an empty directory.
pub(super) async fn make(data: &Path, rows: usize, seed: u64) -> Result<Made, BenchError> {
    let (clock, entropy) = (SystemClock::new(), SystemEntropy);
    let last_ms = clock.wall_ms();
    Gridwork::init(data, CODE, "Lists", "Asia/Shanghai", &clock, &entropy)?;
    let options = OpenOptions::default();
    let gridwork = Gridwork::open(data, Arc::new(clock), Arc::new(entropy), options)?;
    let district = Arc::clone(gridwork.district(Some(CODE))?);
    gridwork.write_first_entries(&district).await?;
    add_units_and_people(&district).await?;
    let codes =
        (1..=CALLERS.len() as u32).map(|person| gridwork.make_code(&district, PersonId(person)));
    let codes = codes.collect::<Result<_, _>>()?;
    gridwork.note_heads()?;
    let index = index_path(district.path());
    fill(&index, &district, rows, seed, last_ms).map_err(super::subject)?;
    Ok(Made {
        codes,
        index,
        last_ms,
    })
}

async fn add_units_and_people(district: &District) -> Result<(), ServiceError> {
    let mut units = Vec::new();
    let mut add = |unit: UnitId, parent: UnitId, code: String, kind: &str| {
        units.push(Unit {
            unit,
            parent: Some(parent),
            name: format!("第{}{kind}", unit.0),
            code,
            kind: kind.into(),
        });
    };
    for number in 0..TOWNS {
        add(
            town(number),
            UnitId(1),
            format!("{CODE}.{number:03}"),
            "town",
        );
    }
    for number in 0..COMMUNITIES {
        let parent = number / (COMMUNITIES / TOWNS);
        let code = format!("{CODE}.{parent:03}.{number:03}");
        add(community(number), town(parent), code, "community");
    }
    for number in 0..GRIDS {
        let parent = number / (GRIDS / COMMUNITIES);
        let above = parent / (COMMUNITIES / TOWNS);
        let code = format!("{CODE}.{above:03}.{parent:03}.{number:03}");
        add(grid(number), community(parent), code, "grid");
    }
    for number in 0..DEPARTMENTS {
        let code = format!("{CODE}.9{number:02}");
        add(department(number), UnitId(1), code, "department");
    }
    district
        .writer()
        .run(move |log, now_ms| {
            for unit in units {
                log.change_directory(DirectoryChange::Unit(unit), now_ms)?;
            }
            for (person, (name, role, unit)) in (1..).zip(CALLERS) {
                let person = PersonId(person);
                log.change_directory(DirectoryChange::Person { person }, now_ms)?;
                log.put_person(&PersonRow {
                    person,
                    name: name.to_owned(),
                    external_id: None,
                })?;
                log.change_directory(
                    DirectoryChange::Grant(Grant {
                        person,
                        role: role.to_owned(),
                        unit,
                        from_ms: now_ms,
                        until_ms: None,
                    }),
                    now_ms,
                )?;
            }
            Ok(())
        })
        .await
}

fn fill(
    index: &Path,
    district: &District,
    rows: usize,
    seed: u64,
    last_ms: i64,
) -> Result<(), StoreError> {
    IndexWrite::discard(index)?;
    let state = district.state();
    let (epoch, head) = (state.facts.epoch().0, state.head.0);
    let documents = state.documents.mark();
    let (mut write, _) = IndexWrite::open(index, district.id(), epoch, head, &documents)?;
    let mut reports = Reports::new(seed, rows, last_ms, head);
    let mut left = rows;
    while left > 0 {
        let count = left.min(STEP);
        left -= count;
        write.write(&IndexStep {
            records: (0..count).map(|_| reports.next_row()).collect(),
            pos: head,
            next_no: i64::from(left > 0),
            ..IndexStep::default()
        })?;
    }
    Ok(())
}

/// A run of reports, the oldest first.
struct Reports {
    random: Random,
    ids: IdSource,
    authors: Vec<Author>,
    no: i64,
    rows: i64,
    last_ms: i64,
    pos: Pos,
}

impl Reports {
    fn new(seed: u64, rows: usize, last_ms: i64, pos: Pos) -> Self {
        Self {
            random: Random::for_part(seed, 77),
            ids: IdSource::new(IdOrder::Random, seed),
            authors: (0..u64::from(GRIDS))
                .map(|each| Author::new(seed, each))
                .collect(),
            no: 0,
            rows: rows as i64,
            last_ms,
            pos,
        }
    }

    fn next_row(&mut self) -> (i64, Option<Projected>) {
        self.no += 1;
        let random = &mut self.random;
        let time_ms = self.last_ms - SPAN_MS + SPAN_MS / self.rows * self.no;
        let place = place_of(random);
        let days_old = (self.last_ms - time_ms) / 86_400_000;
        let state = state_after(days_old, random);
        let report = self.authors[place as usize].next_report();
        let had_desk = !matches!(state, "SUBMITTED" | "SELF_DONE" | "REJECTED" | "NEEDS_INFO");
        let desk = (had_desk && random.chance(80)).then(|| desk_of(&report.category, random));
        let unit = grid(place);
        let mut facts = vec![kind_fact(Kind::Report), unit_fact(unit)];
        facts.extend(desk.map(desk_fact));
        facts.extend([state_fact(state), category_fact(&report.category)]);
        let texts = [
            &report.title,
            &report.description,
            &report.address,
            &report.floor,
            &report.facility_number,
        ];
        let words = words_from(texts.map(String::as_str), facts);
        let row = IndexRow {
            no: self.no,
            id: RecordId(self.ids.next_id()),
            kind: Kind::Report,
            unit,
            desk,
            state: Some(state.to_owned()),
            category: Some(report.category),
            title: Some(report.title),
            time_ms,
            pos: self.pos,
            conflicts: u32::from(random.chance(1)),
        };
        let projected = Projected {
            row,
            words,
            facts: Facts::default(),
            items: Vec::new(),
        };
        (self.no, Some(projected))
    }
}

/// The grid of a report: some have much more to report than others, and the last town hardly began.
fn place_of(random: &mut Random) -> u32 {
    let (all, quiet) = (u64::from(GRIDS), u64::from(GRIDS / TOWNS));
    if random.below(2_000) == 0 {
        return (all - quiet + random.below(quiet)) as u32;
    }
    let busy = all - quiet;
    random.below(busy).min(random.below(2 * busy)) as u32
}

/// The desk of a report: nearly always the one that its category belongs to.
fn desk_of(category: &str, random: &mut Random) -> UnitId {
    let number = if random.below(1_000) < 995 {
        category.bytes().map(u64::from).sum()
    } else {
        random.below(u64::from(DEPARTMENTS))
    };
    department((number % u64::from(DEPARTMENTS)) as u32)
}

/// Where the case of a report of this age stands: most are over after three weeks, a few never get on.
fn state_after(days_old: i64, random: &mut Random) -> &'static str {
    const OPEN: [&str; 10] = [
        "SUBMITTED",
        "REGISTERED",
        "REGISTERED",
        "DISPATCHED",
        "DISPATCHED",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "IN_PROGRESS",
        "FEEDBACK",
        "NEEDS_INFO",
    ];
    const RARE: [&str; 5] = ["SUSPENDED", "BOUNCED", "REWORK", "EXT_ASKED", "REOPENED"];
    let open_percent = match days_old {
        0 => 95,
        1..=6 => 60,
        7..=20 => 15,
        _ => 0,
    };
    if random.chance(open_percent) {
        return random.pick(&OPEN);
    }
    match random.below(1_000) {
        0..=2 => random.pick(&RARE),
        3..=4 => random.pick(&OPEN),
        5..=34 => "REJECTED",
        35..=54 => "MERGED",
        55..=304 if days_old < 90 => "CLOSED",
        55..=304 => "EVALUATED",
        _ if days_old < 60 => "CLOSED",
        _ => "ARCHIVED",
    }
}
