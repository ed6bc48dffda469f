//! `gridwork verify`: recomputes everything that can be recomputed from a copy of the data, or from the data of a running
//! server; reads only.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use sync_core::hex;
use sync_core::messages::{Catalogue, Language};
use sync_core::wire::SignedHead;

use crate::clock::{Clock, SystemClock};
use crate::service::gridwork::district_path;
use crate::service::verify::{DistrictReport, Fault, FaultKind, Known, Progress, verify};
use crate::store::StoreError;
use crate::store::sqlite::control::{Control, KnownDistrict};
use crate::store::sqlite::{DistrictRead, check_sqlite_version};

/// The exit code when there is nothing to verify, or it cannot be opened.
const EXIT_CANNOT_RUN: u8 = 2;

/// Options of `gridwork verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 只核对此区域 / Only this district, by its code; all of them otherwise.
    #[arg(long, value_name = "CODE")]
    pub district: Option<String>,
    /// 最后已知的签名日志头 / File with the last known signed head of the log, as `gridwork admin head --json` prints it.
    #[arg(long, value_name = "FILE", requires = "district")]
    pub head: Option<PathBuf>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Verifies, prints what was found, and says by the exit code how it went: 0 all agrees, 1 a fault, 2 it could not run.
pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    let clock = SystemClock::new();
    let started_ms = clock.monotonic_ms();
    let reports = match verify_all(args) {
        Ok(reports) => reports,
        Err(reason) => {
            for language in [Language::Chinese, Language::English] {
                let reason = reason.text(language);
                eprintln!(
                    "{}",
                    Catalogue::of(language).text("verify.cannot_run", &[("reason", &reason)])
                );
            }
            return ExitCode::from(EXIT_CANNOT_RUN);
        }
    };
    let seconds = (clock.monotonic_ms() - started_ms) as f64 / 1_000.0;
    let ok = reports.iter().all(DistrictReport::is_ok);
    let text = if args.json {
        format!("{}\n", as_json(&reports, seconds))
    } else {
        [Language::Chinese, Language::English]
            .map(|language| summary(&reports, seconds, language))
            .join("\n")
    };
    // Whoever closed the pipe has seen enough; the exit code still tells.
    let _ = io::stdout().write_all(text.as_bytes());
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Why nothing could be verified.
enum CannotRun {
    Message(&'static str, Vec<(&'static str, String)>),
    Store(StoreError),
}

impl From<StoreError> for CannotRun {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl CannotRun {
    fn text(&self, language: Language) -> String {
        match self {
            Self::Message(key, values) => {
                let values: Vec<_> = values
                    .iter()
                    .map(|(name, value)| (*name, value.as_str()))
                    .collect();
                Catalogue::of(language).text(key, &values)
            }
            Self::Store(error) => describe(error),
        }
    }
}

fn describe(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn verify_all(args: &VerifyArgs) -> Result<Vec<DistrictReport>, CannotRun> {
    check_sqlite_version()?;
    let head = args.head.as_deref().map(read_head).transpose()?;
    let mut districts = find_districts(&args.data)?;
    if let Some(code) = &args.district {
        districts.retain(|known, _| known == code);
        if districts.is_empty() {
            let values = vec![("code", code.clone())];
            return Err(CannotRun::Message("verify.no_such_district", values));
        }
    }
    if districts.is_empty() {
        let values = vec![("data", args.data.display().to_string())];
        return Err(CannotRun::Message("verify.no_districts", values));
    }
    let mut reports = Vec::new();
    for (code, noted) in &districts {
        let path = district_path(&args.data, code);
        let known = Known {
            head: head.as_ref(),
            noted: noted.as_ref(),
        };
        reports.push(verify_one(&path, code, known, args.json)?);
    }
    Ok(reports)
}

/// The districts of the control file, and those whose files lie in the directory: a copy may lack the control file.
fn find_districts(data: &Path) -> Result<BTreeMap<String, Option<KnownDistrict>>, CannotRun> {
    let mut found = BTreeMap::new();
    let control = data.join("control.db");
    if control.exists() {
        for known in Control::open_read(&control)?.list_districts()? {
            found.insert(known.code.clone(), Some(known));
        }
    }
    let directory = data.join("districts");
    if directory.is_dir() {
        let failed = |source| StoreError::File {
            path: directory.display().to_string(),
            source,
        };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let code = name.to_str().and_then(|name| name.strip_suffix(".db"));
            if let Some(code) = code
                .filter(|code| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit()))
            {
                found.entry(code.to_owned()).or_insert(None);
            }
        }
    }
    Ok(found)
}

/// A signed head: the hexadecimal digits of its bytes, or a JSON object that has them under `signed_head`.
fn read_head(file: &Path) -> Result<SignedHead, CannotRun> {
    let unreadable = || {
        let values = vec![("file", file.display().to_string())];
        CannotRun::Message("verify.head_unreadable", values)
    };
    let text = fs::read_to_string(file).map_err(|_| unreadable())?;
    let json = serde_json::from_str::<Value>(&text).ok();
    let digits = match &json {
        Some(Value::Object(object)) => object.get("signed_head").and_then(Value::as_str),
        _ => Some(text.trim()),
    };
    digits
        .and_then(hex::decode)
        .and_then(|bytes| SignedHead::decode(&bytes).ok())
        .ok_or_else(unreadable)
}

fn verify_one(
    path: &Path,
    code: &str,
    known: Known<'_>,
    quiet: bool,
) -> Result<DistrictReport, CannotRun> {
    if !path.exists() {
        return Ok(DistrictReport::unreadable(code, FaultKind::FileMissing, ""));
    }
    let mut bar = Bar::new(code, quiet);
    let verified = DistrictRead::open(path)
        .and_then(|read| verify(&read, code, known, &mut |progress| bar.show(progress)));
    bar.clear();
    match verified {
        Ok(report) => Ok(report),
        // What was a district's file and is no database any more is damaged; it is not that it could not be looked at.
        Err(error @ StoreError::Sqlite(_)) if is_damage(&error) => Ok(DistrictReport::unreadable(
            code,
            FaultKind::Damaged,
            describe(&error),
        )),
        Err(error) => Err(error.into()),
    }
}

fn is_damage(error: &StoreError) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DatabaseBusy, DatabaseLocked, PermissionDenied};
    let StoreError::Sqlite(error) = error else {
        return false;
    };
    let code = error.sqlite_error_code();
    !code.is_some_and(|code| {
        matches!(
            code,
            CannotOpen | DatabaseBusy | DatabaseLocked | PermissionDenied
        )
    })
}

/// A progress bar on a terminal; silent everywhere else.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(code: &str, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
            .expect("BUG: the template of the progress bar");
        bar.set_style(style);
        let text = Catalogue::of(Language::Chinese).text("verify.progress", &[]);
        bar.set_message(format!("{text} {code}"));
        Self(Some(bar))
    }

    fn show(&mut self, progress: Progress) {
        if let Some(bar) = &self.0 {
            bar.set_length(progress.of);
            bar.set_position(progress.pos);
        }
    }

    fn clear(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

fn count_faults(reports: &[DistrictReport]) -> u64 {
    reports.iter().map(|report| report.faults_count).sum()
}

fn as_json(reports: &[DistrictReport], seconds: f64) -> Value {
    json!({
        "districts": reports,
        "faults": count_faults(reports),
        "ok": reports.iter().all(DistrictReport::is_ok),
        "seconds": seconds,
    })
}

/// What a person reads: counts, and each fault with its place.
fn summary(reports: &[DistrictReport], seconds: f64, language: Language) -> String {
    let catalogue = Catalogue::of(language);
    let mut lines = Vec::new();
    for report in reports {
        lines.push(catalogue.text("verify.district", &[("code", &report.code)]));
        let numbers = [
            ("entries", report.entries),
            ("changes", report.changes),
            ("rulings", report.rulings),
            ("directory", report.directory),
            ("replicas", report.replicas),
            ("receipts", report.receipts),
            ("records", report.records),
            ("kept", report.sealed_kept),
            ("erased", report.sealed_erased),
            ("epoch", u64::from(report.head.epoch)),
            ("pos", report.head.pos),
            ("faults", report.faults_count),
        ]
        .map(|(name, number)| (name, number.to_string()));
        let mut values: Vec<_> = numbers
            .iter()
            .map(|(name, number)| (*name, number.as_str()))
            .collect();
        values.push(("hash", &report.head.hash));
        for key in ["verify.entries", "verify.others", "verify.head"] {
            lines.push(format!("  {}", catalogue.text(key, &values)));
        }
        let result = if report.is_ok() {
            "verify.ok"
        } else {
            "verify.faults"
        };
        lines.push(format!("  {}", catalogue.text(result, &values)));
        lines.extend(report.faults.iter().map(|fault| tell(fault, catalogue)));
    }
    lines.push(catalogue.text("verify.seconds", &[("seconds", &format!("{seconds:.1}"))]));
    lines.push(String::new());
    lines.join("\n")
}

fn tell(fault: &Fault, catalogue: &Catalogue) -> String {
    let place = match fault.place {
        Some(place) => place.to_string(),
        None => catalogue.text("verify.no_place", &[]),
    };
    let what = catalogue.text(&format!("verify.fault.{}", fault.what.as_str()), &[]);
    let values = [
        ("place", place.as_str()),
        ("table", fault.table),
        ("row", &fault.row),
        ("what", &what),
    ];
    let detail = if fault.detail.is_empty() {
        String::new()
    } else {
        format!(" ({})", fault.detail)
    };
    format!("  - {}{detail}", catalogue.text("verify.first", &values))
}
