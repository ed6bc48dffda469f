//! The real `gridwork` as a process, and a data directory of its own for each test.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

pub const GRIDWORK: &str = env!("CARGO_BIN_EXE_gridwork");

/// What a command printed and how it ended.
pub struct Ran {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, &[])
}

/// Runs a command with variables in its environment.
pub fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = Command::new(GRIDWORK)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("gridwork runs");
    Ran {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A data directory with a district and one worker on its first unit.
pub struct DataDirectory {
    directory: tempfile::TempDir,
}

impl DataDirectory {
    pub fn with_worker() -> Self {
        let data = Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
        };
        let text = data.text();
        for arguments in [
            &["init", "--district", "440399", "--name", "测试区"][..],
            &["admin", "add-person", "--name", "甲"][..],
            &[
                "admin", "grant", "--person", "1", "--role", "worker", "--unit", "1",
            ][..],
        ] {
            let mut whole = arguments.to_vec();
            whole.extend(["--data", &text]);
            let ran = run(&whole);
            assert!(ran.success, "{arguments:?}: {}", ran.stderr);
        }
        data
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn text(&self) -> String {
        self.path().display().to_string()
    }

    /// A one-time code for the worker.
    pub fn code(&self) -> String {
        let ran = run(&[
            "admin",
            "--data",
            &self.text(),
            "code",
            "--person",
            "1",
            "--json",
        ]);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).expect("one JSON object");
        answer["code"].as_str().expect("a code").to_owned()
    }

    pub fn serve(&self, failpoint: Option<&str>) -> Serving {
        Serving::start(self.path(), &[], failpoint)
    }

    pub fn serve_with(&self, more: &[&str]) -> Serving {
        Serving::start(self.path(), more, None)
    }
}

/// A server that runs; killed when dropped.
pub struct Serving {
    pub url: String,
    child: Child,
}

impl Serving {
    /// Starts a server on a directory.
    pub fn start(data: &Path, more: &[&str], failpoint: Option<&str>) -> Self {
        let mut command = Command::new(GRIDWORK);
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--data",
                &data.display().to_string(),
            ])
            .args(more);
        if let Some(name) = failpoint {
            command.env("GRIDWORK_FAILPOINT", name);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gridwork starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        // The server says its address once it listens; without that line it has ended, and says why.
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with("http://"))
                .map(str::to_owned)
        });
        let Some(url) = url else {
            let mut why = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut why);
            panic!("the server did not start: {why}");
        };
        Self { url, child }
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(asked.success());
        assert!(
            self.child.wait().expect("it ends").success(),
            "a server that is asked to stop ends well"
        );
    }

    /// Waits until it ends by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
