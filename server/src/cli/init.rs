//! `gridwork init`: an empty district and a one-time set-up link for its first administrator.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::output::{self, run_async};
use crate::clock::SystemClock;
use crate::ids::SystemEntropy;
use crate::service::ServiceError;
use crate::service::gridwork::{Gridwork, OpenOptions};

/// Options of `gridwork init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 区域代码，例如 440305 / The district's code, such as 440305.
    #[arg(long, value_name = "CODE")]
    pub district: String,
    /// 区域名称 / The district's name.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// 时区 / IANA time zone by which days are reckoned.
    #[arg(long, value_name = "ZONE", default_value = "Asia/Shanghai")]
    pub time_zone: String,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Makes the district and prints the set-up link.
pub fn run(args: &InitArgs) -> ExitCode {
    output::finish(args.json, run_async(make(args)), |made| {
        format!(
            "区域已建立 / District made: {} {}\n首位管理员的一次性设置链接（7 天内有效）/ One-time set-up link for the first administrator (7 days):\n  <server>{}\n",
            args.district,
            args.name,
            made["setup_path"].as_str().unwrap_or_default(),
        )
    })
}

async fn make(args: &InitArgs) -> Result<serde_json::Value, ServiceError> {
    let (clock, entropy) = (SystemClock::new(), SystemEntropy);
    let id = Gridwork::init(
        &args.data,
        &args.district,
        &args.name,
        &args.time_zone,
        &clock,
        &entropy,
    )?;
    let options = OpenOptions::default();
    let gridwork = Gridwork::open(&args.data, Arc::new(clock), Arc::new(entropy), options)?;
    let district = Arc::clone(gridwork.district(Some(&args.district))?);
    gridwork.write_first_entries(&district).await?;
    let token = gridwork.make_setup_token(&district)?;
    gridwork.note_heads()?;
    Ok(json!({
        "district": args.district,
        "id": id.to_string(),
        "setup_token": token,
        "setup_path": format!("/replica/#setup={token}"),
    }))
}
