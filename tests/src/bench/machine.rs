//! The machine that a run was measured on: without it no figure means anything.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::timing::Latencies;
use super::under_test::BenchError;

/// Processor, load, and what a durable write costs.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Average of runnable processes over the last minute, before the run.
    pub load_1min: Option<f64>,
    /// All memory in megabytes (2^20 bytes).
    pub memory_mb: Option<f64>,
    /// The SQLite that is linked in.
    pub sqlite: &'static str,
    /// Median time of writing 4 KiB at the end of a file and syncing it, where the data lie.
    pub fsync_p50_ms: f64,
}

impl Machine {
    /// Looks at this machine; `scratch` is where the benchmarks will write.
    pub fn look(scratch: &Path) -> Result<Self, BenchError> {
        Ok(Self {
            cpu: named_value("/proc/cpuinfo", "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism()?.get(),
            load_1min: load_1min(),
            memory_mb: named_value("/proc/meminfo", "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
                .map(|kilobytes| kilobytes / 1024.0),
            sqlite: rusqlite::version(),
            fsync_p50_ms: fsync_p50_ms(scratch)?,
        })
    }
}

/// Average of runnable processes over the last minute.
pub fn load_1min() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

fn named_value(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn fsync_p50_ms(scratch: &Path) -> Result<f64, BenchError> {
    let folder = tempfile::tempdir_in(scratch)?;
    let mut file = File::create(folder.path().join("sync"))?;
    let mut times = Vec::new();
    for _ in 0..64 {
        let began = Instant::now();
        file.write_all(&[0x5a; 4096])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    Ok(Latencies::new(times).percentile_ms(50.0))
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = |value: Option<f64>| {
            value.map_or_else(|| "?".to_owned(), |value| format!("{value:.2}"))
        };
        write!(
            out,
            "{} x {}, load {}, memory {} MB, SQLite {}, fsync p50 {:.2} ms",
            self.cores,
            self.cpu,
            optional(self.load_1min),
            self.memory_mb
                .map_or_else(|| "?".to_owned(), |value| format!("{value:.0}")),
            self.sqlite,
            self.fsync_p50_ms,
        )
    }
}
