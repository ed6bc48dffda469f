//! `bench`: measures the floors and, beside them, the engine, and prints one table or one JSON object.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use tests::bench::machine::{Machine, load_1min};
use tests::bench::suite::{Part, Plan, run};
use tests::bench::table::Table;
use tests::bench::under_test::BenchError;
use tests::engine;

/// Measures ingest, merge and first sync, each beside its floor in the same run.
#[derive(Debug, Parser)]
struct Options {
    /// Names the reference work: the same number, the same work.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Reports handed in a round.
    #[arg(long, default_value_t = 100_000)]
    reports: usize,
    /// Reports an upload.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    batch: u16,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    clients: u16,
    /// People whose work it is.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    authors: u32,
    /// Records of the first sync.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Reports of the merge.
    #[arg(long, default_value_t = 10_000)]
    merge_reports: usize,
    /// Times that everything is measured; medians are told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only this part; may be given more than once.
    #[arg(long)]
    only: Vec<PartName>,
    /// Also measures ingest into a log of two million changes, which takes minutes.
    #[arg(long)]
    long: bool,
    /// Where to write; the system's temporary directory when not given. Use the disk that the server will use.
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// Prints one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PartName {
    Ingest,
    Merge,
    FirstSync,
    Wire,
    Growth,
    Lists,
    Rollout,
}

#[derive(Serialize)]
struct Outcome<'a> {
    machine: &'a Machine,
    load_1min_after: Option<f64>,
    plan: &'a Plan,
    #[serde(flatten)]
    table: &'a Table,
    all_met: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("bench: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                eprintln!("  because {inner}");
                cause = inner.source();
            }
            ExitCode::from(2)
        }
    }
}

/// Whether every target was met.
fn measure(options: &Options) -> Result<bool, BenchError> {
    let scratch = options.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let plan = Plan {
        seed: options.seed,
        reports: options.reports,
        batch: options.batch.into(),
        clients: options.clients.into(),
        authors: options.authors.into(),
        records: options.records,
        merge_reports: options.merge_reports,
        rounds: options.rounds,
    };
    let parts: Vec<Part> = if options.only.is_empty() {
        let mut parts = vec![
            Part::Wire,
            Part::Merge,
            Part::FirstSync,
            Part::Ingest,
            Part::Lists,
            Part::Rollout,
        ];
        parts.extend(options.long.then_some(Part::Growth));
        parts
    } else {
        options.only.iter().map(|name| part_of(*name)).collect()
    };
    let machine = Machine::look(&scratch)?;
    // Built beside this program by the script.
    let gridwork = std::env::current_exe()?.with_file_name("gridwork");
    let engine = engine::under_test(gridwork, plan.clients);
    let table = run(&plan, &parts, &engine, &scratch, |part| {
        eprintln!("measuring {part}")
    })?;
    let load_after = load_1min();
    if options.json {
        let outcome = Outcome {
            machine: &machine,
            load_1min_after: load_after,
            plan: &plan,
            table: &table,
            all_met: table.all_met(),
        };
        let text = serde_json::to_string(&outcome).expect("BUG: a table has no JSON");
        println!("{text}");
    } else {
        println!("{machine}");
        if let Some(load) = load_after {
            println!("load after the run {load:.2}");
        }
        println!();
        print!("{table}");
    }
    Ok(table.all_met())
}

fn part_of(name: PartName) -> Part {
    match name {
        PartName::Ingest => Part::Ingest,
        PartName::Merge => Part::Merge,
        PartName::FirstSync => Part::FirstSync,
        PartName::Wire => Part::Wire,
        PartName::Growth => Part::Growth,
        PartName::Lists => Part::Lists,
        PartName::Rollout => Part::Rollout,
    }
}
