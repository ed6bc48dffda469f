//! The command line: one command a file; this one knows their names.

pub mod admin;
pub mod demo;
pub mod fleet;
pub mod init;
mod openapi;
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
    about,
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
        Command::Openapi => openapi::run(),
        Command::Verify(args) => verify::run(&args),
    }
}
