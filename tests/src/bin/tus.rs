//! `tus`: tuspy and tus-js-client send files to a real `gridwork` over a link that breaks at random bytes.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tests::tus::{TusOptions, run};

/// Files that changes name, sent by two clients that others wrote, each whole and none twice. `tests/tus/setup.sh` installs them.
#[derive(Debug, Parser)]
struct Arguments {
    /// The program; beside this one without it.
    #[arg(long, value_name = "FILE")]
    gridwork: Option<PathBuf>,
    /// Files, half of them by each client.
    #[arg(long, value_name = "N", default_value_t = 200)]
    files: usize,
    /// How often the server is killed meanwhile.
    #[arg(long, value_name = "N", default_value_t = 3)]
    kills: usize,
    /// Names files and breaks.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let beside = std::env::current_exe().ok().and_then(|path| {
        let folder = path.parent()?;
        Some(folder.join("gridwork"))
    });
    let Some(gridwork) = arguments.gridwork.or(beside) else {
        eprintln!("--gridwork is needed");
        return ExitCode::from(2);
    };
    let options = TusOptions {
        gridwork,
        clients: Path::new(env!("CARGO_MANIFEST_DIR")).join("tus"),
        files: arguments.files,
        kills: arguments.kills,
        seed: arguments.seed,
    };
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            eprintln!("no folder: {error}");
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    match runtime.block_on(run(&options, folder.path())) {
        Ok(summary) => {
            let text = serde_json::to_string_pretty(&summary).expect("BUG: a summary is JSON");
            println!("{text}");
            if summary.is_good() {
                return ExitCode::SUCCESS;
            }
            // Somebody will want to look.
            eprintln!("kept in {}", folder.keep().display());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
