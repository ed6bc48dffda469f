//! `gridwork backup`: a copy of everything beside the running server, the private keys apart under a passphrase.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use sync_core::messages::{Catalogue, Language};

use super::admin_socket;
use super::output::run_async;
use crate::clock::{Clock, SystemClock};
use crate::ids::SystemEntropy;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::backup::{self, BackupError, DistrictLine, Manifest, Passphrase};
use crate::service::gridwork::{Gridwork, OpenOptions};

/// The environment variable of the passphrase.
const PASSPHRASE: &str = "GRIDWORK_BACKUP_PASSPHRASE";

/// Options of `gridwork backup`.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// 数据目录 / Data directory; a server may be running on it.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 备份文件夹，须不存在或为空 / Folder of the backup; must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// 口令文件；也可用环境变量 GRIDWORK_BACKUP_PASSPHRASE / File with the passphrase for the private keys; or set GRIDWORK_BACKUP_PASSPHRASE.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The passphrase, out of a file or the environment.
pub(super) fn find_passphrase(file: Option<&Path>) -> Result<Passphrase, BackupError> {
    match (file, std::env::var(PASSPHRASE)) {
        (Some(file), _) => Passphrase::read(file),
        (None, Ok(text)) => Passphrase::new(text),
        (None, Err(_)) => Err(BackupError::PassphraseMissing),
    }
}

/// Prints what was done, or why it was not: one JSON object, or text in both languages.
pub(super) fn finish(
    json: bool,
    done: Result<Value, BackupError>,
    text: impl Fn(&Value, &Catalogue) -> Vec<String>,
) -> ExitCode {
    let languages = [Language::Chinese, Language::English];
    match done {
        Ok(value) if json => println!("{value}"),
        Ok(value) => {
            for language in languages {
                for line in text(&value, Catalogue::of(language)) {
                    println!("{line}");
                }
            }
        }
        Err(error) if json => {
            let [zh, en] = languages.map(|language| error.text(language));
            println!(
                "{}",
                json!({ "error": { "code": error.key(), "zh": zh, "en": en } })
            );
            return ExitCode::FAILURE;
        }
        Err(error) => {
            for language in languages {
                eprintln!("{}", error.text(language));
            }
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Makes the backup and tells the server that its log has reached it.
pub fn run(args: &BackupArgs) -> ExitCode {
    finish(args.json, make(args), |value, catalogue| {
        let text = |name: &str| match &value[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let values = [
            ("path", text("path")),
            ("files", text("files")),
            ("bytes", text("bytes")),
        ];
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut lines = vec![catalogue.text("backup.made", &values)];
        for district in value["districts"].as_array().into_iter().flatten() {
            let of = |name: &str| district[name].to_string();
            let (code, pos) = (district["code"].as_str().unwrap_or_default(), of("pos"));
            lines.push(catalogue.text("backup.district", &[("code", code), ("pos", &pos)]));
        }
        if let Some(reason) = value["not_noted"].as_str() {
            lines.push(catalogue.text("backup.not_noted", &[("reason", reason)]));
        }
        lines
    })
}

fn make(args: &BackupArgs) -> Result<Value, BackupError> {
    let passphrase = find_passphrase(args.passphrase_file.as_deref())?;
    let began_ms = SystemClock::new().wall_ms();
    let manifest = backup::make(&args.data, &args.to, &passphrase, began_ms, &SystemEntropy)?;
    let noted = run_async(note(args, &manifest));
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    Ok(json!({
        "path": std::path::absolute(&args.to).unwrap_or_else(|_| args.to.clone()).display().to_string(),
        "files": manifest.files.len(),
        "bytes": bytes,
        "districts": manifest.districts,
        "began_ms": manifest.began_ms,
        // The backup is whole all the same; phones only keep their own changes longer.
        "not_noted": noted.err().map(|error| super::output::describe(&error)),
    }))
}

async fn note(args: &BackupArgs, manifest: &Manifest) -> Result<(), ServiceError> {
    for district in &manifest.districts {
        note_district(&args.data, district).await?;
    }
    Ok(())
}

/// Tells the server, or writes it down oneself where none runs. One that starts or stops meanwhile is waited for.
async fn note_district(data: &Path, district: &DistrictLine) -> Result<(), ServiceError> {
    let request = AdminRequest::SecondPlace {
        pos: district.pos,
        hash: district.hash,
    };
    let mut tries = 0;
    loop {
        if admin_socket::ask(data, Some(&district.code), &request)
            .await?
            .is_some()
        {
            return Ok(());
        }
        tries += 1;
        let opened = Gridwork::open(
            data,
            Arc::new(SystemClock::new()),
            Arc::new(SystemEntropy),
            OpenOptions::default(),
        );
        match opened {
            Ok(gridwork) => {
                gridwork.administer(Some(&district.code), request).await?;
                return gridwork.close();
            }
            Err(error) if tries == 10 => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
        }
    }
}
