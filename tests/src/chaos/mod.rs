//! Chaos on real processes: a real `gridwork serve`, real `gridwork device`s, a proxy between them that does what bad links
//! do, and kills, pauses, lying clocks and a full disk. Afterwards every promise that a device noted is looked up.

pub mod campaign;
pub mod check;
pub mod choreography;
pub mod device;
pub mod kill_device;
pub mod kill_server;
pub mod link;
pub mod plan;
pub mod proxy;
pub mod server;
pub mod small_disk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// What could not be done, as opposed to what was found.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct ChaosError {
    /// What was tried.
    pub what: &'static str,
    /// Why not.
    pub why: String,
}

impl ChaosError {
    /// Why something could not be done.
    pub fn new(what: &'static str, why: impl ToString) -> Self {
        Self {
            what,
            why: why.to_string(),
        }
    }
}

/// Names what was tried when something refuses.
pub fn failed<E: ToString>(what: &'static str) -> impl FnOnce(E) -> ChaosError {
    move |why| ChaosError::new(what, why)
}

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program `gridwork`.
    pub gridwork: PathBuf,
    /// Devices.
    pub replicas: usize,
    /// Changes a second, all devices together.
    pub pace_per_s: f64,
    /// How long the faults last.
    pub seconds: f64,
    /// How long the devices may take afterwards until nothing is left to say.
    pub drain_s: u64,
    /// Names the faults and the work.
    pub seed: u64,
    /// Whether the server's data lie on a small disk that is filled.
    pub small_disk: bool,
}

/// What came of one run or of many.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Devices, added up over the runs.
    pub replicas: u64,
    /// Changes that devices noted as saved.
    pub changes: u64,
    /// Verdicts that devices noted as stored.
    pub verdicts: u64,
    /// Devices killed with SIGKILL.
    pub kills_device: u64,
    /// Servers killed with SIGKILL.
    pub kills_server: u64,
    /// Processes stopped with SIGSTOP for a while.
    pub pauses: u64,
    /// Partitions, by what did not pass: in, out or both.
    pub partitions: u64,
    /// Starts of a device with a clock that is off.
    pub clock_lies: u64,
    /// Devices whose files were copied, both to go on under one name.
    pub clones: u64,
    /// Times that the server's disk was full.
    pub full_disks: u64,
    /// Runs that were to have a small disk on a machine that could not mount one.
    pub full_disks_not_run: u64,
    /// What the proxy did, by kind.
    pub link_faults: BTreeMap<String, u64>,
    /// Requests that came to nothing, as the devices counted after their last start.
    pub failures: u64,
    /// Noted changes that the log does not have.
    pub lost: u64,
    /// Changes that the log has more than once.
    pub duplicated: u64,
    /// Noted verdicts that the log has otherwise.
    pub verdict_changed: u64,
    /// Devices that were not done in time.
    pub stuck: u64,
    /// Devices that do not hold what their scope holds.
    pub diverged: u64,
    /// Times that a device differed from the server and mended itself: without a defect, none.
    pub differed: u64,
    /// Other broken promises: a log that does not verify, a server that ended by itself.
    pub broken: u64,
    /// What was found, in words.
    pub violations: Vec<String>,
    /// Where the data of the runs with violations lie.
    pub kept: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// So many violations are told in words; all are counted.
const TOLD_MAX: usize = 50;

impl Summary {
    /// Notes a violation in words; the caller counts it.
    pub fn tell(&mut self, text: String) {
        if self.violations.len() < TOLD_MAX {
            self.violations.push(text);
        }
    }

    /// How many violations there are.
    pub fn violations_count(&self) -> u64 {
        self.lost
            + self.duplicated
            + self.verdict_changed
            + self.stuck
            + self.diverged
            + self.differed
            + self.broken
    }

    /// Adds another run.
    pub fn add(&mut self, other: Self) {
        self.runs += other.runs;
        self.replicas += other.replicas;
        self.changes += other.changes;
        self.verdicts += other.verdicts;
        self.kills_device += other.kills_device;
        self.kills_server += other.kills_server;
        self.pauses += other.pauses;
        self.partitions += other.partitions;
        self.clock_lies += other.clock_lies;
        self.clones += other.clones;
        self.full_disks += other.full_disks;
        self.full_disks_not_run += other.full_disks_not_run;
        for (kind, count) in other.link_faults {
            *self.link_faults.entry(kind).or_default() += count;
        }
        self.failures += other.failures;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.verdict_changed += other.verdict_changed;
        self.stuck += other.stuck;
        self.diverged += other.diverged;
        self.differed += other.differed;
        self.broken += other.broken;
        for text in other.violations {
            self.tell(text);
        }
        self.kept.extend(other.kept);
        self.seconds += other.seconds;
    }
}
