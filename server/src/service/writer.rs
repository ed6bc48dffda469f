//! The one writer thread of a district: batches that wait are committed together, and answered only after the commit.

use super::error::ServiceError;
use super::log_writer::{LogWriter, WriterState};
use super::reconcile::{BatchOutcome, PreparedBatch};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::sqlite::{DistrictWrite, Group};
use std::sync::mpsc;
use std::sync::{Arc, RwLock};
use sync_core::change::SigningKey;
use sync_core::documents::Documents;
use tokio::sync::{broadcast, oneshot};

/// Batches that one commit may hold: bounds how long the first of them waits.
const GROUP_JOBS_MAX: usize = 256;
/// Jobs that may wait; more are turned away with a time to come again.
const QUEUE_JOBS_MAX: usize = 4_096;
/// How far the wall clock may jump against the monotonic one before admission stops.
const CLOCK_JUMP_MS_MAX: u64 = 10 * 60_000;

type BatchReply = oneshot::Sender<Result<BatchOutcome, ServiceError>>;
/// A step of its own, with what tells its asker how it ended.
type Step = Box<dyn FnOnce(&mut Thread) -> Result<(), DiskFailed> + Send>;

/// A write to the disk failed: the thread ends, and the process with it. A restart reads what is there.
struct DiskFailed;

enum Job {
    Batch(Box<PreparedBatch>, BatchReply),
    Step(Step),
    AgreeClock,
    Stop,
}

/// A handle to the writer; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::SyncSender<Job>,
    published: Arc<RwLock<Arc<WriterState>>>,
    commits: broadcast::Sender<Arc<WriterState>>,
}

/// What the thread needs to run.
pub struct WriterSetup {
    /// The district's file.
    pub write: DistrictWrite,
    /// The documents in force.
    pub documents: Arc<Documents>,
    /// The name and private half of the key for receipts and heads.
    pub key: (String, SigningKey),
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether to start although the clock lies before the last entry.
    pub clock_agreed: bool,
}

impl Writer {
    /// Starts the thread. It ends when every handle is dropped; the join handle tells when.
    ///
    /// # Errors
    /// Storage's own, or [`ServiceError::ClockUnsafe`] when the clock lies before the last entry.
    pub fn start(setup: WriterSetup) -> Result<(Self, std::thread::JoinHandle<()>), ServiceError> {
        let state = WriterState::load(&setup.write)?;
        let last_ms = setup.write.last_received_ms()?;
        let clock = ReceivedClock::start(Arc::clone(&setup.clock), last_ms, setup.clock_agreed)?;
        let (queue, jobs) = mpsc::sync_channel(QUEUE_JOBS_MAX);
        let published = Arc::new(RwLock::new(Arc::new(state.clone())));
        let (commits, _) = broadcast::channel(256);
        let writer = Self {
            queue,
            published: Arc::clone(&published),
            commits: commits.clone(),
        };
        let thread = Thread {
            setup,
            state,
            clock,
            published,
            commits,
        };
        let handle = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || thread.run(&jobs))
            .map_err(|source| StoreError::File {
                path: "writer thread".into(),
                source,
            })?;
        Ok((writer, handle))
    }

    /// The state as of the last commit.
    pub fn state(&self) -> Arc<WriterState> {
        Arc::clone(
            &self
                .published
                .read()
                .expect("BUG: the writer panicked while publishing"),
        )
    }

    /// The state after each commit from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<WriterState>> {
        self.commits.subscribe()
    }

    /// Reconciles a batch. Answers after the commit is durable.
    ///
    /// # Errors
    /// Storage's own, a full disk, a clock that jumped, or that the writer has stopped.
    pub async fn reconcile(&self, batch: PreparedBatch) -> Result<BatchOutcome, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send(Job::Batch(Box::new(batch), reply))
            .map_err(|_| ServiceError::Overloaded)?;
        answer.await.map_err(|_| ServiceError::Overloaded)?
    }

    /// Ends the thread after what waits before; later work is turned away.
    pub fn stop(&self) {
        // A queue that is gone belongs to a writer that has stopped.
        let _ = self.queue.send(Job::Stop);
    }

    /// An operator agrees that the clock is right as it is now, after a jump.
    ///
    /// # Errors
    /// That the writer has stopped.
    pub fn agree_clock(&self) -> Result<(), ServiceError> {
        self.queue
            .try_send(Job::AgreeClock)
            .map_err(|_| ServiceError::Overloaded)
    }

    /// Runs `step` inside the write transaction, in its turn. Answers after the commit is durable.
    ///
    /// # Errors
    /// As for [`Writer::reconcile`], or what the step says.
    pub async fn run<T: Send + 'static>(
        &self,
        step: impl FnOnce(&mut LogWriter<'_>, i64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Step(Box::new(move |thread| {
            let result = thread.transact(step);
            let lost = result
                .as_ref()
                .err()
                .is_some_and(ServiceError::is_disk_failure);
            // Whoever asked may have gone away; the work is done all the same.
            let _ = reply.send(result);
            if lost { Err(DiskFailed) } else { Ok(()) }
        }));
        self.queue
            .try_send(job)
            .map_err(|_| ServiceError::Overloaded)?;
        answer.await.map_err(|_| ServiceError::Overloaded)?
    }
}

struct Thread {
    setup: WriterSetup,
    state: WriterState,
    clock: ReceivedClock,
    published: Arc<RwLock<Arc<WriterState>>>,
    commits: broadcast::Sender<Arc<WriterState>>,
}

impl Thread {
    fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        let mut next = jobs.recv().ok();
        while let Some(job) = next.take() {
            let ended = match job {
                Job::Step(step) => step(&mut self),
                Job::Stop => return,
                Job::AgreeClock => {
                    self.clock.agree();
                    Ok(())
                }
                Job::Batch(batch, reply) => {
                    let mut group = vec![(batch, reply)];
                    while group.len() < GROUP_JOBS_MAX {
                        match jobs.try_recv() {
                            Ok(Job::Batch(batch, reply)) => group.push((batch, reply)),
                            Ok(step) => {
                                next = Some(step);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.take_group(group)
                }
            };
            if ended.is_err() {
                tracing::error!(
                    "the writer stops: the disk failed, and nobody knows what is on it"
                );
                return;
            }
            if next.is_none() {
                next = jobs.recv().ok();
            }
        }
    }

    /// Commits a group and answers each batch. When one of them cannot be done, each gets a transaction of its own,
    /// so that it hurts nobody else.
    fn take_group(
        &mut self,
        group: Vec<(Box<PreparedBatch>, BatchReply)>,
    ) -> Result<(), DiskFailed> {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        match self.transact_batches(&batches) {
            Ok(outcomes) => {
                crate::failpoint::reach("after_commit");
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    let _ = reply.send(Ok(outcome));
                }
                Ok(())
            }
            Err(error) if error.is_disk_failure() => Err(DiskFailed),
            Err(error) if batches.len() == 1 => {
                tracing::warn!(%error, "a batch was not taken");
                for reply in replies {
                    let _ = reply.send(Err(error.shared()));
                }
                Ok(())
            }
            Err(_) => {
                for (batch, reply) in batches.into_iter().zip(replies) {
                    self.take_group(vec![(batch, reply)])?;
                }
                Ok(())
            }
        }
    }

    fn transact_batches(
        &mut self,
        batches: &[Box<PreparedBatch>],
    ) -> Result<Vec<BatchOutcome>, ServiceError> {
        self.transact(|log, received_ms| {
            batches
                .iter()
                .map(|batch| log.reconcile(batch, received_ms))
                .collect()
        })
    }

    /// Runs `work` in one transaction. Head and caches change only after the commit.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut LogWriter<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, ServiceError> {
        let received_ms = self.clock.now_ms().ok_or(ServiceError::ClockUnsafe)?;
        let transaction = Group::begin(&self.setup.write)?;
        let key = (self.setup.key.0.as_str(), &self.setup.key.1);
        let mut log = LogWriter::new(&self.setup.write, &self.setup.documents, key, &self.state);
        let value = work(&mut log, received_ms)?;
        let state = log.finish(self.state.head.0)?;
        transaction.commit()?;
        self.state = state;
        let published = Arc::new(self.state.clone());
        *self
            .published
            .write()
            .expect("BUG: a reader panicked with the lock") = Arc::clone(&published);
        // Nobody listening is no error.
        let _ = self.commits.send(published);
        Ok(value)
    }
}

/// The time that entries get: never falls, and stops when the wall clock jumps against the monotonic one.
struct ReceivedClock {
    clock: Arc<dyn Clock>,
    last_ms: i64,
    reference: (i64, u64),
}

impl ReceivedClock {
    fn start(clock: Arc<dyn Clock>, last_ms: i64, agreed: bool) -> Result<Self, ServiceError> {
        let reference = (clock.wall_ms(), clock.monotonic_ms());
        if reference.0 < last_ms && !agreed {
            return Err(ServiceError::ClockUnsafe);
        }
        Ok(Self {
            clock,
            last_ms,
            reference,
        })
    }

    fn agree(&mut self) {
        self.reference = (self.clock.wall_ms(), self.clock.monotonic_ms());
    }

    fn now_ms(&mut self) -> Option<i64> {
        let (wall_ms, monotonic_ms) = (self.clock.wall_ms(), self.clock.monotonic_ms());
        let expected_ms = self
            .reference
            .0
            .saturating_add(monotonic_ms.saturating_sub(self.reference.1) as i64);
        if wall_ms.abs_diff(expected_ms) > CLOCK_JUMP_MS_MAX {
            return None;
        }
        // Small corrections are followed, so that they do not add up to a jump.
        self.reference = (wall_ms, monotonic_ms);
        self.last_ms = self.last_ms.max(wall_ms);
        Some(self.last_ms)
    }
}
