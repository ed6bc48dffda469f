//! Kill cycles of a real server: killed with SIGKILL at a random moment while devices in this process hand in work,
//! started again; each verdict that a device was given must be in the log, unaltered.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use server::clock::SystemClock;
use server::demo::Dice;
use server::device::headless::{Device, Place};
use server::device::journal::{Line, read_lines};
use server::device::work::Work;
use server::device::{DeviceError, run::exchange};
use server::fleet::client::{Client, ServerUrl};
use server::ids::SystemEntropy;
use server::service::gridwork::district_path;
use server::store::StoreError;
use server::store::sqlite::DistrictRead;
use sync_core::hex;
use sync_core::ids::Pos;
use sync_core::verdict::encode_answers;

use super::check::{Log, check_journal, verify};
use super::kill_device::KillSummary;
use super::server::{DISTRICT, Server, make_code, make_district};
use super::{ChaosError, Summary, failed};

const CLIENTS: usize = 4;
/// Changes that a client makes before each exchange.
const CHANGES_AT_ONCE: u64 = 3;
const TIMEOUT: Duration = Duration::from_secs(5);
const DRAIN: Duration = Duration::from_secs(30);

const WORK: u8 = 0;
const DRAIN_AND_END: u8 = 1;

/// What the clients and the driver share.
#[derive(Default)]
struct Shared {
    server: Mutex<Option<ServerUrl>>,
    phase: AtomicU8,
}

impl Shared {
    fn set_server(&self, url: Option<ServerUrl>) {
        *self
            .server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = url;
    }

    fn server(&self) -> Option<ServerUrl> {
        self.server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// Kills a server so often.
///
/// # Errors
/// What could not be done; what was found stands in the summary.
pub fn run(gridwork: &Path, cycles: u64, seed: u64) -> Result<KillSummary, ChaosError> {
    let began = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("gridwork-kill-server-")
        .tempdir()
        .map_err(failed("a temporary directory"))?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).map_err(failed("the data directory"))?;
    make_district(gridwork, &data, CLIENTS)?;
    let log = folder.path().join("server.log");
    let mut server = Server::new(gridwork, &data, &log, Vec::new());
    server.start()?;
    let shared = Arc::new(Shared::default());
    shared.set_server(server.url());
    let mut clients = Vec::new();
    let mut places = Vec::new();
    for person in 1..=CLIENTS {
        let code = make_code(gridwork, &data, person)?;
        let place = Place {
            data: folder.path().join(format!("replica-{person}.db")),
            journal: Some(folder.path().join(format!("journal-{person}"))),
            clock_offset_ms: 0,
        };
        places.push(place.clone());
        let shared = Arc::clone(&shared);
        let seed = seed.wrapping_mul(31) + person as u64;
        clients.push(thread::spawn(move || work(&place, &code, seed, &shared)));
    }
    let mut summary = KillSummary::default();
    let mut acknowledged = Acknowledged {
        journals: places
            .iter()
            .filter_map(|place| place.journal.clone())
            .collect(),
        seen: vec![0; CLIENTS],
        checked: Pos(0),
    };
    let mut dice = Dice::new(seed);
    while summary.cycles < cycles {
        thread::sleep(Duration::from_millis(20 + dice.below(230)));
        shared.set_server(None);
        if let Some(status) = server.ended_by_itself()? {
            summary.broken += 1;
            summary.tell(format!("the server ended by itself with {status}"));
        }
        server.kill();
        summary.cycles += 1;
        server.start()?;
        acknowledged.check(&data, &mut summary)?;
        shared.set_server(server.url());
    }
    shared.phase.store(DRAIN_AND_END, Ordering::SeqCst);
    for client in clients {
        let ended = client.join().expect("BUG: a client panicked");
        if let Err(error) = ended {
            summary.broken += 1;
            summary.tell(format!("a client: {error}"));
        }
    }
    server.stop()?;
    finish(gridwork, &data, &acknowledged.journals, &mut summary)?;
    summary.seconds = began.elapsed().as_secs_f64();
    if summary.violations_count() > 0 {
        summary.kept = Some(folder.keep().display().to_string());
    }
    Ok(summary)
}

fn finish(
    gridwork: &Path,
    data: &Path,
    journals: &[PathBuf],
    summary: &mut KillSummary,
) -> Result<(), ChaosError> {
    let mut found = Summary::default();
    verify(gridwork, data, &mut found);
    let log = Log::read(data).map_err(failed("the log cannot be read"))?;
    for journal in journals {
        let text = std::fs::read_to_string(journal).map_err(failed("a journal"))?;
        let lines = read_lines(&text).map_err(failed("a journal"))?;
        check_journal(&log, &journal.display().to_string(), &lines, &mut found);
    }
    summary.take(found);
    Ok(())
}

/// One client: makes changes and hands them in, until it is told to end; then until nothing is left to say.
fn work(place: &Place, code: &str, seed: u64, shared: &Shared) -> Result<(), DeviceError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("BUG: no runtime");
    let mut work = Work::new(seed);
    let mut device = None;
    let mut url = None;
    let mut client = None;
    let mut ends: Option<Instant> = None;
    loop {
        let now = shared.server();
        if now.is_none() {
            thread::sleep(Duration::from_millis(2));
            continue;
        }
        if url != now {
            client = now.clone().map(|url| Client::new(url, TIMEOUT));
            url = now;
        }
        let (Some(client), true) = (&mut client, url.is_some()) else {
            continue;
        };
        let Some(device) = &mut device else {
            let (clock, entropy) = (Arc::new(SystemClock::new()), Arc::new(SystemEntropy));
            // Its answer may be lost; the code is sent again then.
            device = runtime
                .block_on(Device::enrol(place, code, client, clock, entropy))
                .map(Some)
                .or_else(|error| match error {
                    DeviceError::Client(_) => Ok(None),
                    error => Err(error),
                })?;
            continue;
        };
        if shared.phase.load(Ordering::SeqCst) == WORK {
            for _ in 0..CHANGES_AT_ONCE {
                work.make(device)?;
            }
        } else {
            let until = *ends.get_or_insert_with(|| Instant::now() + DRAIN);
            if device.is_idle() {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(DeviceError::Enrolment("it had more to say after 30 s"));
            }
        }
        device.on_link();
        runtime.block_on(exchange(device, client))?;
    }
}

/// What clients have noted, looked up in the log cycle by cycle.
struct Acknowledged {
    journals: Vec<PathBuf>,
    /// Bytes of each journal that were looked up.
    seen: Vec<usize>,
    /// Up to where the log was looked at, as a restarted server had it on its disk.
    checked: Pos,
}

impl Acknowledged {
    /// Looks up, in the log of a server that was started after a kill, what was acknowledged before.
    fn check(&mut self, data: &Path, summary: &mut KillSummary) -> Result<(), ChaosError> {
        let mut fresh = Vec::new();
        for (journal, seen) in self.journals.iter().zip(&mut self.seen) {
            let text = match std::fs::read_to_string(journal) {
                Ok(text) => text,
                // Nothing was noted yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed("a journal")(error)),
            };
            let end = text.rfind('\n').map_or(0, |at| at + 1);
            fresh.extend(read_lines(&text[*seen..end]).map_err(failed("a journal"))?);
            *seen = end;
        }
        let log = self.read_log(data).map_err(failed("the log"))?;
        for line in fresh {
            let Line::Verdict(received) = line else {
                continue;
            };
            let logged = log.get(&received.pos);
            let is_same = logged.is_some_and(|(hash, answer, time_ms)| {
                (hash, answer, *time_ms) == (&received.hash, &received.answer, received.time_ms)
            });
            if !is_same {
                summary.lost += 1;
                summary.tell(format!("{received:?}, the log has {logged:?}"));
            }
        }
        Ok(())
    }

    /// Hash and answer of the entries since the last look, and some before: a verdict may be noted a cycle late.
    fn read_log(
        &mut self,
        data: &Path,
    ) -> Result<std::collections::HashMap<u64, (String, String, i64)>, StoreError> {
        let read = DistrictRead::open(&district_path(data, DISTRICT))?;
        let mut log = std::collections::HashMap::new();
        let after = Pos(self.checked.0.saturating_sub(2_000));
        read.scan_entries(after, usize::MAX >> 1, |entry| {
            let answer = hex::encode(&encode_answers(std::slice::from_ref(&entry.answer)));
            let hash = hex::encode(&entry.hash.0);
            log.insert(entry.pos.0, (hash, answer, entry.time_ms));
            self.checked = self.checked.max(entry.pos);
            Ok::<_, StoreError>(true)
        })?;
        Ok(log)
    }
}
