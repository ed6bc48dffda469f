//! `gridwork fleet`: load from simulated phones over HTTP, and one line of figures.

use clap::Args;

/// Options of `gridwork fleet`.
#[derive(Clone, Debug, Args)]
pub struct FleetArgs {
    /// 服务器地址；缺省时自行启动临时服务器 / The server; without it, one is started on a fresh temporary directory and removed afterwards.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// 模拟手机数量 / Number of simulated phones.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub replicas: u32,
    /// 变更总数 / Number of changes in all.
    #[arg(long, value_name = "M", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub changes: u64,
    /// 每批变更数 / Changes in a batch.
    #[arg(long, value_name = "B", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub batch: u32,
    /// 同时进行的请求数 / Requests in flight at a time.
    #[arg(long, value_name = "C", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub concurrency: u32,
    /// 随机种子 / Seed.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long)]
    pub json: bool,
}
