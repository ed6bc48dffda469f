//! First syncs from the server's prepared snapshots, over HTTP: every segment once, or a hundred phones at a time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api_schema::snapshot::SnapshotList;
use server::clock::SystemClock;
use server::fleet::client::Client;
use server::fleet::district::{self, Codes};
use server::fleet::load::{self, LoadPlan};
use server::fleet::own_server::ServeChild;
use server::fleet::phone::Phone;
use server::ids::{SystemEntropy, new_uuid};
use sync_core::change::{Hash, SigningKey};

use super::subject;
use crate::bench::http1;
use crate::bench::snapshot_work::SnapshotWork;
use crate::bench::under_test::{
    BenchError, ClientScript, OutgoingRequest, RunningServer, ServerProcess, ServerUnderTest,
};

/// Records of a unit, as in the work.
const UNIT_RECORDS: usize = 500;
/// Making the snapshot of a hundred thousand records takes most of a minute.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The engine of the first-sync benchmarks.
#[derive(Clone, Debug)]
pub struct EngineServe {
    /// The program.
    pub gridwork: PathBuf,
    /// Who fetches what.
    pub readers: Readers,
}

/// Who fetches what.
#[derive(Clone, Copy, Debug)]
pub enum Readers {
    /// So many connections fetch every segment once between them.
    Share(usize),
    /// So many phones fetch so many records each, all at the same time.
    Phones {
        /// How many.
        phones: usize,
        /// Records of each.
        records: u64,
    },
}

/// A segment as the list names it and as it lies on the wire.
#[derive(Clone, Debug)]
struct Segment {
    path: String,
    records: u64,
    bytes: u64,
}

impl ServerUnderTest<SnapshotWork> for EngineServe {
    fn start(&self, work: &SnapshotWork, data: &Path) -> Result<RunningServer, BenchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let authors = work.records.len().div_ceil(UNIT_RECORDS);
        let codes = runtime.block_on(district::make(data, authors))?;
        let server = ServeChild::start(&self.gridwork, data)?;
        runtime.block_on(fill(&server, &codes, work.records.len() as u64))?;
        let made = Command::new(&self.gridwork)
            .args(["admin", "--json", "--data"])
            .arg(data)
            .arg("snapshots")
            .output()?;
        if !made.status.success() {
            let text = String::from_utf8_lossy(&made.stdout).into_owned();
            return Err(BenchError::Subject(text));
        }
        let (token, segments) = runtime.block_on(list(&server, &codes))?;
        let held: u64 = segments.iter().map(|segment| segment.records).sum();
        if held != work.records.len() as u64 {
            return Err(BenchError::WrongAnswer(format!(
                "the snapshot holds {held} records"
            )));
        }
        let scripts = self.readers.share(&segments);
        Ok(RunningServer {
            address: server.url.address().parse().map_err(subject)?,
            scripts: scripts
                .into_iter()
                .map(|segments| {
                    Box::new(Fetches {
                        token: token.clone(),
                        segments: segments.into_iter(),
                        current: (0, 0),
                    }) as Box<dyn ClientScript>
                })
                .collect(),
            process: ServerProcess::Other(server.process()),
            stop: Box::new(move || Ok(server.stop()?)),
        })
    }
}

impl Readers {
    fn share(self, segments: &[Segment]) -> Vec<Vec<Segment>> {
        match self {
            Self::Share(connections) => {
                let mut shares = vec![Vec::new(); connections.max(1)];
                for (number, segment) in segments.iter().enumerate() {
                    shares[number % connections.max(1)].push(segment.clone());
                }
                shares
            }
            Self::Phones { phones, records } => (0..phones)
                .map(|phone| {
                    // Each begins elsewhere, as phones of different units do.
                    let from = phone * segments.len() / phones;
                    let mut left = records;
                    segments
                        .iter()
                        .cycle()
                        .skip(from)
                        .take(segments.len())
                        .take_while(|segment| {
                            let wanted = left > 0;
                            left = left.saturating_sub(segment.records);
                            wanted
                        })
                        .cloned()
                        .collect()
                })
                .collect(),
        }
    }
}

async fn fill(server: &ServeChild, codes: &Codes, records: u64) -> Result<(), BenchError> {
    let plan = LoadPlan {
        changes: records,
        batch: 100,
        concurrency: 8,
        page_bytes_max: 0,
        seed: 1,
    };
    let workers = load::enrol_all(&server.url, &codes.workers, plan.seed).await?;
    let tally = load::run(&server.url, workers, &plan).await;
    if tally.accepted == records {
        Ok(())
    } else {
        Err(BenchError::WrongAnswer(format!(
            "{} of {records} records were accepted",
            tally.accepted
        )))
    }
}

/// The reader's token and the segments, each read once and held against its digest.
async fn list(server: &ServeChild, codes: &Codes) -> Result<(String, Vec<Segment>), BenchError> {
    let mut client = Client::new(server.url.clone(), ANSWER_TIMEOUT);
    let replica = new_uuid(&SystemClock::new(), &SystemEntropy);
    let key = SigningKey::from_seed(&[5; 32]);
    let asked = Phone::enrolment(&codes.reader, replica, &key);
    let token = client.enrol(&asked).await.map_err(subject)?.token;
    let answer = client.get("/v1/snapshots", &token).await.map_err(subject)?;
    let list: SnapshotList = serde_json::from_slice(&answer.body).map_err(subject)?;
    let mut segments = Vec::new();
    for file in &list.snapshots {
        for each in &file.segments {
            let path = format!("/v1/snapshots/{}/{}", file.name, each.segment);
            let answer = client.get(&path, &token).await.map_err(subject)?;
            if Hash::of(&[&answer.body]).to_string() != each.sha256 {
                return Err(BenchError::WrongAnswer(format!(
                    "{path} has another digest"
                )));
            }
            segments.push(Segment {
                path,
                records: u64::from(each.records),
                bytes: answer.down_bytes,
            });
        }
    }
    Ok((token, segments))
}

/// Fetches its segments one after the other and checks their length.
struct Fetches {
    token: String,
    segments: std::vec::IntoIter<Segment>,
    current: (u64, u64),
}

impl ClientScript for Fetches {
    fn next_request(&mut self) -> Result<Option<OutgoingRequest>, BenchError> {
        Ok(self.segments.next().map(|segment| {
            self.current = (segment.bytes, segment.records);
            let bearer = format!("authorization: Bearer {}", self.token);
            http1::get(&segment.path, &[&bearer, "accept-encoding: zstd"])
        }))
    }

    fn answered(&mut self, status: u16, body: &[u8]) -> Result<u64, BenchError> {
        let (bytes, records) = self.current;
        if status == 200 && body.len() as u64 == bytes {
            Ok(records)
        } else {
            Err(BenchError::WrongAnswer(format!(
                "{status} with {} bytes",
                body.len()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_fetch_everything_once_or_their_share_each() {
        let segments: Vec<Segment> = (0..10)
            .map(|number| Segment {
                path: number.to_string(),
                records: 500,
                bytes: 1,
            })
            .collect();
        let shares = Readers::Share(3).share(&segments);
        assert_eq!(shares.iter().map(Vec::len).collect::<Vec<_>>(), [4, 3, 3]);
        let phones = Readers::Phones {
            phones: 5,
            records: 2_000,
        };
        let shares = phones.share(&segments);
        assert_eq!(shares.len(), 5);
        assert!(shares.iter().all(|share| share.len() == 4));
        assert_eq!(
            shares[4][3].path, "1",
            "the last begins at 8 and goes round"
        );
    }
}
