//! `chaos`: real servers and devices under bad links, kills, pauses, lying clocks and full disks, and what became of what they promised.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};
use server::demo::Dice;
use tests::chaos::kill_device::KillSummary;
use tests::chaos::{
    ChaosError, Options, Summary, campaign, choreography, kill_device, kill_server,
};

/// Every so-manyth run has its server's data on a small disk that is filled.
const RUNS_PER_SMALL_DISK: u64 = 4;

/// Runs chaos on real processes. Exit code 1: a promise was broken, and the data stay where the output says; 2: it could not be run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Runs of the choreography, each with a seed of its own.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The first run's seed; each further run has the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Devices; 5, 10 or 20 by the seed without it.
    #[arg(long)]
    replicas: Option<usize>,
    /// Changes a second, all devices together; 10 to 50 by the seed without it.
    #[arg(long)]
    pace: Option<f64>,
    /// Seconds of faults in each run.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// Seconds that the devices may then take until nothing is left to say.
    #[arg(long, default_value_t = 30)]
    drain_s: u64,
    /// Instead of runs: kill a device so often.
    #[arg(long, conflicts_with = "kill_cycles_server")]
    kill_cycles_device: Option<u64>,
    /// Instead of runs: kill a server so often.
    #[arg(long)]
    kill_cycles_server: Option<u64>,
    /// The program under test; by default the one beside this one.
    #[arg(long)]
    gridwork: Option<PathBuf>,
    /// Append a line to docs/campaigns.jsonl.
    #[arg(long)]
    record: bool,
    /// Print exactly one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            if arguments.json {
                println!("{}", json!({ "error": error.to_string() }));
            } else {
                eprintln!("{error}");
            }
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<u64, ChaosError> {
    let gridwork = match &arguments.gridwork {
        Some(path) => path.clone(),
        None => beside_this()?,
    };
    if let Some(cycles) = arguments.kill_cycles_device {
        let summary = kill_device::run(&gridwork, cycles, arguments.seed)?;
        return end_kills(arguments, "kill-device", &summary);
    }
    if let Some(cycles) = arguments.kill_cycles_server {
        let summary = kill_server::run(&gridwork, cycles, arguments.seed)?;
        return end_kills(arguments, "kill-server", &summary);
    }
    let mut all = Summary::default();
    for seed in arguments.seed..arguments.seed + arguments.runs {
        let mut dice = Dice::new(seed);
        let replicas = *dice.pick(&[5, 10, 20]);
        let pace_per_s = 10.0 + dice.below(41) as f64;
        let options = Options {
            gridwork: gridwork.clone(),
            replicas: arguments.replicas.unwrap_or(replicas),
            pace_per_s: arguments.pace.unwrap_or(pace_per_s),
            seconds: arguments.seconds,
            drain_s: arguments.drain_s,
            seed,
            small_disk: seed % RUNS_PER_SMALL_DISK == 0,
        };
        let summary = choreography::run(&options)?;
        let found = summary.violations_count();
        if found > 0 || !arguments.json {
            let (changes, replicas) = (summary.changes, summary.replicas);
            eprintln!("seed {seed}: {replicas} replicas, {changes} changes, {found} violations");
        }
        for text in &summary.violations {
            eprintln!("seed {seed}: {text}");
        }
        all.add(summary);
    }
    let seeds = json!([arguments.seed, arguments.seed + arguments.runs - 1]);
    let figures = serde_json::to_value(&all).expect("BUG: a summary is JSON");
    end(arguments, "chaos", &seeds, figures, all.violations_count())
}

fn end_kills(arguments: &Arguments, kind: &str, summary: &KillSummary) -> Result<u64, ChaosError> {
    for text in &summary.violations {
        eprintln!("{text}");
    }
    let figures = serde_json::to_value(summary).expect("BUG: a summary is JSON");
    let seeds = json!([arguments.seed, arguments.seed]);
    end(arguments, kind, &seeds, figures, summary.violations_count())
}

fn end(
    arguments: &Arguments,
    kind: &str,
    seeds: &Value,
    figures: Value,
    violations: u64,
) -> Result<u64, ChaosError> {
    if arguments.json {
        println!("{figures}");
    } else {
        for (name, figure) in figures.as_object().into_iter().flatten() {
            if name != "violations" {
                println!("{name:<20} {figure}");
            }
        }
        println!("{:<20} {violations}", "violations");
    }
    if arguments.record {
        campaign::record(kind, seeds, figures, violations)?;
    }
    Ok(violations)
}

fn beside_this() -> Result<PathBuf, ChaosError> {
    let failed =
        |why: String| ChaosError::new("gridwork is not built (cargo build -p server)", why);
    let this = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let path = this.with_file_name("gridwork");
    if path.exists() {
        Ok(path)
    } else {
        Err(failed(path.display().to_string()))
    }
}
