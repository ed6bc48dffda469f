//! `gridwork serve` as a process of its own takes in signed, compressed batches: verdicts, receipts and all, everything durable.

use std::path::{Path, PathBuf};

use server::clock::SystemClock;
use server::fleet::client::{Client, compress};
use server::fleet::district::{self, CODE};
use server::fleet::load::{enrol, evidence};
use server::fleet::own_server::ServeChild;
use server::fleet::phone::{Deed, Phone};
use server::service::gridwork::district_path;
use server::store::sqlite::DistrictRead;
use sync_core::ids::{LogPlace, RecordId, Seq};
use sync_core::verdict::Verdict;
use sync_core::wire::SyncResponse;

use super::subject;
use crate::bench::http1;
use crate::bench::record_ids::IdSource;
use crate::bench::reference_work::batches;
use crate::bench::report::{Report, json_of};
use crate::bench::under_test::{
    BenchError, ClientScript, IngestWork, OutgoingRequest, RunningServer, ServerProcess,
    ServerUnderTest,
};

const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);

/// The engine of the ingest benchmark.
#[derive(Clone, Debug)]
pub struct EngineIngest {
    /// The program.
    pub gridwork: PathBuf,
}

impl ServerUnderTest<IngestWork> for EngineIngest {
    fn start(&self, work: &IngestWork, data: &Path) -> Result<RunningServer, BenchError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let codes = runtime.block_on(district::make(data, work.authors as usize))?;
        let server = ServeChild::start(&self.gridwork, data)?;
        let phones = runtime.block_on(async {
            let mut client = Client::new(server.url.clone(), ANSWER_TIMEOUT);
            let mut phones = Vec::with_capacity(codes.workers.len());
            for (code, boot) in codes.workers.iter().zip(1..) {
                phones.push(enrol(&mut client, code, boot).await?);
            }
            Ok::<_, BenchError>(phones)
        })?;
        let file = district_path(data, CODE);
        let before = entries(&file)?;
        let expected = work.reports as u64;
        Ok(RunningServer {
            address: server.url.address().parse().map_err(subject)?,
            scripts: scripts(work, phones),
            process: ServerProcess::Other(server.process()),
            stop: Box::new(move || {
                server.stop()?;
                let kept = entries(&file)? - before;
                if kept == expected {
                    Ok(())
                } else {
                    Err(BenchError::WrongAnswer(format!(
                        "{kept} entries instead of {expected}"
                    )))
                }
            }),
        })
    }
}

fn entries(file: &Path) -> Result<u64, BenchError> {
    let read = DistrictRead::open(file).map_err(subject)?;
    Ok(read.head().map_err(subject)?.0.0)
}

/// One upload, and what its answer must say.
struct Upload {
    request: OutgoingRequest,
    changes: u64,
    mark: Seq,
}

/// Posts prepared uploads and checks that each answer confirms and accepts all its changes.
struct PreparedUploads {
    uploads: std::vec::IntoIter<Upload>,
    waiting_for: (u64, Seq),
}

impl ClientScript for PreparedUploads {
    fn next_request(&mut self) -> Result<Option<OutgoingRequest>, BenchError> {
        Ok(self.uploads.next().map(|upload| {
            self.waiting_for = (upload.changes, upload.mark);
            upload.request
        }))
    }

    fn answered(&mut self, status: u16, body: &[u8]) -> Result<u64, BenchError> {
        let (changes, mark) = self.waiting_for;
        let wrong = || {
            let text = String::from_utf8_lossy(body)
                .chars()
                .take(300)
                .collect::<String>();
            BenchError::WrongAnswer(format!("{status} {text}"))
        };
        let answer = SyncResponse::decode(body).map_err(|_| wrong())?;
        let answers = answer.receipts.iter().flat_map(|receipt| &receipt.answers);
        let accepted = answers
            .filter(|each| each.verdict == Verdict::Accepted)
            .count() as u64;
        if status == 200 && answer.mark == mark && accepted == changes {
            Ok(changes)
        } else {
            Err(wrong())
        }
    }
}

fn scripts(work: &IngestWork, mut phones: Vec<Phone>) -> Vec<Box<dyn ClientScript>> {
    let clock = SystemClock::new();
    let mut ids = IdSource::new(work.ids, work.seed);
    let clients = work.clients.max(1);
    let mut queues: Vec<Vec<Upload>> = (0..clients).map(|_| Vec::new()).collect();
    let authors = phones.len();
    for (position, batch) in batches(work.seed, work.authors, work.reports, work.batch)
        .iter()
        .enumerate()
    {
        // A phone's uploads follow each other on one connection.
        let author = position % authors;
        let upload = upload(&clock, &mut phones[author], author as u64, &mut ids, batch);
        queues[author % clients].push(upload);
    }
    queues
        .into_iter()
        .map(|uploads| {
            Box::new(PreparedUploads {
                uploads: uploads.into_iter(),
                waiting_for: (0, Seq(0)),
            }) as Box<dyn ClientScript>
        })
        .collect()
}

fn upload(
    clock: &SystemClock,
    phone: &mut Phone,
    author: u64,
    ids: &mut IdSource,
    batch: &[Report],
) -> Upload {
    let boot = author + 1;
    for report in batch {
        phone.make(&Deed {
            intent: "report.create",
            record: RecordId(ids.next_id()),
            base: LogPlace::default(),
            open: &json_of(report),
            at: evidence(clock, boot),
        });
    }
    let body = phone.request(evidence(clock, boot), 0);
    let head = "content-type: application/vnd.gridwork.sync";
    let request = match compress(&body) {
        Some(body) => http1::post("/v1/sync", &[head, "content-encoding: zstd"], &body),
        None => http1::post("/v1/sync", &[head], &body),
    };
    Upload {
        request,
        changes: batch.len() as u64,
        mark: phone.head_seq(),
    }
}
