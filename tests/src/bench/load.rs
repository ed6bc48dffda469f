//! Runs clients against a server from one thread and tells rate, latencies, bytes, and CPU on both sides.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Barrier;

use super::cpu::{process_cpu_s, resident_mb, thread_cpu_s};
use super::http1::Connection;
use super::timing::Latencies;
use super::under_test::{BenchError, ClientScript, ServerProcess, ServerUnderTest};

/// The longest time that one answer may take before the run counts as failed.
const ANSWER_TIMEOUT_S: u64 = 120;

/// What a server did under load.
#[derive(Clone, Debug, Serialize)]
pub struct LoadFigures {
    /// Units of work that the answers confirmed.
    pub units: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Units a second, load generator included.
    pub per_s: f64,
    /// Median time of a request.
    pub p50_ms: f64,
    /// 99th percentile of the time of a request.
    pub p99_ms: f64,
    /// The slowest request.
    pub max_ms: f64,
    /// The time in which 95 of 100 clients had finished all their work.
    pub clients_p95_s: f64,
    /// Request bodies.
    pub up_bytes_per_unit: f64,
    /// Answer bodies, as sent.
    pub down_bytes_per_unit: f64,
    /// Microseconds of CPU that the server used a unit.
    pub server_cpu_us_per_unit: Option<f64>,
    /// Microseconds of CPU that the load generator used a unit.
    pub generator_cpu_us_per_unit: Option<f64>,
    /// Resident memory at the end, of the server's process; with the generator's when both are one process.
    pub resident_mb: Option<f64>,
    /// Bytes in the data directory after the server closed its files.
    pub disk_bytes_per_unit: f64,
}

struct ClientTally {
    units: u64,
    up_bytes: u64,
    down_bytes: u64,
    latencies: Vec<Duration>,
    finished: Instant,
}

struct LoadTally {
    clients: Vec<ClientTally>,
    began: Instant,
    cpu_s: Option<f64>,
}

/// Starts `subject` in a fresh directory under `scratch`, runs its clients to their end, stops it and removes the directory.
pub fn measure_server<W>(
    subject: &dyn ServerUnderTest<W>,
    work: &W,
    scratch: &Path,
) -> Result<LoadFigures, BenchError> {
    let data = tempfile::tempdir_in(scratch)?;
    let running = subject.start(work, data.path())?;
    let process = match running.process {
        ServerProcess::Own => None,
        ServerProcess::Other(id) => Some(id),
    };
    let cpu_before = process_cpu_s(process);
    let outcome = run_clients(running.address, running.scripts);
    let cpu_after = process_cpu_s(process);
    let resident = resident_mb(process);
    (running.stop)()?;
    let tally = outcome?;
    let mut server_cpu_s = cpu_after
        .zip(cpu_before)
        .map(|(after, before)| after - before);
    if process.is_none() {
        server_cpu_s = server_cpu_s
            .zip(tally.cpu_s)
            .map(|(both, generator)| (both - generator).max(0.0));
    }
    figures(&tally, server_cpu_s, resident, bytes_under(data.path())?)
}

fn figures(
    tally: &LoadTally,
    server_cpu_s: Option<f64>,
    resident_mb: Option<f64>,
    disk_bytes: u64,
) -> Result<LoadFigures, BenchError> {
    let units: u64 = tally.clients.iter().map(|client| client.units).sum();
    let ended = tally.clients.iter().map(|client| client.finished).max();
    let (Some(ended), true) = (ended, units > 0) else {
        return Err(BenchError::WrongAnswer(
            "no unit of work was confirmed".to_owned(),
        ));
    };
    let seconds = ended.duration_since(tally.began).as_secs_f64();
    let latencies = Latencies::new(
        tally
            .clients
            .iter()
            .flat_map(|client| client.latencies.iter().copied())
            .collect(),
    );
    let whole = Latencies::new(
        tally
            .clients
            .iter()
            .map(|client| client.finished.duration_since(tally.began))
            .collect(),
    );
    let per_unit = |sum: u64| sum as f64 / units as f64;
    let cpu_us = |cpu_s: Option<f64>| cpu_s.map(|cpu_s| cpu_s * 1e6 / units as f64);
    Ok(LoadFigures {
        units,
        seconds,
        per_s: units as f64 / seconds,
        p50_ms: latencies.percentile_ms(50.0),
        p99_ms: latencies.percentile_ms(99.0),
        max_ms: latencies.percentile_ms(100.0),
        clients_p95_s: whole.percentile_ms(95.0) / 1e3,
        up_bytes_per_unit: per_unit(tally.clients.iter().map(|client| client.up_bytes).sum()),
        down_bytes_per_unit: per_unit(tally.clients.iter().map(|client| client.down_bytes).sum()),
        server_cpu_us_per_unit: cpu_us(server_cpu_s),
        generator_cpu_us_per_unit: cpu_us(tally.cpu_s),
        resident_mb,
        disk_bytes_per_unit: per_unit(disk_bytes),
    })
}

/// All clients live on one thread of their own, whose CPU is the generator's.
fn run_clients(
    address: SocketAddr,
    scripts: Vec<Box<dyn ClientScript>>,
) -> Result<LoadTally, BenchError> {
    let generator = thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let cpu_before = thread_cpu_s();
            let (began, clients) = runtime.block_on(all_clients(address, scripts))?;
            let cpu_s = thread_cpu_s()
                .zip(cpu_before)
                .map(|(after, before)| after - before);
            Ok(LoadTally {
                clients,
                began,
                cpu_s,
            })
        })?;
    generator.join().expect("BUG: the load generator panicked")
}

async fn all_clients(
    address: SocketAddr,
    scripts: Vec<Box<dyn ClientScript>>,
) -> Result<(Instant, Vec<ClientTally>), BenchError> {
    // The clock starts when the last connection stands.
    let gate = Arc::new(Barrier::new(scripts.len() + 1));
    let mut tasks = tokio::task::JoinSet::new();
    for script in scripts {
        let connection = Connection::open(address).await?;
        tasks.spawn(one_client(connection, script, Arc::clone(&gate)));
    }
    gate.wait().await;
    let began = Instant::now();
    let mut clients = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        clients.push(joined.expect("BUG: a client of the load generator panicked")?);
    }
    Ok((began, clients))
}

async fn one_client(
    mut connection: Connection,
    mut script: Box<dyn ClientScript>,
    gate: Arc<Barrier>,
) -> Result<ClientTally, BenchError> {
    let mut tally = ClientTally {
        units: 0,
        up_bytes: 0,
        down_bytes: 0,
        latencies: Vec::new(),
        finished: Instant::now(),
    };
    gate.wait().await;
    while let Some(request) = script.next_request()? {
        let began = Instant::now();
        let exchange = connection.exchange(&request);
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_TIMEOUT_S), exchange)
            .await
            .map_err(|_| BenchError::WrongAnswer("no answer in time".to_owned()))??;
        tally.latencies.push(began.elapsed());
        tally.up_bytes += request.body_bytes as u64;
        tally.down_bytes += answer.body.len() as u64;
        tally.units += script.answered(answer.status, answer.body)?;
    }
    tally.finished = Instant::now();
    Ok(tally)
}

/// Bytes of all files in a directory and below.
pub fn bytes_under(folder: &Path) -> Result<u64, BenchError> {
    let mut sum = 0;
    for item in std::fs::read_dir(folder)? {
        let item = item?;
        let metadata = item.metadata()?;
        sum += if metadata.is_dir() {
            bytes_under(&item.path())?
        } else {
            metadata.len()
        };
    }
    Ok(sum)
}
