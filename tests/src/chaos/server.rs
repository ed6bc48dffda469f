//! A district and the real server on it: made by the command line, started, killed, paused, started again.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::process::Signal;
use serde_json::Value;
use server::fleet::own_server::ServeChild;

use super::link::Link;
use super::{ChaosError, failed};

/// The code of the district.
pub const DISTRICT: &str = "440399";
/// Grids of its one community.
const GRIDS: usize = 4;

/// Runs `gridwork` with these arguments and reads the one JSON object that it prints.
///
/// # Errors
/// That it does not run, ends badly or prints something else.
pub fn command(gridwork: &Path, arguments: &[&str]) -> Result<Value, ChaosError> {
    let output = Command::new(gridwork)
        .args(arguments)
        // A program with a planted defect judges its work without it.
        .env_remove("GRIDWORK_CANARY")
        .stdin(Stdio::null())
        .output()
        .map_err(failed("gridwork does not run"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let value = serde_json::from_str(&said);
    match (output.status.success(), value) {
        (true, Ok(value)) => Ok(value),
        _ => Err(ChaosError::new(
            "gridwork refused",
            format!(
                "{} ended with {}: {said}{}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ),
        )),
    }
}

/// Makes a district of one town, one community and four grids in an empty directory, with so many people who meet there:
/// workers in turn on the grids, every fifth person at the town's desk, every seventh the head of all grids.
///
/// # Errors
/// What `gridwork` said.
pub fn make_district(gridwork: &Path, data: &Path, people: usize) -> Result<(), ChaosError> {
    let text = data.display().to_string();
    let admin = |arguments: &[&str]| {
        let head = ["admin", "--data", text.as_str(), "--json"];
        command(gridwork, &[&head[..], arguments].concat()).map(|_| ())
    };
    let name = ["--district", DISTRICT, "--name", "试验区", "--json"];
    command(
        gridwork,
        &[&["init", "--data", text.as_str()][..], &name].concat(),
    )?;
    let unit = |parent: &str, code: &str, kind: &str| {
        admin(&[
            "add-unit", "--parent", parent, "--code", code, "--name", code, "--kind", kind,
        ])
    };
    unit("1", "001", "town")?;
    unit("2", "001", "community")?;
    for grid in 1..=GRIDS {
        unit("3", &format!("{grid:03}"), "grid")?;
    }
    let mut rows = String::from("name,role,unit,external_id\n");
    for person in 0..people {
        let (role, unit) = match person {
            person if person % 5 == 4 => ("duty_desk", format!("{DISTRICT}.001")),
            person if person % 7 == 6 => ("grid_head", format!("{DISTRICT}.001.001")),
            person => {
                let grid = 1 + person % GRIDS;
                ("worker", format!("{DISTRICT}.001.001.{grid:03}"))
            }
        };
        rows.push_str(&format!("第{person}人,{role},{unit},P{person:04}\n"));
    }
    let file = data.join("people.csv");
    std::fs::write(&file, rows).map_err(failed("the people's file"))?;
    admin(&["import-people", &file.display().to_string()])
}

/// A one-time code for a person, from the running server or from the directory.
///
/// # Errors
/// What `gridwork` said.
pub fn make_code(gridwork: &Path, data: &Path, person: usize) -> Result<String, ChaosError> {
    let (text, person) = (data.display().to_string(), person.to_string());
    let made = command(
        gridwork,
        &[
            "admin", "--data", &text, "code", "--person", &person, "--json",
        ],
    )?;
    made["code"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ChaosError::new("no code", made))
}

/// The server of a run.
#[derive(Debug)]
pub struct Server {
    gridwork: PathBuf,
    /// Its data directory.
    pub data: PathBuf,
    log: PathBuf,
    child: Option<ServeChild>,
    is_paused: bool,
    /// Who is told where it is.
    links: Vec<Arc<Link>>,
}

impl Server {
    /// A server that does not run yet. What it says of its troubles is added to `log`.
    pub fn new(gridwork: &Path, data: &Path, log: &Path, links: Vec<Arc<Link>>) -> Self {
        Self {
            gridwork: gridwork.to_owned(),
            data: data.to_owned(),
            log: log.to_owned(),
            child: None,
            is_paused: false,
            links,
        }
    }

    /// Starts it, unless it runs.
    ///
    /// # Errors
    /// That it does not start.
    pub fn start(&mut self) -> Result<(), ChaosError> {
        if self.child.is_some() {
            return Ok(());
        }
        let log: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .map_err(failed("the server's log"))?;
        let child = ServeChild::start_saying_to(&self.gridwork, &self.data, log.into())
            .map_err(failed("the server did not start"))?;
        let address: SocketAddr = child
            .url
            .address()
            .parse()
            .map_err(failed("the server's address"))?;
        self.child = Some(child);
        for link in &self.links {
            link.set_target(Some(address));
        }
        Ok(())
    }

    /// Where it listens, while it runs.
    pub fn url(&self) -> Option<server::fleet::client::ServerUrl> {
        self.child.as_ref().map(|child| child.url.clone())
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.child.is_some()
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.tell_gone();
        self.is_paused = false;
        // Dropped, it is killed and waited for.
        self.child = None;
    }

    /// Stops it with SIGSTOP; it goes on with [`Self::resume`].
    ///
    /// # Errors
    /// That it has ended.
    pub fn pause(&mut self) -> Result<(), ChaosError> {
        if let Some(child) = &self.child {
            child.signal(Signal::STOP).map_err(failed("SIGSTOP"))?;
            self.is_paused = true;
        }
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// That it has ended.
    pub fn resume(&mut self) -> Result<(), ChaosError> {
        if let Some(child) = self.child.as_ref().filter(|_| self.is_paused) {
            child.signal(Signal::CONT).map_err(failed("SIGCONT"))?;
        }
        self.is_paused = false;
        Ok(())
    }

    /// How it ended, when it has ended by itself; it is not up then.
    ///
    /// # Errors
    /// The operating system's.
    pub fn ended_by_itself(&mut self) -> Result<Option<String>, ChaosError> {
        let Some(child) = &mut self.child else {
            return Ok(None);
        };
        let ended = child.ended().map_err(failed("wait"))?;
        if ended.is_some() {
            self.kill();
        }
        Ok(ended.map(|status| status.to_string()))
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// That it ended badly.
    pub fn stop(&mut self) -> Result<(), ChaosError> {
        self.resume()?;
        self.tell_gone();
        match self.child.take() {
            Some(child) => child.stop().map_err(failed("the server did not stop well")),
            None => Ok(()),
        }
    }

    fn tell_gone(&self) {
        for link in &self.links {
            link.set_target(None);
        }
    }
}
