//! `gridwork demo`: a district of realistic size, its phones through a working day, and what came of it.

use std::path::PathBuf;

use clap::Args;

/// Options of `gridwork demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// 保留数据的目录 / Keep the data in this directory; otherwise a temporary one is used and removed.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// 随机种子；相同种子重现同一天 / Seed; the same seed repeats the same day.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// 模拟手机数量 / Number of simulated phones.
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(40..=10_000))]
    pub replicas: u32,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}
