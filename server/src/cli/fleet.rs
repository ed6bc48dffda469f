//! `gridwork fleet`: load from simulated phones over HTTP, and one line of figures.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::output::run_async;
use crate::fleet::client::ServerUrl;
use crate::fleet::{self, FleetError, FleetFigures, FleetPlan, Target};

/// Options of `gridwork fleet`.
#[derive(Clone, Debug, Args)]
pub struct FleetArgs {
    /// 服务器地址；缺省时自行启动临时服务器 / The server; without it, one is started on a fresh temporary directory and removed afterwards.
    #[arg(long, value_name = "URL", requires = "codes")]
    pub url: Option<ServerUrl>,
    /// 登记码文件，每行一个（gridwork admin code）/ File of one-time codes, one a line, from `gridwork admin code`: one a phone, one more for the first sync.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub codes: Option<PathBuf>,
    /// 模拟手机数量 / Number of simulated phones.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub replicas: u32,
    /// 变更总数 / Number of changes in all.
    #[arg(long, value_name = "M", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub changes: u64,
    /// 每批变更数 / Changes in a batch.
    #[arg(long, value_name = "B", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub batch: u32,
    /// 同时进行的请求数 / Requests in flight at a time.
    #[arg(long, value_name = "C", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,
    /// 上传时同时下载的页字节数；0 为不下载 / Bytes of the page that each upload also asks for; 0 for none.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub page_bytes: u64,
    /// 随机种子 / Seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the load and prints the figures. Errors of single requests end with exit code 1.
pub fn run(args: &FleetArgs) -> ExitCode {
    let plan = match plan_of(args) {
        Ok(plan) => plan,
        Err(error) => return refuse(args.json, &error),
    };
    let done = run_async(async {
        // The directory of an own server is removed on Ctrl-C as well.
        Ok(tokio::select! {
            done = fleet::run(&plan) => Some(done),
            _ = tokio::signal::ctrl_c() => None,
        })
    });
    match done {
        Ok(Some(Ok(figures))) => print(args.json, &figures),
        Ok(Some(Err(error))) => refuse(args.json, &error),
        Ok(None) => ExitCode::from(130),
        Err(error) => refuse(args.json, &error.into()),
    }
}

fn plan_of(args: &FleetArgs) -> Result<FleetPlan, FleetError> {
    let failed = |what| move |source| FleetError::Io { what, source };
    let target = match (&args.url, &args.codes) {
        (Some(url), Some(codes)) => {
            let text =
                std::fs::read_to_string(codes).map_err(failed("the codes cannot be read"))?;
            let codes = text.lines().map(str::trim).filter(|line| !line.is_empty());
            Target::Running {
                url: url.clone(),
                codes: codes.map(str::to_owned).collect(),
            }
        }
        _ => Target::Own {
            program: std::env::current_exe().map_err(failed("this program cannot be found"))?,
        },
    };
    Ok(FleetPlan {
        target,
        replicas: args.replicas as usize,
        changes: args.changes,
        batch: args.batch as usize,
        concurrency: args.concurrency as usize,
        page_bytes_max: args.page_bytes,
        seed: args.seed,
    })
}

fn print(json: bool, figures: &FleetFigures) -> ExitCode {
    let value = serde_json::to_value(figures).expect("BUG: figures have no JSON");
    if json {
        println!("{value}");
    } else {
        for (name, figure) in value.as_object().into_iter().flatten() {
            match figure {
                Value::Null => println!("{name:<28} -"),
                Value::Number(number) if number.is_f64() => {
                    println!("{name:<28} {:.2}", number.as_f64().unwrap_or(f64::NAN));
                }
                figure => println!("{name:<28} {figure}"),
            }
        }
    }
    if figures.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

fn refuse(json: bool, error: &FleetError) -> ExitCode {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    if json {
        println!("{}", json!({ "error": text }));
    } else {
        eprintln!("{text}");
    }
    ExitCode::FAILURE
}
