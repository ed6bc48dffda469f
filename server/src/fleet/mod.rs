//! Load from simulated phones over HTTP, and what came of it: `gridwork fleet`. The benchmarks use its parts.

pub mod client;
pub mod cpu;
pub mod district;
pub mod first_sync;
pub mod latencies;
pub mod load;
pub mod own_server;
pub mod phone;
pub mod work;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::service::ServiceError;
use client::{ClientError, ServerUrl};
use load::{LoadPlan, Tally};
use own_server::OwnServer;

/// The longest that one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Which server is driven.
#[derive(Clone, Debug)]
pub enum Target {
    /// One that runs already, with one-time codes for its phones: one each, and one more for the first sync.
    Running {
        /// Where.
        url: ServerUrl,
        /// The codes.
        codes: Vec<String>,
    },
    /// One that is started for this run on a fresh directory.
    Own {
        /// The program `gridwork`.
        program: PathBuf,
    },
}

/// How much load.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// Which server.
    pub target: Target,
    /// Phones.
    pub replicas: usize,
    /// Changes in all.
    pub changes: u64,
    /// Changes a request.
    pub batch: usize,
    /// Requests in flight.
    pub concurrency: usize,
    /// Bytes of a page that each request asks for; 0 for none.
    pub page_bytes_max: u64,
    /// Names the work.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct FleetFigures {
    /// Phones.
    pub replicas: u64,
    /// Changes that the server confirmed.
    pub changes: u64,
    /// Of them, those that it accepted.
    pub accepted: u64,
    /// Requests without a usable answer.
    pub errors: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Confirmed changes a second, the making of the load included.
    pub changes_per_s: f64,
    /// Median time of a request.
    pub p50_ms: f64,
    /// 99th percentile of it.
    pub p99_ms: f64,
    /// The slowest request.
    pub max_ms: f64,
    /// Bodies of requests as sent.
    pub up_bytes_per_change: f64,
    /// Bodies of answers as received.
    pub down_bytes_per_change: f64,
    /// What a new phone that reads the whole district received.
    pub first_sync_records: Option<u64>,
    /// Records a second that it had received and stored; `None` without a code for it.
    pub first_sync_records_per_s: Option<f64>,
    /// Bytes a record that came down to it.
    pub first_sync_bytes_per_record: Option<f64>,
    /// Resident memory of the server after the load; `None` when it is not ours.
    pub server_rss_mb: Option<f64>,
    /// Microseconds of CPU that the server used a change; `None` when it is not ours.
    pub server_cpu_us_per_change: Option<f64>,
}

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The plan cannot be met.
    #[error("{0}")]
    Plan(String),
    /// A phone could not enrol, or the server turned away what it must take.
    #[error("the server did not do its part")]
    Client(#[from] ClientError),
    /// The own server's district could not be made.
    #[error("the district could not be made")]
    Service(#[from] ServiceError),
    /// The own server did not start, or the machine refused something.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The phone of the first sync failed.
    #[error("the first sync failed: {0}")]
    FirstSync(String),
}

/// Runs the load to its end. An own server is stopped and its directory removed, whatever happens.
///
/// # Errors
/// See [`FleetError`]. Single requests that fail are counted, not errors.
pub async fn run(plan: &FleetPlan) -> Result<FleetFigures, FleetError> {
    match &plan.target {
        Target::Running { url, codes } => {
            if codes.len() < plan.replicas {
                return Err(FleetError::Plan(format!(
                    "{} codes are not enough for {} phones",
                    codes.len(),
                    plan.replicas
                )));
            }
            let (codes, rest) = codes.split_at(plan.replicas);
            drive(plan, url, codes, rest.first(), None).await
        }
        Target::Own { program } => {
            let server = OwnServer::start(program, plan.replicas).await?;
            let reader = Some(&server.reader_code);
            drive(
                plan,
                server.url(),
                &server.codes,
                reader,
                Some(server.process()),
            )
            .await
        }
    }
}

async fn drive(
    plan: &FleetPlan,
    url: &ServerUrl,
    codes: &[String],
    reader_code: Option<&String>,
    server: Option<u32>,
) -> Result<FleetFigures, FleetError> {
    let workers = load::enrol_all(url, codes, plan.seed).await?;
    let cpu_s = || server.and_then(|process| cpu::process_cpu_s(Some(process)));
    let cpu_before_s = cpu_s();
    let load_plan = LoadPlan {
        changes: plan.changes,
        batch: plan.batch,
        concurrency: plan.concurrency,
        page_bytes_max: plan.page_bytes_max,
        seed: plan.seed,
    };
    let tally = load::run(url, workers, &load_plan).await;
    let used_s = cpu_s()
        .zip(cpu_before_s)
        .map(|(after, before)| after - before);
    let rss_mb = server.and_then(|process| cpu::resident_mb(Some(process)));
    let first_sync = match reader_code {
        Some(code) => Some(first_sync::run(url, code).await?),
        None => None,
    };
    let per_change = |sum: u64| sum as f64 / tally.changes.max(1) as f64;
    let Tally { latencies, .. } = &tally;
    Ok(FleetFigures {
        replicas: codes.len() as u64,
        changes: tally.changes,
        accepted: tally.accepted,
        errors: tally.errors,
        seconds: tally.seconds,
        changes_per_s: tally.changes as f64 / tally.seconds.max(1e-9),
        p50_ms: latencies.percentile_ms(50.0),
        p99_ms: latencies.percentile_ms(99.0),
        max_ms: latencies.percentile_ms(100.0),
        up_bytes_per_change: per_change(tally.up_bytes),
        down_bytes_per_change: per_change(tally.down_bytes),
        first_sync_records: first_sync.map(|figures| figures.records),
        first_sync_records_per_s: first_sync.map(|figures| figures.records_per_s),
        first_sync_bytes_per_record: first_sync.map(|figures| figures.bytes_per_record),
        server_rss_mb: rss_mb,
        server_cpu_us_per_change: used_s.map(|used_s| used_s * 1e6 / tally.changes.max(1) as f64),
    })
}
