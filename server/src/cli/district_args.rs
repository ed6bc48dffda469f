//! Which district a command is about, and how it answers: the options that the office's commands share.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::admin::administer;
use super::output::{self, run_async};
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;

/// The options of a command about one district.
#[derive(Clone, Debug, Args)]
pub struct DistrictArgs {
    /// 数据目录 / Data directory.
    #[arg(
        long,
        value_name = "DIR",
        env = "GRIDWORK_DATA",
        default_value = "data",
        global = true
    )]
    pub data: PathBuf,
    /// 区域代码；只有一个区域时可省略 / The district's code; may be left out when there is one.
    #[arg(long, value_name = "CODE", global = true)]
    pub district: Option<String>,
    /// 输出一个 JSON 对象 / Print exactly one JSON object.
    #[arg(long, global = true)]
    pub json: bool,
}

impl DistrictArgs {
    /// Asks for one thing, of the data directory itself or through the server that holds it.
    ///
    /// # Errors
    /// What the district answers.
    pub fn ask(&self, request: AdminRequest) -> Result<Value, ServiceError> {
        run_async(administer(&self.data, self.district.as_deref(), request))
    }

    /// Prints what it came to and says how it ended.
    pub fn finish(&self, done: Result<Value, ServiceError>) -> ExitCode {
        output::finish(self.json, done, |answer| {
            serde_json::to_string_pretty(answer).unwrap_or_default() + "\n"
        })
    }
}
