//! `sim`: runs simulated worlds by seed or by plan, and says which promise broke, if one did.

use clap::Parser;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use sync_core::canary::{self, Canary};
use tests::sim::campaign::{self, Campaign, Summary};
use tests::sim::generate::{Size, generate};
use tests::sim::plan::Plan;

/// Lives through simulated worlds. Exit code 1: a promise was broken, or a campaign met too little to mean anything.
#[derive(Debug, Parser)]
struct Options {
    /// One seed.
    #[arg(long, conflicts_with_all = ["from", "plan"])]
    seed: Option<u64>,
    /// The first seed of a range.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// A kept plan, or a folder of them.
    #[arg(long)]
    plan: Option<PathBuf>,
    /// No new world after so many minutes.
    #[arg(long)]
    minutes: Option<f64>,
    /// Makes the first failing plan small.
    #[arg(long)]
    shrink: bool,
    /// Where a failing plan is kept.
    #[arg(long, default_value = "target/sim")]
    keep: PathBuf,
    /// Lives through each world twice; it must come out the same.
    #[arg(long)]
    double_check: bool,
    /// Wakes a deliberate defect, which must be found; `list` names them. Needs a build with `--features canaries`.
    #[arg(long)]
    canary: Option<String>,
    /// Prints the log of the first failing world.
    #[arg(long)]
    dump: bool,
    /// Goes on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Worlds at a time.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, std::num::NonZero::get))]
    threads: usize,
    /// Changes in a world, at least.
    #[arg(long, default_value_t = Size::default().changes)]
    changes: u32,
    /// Faults in a world, at least.
    #[arg(long, default_value_t = Size::default().faults)]
    faults: u32,
    /// Appends a line with commit, range and result to this file.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    kind: &'a str,
    commit: String,
    date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<&'a str>,
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.canary.as_deref() == Some("list") {
        for canary in Canary::ALL {
            println!("{}", canary.name());
        }
        return ExitCode::SUCCESS;
    }
    if let Some(name) = &options.canary {
        let Some(canary) = Canary::from_name(name) else {
            eprintln!("sim: no canary is named {name}; --canary list names them");
            return ExitCode::from(2);
        };
        if !canary::wake(Some(canary)) {
            eprintln!("sim: built without canaries; add --features canaries");
            return ExitCode::from(2);
        }
    }
    // A panic inside a world is told as a violation of its seed.
    std::panic::set_hook(Box::new(|_| {}));
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let (summary, failing) = match &options.plan {
        Some(path) => run_plans(path, options)?,
        None => run_seeds(options),
    };
    let mut kept = None;
    if let Some((name, plan, violation)) = failing {
        let plan = if options.shrink {
            eprintln!("sim: making the plan of {name} small");
            campaign::shrink_failing(&plan, &violation, Duration::from_secs(120))
        } else {
            plan
        };
        std::fs::create_dir_all(&options.keep)?;
        let path = options.keep.join(format!("{name}.json"));
        plan.write(&path)?;
        if options.dump {
            for line in campaign::live(&plan).log {
                eprintln!("{line}");
            }
        }
        kept = Some(path.display().to_string());
    }
    let report = Report {
        kind: "sim",
        commit: commit(),
        date: today(),
        canary: options.canary.as_deref(),
        summary: &summary,
        kept,
    };
    let line = serde_json::to_string(&report)?;
    if let Some(path) = &options.record {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)?;
        writeln!(file, "{line}")?;
    }
    if options.json {
        println!("{line}");
    } else {
        print(&report);
    }
    Ok(if summary.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

type Failing = Option<(String, Plan, String)>;

fn run_seeds(options: &Options) -> (Summary, Failing) {
    let (from, seeds) = match options.seed {
        Some(seed) => (seed, 1),
        None => (options.from, options.seeds),
    };
    let size = Size {
        changes: options.changes,
        faults: options.faults,
    };
    let campaign = Campaign {
        from,
        seeds,
        threads: options.threads,
        limit: options
            .minutes
            .map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        double_check: options.double_check,
        stop_at_failure: !options.keep_going,
        size,
    };
    let bar = std::io::stderr().is_terminal();
    let done = std::sync::atomic::AtomicU64::new(0);
    let summary = campaign::run(&campaign, &|seed, outcome| {
        let done = done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        if bar && done.is_multiple_of(10) {
            eprint!("\r{done} of {seeds}");
        }
        if let Some(first) = outcome.violations.first() {
            eprintln!("seed {seed}: {first}");
        }
    });
    if bar {
        eprintln!();
    }
    let failing = summary.violations.first().map(|(seed, violation)| {
        (
            format!("seed-{seed}"),
            generate(*seed, &size),
            violation.clone(),
        )
    });
    (summary, failing)
}

fn run_plans(
    path: &Path,
    options: &Options,
) -> Result<(Summary, Failing), Box<dyn std::error::Error>> {
    let mut paths = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                paths.push(path);
            }
        }
        paths.sort();
    } else {
        paths.push(path.to_owned());
    }
    let (mut summary, mut failing) = (Summary::default(), None);
    let began = std::time::Instant::now();
    for path in paths {
        let plan = Plan::read(&path)?;
        let outcome = campaign::live_checked(&plan, options.double_check);
        summary.seeds += 1;
        summary.changes += outcome.changes;
        for violation in outcome.violations {
            eprintln!("{}: {violation}", path.display());
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            failing.get_or_insert((name, plan.clone(), violation.clone()));
            summary.violations.push((plan.seed, violation));
            summary.first_failing_seed.get_or_insert(plan.seed);
        }
    }
    summary.seconds = began.elapsed().as_secs_f64();
    Ok((summary, failing))
}

fn print(report: &Report<'_>) {
    let summary = report.summary;
    println!("commit        {}", report.commit);
    println!("seeds         {} from {}", summary.seeds, summary.from);
    println!("changes       {}", summary.changes);
    println!("log entries   {}", summary.entries);
    println!("faults        {}", summary.faults);
    for (name, count) in &summary.faults_by_kind {
        println!("  {name:<28}{count:>10}");
    }
    println!("marks");
    for (name, count) in &summary.marks {
        println!("  {name:<28}{count:>10}");
    }
    println!("marks missed  {}", summary.marks_missed.join(" "));
    for (seed, violation) in summary.violations.iter().take(20) {
        println!("VIOLATION     seed {seed}: {violation}");
    }
    if let Some(kept) = &report.kept {
        println!("plan kept     {kept}");
    }
    println!("violations    {}", summary.violations.len());
    println!("seconds       {:.1}", summary.seconds);
}

/// The commit that was built from, as far as git tells here.
fn commit() -> String {
    let asked = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .output();
    asked
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn today() -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    chrono::DateTime::from_timestamp(i64::try_from(seconds).unwrap_or(0), 0)
        .map_or_else(String::new, |now| now.date_naive().to_string())
}
