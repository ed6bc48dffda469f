//! `gridwork restore`: a backup put back under a new epoch, or only checked.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use sync_core::ids::Epoch;
use sync_core::messages::Catalogue;

use super::backup::{find_passphrase, finish};
use crate::clock::{Clock, SystemClock};
use crate::service::backup::{self, BackupError, RestoreRequest};

/// The last epoch that may be asked for: some must be left for later restores.
const EPOCH_ASKED_MAX: u32 = sync_core::limits::EPOCH_MAX - 95;

/// Options of `gridwork restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// 备份文件夹 / Folder of the backup.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// 数据目录，须为空，除非 --replace / Data directory; must be empty unless --replace is given.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 口令文件；也可用环境变量 GRIDWORK_BACKUP_PASSPHRASE / File with the passphrase of the private keys; or set GRIDWORK_BACKUP_PASSPHRASE.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// 数据目录里原有的内容移到一旁（不删除）/ Put aside what the data directory holds; nothing is deleted.
    #[arg(long)]
    pub replace: bool,
    /// 新纪元至少为此数；只在曾用错误时钟恢复过时需要 / The new epoch is at least this; needed only after a restore under a wrong clock.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=i64::from(EPOCH_ASKED_MAX)))]
    pub epoch: u32,
    /// 只检查备份，不恢复 / Check the backup, put nothing back.
    #[arg(long, conflicts_with_all = ["replace", "epoch"])]
    pub check: bool,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Restores or checks, and prints what was found.
pub fn run(args: &RestoreArgs) -> ExitCode {
    if args.check {
        return finish(args.json, check(args), |value, catalogue| {
            let key = if value["keys_opened"] == true {
                "restore.checked"
            } else {
                "restore.checked_without_keys"
            };
            let mut lines = vec![catalogue.text(key, &[])];
            lines.extend(tell_districts(&value["manifest"]["districts"], catalogue));
            lines
        });
    }
    finish(args.json, restore(args), |value, catalogue| {
        let mut lines = vec![catalogue.text("restore.done", &[])];
        lines.extend(tell_districts(&value["districts"], catalogue));
        if let Some(path) = value["set_aside"].as_str() {
            lines.push(catalogue.text("restore.set_aside", &[("path", path)]));
        }
        lines.push(catalogue.text("restore.next", &[]));
        lines
    })
}

fn tell_districts(districts: &Value, catalogue: &Catalogue) -> Vec<String> {
    let tell = |district: &Value| {
        let time = district["received_ms"]
            .as_i64()
            .and_then(chrono::DateTime::from_timestamp_millis)
            .map_or_else(String::new, |time| {
                time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
            });
        let (epoch, pos) = (district["epoch"].to_string(), district["pos"].to_string());
        let values = [
            ("code", district["code"].as_str().unwrap_or_default()),
            ("name", district["name"].as_str().unwrap_or_default()),
            ("epoch", &epoch),
            ("pos", &pos),
            ("time", &time),
        ];
        catalogue.text("restore.district", &values)
    };
    districts
        .as_array()
        .into_iter()
        .flatten()
        .map(tell)
        .collect()
}

fn check(args: &RestoreArgs) -> Result<Value, BackupError> {
    // Without a passphrase everything but the keys is checked.
    let passphrase = match find_passphrase(args.passphrase_file.as_deref()) {
        Ok(passphrase) => Some(passphrase),
        Err(BackupError::PassphraseMissing) => None,
        Err(error) => return Err(error),
    };
    let checked = backup::check(&args.from, passphrase.as_ref(), &mut |_| {})?;
    Ok(json!(checked))
}

fn restore(args: &RestoreArgs) -> Result<Value, BackupError> {
    let passphrase = find_passphrase(args.passphrase_file.as_deref())?;
    let request = RestoreRequest {
        from: &args.from,
        data: &args.data,
        passphrase: &passphrase,
        replace: args.replace,
        epoch_min: Epoch(args.epoch),
        now_ms: SystemClock::new().wall_ms(),
    };
    Ok(json!(backup::restore(&request, &mut |_| {})?))
}
