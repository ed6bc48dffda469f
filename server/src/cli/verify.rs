//! `gridwork verify`: recomputes everything that can be recomputed from a copy of the data.

use std::path::PathBuf;

use clap::Args;

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
    /// 最后已知的签名日志头 / File with the last known signed head of the log.
    #[arg(long, value_name = "FILE", requires = "district")]
    pub head: Option<PathBuf>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}
