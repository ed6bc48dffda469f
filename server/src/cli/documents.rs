//! `gridwork documents`: list, check, take and give out what a district may change.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sync_core::calendar::Zone;
use sync_core::documents::{DEFAULTS, Documents, model};
use sync_core::kinds::Kind;

use super::admin;
use super::district_args::DistrictArgs;
use crate::import::{KnownDocuments, schema_of};
use crate::service::ServiceError;
use crate::service::administration::AdminRequest;
use crate::service::document_imports::{DocumentFile, check_documents};
use crate::store::StoreError;

/// Options of `gridwork documents`.
#[derive(Clone, Debug, Args)]
pub struct DocumentsArgs {
    /// Where.
    #[command(flatten)]
    pub of: DistrictArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: DocumentsCommand,
}

/// What `gridwork documents` does.
#[derive(Clone, Debug, Subcommand)]
pub enum DocumentsCommand {
    /// 列出文档及其版本 / List documents and their versions.
    List,
    /// 检查文件，不导入 / Check files without taking them.
    Check {
        /// 走查事件流程：死路、自核、绕行 / Walk through the case workflow: dead ends, self-verification, ways around.
        #[arg(long)]
        workflow: bool,
        /// 与出厂文档比对，而不是与区域的文档 / Hold them against what ships, not against the district's.
        #[arg(long)]
        shipped: bool,
        /// 文档文件 / Documents.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// 导入文档的新版本，按其生效日期生效 / Take new versions, in force from the day that each names.
    Import {
        /// 文档文件 / Documents.
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
    /// 导出现行文档及其格式 / Give out the documents in force, and their schemas.
    Export {
        /// 目标目录 / Where to.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
}

/// Does what was asked.
pub fn run(args: &DocumentsArgs) -> ExitCode {
    let ask = |request| args.of.ask(request);
    let done = match &args.command {
        DocumentsCommand::List => ask(AdminRequest::Documents),
        DocumentsCommand::Check {
            workflow: true,
            shipped,
            files,
        } => walk(args, files, *shipped),
        DocumentsCommand::Check { shipped, files, .. } => read_all(files).and_then(|files| {
            if *shipped {
                check_shipped(&files)
            } else {
                ask(AdminRequest::ImportDocuments {
                    files,
                    only_check: true,
                })
            }
        }),
        DocumentsCommand::Import { files } => read_all(files).and_then(|files| {
            ask(AdminRequest::ImportDocuments {
                files,
                only_check: false,
            })
        }),
        DocumentsCommand::Export { to } => {
            ask(AdminRequest::ExportDocuments).and_then(|answer| export(&answer, to))
        }
    };
    let is_sound = !matches!(&done, Ok(value) if value["is_sound"] == false);
    let code = args.of.finish(done);
    if is_sound { code } else { ExitCode::FAILURE }
}

fn read_all(files: &[PathBuf]) -> Result<Vec<DocumentFile>, ServiceError> {
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(DocumentFile {
            file: name.to_string_lossy().into_owned(),
            text: admin::read_text(path)?,
        })
    };
    files.iter().map(read).collect()
}

/// Holds files against the documents that ship, in the order given.
fn check_shipped(files: &[DocumentFile]) -> Result<Value, ServiceError> {
    let (rows, _) = check_documents(files, KnownDocuments::shipped())?;
    Ok(json!({ "sound": rows.iter().map(|row| &row.name).collect::<Vec<_>>() }))
}

/// Walks through the case workflow: that of the files, of the district, or the one that ships where there is no district.
fn walk(args: &DocumentsArgs, files: &[PathBuf], shipped: bool) -> Result<Value, ServiceError> {
    let mut texts: Vec<(String, String)> = DEFAULTS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    if !shipped && args.of.data.exists() {
        let request = AdminRequest::ExportDocuments;
        let answer = args.of.ask(request)?;
        texts.extend(files_of(&answer).into_iter().map(|each| {
            let name = each.file.trim_end_matches(".json").to_owned();
            (name, each.text)
        }));
    }
    for file in read_all(files)? {
        let value: Value = serde_json::from_str(&file.text).unwrap_or_default();
        let name = value["document"].as_str().unwrap_or_default().to_owned();
        texts.push((name, file.text));
    }
    let all = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let documents = Documents::read(all, Zone::fixed(0)).map_err(|faults| {
        let errors = faults
            .iter()
            .map(|fault| api_schema::problem::FieldProblem {
                field: fault.document.clone(),
                message: fault.to_string(),
            });
        ServiceError::FieldInvalid {
            errors: errors.collect(),
        }
    })?;
    let workflow = documents
        .workflow(Kind::Report)
        .expect("BUG: documents without a case workflow");
    let found = model::check(workflow, &documents);
    let texts: Vec<&String> = [&found.dead_ends, &found.self_verifications, &found.bypasses]
        .into_iter()
        .flatten()
        .collect();
    Ok(json!({
        "states": found.states, "transitions": found.transitions, "roles": found.roles,
        "situations": found.situations, "dead_ends": found.dead_ends.len(),
        "self_verifications": found.self_verifications.len(), "bypasses": found.bypasses.len(),
        "found": texts, "is_sound": found.is_clean(),
    }))
}

fn files_of(answer: &Value) -> Vec<DocumentFile> {
    serde_json::from_value(answer["files"].clone()).unwrap_or_default()
}

/// Writes each text to a file of its name, and its schema beside it.
fn export(answer: &Value, to: &Path) -> Result<Value, ServiceError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| ServiceError::from(StoreError::File { path, source })
    };
    std::fs::create_dir_all(to).map_err(failed(to))?;
    let mut written = Vec::new();
    for each in files_of(answer) {
        let name = each.file.trim_end_matches(".json").to_owned();
        let mut files = vec![(each.file, each.text)];
        if let Some(schema) = schema_of(&name) {
            files.push((format!("{name}.schema.json"), schema.to_owned()));
        }
        for (file, text) in files {
            let path = to.join(&file);
            std::fs::write(&path, text).map_err(failed(&path))?;
            written.push(file);
        }
    }
    Ok(json!({ "written": written }))
}
