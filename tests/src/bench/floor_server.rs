//! The floor server: the least that a durable server of typed reports can do. The limit that the engine's ingest is held against.
//!
//! axum parses the typed body; one writer thread inserts one row a change and commits together whatever waits (group commit);
//! WAL, `synchronous=FULL`; the answer follows the commit. No identity, signature, chain, rule, merge, receipt or scope.
//!
//! The layout is the fastest fair one we found: a rowid table takes the bodies in order of arrival, so that only the index
//! of 16-byte ids is written at random places; `WITHOUT ROWID` would scatter the bodies too. Large pages and rare checkpoints
//! are the engine's to use as well.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::report::Report;
use super::under_test::BenchError;

/// The one endpoint.
pub const PATH: &str = "/changes";
/// Threads that parse beside the writer.
const PARSER_THREADS: usize = 2;
/// No group grows beyond this: the first batch of a group waits for the last.
const GROUP_CHANGES_MAX: usize = 4_000;

/// One change of the body, a JSON array of these.
#[derive(Debug, Serialize, Deserialize)]
pub struct FloorChange<'a> {
    /// The key of the row.
    pub id: Uuid,
    /// The report as its author wrote it; it is parsed as a [`Report`] and stored as it came.
    #[serde(borrow)]
    pub report: &'a RawValue,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloorAnswer {
    /// Rows that are on the disk now and were not before.
    pub inserted: u64,
}

struct Row {
    id: Uuid,
    body: Bytes,
}

struct Group {
    rows: Vec<Row>,
    reply: oneshot::Sender<u64>,
}

#[derive(Clone)]
struct Writer {
    groups: mpsc::Sender<Group>,
}

/// A running floor server; it stops when [`FloorServer::stop`] is called.
pub struct FloorServer {
    /// Where it listens, on loopback.
    pub address: SocketAddr,
    quit: oneshot::Sender<()>,
    serving: thread::JoinHandle<Result<(), BenchError>>,
    writing: thread::JoinHandle<Result<u64, BenchError>>,
}

impl FloorServer {
    /// Starts on an empty directory.
    pub fn start(data: &Path) -> Result<Self, BenchError> {
        let connection = open(&data.join("floor.db"))?;
        let (groups, waiting) = mpsc::channel();
        let writing = thread::Builder::new()
            .name("floor-writer".to_owned())
            .spawn(move || write_groups(connection, &waiting))?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (quit, quitting) = oneshot::channel();
        let serving = thread::Builder::new()
            .name("floor-http".to_owned())
            .spawn(move || serve(listener, Writer { groups }, quitting))?;
        Ok(Self {
            address,
            quit,
            serving,
            writing,
        })
    }

    /// Stops, closes the file, and tells how many rows it holds.
    pub fn stop(self) -> Result<u64, BenchError> {
        // A server that failed by itself no longer listens for this; its own error follows below.
        let _ = self.quit.send(());
        self.serving
            .join()
            .expect("BUG: the floor server panicked")?;
        self.writing
            .join()
            .expect("BUG: the floor's writer panicked")
    }
}

fn serve(
    listener: std::net::TcpListener,
    writer: Writer,
    quitting: oneshot::Receiver<()>,
) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(PARSER_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // A socket that cannot be told merely answers later.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route(PATH, post(take)).with_state(writer);
        let quit = async {
            let _ = quitting.await;
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(quit)
            .await?;
        Ok(())
    })
}

async fn take(
    State(writer): State<Writer>,
    body: Bytes,
) -> Result<Json<FloorAnswer>, (StatusCode, String)> {
    let rows = parse(&body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let unavailable = || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the writer failed".to_owned(),
        )
    };
    let (reply, answer) = oneshot::channel();
    writer
        .groups
        .send(Group { rows, reply })
        .map_err(|_| unavailable())?;
    let inserted = answer.await.map_err(|_| unavailable())?;
    Ok(Json(FloorAnswer { inserted }))
}

fn parse(body: &Bytes) -> Result<Vec<Row>, serde_json::Error> {
    let changes: Vec<FloorChange<'_>> = serde_json::from_slice(body)?;
    let mut rows = Vec::with_capacity(changes.len());
    for change in changes {
        let text = change.report.get();
        serde_json::from_str::<Report>(text)?;
        rows.push(Row {
            id: change.id,
            body: body.slice_ref(text.as_bytes()),
        });
    }
    Ok(rows)
}

fn open(path: &Path) -> Result<Connection, BenchError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -131072;
         PRAGMA wal_autocheckpoint = 8192;
         CREATE TABLE change (id BLOB NOT NULL PRIMARY KEY, body TEXT NOT NULL) STRICT;",
    )?;
    Ok(connection)
}

fn write_groups(
    mut connection: Connection,
    waiting: &mpsc::Receiver<Group>,
) -> Result<u64, BenchError> {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        let mut size = group[0].rows.len();
        while size < GROUP_CHANGES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            size += next.rows.len();
            group.push(next);
        }
        // A failed commit ends the writer: the group's clients hear of it because their replies are dropped.
        let counts = commit(&mut connection, &group)?;
        for (batch, inserted) in group.into_iter().zip(counts) {
            // A client that has gone does not hear of it; its rows are on the disk all the same.
            let _ = batch.reply.send(inserted);
        }
    }
    let rows: i64 = connection.query_row("SELECT count(*) FROM change", [], |row| row.get(0))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(rows as u64)
}

fn commit(connection: &mut Connection, group: &[Group]) -> Result<Vec<u64>, rusqlite::Error> {
    let transaction = connection.transaction()?;
    let mut counts = Vec::with_capacity(group.len());
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO change (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO NOTHING",
        )?;
        for batch in group {
            let mut inserted = 0;
            for row in &batch.rows {
                // serde_json has checked that the slice is UTF-8 when it parsed it.
                let body = std::str::from_utf8(&row.body)?;
                inserted += insert.execute((row.id.as_bytes().as_slice(), body))? as u64;
            }
            counts.push(inserted);
        }
    }
    transaction.commit()?;
    Ok(counts)
}
