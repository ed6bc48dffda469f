//! A new version of a document on its way to 2,000 phones: how long until each has it, what that costs, and that each gets it once;
//! beside as many idle syncs of the same phones.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use server::clock::SystemClock;
use server::fleet::client::{Client, ServerUrl};
use server::fleet::district;
use server::fleet::load::{enrol, evidence};
use server::fleet::own_server::ServeChild;
use server::fleet::phone::Phone;
use sync_core::change::Hash;
use sync_core::documents::Manifest;
use sync_core::hex;
use sync_core::ids::DocumentsVersion;
use sync_core::replica::mark_of;
use sync_core::wire::SyncResponse;
use tokio::task::JoinSet;

use super::subject;
use crate::bench::suite::Plan;
use crate::bench::table::{BenchResult, Target};
use crate::bench::timing::Latencies;
use crate::bench::under_test::BenchError;

const PHONES: usize = 2_000;
/// What phones ask for on a good link.
const PAGE_BYTES_MAX: u64 = 65_536;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// A phone that asks so often without getting what it lacks is not served.
const ASKS_MAX: usize = 20;
const DOCUMENT: &str = "categories";

/// Fills a district with phones, imports a new version, and tells what came of it.
pub fn measure(
    gridwork: &Path,
    plan: &Plan,
    scratch: &Path,
) -> Result<Vec<BenchResult>, BenchError> {
    let data = tempfile::tempdir_in(scratch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let codes = runtime.block_on(district::make(data.path(), PHONES))?;
    let server = ServeChild::start(gridwork, data.path())?;
    let holders = runtime.block_on(enrol_all(&server.url, &codes.workers))?;
    let round =
        |holders, wanted| runtime.block_on(sync_all(&server.url, holders, plan.clients, wanted));
    let (holders, first) = round(holders, Wanted::Documents)?;
    let (holders, before) = round(holders, Wanted::Idle)?;
    let new = import(gridwork, data.path(), scratch)?;
    let (holders, news) = round(holders, Wanted::Documents)?;
    let (holders, after) = round(holders, Wanted::Idle)?;
    server.stop()?;
    judge(&holders, new)?;
    let idle = Round::together(before, after);
    Ok(lines(first, news, idle))
}

fn lines(first: Round, news: Round, idle: Round) -> Vec<BenchResult> {
    let rate = |round: &Round| round.requests as f64 / round.seconds;
    let per_phone = |bytes: u64| bytes as f64 / PHONES as f64;
    let idle_bytes = idle.bytes as f64 / idle.requests as f64;
    // As many idle requests as the roll-out took, at the rate of the idle rounds.
    let idle_seconds = news.requests as f64 / rate(&idle);
    let asks = news.requests as f64 / PHONES as f64;
    let p95 = |round: Round| Latencies::new(round.latencies).percentile_ms(95.0);
    vec![
        BenchResult::told(
            "rollout_first_documents",
            per_phone(first.bytes),
            "bytes/phone",
        ),
        BenchResult::told("rollout_2000_phones", news.seconds, "s").beside(idle_seconds, None),
        BenchResult::told("rollout_requests", rate(&news), "requests/s")
            .beside(rate(&idle), None)
            .against(Target::RatioAtLeast(0.5)),
        BenchResult::told("rollout_requests_a_phone", asks, "requests"),
        BenchResult::told("rollout_both_ways", per_phone(news.bytes), "bytes/phone")
            .beside(asks * idle_bytes, None),
        BenchResult::told("rollout_request_p95", p95(news), "ms").beside(p95(idle), None),
    ]
}

/// A phone with the texts that came to it.
struct Holder {
    phone: Phone,
    boot: u64,
    /// How many entries have changed the documents, as it was told and as it holds.
    told: DocumentsVersion,
    held: DocumentsVersion,
    /// How often each text came.
    texts: BTreeMap<Hash, u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// One exchange, and more until no document is lacking.
    Documents,
    /// Two exchanges that must bring none.
    Idle,
}

#[derive(Default)]
struct Round {
    requests: u64,
    bytes: u64,
    seconds: f64,
    latencies: Vec<Duration>,
}

impl Round {
    fn together(mut self, other: Self) -> Self {
        self.add(other);
        self
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.seconds += other.seconds;
        self.latencies.extend(other.latencies);
    }
}

async fn enrol_all(url: &ServerUrl, codes: &[String]) -> Result<Vec<Holder>, BenchError> {
    let mut client = Client::new(url.clone(), ANSWER_TIMEOUT);
    let mut holders = Vec::with_capacity(codes.len());
    for (code, boot) in codes.iter().zip(1..) {
        holders.push(Holder {
            phone: enrol(&mut client, code, boot).await?,
            boot,
            told: DocumentsVersion(0),
            held: DocumentsVersion(0),
            texts: BTreeMap::new(),
        });
    }
    Ok(holders)
}

/// Lets all phones sync over so many connections.
async fn sync_all(
    url: &ServerUrl,
    holders: Vec<Holder>,
    lanes: usize,
    wanted: Wanted,
) -> Result<(Vec<Holder>, Round), BenchError> {
    let mut shares: Vec<Vec<Holder>> = (0..lanes.max(1)).map(|_| Vec::new()).collect();
    for (number, holder) in holders.into_iter().enumerate() {
        shares[number % lanes.max(1)].push(holder);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut share in shares {
        let mut client = Client::new(url.clone(), ANSWER_TIMEOUT);
        tasks.spawn(async move {
            let mut round = Round::default();
            for holder in &mut share {
                holder.sync(&mut client, wanted, &mut round).await?;
            }
            Ok::<_, BenchError>((share, round))
        });
    }
    let (mut holders, mut all) = (Vec::new(), Round::default());
    while let Some(joined) = tasks.join_next().await {
        let (share, round) = joined.map_err(subject)??;
        holders.extend(share);
        all.add(round);
    }
    all.seconds = began.elapsed().as_secs_f64();
    Ok((holders, all))
}

impl Holder {
    async fn sync(
        &mut self,
        client: &mut Client,
        wanted: Wanted,
        round: &mut Round,
    ) -> Result<(), BenchError> {
        let wrong = |what: &str| BenchError::WrongAnswer(format!("phone {}: {what}", self.boot));
        let (never, twice) = (
            wrong("never got its documents"),
            wrong("got documents again"),
        );
        for ask in 0..ASKS_MAX {
            if wanted == Wanted::Idle && ask == 2 {
                return Ok(());
            }
            let came = self.exchange(client, round).await?;
            match wanted {
                Wanted::Idle if came > 0 || self.told != self.held => return Err(twice),
                Wanted::Documents if self.told == self.held => return Ok(()),
                _ => {}
            }
        }
        Err(never)
    }

    /// One exchange; says how many texts came.
    async fn exchange(
        &mut self,
        client: &mut Client,
        round: &mut Round,
    ) -> Result<usize, BenchError> {
        if self.told != self.held || self.held.0 == 0 {
            let marks = self.texts.keys().map(|hash| mark_of(&hash.0));
            self.phone.documents_held = Some(marks.collect());
        }
        let now = evidence(&SystemClock::new(), self.boot);
        let body = self.phone.request(now, PAGE_BYTES_MAX);
        let began = Instant::now();
        let answer = client.sync(&body).await.map_err(subject)?;
        round.latencies.push(began.elapsed());
        round.requests += 1;
        round.bytes += answer.up_bytes + answer.down_bytes;
        let answer = SyncResponse::decode(&answer.body).map_err(subject)?;
        if !self.phone.take_answer(&answer) {
            return Err(BenchError::WrongAnswer("a receipt is not its own".into()));
        }
        self.told = answer.documents;
        for text in &answer.texts {
            *self.texts.entry(Hash::of(&[text])).or_default() += 1;
        }
        let manifest = answer.manifest.as_deref().and_then(Manifest::decode);
        let holds = |sha256: &str| {
            hex::decode_array(sha256).is_some_and(|hash| self.texts.contains_key(&Hash(hash)))
        };
        if manifest.is_some_and(|it| it.versions.iter().all(|each| holds(&each.sha256))) {
            self.held = self.told;
        }
        Ok(answer.texts.len())
    }
}

/// Imports the next version of a document through the running server; its text's hash.
fn import(gridwork: &Path, data: &Path, scratch: &Path) -> Result<Hash, BenchError> {
    let folder = tempfile::tempdir_in(scratch)?;
    let run = |arguments: &[&std::ffi::OsStr]| -> Result<(), BenchError> {
        let ran = Command::new(gridwork)
            .args(["documents", "--json", "--data"])
            .arg(data)
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        ran.status
            .success()
            .then_some(())
            .ok_or(BenchError::Subject(said))
    };
    run(&[
        "export".as_ref(),
        "--to".as_ref(),
        folder.path().as_os_str(),
    ])?;
    let file = folder.path().join(format!("{DOCUMENT}.json"));
    let text = std::fs::read_to_string(&file)?;
    let next = text
        .replacen("\"version\": 1", "\"version\": 2", 1)
        .replacen("2026-01-01", "2026-01-02", 1);
    std::fs::write(&file, &next)?;
    run(&["import".as_ref(), file.as_os_str()])?;
    Ok(Hash::of(&[next.as_bytes()]))
}

/// Every phone has the new text, and no text came twice.
fn judge(holders: &[Holder], new: Hash) -> Result<(), BenchError> {
    let once = |holder: &&Holder| {
        holder.texts.contains_key(&new) && holder.texts.values().all(|times| *times == 1)
    };
    let served = holders.iter().filter(once).count();
    if served == PHONES {
        return Ok(());
    }
    Err(BenchError::WrongAnswer(format!(
        "{served} of {PHONES} phones got the new version exactly once"
    )))
}
