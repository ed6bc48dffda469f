//! The floors of first sync: prepared bytes served as they lie in memory, and image rows inserted into plain SQLite.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::serve::ListenerExt;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::http1;
use super::snapshot_work::{ImageRecord, SnapshotWork};
use super::under_test::{
    BenchError, ClientScript, LocalUnderTest, OutgoingRequest, PreparedRun, RunningServer,
    ServerProcess, ServerUnderTest,
};

/// Records committed together by the floor of applying.
pub const TRANSACTION_RECORDS: usize = 2_000;

/// The floor of serving: axum hands out the prepared segments.
#[derive(Clone, Copy, Debug)]
pub struct FloorServe {
    /// Connections that fetch different segments at the same time.
    pub clients: usize,
}

/// Fetches its segments one after the other and checks their length.
struct Fetches {
    segments: std::vec::IntoIter<(usize, usize, u64)>,
    current: (usize, u64),
}

impl ClientScript for Fetches {
    fn next_request(&mut self) -> Result<Option<OutgoingRequest>, BenchError> {
        Ok(self.segments.next().map(|(number, bytes, records)| {
            self.current = (bytes, records);
            http1::get(&format!("/segments/{number}"), &[])
        }))
    }

    fn answered(&mut self, status: u16, body: &[u8]) -> Result<u64, BenchError> {
        let (bytes, records) = self.current;
        if status == 200 && body.len() == bytes {
            Ok(records)
        } else {
            Err(BenchError::WrongAnswer(format!(
                "{status} with {} bytes",
                body.len()
            )))
        }
    }
}

impl ServerUnderTest<SnapshotWork> for FloorServe {
    fn start(&self, work: &SnapshotWork, _data: &Path) -> Result<RunningServer, BenchError> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (quit, quitting) = oneshot::channel();
        let segments: Arc<[Bytes]> = work.segments.clone().into();
        let serving = thread::Builder::new()
            .name("floor-http".to_owned())
            .spawn(move || serve(listener, segments, quitting))?;
        let clients = self.clients.max(1);
        let mut queues = vec![Vec::new(); clients];
        for (number, segment) in work.segments.iter().enumerate() {
            queues[number % clients].push((number, segment.len(), work.records_of(number)));
        }
        let scripts = queues
            .into_iter()
            .map(|segments| {
                Box::new(Fetches {
                    segments: segments.into_iter(),
                    current: (0, 0),
                }) as Box<dyn ClientScript>
            })
            .collect();
        Ok(RunningServer {
            address,
            scripts,
            process: ServerProcess::Own,
            stop: Box::new(move || {
                // A server that failed by itself no longer listens for this; its own error follows.
                let _ = quit.send(());
                serving.join().expect("BUG: the floor server panicked")
            }),
        })
    }
}

fn serve(
    listener: std::net::TcpListener,
    segments: Arc<[Bytes]>,
    quitting: oneshot::Receiver<()>,
) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
            // A socket that cannot be told merely answers later.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new()
            .route("/segments/{number}", get(segment))
            .with_state(segments);
        let quit = async {
            let _ = quitting.await;
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(quit)
            .await?;
        Ok(())
    })
}

async fn segment(
    State(segments): State<Arc<[Bytes]>>,
    UrlPath(number): UrlPath<usize>,
) -> Result<Bytes, StatusCode> {
    segments.get(number).cloned().ok_or(StatusCode::NOT_FOUND)
}

/// The floor of applying: plain inserts of image rows, indexed as a phone's screens need, a transaction for each
/// [`TRANSACTION_RECORDS`]; WAL and `synchronous=FULL`. Nothing is fetched, unpacked, parsed or compared.
#[derive(Clone, Copy, Debug)]
pub struct FloorApply;

struct PreparedInserts {
    connection: Connection,
    records: Vec<ImageRecord>,
}

impl LocalUnderTest<SnapshotWork> for FloorApply {
    fn prepare(
        &self,
        work: &SnapshotWork,
        data: &Path,
    ) -> Result<Box<dyn PreparedRun>, BenchError> {
        let connection = Connection::open(data.join("replica.db"))?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA cache_size = -16384;
             CREATE TABLE record (
                 record BLOB NOT NULL PRIMARY KEY,
                 unit INTEGER NOT NULL,
                 kind INTEGER NOT NULL,
                 state TEXT NOT NULL,
                 category TEXT NOT NULL,
                 time_ms INTEGER NOT NULL,
                 pos INTEGER NOT NULL,
                 image TEXT NOT NULL
             ) STRICT;
             CREATE INDEX record_by_state ON record (kind, state, time_ms);
             CREATE INDEX record_by_unit ON record (unit, kind, time_ms);",
        )?;
        Ok(Box::new(PreparedInserts {
            connection,
            records: work.records.clone(),
        }))
    }
}

impl PreparedRun for PreparedInserts {
    fn run(&mut self) -> Result<u64, BenchError> {
        for page in self.records.chunks(TRANSACTION_RECORDS) {
            let transaction = self.connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO record (record, unit, kind, state, category, time_ms, pos, image)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?;
                for record in page {
                    let image = std::str::from_utf8(&record.image)
                        .map_err(|_| BenchError::WrongAnswer("an image is not text".to_owned()))?;
                    insert.execute(rusqlite::params![
                        record.record.as_bytes().as_slice(),
                        record.unit,
                        record.kind,
                        record.state,
                        record.category,
                        record.time_ms,
                        record.pos as i64,
                        image,
                    ])?;
                }
            }
            transaction.commit()?;
        }
        Ok(self.records.len() as u64)
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        let rows: i64 = self
            .connection
            .query_row("SELECT count(*) FROM record", [], |row| row.get(0))?;
        if rows as usize == self.records.len() {
            Ok(())
        } else {
            Err(BenchError::WrongAnswer(format!(
                "{rows} rows instead of {}",
                self.records.len()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::measure_server;
    use crate::bench::timing::measure_local;

    #[test]
    fn every_record_is_served_and_applied_at_the_edges_of_segments_and_transactions() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        for records in [1, 99, 100, 101, 300] {
            let work = SnapshotWork::new(1, records, 100);
            assert_eq!(work.segments.len(), records.div_ceil(100));
            let served =
                measure_server(&FloorServe { clients: 2 }, &work, scratch.path()).expect("served");
            assert_eq!(served.units, records as u64);
            let applied = measure_local(&FloorApply, &work, scratch.path()).expect("applied");
            assert_eq!(applied.units, records as u64);
        }
    }
}
