//! The load itself: phones enrol, make reports, and hand them in over a number of connections.

use std::time::{Duration, Instant};

use sync_core::change::SigningKey;
use sync_core::ids::{LogPlace, RecordId};
use sync_core::kinds::Kind;
use sync_core::time::Evidence;
use sync_core::verdict::Verdict;
use sync_core::wire::SyncResponse;
use tokio::task::JoinSet;

use super::client::{Answer, Client, ClientError, ServerUrl};
use super::latencies::Latencies;
use super::phone::{Deed, Phone};
use super::work::reference_work::Author;
use super::work::report::json_of;
use super::{ANSWER_TIMEOUT, FleetError};
use crate::clock::{Clock, SystemClock};
use crate::ids::{Entropy, SystemEntropy, new_uuid};

/// How often a body is sent before its phone gives up.
const TRIES_MAX: u32 = 3;

/// How much is sent, and how.
#[derive(Clone, Copy, Debug)]
pub struct LoadPlan {
    /// Changes in all.
    pub changes: u64,
    /// Changes a request.
    pub batch: usize,
    /// Requests in flight.
    pub concurrency: usize,
    /// Bytes of a page that each request asks for; 0 for none.
    pub page_bytes_max: u64,
    /// Names the work.
    pub seed: u64,
}

/// What came of the load.
pub struct Tally {
    /// Changes that the server confirmed.
    pub changes: u64,
    /// Of them, those that it accepted.
    pub accepted: u64,
    /// Requests without a usable answer.
    pub errors: u64,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Bodies of requests as sent.
    pub up_bytes: u64,
    /// Bodies of answers as received.
    pub down_bytes: u64,
    /// How long each request took.
    pub latencies: Latencies,
}

/// A phone and the person who works with it.
#[derive(Debug)]
pub struct Worker {
    phone: Phone,
    author: Author,
    boot: u64,
}

#[derive(Default)]
struct Count {
    changes: u64,
    accepted: u64,
    errors: u64,
    up_bytes: u64,
    down_bytes: u64,
    latencies: Vec<Duration>,
}

/// Enrols a phone by its code and learns which unit it works in. `boot` tells its boot from those of other phones.
///
/// # Errors
/// That the server refuses, or that the code's person may read no reports anywhere.
pub async fn enrol(client: &mut Client, code: &str, boot: u64) -> Result<Phone, FleetError> {
    let (clock, entropy) = (SystemClock::new(), SystemEntropy);
    let mut key_seed = [0; 32];
    entropy.fill(&mut key_seed);
    let key = SigningKey::from_seed(&key_seed);
    let replica = new_uuid(&clock, &entropy);
    let enrolled = client.enrol(&Phone::enrolment(code, replica, &key)).await?;
    let mut phone = Phone::new(&enrolled, replica, key);
    let body = phone.request(evidence(&clock, boot), 1);
    let answer = read(&client.sync(&body).await?)?;
    let scope = answer.scope.as_ref();
    let place = scope.and_then(|scope| scope.places().find(|(kind, _)| *kind == Kind::Report));
    let (_, unit) = place.ok_or_else(|| {
        FleetError::Plan("a code's person reads no reports: give it the role worker".to_owned())
    })?;
    phone.take_answer(&answer);
    phone.unit = unit;
    Ok(phone)
}

/// Enrols a phone for each code and gives each a person who works.
///
/// # Errors
/// As [`enrol`].
pub async fn enrol_all(
    url: &ServerUrl,
    codes: &[String],
    seed: u64,
) -> Result<Vec<Worker>, FleetError> {
    let mut client = Client::new(url.clone(), ANSWER_TIMEOUT);
    let mut workers = Vec::with_capacity(codes.len());
    for (code, number) in codes.iter().zip(1..) {
        workers.push(Worker {
            phone: enrol(&mut client, code, number).await?,
            author: Author::new(seed, number),
            boot: number,
        });
    }
    Ok(workers)
}

/// The clocks of a phone, which are this machine's.
pub fn evidence(clock: &dyn Clock, boot: u64) -> Evidence {
    Evidence {
        wall_ms: clock.wall_ms(),
        monotonic_ms: clock.monotonic_ms(),
        boot,
        skew_ms: 0,
    }
}

fn read(answer: &Answer) -> Result<SyncResponse, ClientError> {
    SyncResponse::decode(&answer.body).map_err(|error| ClientError::Unreadable(error.to_string()))
}

/// Runs the load: each connection serves its share of the phones in turn, a batch each time.
pub async fn run(url: &ServerUrl, workers: Vec<Worker>, plan: &LoadPlan) -> Tally {
    let share = plan.changes / workers.len().max(1) as u64;
    let rest = plan.changes % workers.len().max(1) as u64;
    let lanes = plan.concurrency.clamp(1, workers.len().max(1));
    let mut queues: Vec<Vec<(Worker, u64)>> = (0..lanes).map(|_| Vec::new()).collect();
    for (number, worker) in workers.into_iter().enumerate() {
        let changes = share + u64::from((number as u64) < rest);
        queues[number % lanes].push((worker, changes));
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for queue in queues {
        let client = Client::new(url.clone(), ANSWER_TIMEOUT);
        tasks.spawn(one_lane(client, queue, *plan));
    }
    let mut all = Count::default();
    while let Some(joined) = tasks.join_next().await {
        let count = joined.expect("BUG: a lane of the load panicked");
        all.changes += count.changes;
        all.accepted += count.accepted;
        all.errors += count.errors;
        all.up_bytes += count.up_bytes;
        all.down_bytes += count.down_bytes;
        all.latencies.extend(count.latencies);
    }
    Tally {
        changes: all.changes,
        accepted: all.accepted,
        errors: all.errors,
        seconds: began.elapsed().as_secs_f64(),
        up_bytes: all.up_bytes,
        down_bytes: all.down_bytes,
        latencies: Latencies::new(all.latencies),
    }
}

async fn one_lane(mut client: Client, mut queue: Vec<(Worker, u64)>, plan: LoadPlan) -> Count {
    let clock = SystemClock::new();
    let mut count = Count::default();
    while !queue.is_empty() {
        let mut still = Vec::with_capacity(queue.len());
        for (mut worker, left) in queue {
            let size = left.min(plan.batch as u64);
            if size == 0 {
                continue;
            }
            let body = worker.next_body(&clock, size, plan.page_bytes_max);
            match hand_in(&mut client, &mut worker.phone, &body, &mut count).await {
                Some(accepted) => {
                    count.changes += size;
                    count.accepted += accepted;
                    still.push((worker, left - size));
                }
                // A phone whose batch is not taken sends nothing after it; the rest of its work counts as not done.
                None => continue,
            }
        }
        queue = still;
    }
    count
}

impl Worker {
    fn next_body(&mut self, clock: &SystemClock, size: u64, page_bytes_max: u64) -> Vec<u8> {
        for _ in 0..size {
            let deed = Deed {
                intent: "report.create",
                record: RecordId(new_uuid(clock, &SystemEntropy)),
                base: LogPlace::default(),
                open: &json_of(&self.author.next_report()),
                at: evidence(clock, self.boot),
            };
            self.phone.make(&deed);
        }
        self.phone
            .request(evidence(clock, self.boot), page_bytes_max)
    }
}

/// Sends a body until it is answered. Says how many of its changes were accepted; `None` when it was not taken.
async fn hand_in(
    client: &mut Client,
    phone: &mut Phone,
    body: &[u8],
    count: &mut Count,
) -> Option<u64> {
    for _ in 0..TRIES_MAX {
        let began = Instant::now();
        let answered = client.sync(body).await;
        count.latencies.push(began.elapsed());
        let answered = answered.and_then(|answer| Ok((read(&answer)?, answer)));
        match answered {
            Ok((answer, sizes)) if phone.take_answer(&answer) => {
                count.up_bytes += sizes.up_bytes;
                count.down_bytes += sizes.down_bytes;
                let answers = answer.receipts.iter().flat_map(|receipt| &receipt.answers);
                let accepted = answers.filter(|each| each.verdict == Verdict::Accepted);
                return Some(accepted.count() as u64);
            }
            Ok(_) => count.errors += 1,
            Err(error) => {
                count.errors += 1;
                let (_, retry_after_ms) = error.as_failure();
                let pause_ms = retry_after_ms.unwrap_or(0).min(10_000);
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            }
        }
    }
    None
}
