//! `fuzz`: drives the fuzz targets with the plain mutator, replays kept inputs, writes the corpus.

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tests::fuzz::{TARGETS, corpus, drive, folder, target};

/// Runs fuzz targets without any tool. `cargo fuzz` in tests/fuzz runs the same targets guided by coverage.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the dice start.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the corpus anew.
    #[arg(long)]
    write_corpus: bool,
    /// Inputs to replay, with `--target`.
    inputs: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let targets = match &arguments.target {
        Some(name) => vec![target(name).ok_or_else(|| format!("no target {name}"))?],
        None => TARGETS.to_vec(),
    };
    if arguments.write_corpus {
        for target in &targets {
            let folder = folder(target.name);
            std::fs::create_dir_all(&folder)?;
            for (name, bytes) in corpus(target.name)? {
                std::fs::write(folder.join(name), bytes)?;
            }
        }
        return Ok(true);
    }
    if !arguments.inputs.is_empty() {
        for input in &arguments.inputs {
            let bytes = std::fs::read(input)?;
            targets.iter().for_each(|target| (target.run)(&bytes));
            println!("{}: nothing broke", input.display());
        }
        return Ok(true);
    }
    let mut is_good = true;
    for target in targets {
        let time = Duration::from_secs(arguments.seconds);
        let done = drive(
            target,
            &corpus(target.name)?,
            arguments.seed,
            u64::MAX,
            time,
        );
        println!("{:<10}{:>10} inputs", target.name, done.inputs);
        if let Some(input) = done.failure {
            let path = PathBuf::from(format!("target/fuzz-{}", target.name));
            std::fs::write(&path, input)?;
            println!("{:<10} broke a promise: {}", target.name, path.display());
            is_good = false;
        }
    }
    Ok(is_good)
}
