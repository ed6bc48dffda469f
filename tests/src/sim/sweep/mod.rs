//! The exhaustive crash sweep: each operation of server and phone, crashed at every storage call it makes, with every
//! damage that a power cut may do; after each of them the machine is started again and must be as before the
//! operation or as after it, and the same operation must then come out as if nothing had happened.
//!
//! - `scene`: a server and phones that live up to the moment before an operation.
//! - `server_cases`, `office_cases`, `phone_cases`: the operations.
//! - `crash`: one operation crashed everywhere.
//! - `state`: what a database says.

mod crash;
mod office_cases;
mod open_cases;
mod phone_apply_cases;
mod phone_cases;
mod scene;
mod server_cases;
mod state;

pub use crash::{Case, Expected, Machine, Options, Report, sweep_case};
pub use scene::{Scene, draft, open_phone, report, start_server};
pub use state::State;

use serde::Serialize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Whose operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The server's.
    Server,
    /// A phone's.
    Phone,
}

/// What a sweep came to.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// Operations.
    pub operations: u64,
    /// Storage calls that they make, all together.
    pub calls: u64,
    /// Calls at which an operation was crashed.
    pub crashes: u64,
    /// Times that a machine was started again and looked at.
    pub runs: u64,
    /// Different disks among those that the crashes left.
    pub distinct_images: u64,
    /// Promises that were broken, each in a sentence.
    pub violations: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// The same for each operation.
    pub by_operation: Vec<Report>,
}

/// The operations of a side, each with the state that it starts from.
pub fn cases(side: Side) -> Vec<Case> {
    match side {
        Side::Server => [
            server_cases::cases(),
            office_cases::cases(),
            open_cases::cases(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        Side::Phone => [phone_cases::cases(), phone_apply_cases::cases()]
            .into_iter()
            .flatten()
            .collect(),
    }
}

/// Sweeps through cases, as many at a time as there are threads; `tell` hears of each that is done.
pub fn run(
    cases: &[Case],
    options: &Options,
    threads: usize,
    tell: &(dyn Fn(&Report) + Sync),
) -> Summary {
    let began = Instant::now();
    let next = AtomicUsize::new(0);
    let reports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = sweep_case(case, options);
                    tell(&report);
                    reports
                        .lock()
                        .expect("BUG: a sweeping thread panicked")
                        .push(report);
                }
            });
        }
    });
    let mut reports = reports
        .into_inner()
        .expect("BUG: a sweeping thread panicked");
    reports.sort_by_key(|report| cases.iter().position(|case| case.name == report.name));
    let mut summary = Summary::default();
    for report in &reports {
        summary.operations += 1;
        summary.calls += report.calls;
        summary.crashes += report.crashes;
        summary.runs += report.runs;
        summary.distinct_images += report.distinct_images;
        let name = report.name;
        let told = report.violations.iter();
        summary
            .violations
            .extend(told.map(|text| format!("{name}: {text}")));
    }
    summary.by_operation = reports;
    summary.seconds = began.elapsed().as_secs_f64();
    summary
}
