//! The command line: one command a file; this one knows their names.

pub mod admin;
mod admin_socket;
mod alerts;
pub mod backup;
pub mod demo;
mod demo_logins;
pub mod device;
mod district_args;
pub mod documents;
pub mod fleet;
pub mod init;
mod openapi;
mod output;
mod pack;
pub mod points;
pub mod restore;
pub mod serve;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config;

/// 网格工作的离线优先同步服务 / Offline-first sync for grid work.
#[derive(Debug, Parser)]
#[command(
    name = "gridwork",
    version,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 建立一个空的区域 / Make an empty district.
    Init(init::InitArgs),
    /// 运行服务 / Run the server.
    Serve(serve::ServeArgs),
    /// 管理单位、人员、角色、登记码与设备 / Units, people, roles, codes, replicas, rulings.
    Admin(admin::AdminArgs),
    /// 文档：列出、检查、导入、导出 / Documents that a district may change: list, check, import, export.
    Documents(documents::DocumentsArgs),
    /// 巡逻点位：打印二维码 / Points of patrols: stickers to print.
    Points(points::PointsArgs),
    /// 预警：运行规则并列出 / Alerts: run the rules and list them.
    Alerts(alerts::AlertsArgs),
    /// 周报、月报、季报：冻结、重算、查看 / Packs of a week, month or quarter: freeze, make again, look.
    Pack(pack::PackArgs),
    /// 备份：服务运行中亦可 / Back up, also while the server runs.
    Backup(backup::BackupArgs),
    /// 从备份恢复，或检查备份 / Put a backup back, or check it.
    Restore(restore::RestoreArgs),
    /// 演示：一个区域的一个工作日 / Demo: a district through a working day.
    Demo(demo::DemoArgs),
    /// 模拟大量手机施加负载 / Load from many simulated phones, and its figures.
    Fleet(fleet::FleetArgs),
    /// 无界面的手机：登记、做变更、同步、查看 / A phone without a screen: enrol, make changes, sync, look.
    Device(device::DeviceArgs),
    /// 输出 OpenAPI 文档 / Print the OpenAPI document.
    Openapi,
    /// 从日志重算并核对数据 / Recompute the data from the log and compare.
    Verify(verify::VerifyArgs),
}

/// Runs the command that the arguments name; the exit code says how it went.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let parsed = config::parse(Cli::command(), arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match cli.command {
        Command::Init(args) => init::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Admin(args) => admin::run(&args),
        Command::Documents(args) => documents::run(&args),
        Command::Points(args) => points::run(&args),
        Command::Alerts(args) => alerts::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Fleet(args) => fleet::run(&args),
        Command::Device(args) => device::run(&args),
        Command::Openapi => openapi::run(),
        Command::Verify(args) => verify::run(&args),
    }
}
