//! `gridwork demo`: a district of realistic size, its phones through a working day, and what came of it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sync_core::messages::{Catalogue, Language};

use super::output::{self, run_async};
use crate::clock::{Clock, SystemClock};
use crate::demo::day::{self, DaySummary};
use crate::service::ServiceError;
use crate::store::StoreError;

/// Options of `gridwork demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// 保留数据的目录 / Keep the data in this directory; otherwise a temporary one is used and removed.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// 随机种子；相同种子重现同一天 / Seed; the same seed repeats the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// 模拟手机数量 / Number of simulated phones.
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(40..=10_000))]
    pub replicas: u32,
    /// 让这一天从 24 小时前开始，而不是固定的日期 / Let the day begin 24 hours ago instead of on its fixed date.
    #[arg(long)]
    pub yesterday: bool,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the day, prints what came of it; fails when anything was lost, differs or does not verify.
pub fn run(args: &DemoArgs) -> ExitCode {
    let done = run_in_directory(args);
    let good = done.as_ref().is_ok_and(DaySummary::is_good);
    let value =
        done.map(|summary| serde_json::to_value(summary).expect("BUG: a summary is always JSON"));
    let printed = output::finish(args.json, value, text_of);
    if good { printed } else { ExitCode::FAILURE }
}

fn run_in_directory(args: &DemoArgs) -> Result<DaySummary, ServiceError> {
    let failed = |source| StoreError::File {
        path: "a temporary directory".into(),
        source,
    };
    match &args.data {
        Some(data) => run_day(args, data),
        None => {
            let directory = tempfile::tempdir().map_err(failed)?;
            run_day(args, directory.path())
        }
    }
}

fn run_day(args: &DemoArgs, data: &Path) -> Result<DaySummary, ServiceError> {
    let bar = if std::io::stderr().is_terminal() && !args.json {
        ProgressBar::new(100)
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos:>3} % {msg}") {
        bar.set_style(style);
    }
    let progress = |percent: u64, stage: &str| {
        let key = format!("demo.stage.{stage}");
        let text = |language| Catalogue::of(language).text(&key, &[]);
        bar.set_position(percent);
        bar.set_message(format!(
            "{} / {}",
            text(Language::Chinese),
            text(Language::English)
        ));
    };
    let started = Instant::now();
    let begins_ms = if args.yesterday {
        SystemClock::new().wall_ms() - 24 * 3_600_000
    } else {
        day::MORNING_MS
    };
    let plan = day::Plan {
        seed: args.seed,
        phones: args.replicas as usize,
        begins_ms,
    };
    let mut summary = run_async(day::run(data, &plan, &progress))?;
    bar.finish_and_clear();
    summary.seconds = started.elapsed().as_secs_f64();
    Ok(summary)
}

/// What the summary tells, in order.
const TOLD: &[&str] = &[
    "replicas",
    "changes",
    "records",
    "accepted",
    "conflict",
    "not_applied",
    "held",
    "released",
    "quarantined",
    "repaired",
    "duplicate",
    "forks",
    "reoffered",
    "handler_sees",
    "volunteers_see",
    "lost",
    "converged",
    "verify",
    "seconds",
    "digest",
];

/// The summary as lines, Chinese and English.
fn text_of(value: &serde_json::Value) -> String {
    let mut text = String::new();
    let Some(fields) = value.as_object() else {
        return text;
    };
    for name in TOLD {
        let Some(value) = fields.get(*name) else {
            continue;
        };
        let key = format!("demo.{name}");
        let label = |language| Catalogue::of(language).text(&key, &[]);
        let shown = match value {
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Number(number) if number.is_f64() => {
                format!("{:.1}", number.as_f64().unwrap_or_default())
            }
            other => other.to_string(),
        };
        text.push_str(&format!(
            "{:>24}  {} / {}\n",
            shown,
            label(Language::Chinese),
            label(Language::English)
        ));
    }
    for fault in value["faults"].as_array().into_iter().flatten() {
        text.push_str(&format!("! {}\n", fault.as_str().unwrap_or_default()));
    }
    text
}
