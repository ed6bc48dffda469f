//! A background thread that works when there is something to do, sleeps otherwise, and ends when it is told to.

use crate::store::StoreError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
struct Flags {
    stop: bool,
    called: bool,
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
pub struct Bell {
    flags: Mutex<Flags>,
    rung: Condvar,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Flags> {
        self.flags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for the thread's work: it starts at once and does not take breaks.
    pub fn ring(&self) {
        self.lock().called = true;
        self.rung.notify_all();
    }

    /// Whether the thread must end.
    pub fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    /// Whether somebody waits.
    pub fn is_rung(&self) -> bool {
        self.lock().called
    }

    /// Takes the call back, before the work that answers it begins.
    pub fn answer(&self) {
        self.lock().called = false;
    }

    /// Sleeps for so long, or until somebody calls or the thread must end. False when it must end.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut flags = self.lock();
        while !flags.stop && !flags.called {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            flags = self
                .rung
                .wait_timeout(flags, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        !flags.stop
    }
}

/// The thread; dropping it tells it to end and waits until it has.
#[derive(Debug)]
pub struct Worker {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `work` on a thread of this name.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub fn start(
        name: &str,
        bell: Arc<Bell>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Self, StoreError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|source| StoreError::File {
                path: format!("{name} thread"),
                source,
            })?;
        Ok(Self {
            bell,
            thread: Some(thread),
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.bell.lock().stop = true;
        self.bell.rung.notify_all();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("BUG: a background thread had panicked");
        }
    }
}
