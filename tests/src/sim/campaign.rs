//! Many worlds: a range of seeds on all cores, what they met added up, the first failure kept and made small.

use super::generate::{Size, generate};
use super::marks::{MARKS, Marks};
use super::plan::Plan;
use super::shrink::{kind_of, shrink};
use super::world::{Outcome, World};
use serde::Serialize;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A campaign of fewer seeds than this is not blamed for a mark that was never hit.
pub const SEEDS_FOR_MARKS: u64 = 1_000;

/// Which seeds, and how.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Threads, each with a world at a time.
    pub threads: usize,
    /// No new world after this long.
    pub limit: Option<Duration>,
    /// Whether each world is lived through twice and must come out the same.
    pub double_check: bool,
    /// Whether to stop at the first failure.
    pub stop_at_failure: bool,
    /// How much happens in a world.
    pub size: Size,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// The first seed.
    pub from: u64,
    /// Worlds that were lived through.
    pub seeds: u64,
    /// Changes made in them.
    pub changes: u64,
    /// Changes in the world that had the fewest.
    pub changes_least: u64,
    /// The seed of that world.
    pub changes_least_seed: u64,
    /// Faults in the world that had the fewest, calm ones aside.
    pub faults_least: u64,
    /// Log entries in them.
    pub entries: u64,
    /// Faults that struck.
    pub faults: u64,
    /// By name.
    pub faults_by_kind: BTreeMap<String, u64>,
    /// Situations, by name.
    pub marks: BTreeMap<String, u64>,
    /// Situations that never came about.
    pub marks_missed: Vec<String>,
    /// Broken promises: seed and sentence.
    pub violations: Vec<(u64, String)>,
    /// The smallest seed that failed.
    pub first_failing_seed: Option<u64>,
    /// How long it took.
    pub seconds: f64,
}

impl Summary {
    /// Whether nothing was broken, and enough was met for that to mean something.
    pub fn is_good(&self) -> bool {
        let met_enough = self.seeds < SEEDS_FOR_MARKS || self.marks_missed.is_empty();
        self.violations.is_empty() && met_enough
    }
}

/// Lives through a plan; a panic is a violation like any other.
pub fn live(plan: &Plan) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| World::run(plan))) {
        Ok(outcome) => outcome,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("without a word");
            Outcome {
                violations: vec![format!("panic: {text}")],
                ..Outcome::default()
            }
        }
    }
}

/// The same, twice when asked: another trace is a violation.
pub fn live_checked(plan: &Plan, double_check: bool) -> Outcome {
    let mut outcome = live(plan);
    if double_check && outcome.violations.is_empty() {
        let again = live(plan);
        if again.trace != outcome.trace {
            outcome
                .violations
                .push("determinism: the same plan came out otherwise".to_owned());
        }
    }
    outcome
}

/// Runs a campaign; `tell` hears of each world that ended.
pub fn run(campaign: &Campaign, tell: &(dyn Fn(u64, &Outcome) + Sync)) -> Summary {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = Mutex::new((Summary::default(), Marks::default()));
    std::thread::scope(|scope| {
        for _ in 0..campaign.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let over = campaign.limit.is_some_and(|limit| began.elapsed() >= limit);
                    let step = next.fetch_add(1, Ordering::Relaxed);
                    if over || stop.load(Ordering::Relaxed) || step >= campaign.seeds {
                        return;
                    }
                    let seed = campaign.from + step;
                    let plan = generate(seed, &campaign.size);
                    let outcome = live_checked(&plan, campaign.double_check);
                    if campaign.stop_at_failure && !outcome.violations.is_empty() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    tell(seed, &outcome);
                    let mut total = total.lock().expect("BUG: a campaign's thread panicked");
                    add(&mut total, seed, &outcome);
                }
            });
        }
    });
    let (mut summary, marks) = total
        .into_inner()
        .expect("BUG: a campaign's thread panicked");
    summary.from = campaign.from;
    summary.seconds = began.elapsed().as_secs_f64();
    summary.marks = MARKS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), marks.count(name)))
        .collect();
    summary.marks_missed = marks.missed().into_iter().map(str::to_owned).collect();
    summary.violations.sort();
    summary
}

fn add((summary, marks): &mut (Summary, Marks), seed: u64, outcome: &Outcome) {
    let faults: u64 = outcome.faults.values().sum();
    if outcome.violations.is_empty()
        && (summary.changes_least == 0 || outcome.changes < summary.changes_least)
    {
        (summary.changes_least, summary.changes_least_seed) = (outcome.changes, seed);
    }
    summary.faults_least = match faults {
        0 => summary.faults_least,
        _ if summary.faults_least == 0 => faults,
        _ => summary.faults_least.min(faults),
    };
    summary.seeds += 1;
    summary.changes += outcome.changes;
    summary.entries += outcome.entries;
    for (name, count) in &outcome.faults {
        summary.faults += count;
        *summary
            .faults_by_kind
            .entry((*name).to_owned())
            .or_default() += count;
    }
    marks.merge(&outcome.marks);
    for violation in &outcome.violations {
        summary.violations.push((seed, violation.clone()));
    }
    if !outcome.violations.is_empty() {
        let first = summary.first_failing_seed.unwrap_or(u64::MAX).min(seed);
        summary.first_failing_seed = Some(first);
    }
}

/// Makes a failing plan small.
pub fn shrink_failing(plan: &Plan, violation: &str, limit: Duration) -> Plan {
    let kind = kind_of(violation);
    shrink(plan, limit, &mut |smaller| {
        live(smaller)
            .violations
            .first()
            .is_some_and(|found| kind_of(found) == kind)
    })
}
