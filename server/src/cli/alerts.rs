//! `gridwork alerts`: what the alert rules see now, and how far each alert has been followed.

use std::process::ExitCode;

use clap::Args;

use super::district_args::DistrictArgs;
use crate::service::administration::AdminRequest;

/// Options of `gridwork alerts`.
#[derive(Clone, Debug, Args)]
pub struct AlertsArgs {
    /// Where.
    #[command(flatten)]
    pub of: DistrictArgs,
    /// 只列出，不运行规则 / Only list them; do not run the rules.
    #[arg(long)]
    pub list: bool,
}

/// Does what was asked.
pub fn run(args: &AlertsArgs) -> ExitCode {
    let request = AdminRequest::Alerts {
        only_list: args.list,
    };
    args.of.finish(args.of.ask(request))
}
