//! A server of one's own for a run: `gridwork serve` as a child process, on a temporary directory where nobody names another.

use std::io::{BufRead, BufReader, Error};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::FleetError;
use super::client::ServerUrl;
use super::district;

/// A child process that serves a data directory. Dropped, it is killed.
#[derive(Debug)]
pub struct ServeChild {
    child: Child,
    /// Where it listens.
    pub url: ServerUrl,
}

impl ServeChild {
    /// Starts `program serve` on a directory with districts, on a free port of this machine.
    ///
    /// # Errors
    /// That the server does not start; its own words went to standard error.
    pub fn start(program: &Path, data: &Path) -> Result<Self, Error> {
        Self::start_saying_to(program, data, Stdio::inherit())
    }

    /// The same; what the server says of its troubles goes to `troubles`.
    ///
    /// # Errors
    /// That the server does not start.
    pub fn start_saying_to(program: &Path, data: &Path, troubles: Stdio) -> Result<Self, Error> {
        let mut child = Command::new(program)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--data",
            ])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(troubles)
            .spawn()?;
        let output = child.stdout.take().expect("BUG: the output is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let url = line
            .split_whitespace()
            .last()
            .and_then(|word| word.parse().ok());
        match (read, url) {
            (Ok(_), Some(url)) => Ok(Self { child, url }),
            (read, _) => {
                // It has ended, or says something else than an address; either way it is of no use.
                let _ = child.kill();
                let _ = child.wait();
                let said = || Error::other(format!("it said {line:?} instead of an address"));
                Err(read.err().unwrap_or_else(said))
            }
        }
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// That it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let process = process.expect("BUG: a child has a process id");
        Ok(kill_process(process, signal)?)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The operating system's.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait()
    }

    /// Asks it to stop and waits until it has: its files are whole and closed then.
    ///
    /// # Errors
    /// That it cannot be asked, or that it ended with an error.
    pub fn stop(mut self) -> Result<(), Error> {
        self.signal(Signal::TERM)?;
        let ended = self.child.wait()?;
        if ended.success() {
            Ok(())
        } else {
            Err(Error::other(format!("the server ended with {ended}")))
        }
    }
}

impl Drop for ServeChild {
    fn drop(&mut self) {
        // After a stop there is nothing left to kill, which is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server on a fresh district in a temporary directory. Dropped, it is killed and the directory removed.
#[derive(Debug)]
pub struct OwnServer {
    // Fields are dropped in order: the directory goes after the child.
    child: ServeChild,
    _data: tempfile::TempDir,
    /// A one-time code for each worker.
    pub codes: Vec<String>,
    /// A one-time code for a person who reads the whole district.
    pub reader_code: String,
}

impl OwnServer {
    /// Makes a district with so many workers and starts `program serve` on it.
    ///
    /// # Errors
    /// That the district cannot be made, or that the server does not start.
    pub async fn start(program: &Path, workers: usize) -> Result<Self, FleetError> {
        let failed = |what| move |source| FleetError::Io { what, source };
        let data = tempfile::tempdir().map_err(failed("no temporary directory"))?;
        let codes = district::make(data.path(), workers).await?;
        let child =
            ServeChild::start(program, data.path()).map_err(failed("the server did not start"))?;
        Ok(Self {
            child,
            _data: data,
            codes: codes.workers,
            reader_code: codes.reader,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> &ServerUrl {
        &self.child.url
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.process()
    }
}
