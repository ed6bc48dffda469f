//! The floor server's clients: bodies made before the clock starts, so that the generator's own cost is that of its sockets.

use std::path::Path;

use serde::Serialize;

use super::floor_server::{FloorAnswer, FloorServer, PATH};
use super::http1;
use super::record_ids::IdSource;
use super::reference_work::batches;
use super::report::Report;
use super::under_test::{
    BenchError, ClientScript, IngestWork, OutgoingRequest, RunningServer, ServerProcess,
    ServerUnderTest,
};

/// The floor of the ingest benchmark.
#[derive(Clone, Copy, Debug)]
pub struct FloorIngest;

#[derive(Serialize)]
struct TypedChange<'a> {
    id: uuid::Uuid,
    report: &'a Report,
}

/// Posts prepared requests and checks that each answer confirms all its changes.
struct PreparedUploads {
    requests: std::vec::IntoIter<(OutgoingRequest, u64)>,
    waiting_for: u64,
}

impl ClientScript for PreparedUploads {
    fn next_request(&mut self) -> Result<Option<OutgoingRequest>, BenchError> {
        Ok(self.requests.next().map(|(request, changes)| {
            self.waiting_for = changes;
            request
        }))
    }

    fn answered(&mut self, status: u16, body: &[u8]) -> Result<u64, BenchError> {
        let answer: Option<FloorAnswer> = serde_json::from_slice(body).ok();
        match answer {
            Some(answer) if status == 200 && answer.inserted == self.waiting_for => {
                Ok(answer.inserted)
            }
            _ => Err(BenchError::WrongAnswer(format!(
                "{status} {}",
                String::from_utf8_lossy(body)
            ))),
        }
    }
}

impl ServerUnderTest<IngestWork> for FloorIngest {
    fn start(&self, work: &IngestWork, data: &Path) -> Result<RunningServer, BenchError> {
        let server = FloorServer::start(data)?;
        let expected = work.reports as u64;
        Ok(RunningServer {
            address: server.address,
            scripts: scripts(work),
            process: ServerProcess::Own,
            stop: Box::new(move || {
                let rows = server.stop()?;
                if rows == expected {
                    Ok(())
                } else {
                    Err(BenchError::WrongAnswer(format!(
                        "{rows} rows instead of {expected}"
                    )))
                }
            }),
        })
    }
}

fn scripts(work: &IngestWork) -> Vec<Box<dyn ClientScript>> {
    let mut ids = IdSource::new(work.ids, work.seed);
    let mut queues: Vec<Vec<(OutgoingRequest, u64)>> = vec![Vec::new(); work.clients.max(1)];
    let clients = queues.len();
    // Batches go round the clients, so that time-ordered ids arrive nearly in order.
    for (position, batch) in batches(work.seed, work.authors, work.reports, work.batch)
        .iter()
        .enumerate()
    {
        let typed: Vec<TypedChange<'_>> = batch
            .iter()
            .map(|report| TypedChange {
                id: ids.next_id(),
                report,
            })
            .collect();
        let body = serde_json::to_vec(&typed).expect("BUG: a report has no JSON");
        let request = http1::post(PATH, &["content-type: application/json"], &body);
        queues[position % clients].push((request, batch.len() as u64));
    }
    queues
        .into_iter()
        .map(|requests| {
            Box::new(PreparedUploads {
                requests: requests.into_iter(),
                waiting_for: 0,
            }) as Box<dyn ClientScript>
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::measure_server;
    use crate::bench::record_ids::IdOrder;

    #[test]
    fn every_report_is_a_row_with_either_order_of_ids() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        for ids in [IdOrder::Random, IdOrder::TimeOrdered] {
            let work = IngestWork {
                seed: 3,
                authors: 4,
                reports: 450,
                batch: 100,
                clients: 3,
                ids,
            };
            let figures = measure_server(&FloorIngest, &work, scratch.path()).expect("a run");
            assert_eq!(figures.units, 450);
            assert!(figures.up_bytes_per_unit > 560.0);
        }
    }

    #[test]
    fn bad_bodies_are_refused_and_leave_no_row() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let server = FloorServer::start(scratch.path()).expect("a server");
        let address = server.address;
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let statuses: Vec<u16> = runtime.block_on(async {
            let mut connection = http1::Connection::open(address).await.expect("connected");
            let mut statuses = Vec::new();
            for body in ["", "{}", "[1]", r#"[{"id":"x","report":{}}]"#, "[{\"id\":"] {
                let request = http1::post(PATH, &[], body.as_bytes());
                statuses.push(
                    connection
                        .exchange(&request)
                        .await
                        .expect("an answer")
                        .status,
                );
            }
            statuses
        });
        assert_eq!(statuses, [400; 5]);
        assert_eq!(server.stop().expect("stopped"), 0);
    }
}
