//! `gridwork pack`: the pack of a week, month or quarter, frozen, made again or only shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::district_args::DistrictArgs;
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::store::StoreError;

/// Options of `gridwork pack`.
#[derive(Clone, Debug, Args)]
pub struct PackArgs {
    /// Where.
    #[command(flatten)]
    pub of: DistrictArgs,
    /// Which.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// 只预览，不冻结 / Only show it as it is now.
    #[arg(long)]
    pub preview: bool,
    /// 把报表原文写入文件 / Write the pack's text to a file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Which pack.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PeriodArgs {
    /// 周报，如 2026-W48 / A week, such as 2026-W48.
    #[arg(long, value_name = "LABEL")]
    pub week: Option<String>,
    /// 月报，如 2026-11 / A month, such as 2026-11.
    #[arg(long, value_name = "LABEL")]
    pub month: Option<String>,
    /// 季报，如 2026-Q4 / A quarter, such as 2026-Q4.
    #[arg(long, value_name = "LABEL")]
    pub quarter: Option<String>,
    /// 列出已冻结的报表 / List those that are frozen.
    #[arg(long)]
    pub list: bool,
}

/// Does what was asked.
pub fn run(args: &PackArgs) -> ExitCode {
    let period = &args.period;
    let label = [&period.week, &period.month, &period.quarter];
    let request = match label.into_iter().flatten().next() {
        Some(label) => AdminRequest::Pack {
            label: label.clone(),
            preview: args.preview,
        },
        None => AdminRequest::Packs,
    };
    let done = args.of.ask(request).and_then(|answer| match &args.out {
        Some(out) => write(answer, out),
        None => Ok(without_text(answer)),
    });
    args.of.finish(done)
}

/// The text is what the hash is of; on a screen it is read as what it says.
fn without_text(mut answer: Value) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("text");
    }
    answer
}

fn write(answer: Value, out: &Path) -> Result<Value, ServiceError> {
    let text = answer["text"].as_str().unwrap_or_default();
    std::fs::write(out, text).map_err(|source| StoreError::File {
        path: out.display().to_string(),
        source,
    })?;
    let mut told = without_text(answer);
    if let Some(fields) = told.as_object_mut() {
        fields.remove("pack");
        fields.insert("written_to".to_owned(), json!(out.display().to_string()));
    }
    Ok(told)
}
