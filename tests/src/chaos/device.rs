//! A device of a run: a real `gridwork device` process on its files, behind its proxy.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use server::device::journal::{Line, read_lines};

use super::{ChaosError, failed};

/// How long a device waits for an answer: shorter than most partitions.
const TIMEOUT_MS: &str = "3000";
/// A phone notices its link; it does not wait a quarter of an hour for it.
const RETRY_WITHIN_MS: &str = "500";

/// What a device is to do when it is started.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// Changes a second.
    pub pace_per_s: f64,
    /// How long it makes changes.
    pub making: Duration,
    /// How long it may take afterwards until nothing is left to say.
    pub drain_s: u64,
    /// Names its work.
    pub seed: u64,
    /// How far its clock is off.
    pub clock_offset_ms: i64,
}

/// A device: its files, and its process while it runs.
#[derive(Debug)]
pub struct DeviceProcess {
    gridwork: PathBuf,
    /// Its name in what is told.
    pub name: String,
    /// Whose it is.
    pub person: usize,
    folder: PathBuf,
    server: SocketAddr,
    child: Option<Child>,
    is_paused: bool,
}

impl DeviceProcess {
    /// A device with an empty folder, that speaks to a server or a proxy.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(
        gridwork: &Path,
        folder: PathBuf,
        person: usize,
        server: SocketAddr,
    ) -> Result<Self, ChaosError> {
        std::fs::create_dir_all(&folder).map_err(failed("a device's folder"))?;
        Ok(Self {
            gridwork: gridwork.to_owned(),
            name: format!("device-{person}"),
            person,
            folder,
            server,
            child: None,
            is_paused: false,
        })
    }

    /// Speaks to another address from the next start on.
    pub fn set_server(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// The replica's file.
    pub fn data(&self) -> PathBuf {
        self.folder.join("replica.db")
    }

    /// Where it notes what it has promised.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal")
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.gridwork);
        command.args(["device", verb, "--json", "--timeout-ms", TIMEOUT_MS]);
        command.args(["--retry-within-ms", RETRY_WITHIN_MS]);
        command
            .arg("--server")
            .arg(format!("http://{}", self.server));
        command.arg("--data").arg(self.data());
        command.arg("--journal").arg(self.journal());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, command: &mut Command) -> Result<(bool, Value), ChaosError> {
        let output = command.output().map_err(failed("a device does not run"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&said).map_err(|_| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            ChaosError::new(
                "a device said something else than its state",
                format!("{said}{stderr}"),
            )
        })?;
        Ok((output.status.success(), value))
    }

    /// A second device with the files of this one, which must not run; it has noted nothing.
    ///
    /// # Errors
    /// The files cannot be copied.
    pub fn copy(&self, folder: PathBuf, server: SocketAddr) -> Result<Self, ChaosError> {
        let mut copy = Self::new(&self.gridwork, folder, self.person, server)?;
        copy.name = format!("copy-of-{}", self.name);
        for suffix in ["", "-wal", "-shm"] {
            let file = |device: &Self| format!("{}{suffix}", device.data().display());
            match std::fs::copy(file(self), file(&copy)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(failed("a device's file")(error));
                }
                _ => {}
            }
        }
        Ok(copy)
    }

    /// Tries once to enrol.
    ///
    /// # Errors
    /// What it said.
    pub fn enrol(&self, code: &str) -> Result<(), ChaosError> {
        let mut command = self.command("enrol");
        match self.run(command.args(["--code", code]))? {
            (true, _) => Ok(()),
            (false, said) => Err(ChaosError::new("a device did not enrol", said)),
        }
    }

    /// Starts an enrolment without waiting for its end.
    ///
    /// # Errors
    /// It does not start.
    pub fn start_enrolling(&mut self, code: &str) -> Result<(), ChaosError> {
        let mut command = self.command("enrol");
        command.args(["--code", code]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().map_err(failed("a device does not start"))?);
        Ok(())
    }

    /// Syncs until nothing is left to say; its state, and whether it came so far.
    ///
    /// # Errors
    /// It said something else than its state.
    pub fn sync(&self, drain_s: u64) -> Result<(bool, Value), ChaosError> {
        let mut command = self.command("sync");
        self.run(command.args(["--drain-s", &drain_s.to_string()]))
    }

    /// Starts it on its orders.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&mut self, orders: Orders) -> Result<(), ChaosError> {
        let out = File::create(self.folder.join("out")).map_err(failed("a device's output"))?;
        let trouble = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("trouble"))
            .map_err(failed("a device's output"))?;
        let mut command = self.command("watch");
        command.args(["--pace", &orders.pace_per_s.to_string()]);
        command.args(["--seconds", &orders.making.as_secs_f64().to_string()]);
        command.args(["--drain-s", &orders.drain_s.to_string()]);
        command.args(["--seed", &orders.seed.to_string()]);
        command.args(["--ask-every-ms", "700", "--clock-offset-ms"]);
        command.arg(orders.clock_offset_ms.to_string());
        let child = command.stdout(out).stderr(trouble).spawn();
        self.child = Some(child.map_err(failed("a device does not start"))?);
        Ok(())
    }

    /// Whether its process runs, stopped or not.
    ///
    /// # Errors
    /// The operating system's.
    pub fn is_running(&mut self) -> Result<bool, ChaosError> {
        Ok(self.ended()?.is_none() && self.child.is_some())
    }

    /// How its process ended, if it has.
    ///
    /// # Errors
    /// The operating system's.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ChaosError> {
        match &mut self.child {
            Some(child) => child.try_wait().map_err(failed("wait")),
            None => Ok(None),
        }
    }

    /// Kills it with SIGKILL and waits until it is gone. Says whether it ran until then.
    pub fn kill(&mut self) -> bool {
        self.is_paused = false;
        let Some(mut child) = self.child.take() else {
            return false;
        };
        let was_running = matches!(child.try_wait(), Ok(None));
        // One that has ended needs no killing.
        let _ = child.kill();
        let _ = child.wait();
        was_running
    }

    /// Stops it with SIGSTOP. Says whether it runs.
    ///
    /// # Errors
    /// The operating system's.
    pub fn pause(&mut self) -> Result<bool, ChaosError> {
        if !self.is_running()? || self.is_paused {
            return Ok(false);
        }
        self.signal(Signal::STOP)?;
        self.is_paused = true;
        Ok(true)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// The operating system's.
    pub fn resume(&mut self) -> Result<(), ChaosError> {
        if std::mem::take(&mut self.is_paused) && self.is_running()? {
            self.signal(Signal::CONT)?;
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), ChaosError> {
        let process = self.child.as_ref().map(Child::id);
        let process = process.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        match process {
            Some(process) => kill_process(process, signal).map_err(failed("a signal")),
            None => Ok(()),
        }
    }

    /// What it printed at its end, `Null` when it was killed.
    pub fn said(&self) -> Value {
        std::fs::read_to_string(self.folder.join("out"))
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or(Value::Null)
    }

    /// What it noted.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn noted(&self) -> Result<Vec<Line>, ChaosError> {
        match std::fs::read_to_string(self.journal()) {
            Ok(text) => read_lines(&text).map_err(failed("a journal")),
            // It was killed before it noted anything.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed("a journal")(error)),
        }
    }
}

impl Drop for DeviceProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
