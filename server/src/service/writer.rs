//! The one writer of a district: batches that wait are committed together, and answered only after the commit.
//!
//! It has a thread of its own, or works on its caller's, where a simulator wants one thread and its own order of things.

use super::error::ServiceError;
use super::keys::ServerKeys;
use super::log_writer::{LogWriter, WriterState};
use super::reconcile::{BatchOutcome, PreparedBatch};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::sqlite::{DistrictWrite, Group};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use sync_core::canary::{Canary, is_awake};
use tokio::sync::{broadcast, oneshot};

/// Batches that one commit may hold: bounds how long the first of them waits.
const GROUP_JOBS_MAX: usize = 256;
/// Jobs that may wait; more are turned away with a time to come again.
const QUEUE_JOBS_MAX: usize = 4_096;
/// How far the wall clock may jump against the monotonic one before admission stops.
const CLOCK_JUMP_MS_MAX: u64 = 10 * 60_000;

type BatchReply = oneshot::Sender<Result<BatchOutcome, ServiceError>>;
/// A step of its own, with what tells its asker how it ended.
type Step = Box<dyn FnOnce(&mut Core) -> Result<(), DiskFailed> + Send>;

/// A write to the disk failed: the writer ends, and the process with it. A restart reads what is there.
struct DiskFailed;

enum Job {
    Batch(Box<PreparedBatch>, BatchReply),
    Step(Step),
    AgreeClock,
    Stop,
}

/// Where the work is done.
#[derive(Clone)]
enum Hand {
    Thread(mpsc::SyncSender<Job>, Arc<Mutex<Option<JoinHandle<()>>>>),
    Here(Arc<Mutex<Here>>),
}

/// A writer on its caller's thread.
struct Here {
    /// Gone once it has stopped.
    core: Option<Core>,
    /// Whether jobs wait until [`Writer::let_go`], to be committed together.
    held: bool,
    waiting: Vec<Job>,
}

/// A handle to the writer; cheap to clone.
#[derive(Clone)]
pub struct Writer {
    hand: Hand,
    published: Arc<RwLock<Arc<WriterState>>>,
    commits: broadcast::Sender<Arc<WriterState>>,
}

/// What the thread needs to run.
pub struct WriterSetup {
    /// The district's file.
    pub write: DistrictWrite,
    /// The keys to sign with.
    pub keys: Arc<ServerKeys>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether to start although the clock lies before the last entry.
    pub clock_agreed: bool,
}

impl Writer {
    /// Starts a writer with a thread of its own.
    ///
    /// # Errors
    /// Storage's own, or [`ServiceError::ClockUnsafe`] when the clock lies before the last entry.
    pub fn start(setup: WriterSetup) -> Result<Self, ServiceError> {
        let (core, published, commits) = Core::load(setup)?;
        let (queue, jobs) = mpsc::sync_channel(QUEUE_JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || run(core, &jobs))
            .map_err(|source| StoreError::File {
                path: "writer thread".into(),
                source,
            })?;
        Ok(Self {
            hand: Hand::Thread(queue, Arc::new(Mutex::new(Some(thread)))),
            published,
            commits,
        })
    }

    /// A writer that does each job at once, on the thread that asks for it.
    ///
    /// # Errors
    /// As for [`Writer::start`].
    pub fn start_here(setup: WriterSetup) -> Result<Self, ServiceError> {
        let (core, published, commits) = Core::load(setup)?;
        let here = Here {
            core: Some(core),
            held: false,
            waiting: Vec::new(),
        };
        Ok(Self {
            hand: Hand::Here(Arc::new(Mutex::new(here))),
            published,
            commits,
        })
    }

    /// Whether jobs are done on the thread that asks for them.
    pub fn is_here(&self) -> bool {
        matches!(self.hand, Hand::Here(_))
    }

    /// Lets jobs wait, as they do while a commit is under way; for a writer without a thread.
    pub fn hold(&self) {
        if let Hand::Here(here) = &self.hand {
            lock(here).held = true;
        }
    }

    /// Does what has waited since [`Writer::hold`]: batches that follow each other in one commit.
    pub fn let_go(&self) {
        let Hand::Here(here) = &self.hand else { return };
        let mut here = lock(here);
        here.held = false;
        let waiting = std::mem::take(&mut here.waiting);
        here.work(waiting);
    }

    /// Whether the writer still takes work.
    pub fn is_running(&self) -> bool {
        match &self.hand {
            Hand::Thread(_, thread) => lock(thread)
                .as_ref()
                .is_some_and(|thread| !thread.is_finished()),
            Hand::Here(here) => lock(here).core.is_some(),
        }
    }

    fn put(&self, job: Job) -> Result<(), ServiceError> {
        match &self.hand {
            Hand::Thread(queue, _) => queue.try_send(job).map_err(|_| ServiceError::Overloaded),
            Hand::Here(here) => {
                let mut here = lock(here);
                if here.core.is_none() {
                    return Err(ServiceError::Overloaded);
                }
                if here.held {
                    here.waiting.push(job);
                } else {
                    here.work(vec![job]);
                }
                Ok(())
            }
        }
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
        self.put(Job::Batch(Box::new(batch), reply))?;
        answer.await.map_err(|_| ServiceError::Overloaded)?
    }

    /// Ends the writer after what waits before, and waits until it has closed its file; later work is turned away.
    pub fn stop(&self) {
        match &self.hand {
            Hand::Thread(queue, thread) => {
                // A queue that is gone belongs to a writer that has stopped.
                let _ = queue.send(Job::Stop);
                if let Some(thread) = lock(thread).take() {
                    // A writer that panicked has said so already.
                    let _ = thread.join();
                }
            }
            Hand::Here(here) => lock(here).work(vec![Job::Stop]),
        }
    }

    /// An operator agrees that the clock is right as it is now, after a jump.
    ///
    /// # Errors
    /// That the writer has stopped.
    pub fn agree_clock(&self) -> Result<(), ServiceError> {
        self.put(Job::AgreeClock)
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
        let job = Job::Step(Box::new(move |core| {
            let result = core.transact(step);
            let lost = result
                .as_ref()
                .err()
                .is_some_and(ServiceError::is_disk_failure);
            // Whoever asked may have gone away; the work is done all the same.
            let _ = reply.send(result);
            if lost { Err(DiskFailed) } else { Ok(()) }
        }));
        self.put(job)?;
        answer.await.map_err(|_| ServiceError::Overloaded)?
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread: takes jobs as they come, batches that wait in one group, until it is stopped or the disk fails.
fn run(mut core: Core, jobs: &mpsc::Receiver<Job>) {
    let mut next = jobs.recv().ok();
    while let Some(job) = next.take() {
        if core.take(job, || jobs.try_recv().ok(), &mut next).is_err() {
            return;
        }
        if next.is_none() {
            next = jobs.recv().ok();
        }
    }
}

impl Here {
    /// The same without a thread.
    fn work(&mut self, jobs: Vec<Job>) {
        let mut jobs = jobs.into_iter();
        let mut next = jobs.next();
        while let (Some(job), Some(core)) = (next.take(), &mut self.core) {
            if core.take(job, || jobs.next(), &mut next).is_err() {
                self.core = None;
            }
            if next.is_none() {
                next = jobs.next();
            }
        }
    }
}

/// Why the writer ends.
enum End {
    Stopped,
    DiskFailed,
}

impl From<DiskFailed> for End {
    fn from(_: DiskFailed) -> Self {
        tracing::error!("the writer stops: the disk failed, and nobody knows what is on it");
        Self::DiskFailed
    }
}

type Published = Arc<RwLock<Arc<WriterState>>>;
type Commits = broadcast::Sender<Arc<WriterState>>;

struct Core {
    setup: WriterSetup,
    state: WriterState,
    clock: ReceivedClock,
    published: Published,
    commits: Commits,
}

impl Core {
    fn load(setup: WriterSetup) -> Result<(Self, Published, Commits), ServiceError> {
        let state = WriterState::load(&setup.write)?;
        let last_ms = setup.write.last_received_ms()?;
        let clock = ReceivedClock::start(Arc::clone(&setup.clock), last_ms, setup.clock_agreed)?;
        let published = Arc::new(RwLock::new(Arc::new(state.clone())));
        let (commits, _) = broadcast::channel(256);
        let core = Self {
            setup,
            state,
            clock,
            published: Arc::clone(&published),
            commits: commits.clone(),
        };
        Ok((core, published, commits))
    }

    /// Does a job, and with a batch those that wait behind it; `next` becomes the job that ended the group.
    fn take(
        &mut self,
        job: Job,
        mut waiting: impl FnMut() -> Option<Job>,
        next: &mut Option<Job>,
    ) -> Result<(), End> {
        match job {
            Job::Step(step) => step(self)?,
            Job::Stop => return Err(End::Stopped),
            Job::AgreeClock => self.clock.agree(),
            Job::Batch(batch, reply) => {
                let mut group = vec![(batch, reply)];
                while group.len() < GROUP_JOBS_MAX {
                    match waiting() {
                        Some(Job::Batch(batch, reply)) => group.push((batch, reply)),
                        other => {
                            *next = other;
                            break;
                        }
                    }
                }
                self.take_group(group)?;
            }
        }
        Ok(())
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
        let key = self.setup.keys.head();
        let key = (key.0.as_str(), &key.1);
        let mut log = LogWriter::new(&self.setup.write, key, &self.state);
        log.refresh_documents(received_ms)?;
        let value = work(&mut log, received_ms)?;
        let state = log.finish(self.state.head.0)?;
        match transaction.commit() {
            Err(_) if is_awake(Canary::AckBeforeCommit) => {}
            committed => committed?,
        }
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
