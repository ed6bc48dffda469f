//! `gridwork serve`: the server, from its options to its end.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::output::{self, run_async};
use super::{admin_socket, demo_logins};
use crate::clock::{Clock, SystemClock};
use crate::http::limits::HttpLimits;
use crate::http::listener::{self, Drained};
use crate::http::web::Web;
use crate::http::{App, router};
use crate::ids::{Entropy, SystemEntropy};
use crate::logs::LogFormat;
use crate::media::MediaLimits;
use crate::service::attachments::AttachmentLimits;
use crate::service::gridwork::{Gridwork, OpenOptions};
use crate::service::{Backend, ServiceError};

/// Options of `gridwork serve`; each may also stand in the environment or in the file that `--config` names.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// TOML 配置文件，键名同选项名 / TOML file whose keys are named like these options.
    #[arg(long, value_name = "FILE", env = "GRIDWORK_CONFIG")]
    pub config: Option<PathBuf>,
    /// 监听地址 / Address to listen on.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "GRIDWORK_LISTEN",
        default_value = "127.0.0.1:8484"
    )]
    pub listen: SocketAddr,
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 日志格式 / How log lines look.
    #[arg(
        long,
        value_name = "FORMAT",
        env = "GRIDWORK_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// 日志过滤 / Which log lines are written, such as `info` or `server=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        env = "GRIDWORK_LOG",
        default_value = "info"
    )]
    pub log: String,
    /// 同时服务的连接数上限 / Most connections served at a time.
    #[arg(long, value_name = "N", env = "GRIDWORK_CONNECTIONS_MAX", default_value_t = 4096, value_parser = count)]
    pub connections_max: usize,
    /// 同时打开的事件流上限 / Most event streams open at a time.
    #[arg(long, value_name = "N", env = "GRIDWORK_EVENT_STREAMS_MAX", default_value_t = 2048, value_parser = count)]
    pub event_streams_max: usize,
    /// 请求头超时（秒）/ Seconds a client may take for a request's head.
    #[arg(long, value_name = "SECONDS", env = "GRIDWORK_HEADER_TIMEOUT_S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub header_timeout_s: u64,
    /// 请求体停顿超时（秒）/ Seconds a request's body may pause.
    #[arg(long, value_name = "SECONDS", env = "GRIDWORK_BODY_IDLE_TIMEOUT_S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub body_idle_timeout_s: u64,
    /// 每台设备每天的附件数上限 / Most attachments that a phone may send in a day.
    #[arg(long, value_name = "N", env = "GRIDWORK_ATTACHMENT_DAY_FILES", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub attachment_day_files: u64,
    /// 每台设备每天的附件总量上限（MiB）/ Most MiB of attachments that a phone may send in a day.
    #[arg(long, value_name = "MIB", env = "GRIDWORK_ATTACHMENT_DAY_MIB", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub attachment_day_mib: u64,
    /// 图片像素数上限 / Most pixels of an image.
    #[arg(long, value_name = "N", env = "GRIDWORK_ATTACHMENT_PIXELS_MAX", default_value_t = 40_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub attachment_pixels_max: u64,
    /// 未完成的上传保留的时间（小时）/ Hours that an upload may take from its creation.
    #[arg(long, value_name = "HOURS", env = "GRIDWORK_UPLOAD_HOURS", default_value_t = 168, value_parser = clap::value_parser!(i64).range(1..=8_760))]
    pub upload_hours: i64,
    /// 没有记录引用的附件保留的天数 / Days that an attachment is kept which no record names.
    #[arg(long, value_name = "DAYS", env = "GRIDWORK_ATTACHMENT_ORPHAN_DAYS", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=3_650))]
    pub attachment_orphan_days: i64,
    /// 网页文件夹，代替内置网页 / Folder of the page's files, instead of those built in.
    #[arg(long, value_name = "DIR", env = "GRIDWORK_WEB")]
    pub web: Option<PathBuf>,
    /// 数据是从副本恢复的：开始新的纪元 / The data were put back from a copy: begin a new epoch.
    #[arg(long)]
    pub restored: bool,
    /// 打印演示账号的一次性登记码；只用于演示区域 / Print one-time codes of demo people; for a demo district only.
    #[arg(long)]
    pub demo_logins: bool,
    /// 确认时钟无误，即使早于最后一条记录 / Agree that the clock is right although it lies before the last entry.
    #[arg(long)]
    pub agree_clock: bool,
    /// 停机时等待进行中请求的时间（秒）/ Seconds that requests in flight may go on at shutdown.
    #[arg(long, value_name = "SECONDS", env = "GRIDWORK_DRAIN_S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub drain_s: u64,
}

fn count(text: &str) -> Result<usize, String> {
    // The upper end is what a semaphore counts; a machine's file descriptors end long before.
    match text.parse() {
        Ok(count) if (1..=1_000_000).contains(&count) => Ok(count),
        _ => Err("not between 1 and 1000000".to_owned()),
    }
}

impl ServeArgs {
    /// The limits of the HTTP side.
    pub fn limits(&self) -> HttpLimits {
        HttpLimits {
            header_timeout: Duration::from_secs(self.header_timeout_s),
            body_idle_timeout: Duration::from_secs(self.body_idle_timeout_s),
            connections_max: self.connections_max,
            event_streams_max: self.event_streams_max,
            drain_timeout: Duration::from_secs(self.drain_s),
            ..HttpLimits::default()
        }
    }

    /// The limits of attachments.
    pub fn attachment_limits(&self) -> AttachmentLimits {
        AttachmentLimits {
            media: MediaLimits {
                pixels_max: self.attachment_pixels_max,
                ..MediaLimits::default()
            },
            day_files_max: self.attachment_day_files,
            day_bytes_max: self.attachment_day_mib << 20,
            upload_lives_ms: self.upload_hours * 3_600_000,
            orphan_lives_ms: self.attachment_orphan_days * 24 * 3_600_000,
        }
    }
}

/// Serves an engine until SIGTERM or SIGINT, then drains. `started` is told the address, which matters when port 0 was asked for.
/// The engine is closed by the caller, after this returns.
///
/// # Errors
/// The address cannot be listened on, or signals cannot be waited for.
pub async fn serve(
    args: &ServeArgs,
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    started: impl FnOnce(SocketAddr),
) -> io::Result<Drained> {
    let (shutdown, draining) = watch::channel(false);
    let limits = args.limits();
    let web = Web::load(args.web.as_deref())?;
    let app = App::new(backend, clock, entropy, limits.clone(), draining).with_web(web);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(args.listen).await?;
    started(listener.local_addr()?);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.send_replace(true);
    };
    Ok(listener::serve(listener, router(app), &limits, stop).await)
}

/// Opens the data directory and serves it until it is told to stop.
pub fn run(args: &ServeArgs) -> ExitCode {
    if let Err(error) = crate::logs::start(args.log_format, &args.log) {
        eprintln!("--log: {error}");
        return ExitCode::from(2);
    }
    match run_async(open_and_serve(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", output::describe(&error));
            ExitCode::FAILURE
        }
    }
}

async fn open_and_serve(args: &ServeArgs) -> Result<(), ServiceError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let options = OpenOptions {
        clock_agreed: args.agree_clock,
        restored: args.restored,
        attachments: args.attachment_limits(),
        ..OpenOptions::default()
    };
    let gridwork = Arc::new(Gridwork::open(
        &args.data,
        Arc::clone(&clock),
        Arc::clone(&entropy),
        options,
    )?);
    for district in gridwork.districts().cloned().collect::<Vec<_>>() {
        gridwork.write_first_entries(&district).await?;
    }
    if args.demo_logins {
        demo_logins::print(&gridwork).await?;
    }
    let admin = admin_socket::listen(&args.data, Arc::clone(&gridwork))?;
    let backend: Arc<dyn Backend> = Arc::clone(&gridwork) as Arc<dyn Backend>;
    let served = serve(args, backend, clock, entropy, |address| {
        println!("gridwork {} http://{address}", env!("CARGO_PKG_VERSION"));
    });
    let stopped = stop_with_the_writer(Arc::clone(&gridwork));
    let drained = tokio::select! {
        drained = served => drained.map_err(|source| ServiceError::Internal { what: "could not listen", source: Box::new(source) }),
        error = stopped => Err(error),
    };
    drop(admin);
    match sole_owner(gridwork).await {
        Some(gridwork) => gridwork.close()?,
        None => tracing::warn!("the engine was still in use when the server stopped"),
    }
    drained.map(|_| ())
}

/// The engine, once the tasks that were told to end have let go of it. Whoever holds it longer than two seconds keeps its
/// files open until the process ends, which loses nothing.
async fn sole_owner(mut gridwork: Arc<Gridwork>) -> Option<Gridwork> {
    for _ in 0..200 {
        match Arc::try_unwrap(gridwork) {
            Ok(gridwork) => return Some(gridwork),
            Err(held) => gridwork = held,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// Ends when a writer has stopped: after a failed disk nothing more may be answered.
async fn stop_with_the_writer(gridwork: Arc<Gridwork>) -> ServiceError {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        if !gridwork.districts().all(|district| district.is_writing()) {
            return ServiceError::NotReady {
                failed: vec!["write".to_owned()],
            };
        }
    }
}
