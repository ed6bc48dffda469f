//! `gridwork points`: stickers for the points of patrols.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::district_args::DistrictArgs;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::store::StoreError;

/// Options of `gridwork points`.
#[derive(Clone, Debug, Args)]
pub struct PointsArgs {
    /// Where.
    #[command(flatten)]
    pub of: DistrictArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: PointsCommand,
}

/// What `gridwork points` does.
#[derive(Clone, Debug, Subcommand)]
pub enum PointsCommand {
    /// 打印点位二维码：一张可打印的网页 / Stickers with the points' codes: a page to print.
    Stickers {
        /// 单位代码，含其下级 / The unit's code; the units below it as well.
        #[arg(long, value_name = "CODE")]
        unit: String,
        /// 写入的文件 / The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// 英文版 / In English.
        #[arg(long)]
        english: bool,
    },
}

/// Does what was asked.
pub fn run(args: &PointsArgs) -> ExitCode {
    let PointsCommand::Stickers { unit, out, english } = &args.command;
    let request = AdminRequest::Stickers {
        unit: unit.clone(),
        english: *english,
    };
    let done = args.of.ask(request).and_then(|answer| write(&answer, out));
    args.of.finish(done)
}

fn write(answer: &Value, out: &PathBuf) -> Result<Value, ServiceError> {
    let html = answer["html"].as_str().unwrap_or_default();
    std::fs::write(out, html).map_err(|source| StoreError::File {
        path: out.display().to_string(),
        source,
    })?;
    Ok(json!({ "stickers": answer["stickers"], "written_to": out.display().to_string() }))
}
