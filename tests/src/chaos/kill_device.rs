//! Kill cycles of a real device: started, killed with SIGKILL at a random moment while it makes changes and syncs, looked
//! at, started again on the same data, thousands of times.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use serde::Serialize;
use server::demo::Dice;
use server::device::journal::{Line, read_lines};
use sync_core::hex;

use super::check::{Log, check_journal, verify};
use super::device::{DeviceProcess, Orders};
use super::server::{Server, make_code, make_district};
use super::{ChaosError, Summary, failed};

/// A device is replaced by a fresh one after so many cycles, so that cycles stay short.
const CYCLES_OF_A_DEVICE: u64 = 250;
/// So often the whole file is checked; what was promised is looked up each time.
const CYCLES_PER_INTEGRITY_CHECK: u64 = 20;
/// A device that is killed while it enrols is killed at most so often.
const ENROLMENT_KILLS: u64 = 4;
/// Changes a second: most kills fall into a commit, an exchange or the taking in of an answer.
const PACE_PER_S: f64 = 150.0;
const DRAIN_S: u64 = 30;

/// What came of the cycles.
#[derive(Clone, Debug, Default, Serialize)]
pub struct KillSummary {
    /// Kills of a process that ran.
    pub cycles: u64,
    /// Of them, while the device enrolled.
    pub enrolling: u64,
    /// Changes that were noted as saved.
    pub changes: u64,
    /// Verdicts that were noted as stored.
    pub acknowledged: u64,
    /// Noted changes or verdicts that were gone, on the device or in the log.
    pub lost: u64,
    /// Verdicts that became others, and changes that stand in the log more than once.
    pub changed: u64,
    /// Files that do not pass the check, devices that do not end, logs that do not verify.
    pub broken: u64,
    /// What was found, in words.
    pub violations: Vec<String>,
    /// Where the data lie when something was found.
    pub kept: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

impl KillSummary {
    /// How many promises were broken.
    pub fn violations_count(&self) -> u64 {
        self.lost + self.changed + self.broken
    }

    pub(super) fn tell(&mut self, text: String) {
        if self.violations.len() < 50 {
            self.violations.push(text);
        }
    }

    /// Takes over what the check at the end found.
    pub(super) fn take(&mut self, found: Summary) {
        self.changes = found.changes;
        self.acknowledged = found.verdicts;
        self.lost += found.lost;
        self.changed += found.verdict_changed + found.duplicated;
        self.broken += found.broken + found.differed;
        for text in found.violations {
            self.tell(text);
        }
    }
}

/// Kills a device so often.
///
/// # Errors
/// What could not be done; what was found stands in the summary.
pub fn run(gridwork: &Path, cycles: u64, seed: u64) -> Result<KillSummary, ChaosError> {
    let began = Instant::now();
    let folder = tempfile::Builder::new()
        .prefix("gridwork-kill-device-")
        .tempdir()
        .map_err(failed("a temporary directory"))?;
    let data = folder.path().join("data");
    std::fs::create_dir(&data).map_err(failed("the data directory"))?;
    let people = usize::try_from(cycles.div_ceil(CYCLES_OF_A_DEVICE)).unwrap_or(1);
    make_district(gridwork, &data, people)?;
    let log = folder.path().join("server.log");
    let mut server = Server::new(gridwork, &data, &log, Vec::new());
    server.start()?;
    let url = server.url().ok_or(ChaosError::new("no server", ""))?;
    let address: SocketAddr = url.address().parse().map_err(failed("an address"))?;
    let mut dice = Dice::new(seed);
    let mut summary = KillSummary::default();
    let mut devices = Vec::new();
    for person in 1..=people {
        let place = folder.path().join(format!("device-{person}"));
        let device = DeviceProcess::new(gridwork, place, person, address)?;
        let code = make_code(gridwork, &data, person)?;
        let mut cycle = Cycles {
            device,
            seen: 0,
            saved: BTreeMap::new(),
            answers: BTreeMap::new(),
        };
        cycle.enrol(&code, &mut dice, &mut summary)?;
        while summary.cycles < cycles.min(CYCLES_OF_A_DEVICE * person as u64) {
            cycle.kill_once(&mut dice, &mut summary)?;
        }
        let (is_done, state) = cycle.device.sync(DRAIN_S)?;
        if !is_done {
            summary.broken += 1;
            summary.tell(format!("{} has more to say: {state}", cycle.device.name));
        }
        devices.push(cycle.device);
    }
    server.stop()?;
    let mut found = Summary::default();
    verify(gridwork, &data, &mut found);
    let log = Log::read(&data).map_err(failed("the log cannot be read"))?;
    for device in &devices {
        check_journal(&log, &device.name, &device.noted()?, &mut found);
    }
    summary.take(found);
    summary.seconds = began.elapsed().as_secs_f64();
    if summary.violations_count() > 0 {
        summary.kept = Some(folder.keep().display().to_string());
    }
    Ok(summary)
}

/// A device under the hammer, and what it has promised so far.
struct Cycles {
    device: DeviceProcess,
    /// Bytes of the journal that were read.
    seen: u64,
    /// Hashes of saved changes not looked up yet, and of all of one's own that were: by seq.
    saved: BTreeMap<u64, String>,
    answers: BTreeMap<String, String>,
}

impl Cycles {
    /// Enrols, killed a few times on the way: the same code must come to the same replica.
    fn enrol(
        &mut self,
        code: &str,
        dice: &mut Dice,
        summary: &mut KillSummary,
    ) -> Result<(), ChaosError> {
        for _ in 0..dice.below(ENROLMENT_KILLS + 1) {
            self.device.start_enrolling(code)?;
            thread::sleep(Duration::from_millis(dice.below(40)));
            if self.device.kill() {
                summary.cycles += 1;
                summary.enrolling += 1;
            }
        }
        match self.device.enrol(code) {
            Ok(()) => Ok(()),
            // It had ended, all but the kill.
            Err(_) if self.device.sync(DRAIN_S).is_ok_and(|(is_done, _)| is_done) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn kill_once(&mut self, dice: &mut Dice, summary: &mut KillSummary) -> Result<(), ChaosError> {
        self.device.start(Orders {
            pace_per_s: PACE_PER_S,
            making: Duration::from_secs(600),
            drain_s: DRAIN_S,
            seed: dice.next_u64(),
            clock_offset_ms: 0,
        })?;
        thread::sleep(Duration::from_millis(10 + dice.below(140)));
        if !self.device.kill() {
            summary.broken += 1;
            summary.tell(format!(
                "{} ended by itself: {}",
                self.device.name,
                self.device.said()
            ));
        }
        summary.cycles += 1;
        let fresh = self.read_journal()?;
        self.look(&fresh, summary)
            .map_err(failed("a device's file"))?;
        if summary.cycles.is_multiple_of(CYCLES_PER_INTEGRITY_CHECK) {
            self.check_file(summary)
                .map_err(failed("a device's file"))?;
        }
        Ok(())
    }

    /// The journal's lines since the last look.
    fn read_journal(&mut self) -> Result<Vec<Line>, ChaosError> {
        let Ok(mut file) = std::fs::File::open(self.device.journal()) else {
            return Ok(Vec::new());
        };
        let mut text = String::new();
        file.seek(SeekFrom::Start(self.seen))
            .and_then(|_| file.read_to_string(&mut text))
            .map_err(failed("a journal"))?;
        self.seen += text.rfind('\n').map_or(0, |at| at as u64 + 1);
        read_lines(&text).map_err(failed("a journal"))
    }

    /// What was promised must be in the file that the kill left, read without mending it.
    fn look(&mut self, fresh: &[Line], summary: &mut KillSummary) -> rusqlite::Result<()> {
        for line in fresh {
            match line {
                Line::Saved(saved) => self.saved.insert(saved.seq, saved.hash.clone()),
                Line::Verdict(received) => self
                    .answers
                    .insert(received.hash.clone(), received.answer.clone()),
                // The check at the end counts it.
                Line::Differed(_) => None,
            };
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let connection = self.open()?;
        let mut own = connection.prepare("SELECT hash, answer FROM own WHERE seq = ?1")?;
        for line in fresh {
            let (seq, hash, answer) = match line {
                Line::Saved(saved) => (saved.seq, &saved.hash, None),
                Line::Verdict(received) => (received.seq, &received.hash, Some(&received.answer)),
                Line::Differed(_) => continue,
            };
            let found = own
                .query_row(params![seq as i64], |row| {
                    Ok((
                        hex::encode(&row.get::<_, Vec<u8>>(0)?),
                        row.get::<_, Option<Vec<u8>>>(1)?
                            .map(|bytes| hex::encode(&bytes)),
                    ))
                })
                .optional()?;
            let is_there = found.as_ref().is_some_and(|(found_hash, found_answer)| {
                found_hash == hash
                    && answer.is_none_or(|answer| found_answer.as_ref() == Some(answer))
            });
            if !is_there {
                summary.lost += 1;
                summary.tell(format!(
                    "{}: {line:?}, the file has {found:?}",
                    self.device.name
                ));
            }
        }
        Ok(())
    }

    /// Everything ever promised, and the file as a whole.
    fn check_file(&self, summary: &mut KillSummary) -> rusqlite::Result<()> {
        let connection = self.open()?;
        let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if said != "ok" {
            summary.broken += 1;
            summary.tell(format!("{}: integrity check: {said}", self.device.name));
        }
        let mut statement = connection.prepare("SELECT seq, hash, answer FROM own")?;
        let mut rows = statement.query([])?;
        let (mut saved, mut answers) = (self.saved.clone(), self.answers.clone());
        while let Some(row) = rows.next()? {
            let hash = hex::encode(&row.get::<_, Vec<u8>>(1)?);
            let answer = row
                .get::<_, Option<Vec<u8>>>(2)?
                .map(|bytes| hex::encode(&bytes));
            if saved.get(&(row.get::<_, i64>(0)? as u64)) == Some(&hash) {
                saved.remove(&(row.get::<_, i64>(0)? as u64));
            }
            if answer.is_some() && answers.get(&hash) == answer.as_ref() {
                answers.remove(&hash);
            }
        }
        summary.lost += (saved.len() + answers.len()) as u64;
        if !saved.is_empty() || !answers.is_empty() {
            summary.tell(format!(
                "{}: gone or other: {saved:?} {answers:?}",
                self.device.name
            ));
        }
        Ok(())
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(
            self.device.data(),
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(connection)
    }
}
