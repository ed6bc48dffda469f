//! `gridwork init`: an empty district and a one-time set-up link for its first administrator.

use std::path::PathBuf;

use clap::Args;

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
