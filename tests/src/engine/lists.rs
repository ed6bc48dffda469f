//! The desk's lists over 500,000 reports: every kind of list that the desk asks for, as narrow and as wide callers, over HTTP, each
//! beside reading as many rows by their key out of the same file and one exchange without any work.

use std::path::Path;
use std::time::{Duration, Instant};

use api_schema::record::RecordPage;
use rusqlite::{Connection, OpenFlags};
use server::clock::SystemClock;
use server::fleet::client::Client;
use server::fleet::cpu::resident_mb;
use server::fleet::own_server::ServeChild;
use server::fleet::phone::Phone;
use server::ids::{SystemEntropy, new_uuid};
use sync_core::change::SigningKey;

use super::list_rows::{
    COMMUNITIES, GRIDS, Made, SPAN_MS, TOWNS, community, department, grid, make, town,
};
use super::subject;
use crate::bench::random::Random;
use crate::bench::reference_work::Author;
use crate::bench::suite::Plan;
use crate::bench::table::{BenchResult, Target};
use crate::bench::timing::Latencies;
use crate::bench::under_test::BenchError;

const ROWS: usize = 500_000;
/// Times that each list is asked for, with other values where it has any.
const TIMES: usize = 60;
/// What the desk is promised.
const P95_MS: f64 = 50.0;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Lists by caller: a name, and the query with values to fill in.
const LISTS: &[(&str, &[(&str, &str)])] = &[
    (
        "district_desk",
        &[
            ("newest", ""),
            ("newest_500", "limit=500"),
            ("page_deep_down", "to_ms={deep}"),
            ("state_few", "state={few}"),
            ("state_many", "state=ARCHIVED"),
            ("category", "category={category}"),
            ("category_state_few", "category={category}&state={few}"),
            ("category_state_many", "category={category}&state=ARCHIVED"),
            (
                "category_state_deep",
                "category={category}&state={few}&to_ms={deep}",
            ),
            ("town", "unit={town}"),
            ("quiet_town", "unit={quiet_town}"),
            ("quiet_town_state_many", "unit={quiet_town}&state=ARCHIVED"),
            (
                "quiet_town_category",
                "unit={quiet_town}&category={category}",
            ),
            ("town_state_few", "unit={town}&state={few}"),
            ("community_state_few", "unit={community}&state={few}"),
            ("grid", "unit={grid}"),
            ("grid_state_few", "unit={grid}&state={few}"),
            ("grid_category", "unit={grid}&category={category}"),
            ("desk", "desk={desk}"),
            ("desk_state_few", "desk={desk}&state={few}"),
            ("conflict", "conflict=true"),
            ("kind", "kind=report"),
            ("kind_state_few", "kind=report&state={few}"),
            ("kind_without_records", "kind=visit"),
            ("text_common", "text={common}"),
            ("text_rare", "text={rare}"),
            ("text_two_words", "text={common}%20{place}"),
            ("text_none", "text=%E7%8A%80%E7%89%9B"),
            ("text_state_few", "text={common}&state={few}"),
            ("text_category", "text={place}&category={category}"),
            ("text_grid", "text={common}&unit={grid}"),
            ("text_deep_down", "text={common}&to_ms={deep}"),
            ("text_day", "text={common}&from_ms={day}&to_ms={next_day}"),
            (
                "all_filters",
                "kind=report&unit={town}&state={few}&category={category}&text={common}",
            ),
        ],
    ),
    (
        "town_desk",
        &[
            ("newest", ""),
            ("page_deep_down", "to_ms={deep}"),
            ("state_few", "state={few}"),
            ("state_rare", "state=EXT_ASKED"),
            ("desk", "desk={desk}"),
            ("conflict", "conflict=true"),
            ("state_many", "state=ARCHIVED"),
            ("category", "category={category}"),
            ("category_state_few", "category={category}&state={few}"),
            ("text_common", "text={common}"),
            ("text_rare", "text={rare}"),
            ("text_state_few", "text={common}&state={few}"),
        ],
    ),
    (
        "community_desk",
        &[
            ("newest", ""),
            ("page_deep_down", "to_ms={deep}"),
            ("state_few", "state={few}"),
            ("state_some", "state=REJECTED"),
            ("state_many", "state=ARCHIVED"),
            ("category", "category={category}"),
            ("category_state_few", "category={category}&state={few}"),
            ("text_common", "text={common}"),
            ("text_rare", "text={rare}"),
            ("text_state_few", "text={common}&state={few}"),
        ],
    ),
    (
        "worker",
        &[
            ("newest", ""),
            ("state_few", "state={few}"),
            ("category", "category={category}"),
            ("text_common", "text={common}"),
        ],
    ),
    (
        "department",
        &[
            ("newest", ""),
            ("page_deep_down", "to_ms={deep}"),
            ("state_few", "state={few}"),
            ("state_many", "state=ARCHIVED"),
            ("category", "category={category}"),
            ("category_state_few", "category={category}&state={few}"),
            ("category_state_many", "category={category}&state=ARCHIVED"),
            ("text_common", "text={common}"),
            ("text_state_few", "text={common}&state={few}"),
        ],
    ),
];

/// Makes the district, asks for every list, and tells p50, p95 and the slowest of each.
pub fn measure(
    gridwork: &Path,
    plan: &Plan,
    scratch: &Path,
) -> Result<Vec<BenchResult>, BenchError> {
    let data = tempfile::tempdir_in(scratch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    let made = runtime.block_on(make(data.path(), ROWS, plan.seed))?;
    let rate = ROWS as f64 / began.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&made.index)?.len() as f64 / ROWS as f64;
    let mut lines = vec![
        BenchResult::told("lists_rows_written", rate, "rows/s"),
        BenchResult::told("lists_disk", bytes, "bytes/row"),
    ];
    let server = ServeChild::start(gridwork, data.path())?;
    runtime.block_on(ask_all(&server, &made, plan.seed, &mut lines))?;
    if let Some(memory) = resident_mb(Some(server.process())) {
        lines.push(BenchResult::told("lists_server_memory", memory, "MB"));
    }
    server.stop()?;
    Ok(lines)
}

async fn ask_all(
    server: &ServeChild,
    made: &Made,
    seed: u64,
    lines: &mut Vec<BenchResult>,
) -> Result<(), BenchError> {
    let mut client = Client::new(server.url.clone(), ANSWER_TIMEOUT);
    let floor = Floor::open(&made.index)?;
    let mut slowest: f64 = 0.0;
    for ((caller, lists), code) in LISTS.iter().zip(&made.codes) {
        let replica = new_uuid(&SystemClock::new(), &SystemEntropy);
        let key = SigningKey::from_seed(&[9; 32]);
        let asked = Phone::enrolment(code, replica, &key);
        let token = client.enrol(&asked).await.map_err(subject)?.token;
        for (name, query) in *lists {
            let mut values = Values::new(seed, made.last_ms);
            let (mut taken, mut floors, mut found) = (Vec::new(), Vec::new(), 0);
            for _ in 0..TIMES {
                let path = format!("/v1/records?{}", values.fill(query));
                let began = Instant::now();
                let answer = client.get(&path, &token).await.map_err(subject)?;
                taken.push(began.elapsed());
                let page: RecordPage = serde_json::from_slice(&answer.body).map_err(subject)?;
                found += page.records.len();
                let began = Instant::now();
                client.get("/livez", &token).await.map_err(subject)?;
                floor.read(page.records.len(), &mut values.random)?;
                floors.push(began.elapsed());
            }
            let none = query.contains("kind=visit") || name.ends_with("_none");
            if none != (found == 0) {
                let text = format!("{caller} found {found} records by {query:?}");
                return Err(BenchError::WrongAnswer(text));
            }
            let (taken, floors) = (Latencies::new(taken), Latencies::new(floors));
            slowest = slowest.max(taken.percentile_ms(95.0));
            let told = |what: &str, percent| {
                let name = format!("list_{caller}_{name}_{what}");
                BenchResult::told(name, taken.percentile_ms(percent), "ms")
                    .beside(floors.percentile_ms(percent), None)
            };
            lines.push(told("p50", 50.0));
            lines.push(told("p95", 95.0).against(Target::AtMost(P95_MS)));
            lines.push(told("max", 100.0));
        }
    }
    lines
        .push(BenchResult::told("list_slowest_p95", slowest, "ms").against(Target::AtMost(P95_MS)));
    Ok(())
}

/// Values for queries, the same for the same seed.
struct Values {
    seed: u64,
    random: Random,
    last_ms: i64,
}

impl Values {
    fn new(seed: u64, last_ms: i64) -> Self {
        Self {
            seed,
            random: Random::for_part(seed, 78),
            last_ms,
        }
    }

    fn fill(&mut self, query: &str) -> String {
        let random = &mut self.random;
        let mut number = |count: u32| random.below(u64::from(count)) as u32;
        let (a_town, a_community, a_grid) = (
            town(number(TOWNS - 1)),
            community(number(COMMUNITIES)),
            grid(number(GRIDS)),
        );
        // Those that the categories below belong to.
        let desk = department(random.pick(&[8, 9, 11]));
        let few = random.pick(&[
            "SUBMITTED",
            "REGISTERED",
            "DISPATCHED",
            "IN_PROGRESS",
            "SUSPENDED",
        ]);
        let category = random.pick(&["SAN-01", "SAN-02", "FAC-01", "ORD-01"]);
        let common = encoded(random.pick(&["垃圾", "井盖", "路灯", "楼道"]));
        let place = encoded(random.pick(&["路口", "小区", "东侧"]));
        // What stands on one pole: what the first report of a worker names.
        let mut author = Author::new(self.seed, random.below(u64::from(GRIDS)));
        let rare = author.next_report().facility_number;
        let deep = self.last_ms - SPAN_MS * 9 / 10 + random.between(0, SPAN_MS / 10);
        let day = self.last_ms - random.between(30, 330) * 86_400_000;
        [
            ("{quiet_town}", town(TOWNS - 1).0.to_string()),
            ("{town}", a_town.0.to_string()),
            ("{community}", a_community.0.to_string()),
            ("{grid}", a_grid.0.to_string()),
            ("{desk}", desk.0.to_string()),
            ("{few}", few.to_owned()),
            ("{category}", category.to_owned()),
            ("{common}", common),
            ("{place}", place),
            ("{rare}", rare),
            ("{deep}", deep.to_string()),
            ("{day}", day.to_string()),
            ("{next_day}", (day + 86_400_000).to_string()),
        ]
        .into_iter()
        .fold(query.to_owned(), |filled, (name, value)| {
            filled.replace(name, &value)
        })
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// As many rows, by their key, out of the same file.
struct Floor {
    connection: Connection,
    keys: Vec<i64>,
}

impl Floor {
    fn open(index: &Path) -> Result<Self, BenchError> {
        let connection = Connection::open_with_flags(index, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(subject)?;
        let keys = connection
            .prepare("SELECT key FROM record")
            .and_then(|mut keys| keys.query_map([], |row| row.get(0))?.collect())
            .map_err(subject)?;
        Ok(Self { connection, keys })
    }

    fn read(&self, count: usize, random: &mut Random) -> Result<(), BenchError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM record WHERE key = ?1")
            .map_err(subject)?;
        for _ in 0..count {
            let key = self.keys[random.below(self.keys.len() as u64) as usize];
            let title: Option<String> = statement
                .query_row([key], |row| row.get("title"))
                .map_err(subject)?;
            std::hint::black_box(title);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list_rows::CALLERS;
    use super::*;

    #[test]
    fn every_caller_has_its_lists_and_every_value_is_filled_in() {
        let named = LISTS.iter().map(|(caller, _)| *caller);
        assert!(named.eq(CALLERS.iter().map(|(caller, ..)| *caller)));
        let mut values = Values::new(1, 1_800_000_000_000);
        for (_, query) in LISTS.iter().flat_map(|(_, lists)| *lists) {
            let filled = values.fill(query);
            assert!(!filled.contains(['{', '}']), "{filled}");
        }
    }
}
