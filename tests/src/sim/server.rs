//! The server of a world: the real service and store over a simulated disk, started, killed and put back.

use super::disk::{Files, Node};
use super::district::{self, CODE};
use bytes::Bytes;
use futures_util::FutureExt as _;
use server::clock::{Clock, FixedClock};
use server::ids::{Entropy, SeededEntropy};
use server::service::district::District;
use server::service::gridwork::{Gridwork, OpenOptions};
use server::service::{Answer, Backend as _, ServiceError};
use std::path::PathBuf;
use std::sync::Arc;
use sync_core::kinds::KnownIntents;

/// What the link sees of a request's end.
#[derive(Debug)]
pub enum Delivered {
    /// An answer with status 200.
    Answer(Vec<u8>),
    /// The server is not there.
    Down,
    /// It said no.
    Refused(ServiceError),
}

/// The server of a world.
pub struct Server {
    /// Its disk.
    pub node: Node,
    /// Its clock, which is also the world's.
    pub clock: Arc<FixedClock>,
    /// The intents that its version knows.
    pub known: KnownIntents,
    entropy: Arc<SeededEntropy>,
    gridwork: Option<Gridwork>,
}

/// The answer of a service that does everything on its caller's thread.
///
/// # Panics
/// When it is not ready at once, which is a defect of the service.
pub fn now<T>(answer: Answer<'_, T>) -> Result<T, ServiceError> {
    answer
        .now_or_never()
        .expect("BUG: a service without threads must answer at once")
}

impl Server {
    /// A server on this disk, not started.
    pub fn new(node: Node, clock: Arc<FixedClock>, seed: u64) -> Self {
        Self {
            node,
            clock,
            known: KnownIntents::ALL,
            entropy: Arc::new(SeededEntropy::new(seed)),
            gridwork: None,
        }
    }

    fn folder(&self) -> PathBuf {
        self.node.path("")
    }

    /// The name of the district's file on the disk.
    pub fn district_file() -> String {
        format!("districts/{CODE}.db")
    }

    /// Makes the small district on an empty disk, and starts.
    ///
    /// # Errors
    /// Whatever the service refused.
    pub fn found(&mut self) -> Result<(), ServiceError> {
        Gridwork::found(
            &self.folder(),
            CODE,
            "小区",
            "Asia/Shanghai",
            &*self.clock,
            &*self.entropy,
        )?;
        self.start(false)?;
        self.write_first_entries()?;
        let district = self.district().expect("BUG: it has just started");
        now(Box::pin(district::fill(&district)))
    }

    /// What `gridwork init` does, and a first start. A district that is there already is only started.
    ///
    /// # Errors
    /// Whatever the service refused.
    pub fn init(&mut self) -> Result<(), ServiceError> {
        let made = Gridwork::found(
            &self.folder(),
            CODE,
            "小区",
            "Asia/Shanghai",
            &*self.clock,
            &*self.entropy,
        );
        match made {
            Ok(_) | Err(ServiceError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        self.start(false)?;
        self.write_first_entries()
    }

    fn write_first_entries(&self) -> Result<(), ServiceError> {
        let district = self.district().expect("BUG: it has just started");
        let gridwork = self.gridwork.as_ref().expect("BUG: it has just started");
        now(Box::pin(gridwork.write_first_entries(&district)))
    }

    /// Starts, under a new epoch when the files were put back from a copy.
    ///
    /// # Errors
    /// Whatever the service or the disk refused; it is not running then.
    pub fn start(&mut self, restored: bool) -> Result<(), ServiceError> {
        self.gridwork = None;
        let options = OpenOptions {
            // A clock that an operator set back is theirs to vouch for.
            clock_agreed: true,
            restored,
            here: true,
            known: self.known,
            ..OpenOptions::default()
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let entropy: Arc<dyn Entropy> = Arc::clone(&self.entropy) as Arc<dyn Entropy>;
        self.gridwork = Some(Gridwork::open(&self.folder(), clock, entropy, options)?);
        Ok(())
    }

    /// Ends as a process that is told to stop does.
    pub fn stop(&mut self) {
        if let Some(gridwork) = self.gridwork.take() {
            // A disk that fails now fails a process that ends anyway.
            let _ = gridwork.close();
        }
    }

    /// Ends as a process that is killed does. The disk must be dead, or what SQLite does at closing would count.
    pub fn drop_process(&mut self) {
        self.gridwork = None;
    }

    /// Whether it runs and takes work.
    pub fn is_up(&self) -> bool {
        self.district()
            .is_some_and(|district| district.is_writing())
    }

    /// The engine, while it runs.
    pub fn gridwork(&self) -> Option<&Gridwork> {
        self.gridwork.as_ref()
    }

    /// The one district, while it runs.
    pub fn district(&self) -> Option<Arc<District>> {
        let gridwork = self.gridwork.as_ref()?;
        gridwork.district(None).ok().map(Arc::clone)
    }

    /// Takes one sync request.
    pub fn deliver(&self, bytes: &[u8]) -> Delivered {
        let Some(gridwork) = self.gridwork.as_ref().filter(|_| self.is_up()) else {
            return Delivered::Down;
        };
        match now(gridwork.sync(Bytes::copy_from_slice(bytes))) {
            Ok(answer) => Delivered::Answer(answer),
            Err(error) => Delivered::Refused(error),
        }
    }

    /// Takes several at once: they wait while a commit is under way and are then committed together.
    pub fn deliver_together(&self, requests: &[Vec<u8>]) -> Vec<Delivered> {
        let (Some(gridwork), Some(district)) = (&self.gridwork, self.district()) else {
            return requests.iter().map(|_| Delivered::Down).collect();
        };
        district.writer().hold();
        let mut waker = std::task::Context::from_waker(std::task::Waker::noop());
        let mut waiting: Vec<_> = requests
            .iter()
            .map(|bytes| {
                let mut answer = gridwork.sync(Bytes::copy_from_slice(bytes));
                let early = answer.as_mut().poll(&mut waker);
                (answer, early)
            })
            .collect();
        district.writer().let_go();
        waiting
            .iter_mut()
            .map(|(answer, early)| {
                let polled = match std::mem::replace(early, std::task::Poll::Pending) {
                    std::task::Poll::Pending => answer.as_mut().poll(&mut waker),
                    ready => ready,
                };
                match polled {
                    std::task::Poll::Ready(Ok(answer)) => Delivered::Answer(answer),
                    std::task::Poll::Ready(Err(error)) => Delivered::Refused(error),
                    std::task::Poll::Pending => {
                        panic!("BUG: a service without threads must answer at once")
                    }
                }
            })
            .collect()
    }

    /// Puts only the district's file of a copy in the place of the present one, as after a lost disk.
    pub fn put_back(&mut self, copy: &Files) {
        self.stop();
        let mut files = self.node.snapshot();
        let name = Self::district_file();
        for suffix in ["", "-wal", "-shm"] {
            let file = format!("{name}{suffix}");
            files = match copy.get(&file) {
                Some(bytes) => files.with(&file, &bytes),
                None => files.without(&file),
            };
        }
        self.node.restore(&files);
    }
}
