//! `sweep`: crashes every operation of server and phone at every storage call it makes, and looks at what is left.

use clap::{Parser, ValueEnum};
use std::io::IsTerminal as _;
use std::process::ExitCode;
use tests::sim::sweep::{Case, Options, Side, Summary, cases, run};

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sides {
    Server,
    Phone,
    Both,
}

/// Crashes every operation at every storage call, with varied damage. Exit code 1: a promise was broken.
#[derive(Debug, Parser)]
struct Arguments {
    /// Whose operations.
    #[arg(long, value_enum, default_value = "both")]
    side: Sides,
    /// Power cuts that are tried at each call.
    #[arg(long, default_value_t = 32)]
    damages: u64,
    /// Only each so-manyth call is crashed at; 1 is every call.
    #[arg(long, default_value_t = 1)]
    stride: u64,
    /// Only operations whose name has this in it.
    #[arg(long)]
    only: Option<String>,
    /// Operations at a time.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
    threads: usize,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sides: &[Side] = match arguments.side {
        Sides::Server => &[Side::Server],
        Sides::Phone => &[Side::Phone],
        Sides::Both => &[Side::Server, Side::Phone],
    };
    let mut all: Vec<Case> = sides.iter().flat_map(|side| cases(*side)).collect();
    if let Some(part) = &arguments.only {
        all.retain(|case| case.name.contains(part.as_str()));
    }
    let options = Options {
        damages: arguments.damages,
        stride: arguments.stride,
    };
    let is_watched = std::io::stderr().is_terminal();
    let summary = run(&all, &options, arguments.threads, &|report| {
        if is_watched {
            eprintln!("{}", report.name);
        }
        for violation in &report.violations {
            eprintln!("{}: {violation}", report.name);
        }
    });
    if arguments.json {
        let line = serde_json::to_string(&summary).expect("BUG: a summary is JSON");
        println!("{line}");
    } else {
        print(&summary);
    }
    // A sweep without a crash has shown nothing.
    if summary.violations.is_empty() && summary.crashes > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

fn print(summary: &Summary) {
    println!(
        "{:<34}{:>7}{:>9}{:>9}{:>9}",
        "operation", "calls", "crashes", "images", "runs"
    );
    for report in &summary.by_operation {
        println!(
            "{:<34}{:>7}{:>9}{:>9}{:>9}",
            report.name, report.calls, report.crashes, report.distinct_images, report.runs
        );
    }
    println!();
    println!("operations       {}", summary.operations);
    println!("calls            {}", summary.calls);
    println!("crashes          {}", summary.crashes);
    println!("runs             {}", summary.runs);
    println!("distinct images  {}", summary.distinct_images);
    for violation in &summary.violations {
        println!("VIOLATION        {violation}");
    }
    println!("violations       {}", summary.violations.len());
    println!("seconds          {:.1}", summary.seconds);
}
