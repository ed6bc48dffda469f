//! One request at a time goes on with an upload. The newest one wins: the connection of the one before may be dead and
//! nobody has noticed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedMutexGuard, watch};
use uuid::Uuid;

#[derive(Debug)]
struct UploadLock {
    holder: Arc<tokio::sync::Mutex<()>>,
    /// How many wait for it.
    waiting: watch::Sender<usize>,
}

/// The locks of the uploads that somebody is at.
#[derive(Debug, Default)]
pub(super) struct UploadLocks {
    locks: Mutex<BTreeMap<Uuid, Weak<UploadLock>>>,
}

/// An upload, held.
pub(super) struct Held {
    lock: Arc<UploadLock>,
    _guard: OwnedMutexGuard<()>,
}

/// Counts one who waits, until it is dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(counter: &'a watch::Sender<usize>) -> Self {
        counter.send_modify(|count| *count += 1);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl UploadLocks {
    fn lock_of(&self, upload: Uuid) -> Arc<UploadLock> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&upload).and_then(Weak::upgrade) {
            return lock;
        }
        // Uploads that nobody is at any more.
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(UploadLock {
            holder: Arc::default(),
            waiting: watch::Sender::new(0),
        });
        locks.insert(upload, Arc::downgrade(&lock));
        lock
    }

    /// Takes an upload, asking whoever holds it to let go.
    pub(super) async fn take(&self, upload: Uuid) -> Held {
        let lock = self.lock_of(upload);
        let guard = {
            let _waiting = Waiting::new(&lock.waiting);
            Arc::clone(&lock.holder).lock_owned().await
        };
        Held {
            lock,
            _guard: guard,
        }
    }

    /// Takes an upload that nobody is at.
    pub(super) fn try_take(&self, upload: Uuid) -> Option<Held> {
        let lock = self.lock_of(upload);
        let guard = Arc::clone(&lock.holder).try_lock_owned().ok()?;
        Some(Held {
            lock,
            _guard: guard,
        })
    }
}

impl Held {
    /// Ends when somebody else wants the upload.
    pub(super) async fn wanted(&self) {
        let mut waiting = self.lock.waiting.subscribe();
        // The sender lives as long as this.
        let _ = waiting.wait_for(|count| *count > 0).await;
    }
}
