//! What a subject of a benchmark must offer. Floors and the engine implement the same traits and are timed by the same code.

use std::net::SocketAddr;
use std::path::Path;

use super::record_ids::IdOrder;

/// Why a benchmark could not be finished. A benchmark that cannot prove its work has no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The machine refused something.
    #[error("input or output failed")]
    Io(#[from] std::io::Error),
    /// The database refused something.
    #[error("SQLite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The subject answered, but not as the work demands.
    #[error("wrong answer: {0}")]
    WrongAnswer(String),
    /// The subject failed by itself; the text is its own account.
    #[error("the subject failed: {0}")]
    Subject(String),
}

/// One client of a server under load: says what to send next and judges the answer. One request is in flight at a time.
pub trait ClientScript: Send {
    /// The whole next request, head and body, or `None` when the client has no more work.
    /// What is dear here is counted as the generator's: prepare bytes before the run where the protocol allows.
    fn next_request(&mut self) -> Result<Option<OutgoingRequest>, BenchError>;

    /// Judges an answer and says how many units of work (changes, records) it finished.
    fn answered(&mut self, status: u16, body: &[u8]) -> Result<u64, BenchError>;
}

/// A request ready for the socket.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// Head and body of an HTTP/1.1 request.
    pub bytes: Vec<u8>,
    /// How many of the bytes are body.
    pub body_bytes: usize,
}

/// Which process does the server's work, so that its CPU seconds can be told from the generator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerProcess {
    /// Threads of this process.
    Own,
    /// Another process, by its id.
    Other(u32),
}

/// A server that has started and waits for its clients.
pub struct RunningServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its clients, one connection each.
    pub scripts: Vec<Box<dyn ClientScript>>,
    /// Who works.
    pub process: ServerProcess,
    /// Stops it, waits until its files are closed, and fails when what it kept is not what it confirmed.
    pub stop: Box<dyn FnOnce() -> Result<(), BenchError>>,
}

/// A server that can be started on an empty directory to do work of the kind `W`.
pub trait ServerUnderTest<W> {
    /// Starts it and makes its clients ready; none of this is timed.
    fn start(&self, work: &W, data: &Path) -> Result<RunningServer, BenchError>;
}

/// Something that does work of the kind `W` in this process.
pub trait LocalUnderTest<W> {
    /// Makes all ready in the empty directory `data`; not timed.
    fn prepare(&self, work: &W, data: &Path) -> Result<Box<dyn PreparedRun>, BenchError>;
}

/// Work that is ready to be done once.
pub trait PreparedRun {
    /// Does the work: this alone is timed. Tells the units done (field edits, records), every one of them durable where the
    /// benchmark says so.
    fn run(&mut self) -> Result<u64, BenchError>;

    /// Proves that the outcome is right; not timed.
    fn verify(&mut self) -> Result<(), BenchError>;
}

/// The ingest benchmark: reports handed in by keep-alive clients.
#[derive(Clone, Copy, Debug)]
pub struct IngestWork {
    /// Names the reference work.
    pub seed: u64,
    /// People whose work it is.
    pub authors: u64,
    /// All reports.
    pub reports: usize,
    /// Reports an upload.
    pub batch: usize,
    /// Connections.
    pub clients: usize,
    /// The order of the records' ids.
    pub ids: IdOrder,
}
