//! `gridwork alerts`: what the alert rules see now, and how far each alert has been followed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::admin;
use super::output::{self, run_async};
use crate::service::administration::AdminRequest;

/// Options of `gridwork alerts`.
#[derive(Clone, Debug, Args)]
pub struct AlertsArgs {
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data"
    )]
    pub data: PathBuf,
    /// 区域代码；只有一个区域时可省略 / The district's code; may be left out when there is one.
    #[arg(long, value_name = "CODE")]
    pub district: Option<String>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
    /// 只列出，不运行规则 / Only list them; do not run the rules.
    #[arg(long)]
    pub list: bool,
}

/// Does what was asked.
pub fn run(args: &AlertsArgs) -> ExitCode {
    let request = AdminRequest::Alerts {
        only_list: args.list,
    };
    let asked = run_async(admin::administer(
        &args.data,
        args.district.as_deref(),
        request,
    ));
    output::finish(args.json, asked, |answer| {
        serde_json::to_string_pretty(answer).unwrap_or_default() + "\n"
    })
}
