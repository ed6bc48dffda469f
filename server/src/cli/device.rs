//! `gridwork device`: a phone without a screen, for scripts, for trials of a server and for the chaos runs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sync_core::messages::{Catalogue, Language};

use crate::clock::{Clock, SystemClock};
use crate::device::headless::{Device, Place};
use crate::device::journal::Saved;
use crate::device::run::{self, RunPlan};
use crate::device::script::Script;
use crate::device::state::{DeviceState, outbox};
use crate::device::work::Work;
use crate::device::{DeviceError, run as device_run};
use crate::fleet::client::{Client, ServerUrl};
use crate::ids::{Entropy, SystemEntropy};

/// Options of `gridwork device`.
#[derive(Clone, Debug, Args)]
pub struct DeviceArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DeviceCommand,
}

/// Where the device is.
#[derive(Clone, Debug, Args)]
pub struct DeviceOptions {
    /// 设备数据（SQLite 文件）/ The device's data, a SQLite file.
    #[arg(long, value_name = "FILE", env = "GRIDWORK_DEVICE")]
    pub data: PathBuf,
    /// 承诺日志：每条已保存的变更、每个已收下的裁决各一行，已落盘 / Journal of promises: a line a saved change and a line a stored verdict, each on the disk before the device goes on.
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// 设备时钟的偏差（毫秒）/ How far the device's wall clock is off, in milliseconds.
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub clock_offset_ms: i64,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Which server is spoken to.
#[derive(Clone, Debug, Args)]
pub struct LinkOptions {
    /// 服务器地址 / The server.
    #[arg(long, value_name = "URL", env = "GRIDWORK_SERVER")]
    pub server: ServerUrl,
    /// 等待应答的时间（毫秒）/ How long to wait for an answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub timeout_ms: u64,
    /// 失败后最迟多久重试（毫秒）；缺省时逐次加倍，直至一刻钟 / Try again at the latest after so many milliseconds; otherwise the wait doubles up to a quarter of an hour.
    #[arg(long, value_name = "MS")]
    pub retry_within_ms: Option<u64>,
    /// 最多用多久同步完毕（秒）/ Seconds that it may take until nothing is left to say.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub drain_s: u64,
}

/// The commands of a device.
#[derive(Clone, Debug, Subcommand)]
pub enum DeviceCommand {
    /// 用一次性登记码登记 / Enrol with a one-time code.
    Enrol {
        /// 登记码（gridwork admin code）/ The code, from `gridwork admin code`.
        #[arg(long, value_name = "CODE")]
        code: String,
        /// Where the server is.
        #[command(flatten)]
        link: LinkOptions,
        /// Where the device is.
        #[command(flatten)]
        device: DeviceOptions,
    },
    /// 离线做变更 / Make changes; needs no network.
    Make {
        /// 脚本，每行一个 JSON 对象；- 为标准输入 / Script with one JSON object a line: {"intent", "record"?, "unit"?, "payload", "sealed"?, "needs_record"?, "repairs"?}; - is standard input.
        #[arg(
            long,
            value_name = "FILE",
            required_unless_present = "count",
            conflicts_with = "count"
        )]
        script: Option<PathBuf>,
        /// 生成的变更数 / Number of made-up changes.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
        /// 随机种子 / Seed of made-up changes.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Where the device is.
        #[command(flatten)]
        device: DeviceOptions,
    },
    /// 同步，直至无可收发 / Sync until nothing is left to say.
    Sync {
        /// 只往返一次 / One exchange only.
        #[arg(long)]
        once: bool,
        /// Where the server is.
        #[command(flatten)]
        link: LinkOptions,
        /// Where the device is.
        #[command(flatten)]
        device: DeviceOptions,
    },
    /// 按节奏做变更并同步，最后同步完毕 / Make changes at a pace and sync meanwhile; then sync until nothing is left to say.
    Watch {
        /// 每秒变更数 / Changes a second.
        #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = pace)]
        pace: f64,
        /// 做变更的时间（秒）/ Seconds during which changes are made.
        #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
        seconds: f64,
        /// 随机种子 / Seed.
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// 多久询问一次新内容（毫秒）/ How often to ask whether there is something new, in milliseconds.
        #[arg(long, value_name = "MS", default_value_t = 1_000)]
        ask_every_ms: u64,
        /// Where the server is.
        #[command(flatten)]
        link: LinkOptions,
        /// Where the device is.
        #[command(flatten)]
        device: DeviceOptions,
    },
    /// 查看状态、计数、待发箱与摘要 / Show state, counts, outbox and digest.
    Show {
        /// Where the device is.
        #[command(flatten)]
        device: DeviceOptions,
    },
}

impl DeviceCommand {
    fn device(&self) -> &DeviceOptions {
        match self {
            Self::Enrol { device, .. }
            | Self::Make { device, .. }
            | Self::Sync { device, .. }
            | Self::Watch { device, .. }
            | Self::Show { device } => device,
        }
    }
}

fn pace(text: &str) -> Result<f64, String> {
    number_within(text, 0.0, 10_000.0)
}

fn seconds(text: &str) -> Result<f64, String> {
    number_within(text, 0.0, 1e9)
}

fn number_within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("not between {least} and {most}")),
    }
}

/// What a command came to.
struct Done {
    value: Value,
    is_good: bool,
}

/// Does what the arguments ask for. Exit code 1: it was not done, or not to the end.
pub fn run(args: &DeviceArgs) -> ExitCode {
    let options = args.command.device();
    // One thread: a device is one person's, and the fewer threads a process has, the faster it starts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(act(&args.command, options)),
        Err(source) => Err(DeviceError::Io {
            what: "could not start",
            source,
        }),
    };
    match done {
        Ok(done) => {
            if options.json {
                println!("{}", done.value);
            } else {
                print!("{}", text_of(&done.value));
            }
            if done.is_good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            let text = describe(&error);
            if options.json {
                println!("{}", json!({ "error": text }));
            } else {
                eprintln!("{text}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn act(command: &DeviceCommand, options: &DeviceOptions) -> Result<Done, DeviceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let place = Place {
        data: options.data.clone(),
        journal: options.journal.clone(),
        clock_offset_ms: options.clock_offset_ms,
    };
    if let DeviceCommand::Enrol { code, link, .. } = command {
        let mut client = client(link);
        let device = Device::enrol(&place, code, &mut client, clock, entropy).await?;
        return done(&device, json!({}), true);
    }
    let mut device = Device::open(&place, clock, entropy)?;
    match command {
        DeviceCommand::Enrol { .. } => unreachable!("BUG: enrolment was handled"),
        DeviceCommand::Make {
            script,
            count,
            seed,
            ..
        } => {
            let saved = match script {
                Some(path) => make_script(&mut device, path)?,
                None => make_work(&mut device, count.unwrap_or(0), *seed)?,
            };
            let is_whole = script.is_some() || saved.len() as u64 == count.unwrap_or(0);
            done(&device, json!({ "saved": saved }), is_whole)
        }
        DeviceCommand::Sync {
            once: true, link, ..
        } => {
            let before = device.tally.exchanges;
            device_run::exchange(&mut device, &mut client(link)).await?;
            let is_good = device.tally.exchanges > before;
            done(&device, json!({}), is_good)
        }
        DeviceCommand::Sync { link, .. } => {
            let plan = plan_of(link, 0.0, 0.0, 1_000);
            work(&mut device, link, plan, 1).await
        }
        DeviceCommand::Watch {
            pace,
            seconds,
            seed,
            ask_every_ms,
            link,
            ..
        } => {
            let plan = plan_of(link, *pace, *seconds, *ask_every_ms);
            work(&mut device, link, plan, *seed).await
        }
        DeviceCommand::Show { .. } => {
            let lines = outbox(&device)?;
            done(&device, json!({ "outbox": lines }), true)
        }
    }
}

fn client(link: &LinkOptions) -> Client {
    Client::new(link.server.clone(), Duration::from_millis(link.timeout_ms))
}

fn plan_of(link: &LinkOptions, pace_per_s: f64, seconds: f64, ask_every_ms: u64) -> RunPlan {
    RunPlan {
        pace_per_s,
        making: Duration::from_secs_f64(seconds),
        drain: Duration::from_secs(link.drain_s),
        retry_within: link.retry_within_ms.map(Duration::from_millis),
        ask_every: Duration::from_millis(ask_every_ms),
    }
}

async fn work(
    device: &mut Device,
    link: &LinkOptions,
    plan: RunPlan,
    seed: u64,
) -> Result<Done, DeviceError> {
    let is_idle = run::run(device, &mut client(link), &mut Work::new(seed), plan).await?;
    let is_good = is_idle && !device.tally.diverged;
    done(device, json!({}), is_good)
}

fn make_script(device: &mut Device, path: &PathBuf) -> Result<Vec<Saved>, DeviceError> {
    let failed = |source| DeviceError::Io {
        what: "the script cannot be read",
        source,
    };
    let input: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(path).map_err(failed)?))
    };
    let mut script = Script::default();
    let mut saved = Vec::new();
    for line in input.lines() {
        saved.extend(script.make(device, &line.map_err(failed)?)?);
    }
    Ok(saved)
}

fn make_work(device: &mut Device, count: u64, seed: u64) -> Result<Vec<Saved>, DeviceError> {
    let mut work = Work::new(seed);
    let mut saved = Vec::new();
    for _ in 0..count {
        match work.make(device)? {
            Some(each) => saved.push(each),
            None => break,
        }
    }
    Ok(saved)
}

/// The state of the device, with what the command adds to it.
fn done(device: &Device, more: Value, is_good: bool) -> Result<Done, DeviceError> {
    let state = DeviceState::of(device)?;
    let mut value = serde_json::to_value(&state).expect("BUG: a state has no JSON");
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    Ok(Done { value, is_good })
}

fn describe(error: &DeviceError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// What is told of the state, in order.
const TOLD: &[&str] = &[
    "person",
    "condition",
    "head_seq",
    "made",
    "records",
    "waiting",
    "held",
    "needs_repair",
    "returned",
    "conflicts",
    "exchanges",
    "failures",
    "duplicates",
    "forks",
    "repairs",
    "diverged",
    "idle",
    "cursor_pos",
    "digest",
];

/// The state as lines, Chinese and English, then the outbox.
fn text_of(value: &Value) -> String {
    let mut text = String::new();
    for name in TOLD {
        let key = format!("device.{name}");
        let label = |language| Catalogue::of(language).text(&key, &[]);
        let shown = match &value[*name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.push_str(&format!(
            "{shown:>24}  {} / {}\n",
            label(Language::Chinese),
            label(Language::English)
        ));
    }
    for item in value["outbox"].as_array().into_iter().flatten() {
        let part = |name: &str| item[name].as_str().unwrap_or_default();
        text.push_str(&format!(
            "{:>6} {} {}  {} / {}  {} / {}\n",
            item["seq"].to_string(),
            part("intent"),
            part("record"),
            part("word_zh"),
            part("word_en"),
            part("next_zh"),
            part("next_en"),
        ));
    }
    text
}
