//! Prepared files for first syncs: when they are made, which are in force, when old ones are swept.

mod build;
mod catalogue;
mod serve;
#[cfg(test)]
mod tests;

use super::ServiceError;
use super::district::District;
use super::gridwork::Gridwork;
use super::worker::{Bell, Worker};
use crate::clock::Clock;
use crate::store::StoreError;
use build::{Pass, PassReport, remove_folder};
use catalogue::{Catalogue, Retired, failed};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use sync_core::ids::Pos;

/// Entries that the files may lie behind the log before they are made again; a phone fetches so many as pages in seconds.
const LAG_ENTRIES: u64 = 2_000;
/// The same as a part of all records, for a district so busy that the former is little.
const LAG_PERCENT: u64 = 5;
/// How long the log must rest before files are made that nobody asked for.
const QUIET: Duration = Duration::from_secs(10);
/// How often the thread looks.
const LOOK: Duration = Duration::from_secs(1);
/// After files were made, how long at least until they are made again.
const PAUSE: Duration = Duration::from_secs(60);
/// How long a retired file may still be read: a first sync over a weak link that began with it.
const RETIRED_MS: i64 = 3_600_000;

/// The snapshots of one district.
#[derive(Debug)]
pub struct Snapshots {
    files: Arc<Files>,
    bell: Arc<Bell>,
    _worker: Worker,
}

/// The folder and what is in force in it.
struct Files {
    district: Arc<District>,
    clock: Arc<dyn Clock>,
    folder: PathBuf,
    current: RwLock<Option<Arc<Catalogue>>>,
    /// Held while files are made: one pass at a time.
    making: Mutex<()>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Files")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Snapshots {
    /// Starts the thread that makes a district's files under `data`.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub fn start(
        data: &Path,
        district: Arc<District>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let folder = data.join("snapshots").join(district.code());
        let state = district.state();
        let found = Catalogue::load(&folder, district.id(), state.facts.epoch().0, state.head.0);
        let current = RwLock::new(found.map(Arc::new));
        let files = Arc::new(Files {
            district,
            clock,
            folder,
            current,
            making: Mutex::new(()),
        });
        let bell = Arc::new(Bell::default());
        let (of_thread, rung) = (Arc::clone(&files), Arc::clone(&bell));
        let worker = Worker::start("snapshots", Arc::clone(&bell), move || {
            keep_up(&of_thread, &rung)
        })?;
        Ok(Self {
            files,
            bell,
            _worker: worker,
        })
    }

    /// Makes the files anew now, on this thread, unless they are as new as the log.
    ///
    /// # Errors
    /// The log's or the file system's.
    pub fn build_now(&self) -> Result<PassReport, StoreError> {
        let report = self.files.make(&|_| true)?;
        Ok(report.expect("BUG: a pass ended that nobody stopped"))
    }

    fn current(&self) -> Option<Arc<Catalogue>> {
        self.files.current()
    }
}

impl Files {
    fn current(&self) -> Option<Arc<Catalogue>> {
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // A new epoch may have lost what the files hold.
        current.filter(|current| current.epoch == self.district.state().facts.epoch().0)
    }

    /// Whether the files lie so far behind that it is worth making them again.
    fn is_stale(&self) -> bool {
        let (pos, records) = self
            .current()
            .map_or((Pos(0), 0), |current| (current.pos, current.records()));
        let lag = self.district.state().head.0.0.saturating_sub(pos.0);
        lag > LAG_ENTRIES.max(records * LAG_PERCENT / 100)
    }

    fn make(&self, go_on: &dyn Fn(Duration) -> bool) -> Result<Option<PassReport>, StoreError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let before = self.current();
        let pass = Pass {
            district: &self.district,
            folder: &self.folder,
            before: before.as_deref(),
            step: build::STEP,
            go_on,
        };
        let Some((mut catalogue, report)) = pass.run()? else {
            return Ok(None);
        };
        let since_ms = self.clock.wall_ms();
        if let Some(before) = &before {
            catalogue.retired.clone_from(&before.retired);
            let gone = before
                .files
                .iter()
                .filter(|file| !catalogue.files.contains(file));
            let gone = gone.map(|file| Retired {
                name: file.name.clone(),
                since_ms,
            });
            catalogue.retired.extend(gone);
        }
        self.put_in_force(catalogue)?;
        Ok(Some(report))
    }

    fn put_in_force(&self, catalogue: Catalogue) -> Result<(), StoreError> {
        catalogue.save(&self.folder)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(catalogue));
        Ok(())
    }

    /// Deletes what nobody can still be reading: retired files after their time, and folders that no catalogue names.
    fn sweep(&self) -> Result<(), StoreError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.clock.wall_ms();
        let current = self.current();
        if let Some(current) = &current {
            let is_over = |retired: &Retired| now_ms.saturating_sub(retired.since_ms) > RETIRED_MS;
            if current.retired.iter().any(is_over) {
                let mut swept = Catalogue::clone(current);
                swept.retired.retain(|retired| !is_over(retired));
                self.put_in_force(swept)?;
            }
        }
        let current = self.current();
        let named: BTreeSet<&str> = current
            .iter()
            .flat_map(|current| {
                let files = current.files.iter().map(|file| file.name.as_str());
                files.chain(current.retired.iter().map(|file| file.name.as_str()))
            })
            .collect();
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Ok(());
        };
        for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| named.contains(name))
            {
                remove_folder(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// The thread: makes files when a first sync finds none or old ones, and when the log rests.
fn keep_up(files: &Files, bell: &Bell) {
    let mut head = Pos(0);
    let mut moved = Instant::now();
    let mut made: Option<Instant> = None;
    let mut swept: Option<Instant> = None;
    loop {
        if swept.is_none_or(|swept| swept.elapsed() > PAUSE) {
            swept = Some(Instant::now());
            report("old snapshots could not be swept", files.sweep());
        }
        if !bell.sleep(LOOK) {
            return;
        }
        let now = files.district.state().head.0;
        if std::mem::replace(&mut head, now) != now {
            moved = Instant::now();
        }
        let asked = bell.is_rung();
        bell.answer();
        let paused = made.is_some_and(|made| made.elapsed() < PAUSE);
        let wanted = match files.current() {
            None => asked || (files.is_stale() && moved.elapsed() > QUIET),
            Some(_) => files.is_stale() && (asked || moved.elapsed() > QUIET),
        };
        if wanted && !paused {
            made = Some(Instant::now());
            let go_on = |took: Duration| {
                // While the writer is at work, it gets half of the time.
                let busy = files.district.state().head.0 != head;
                if busy {
                    bell.sleep(took)
                } else {
                    !bell.is_stopped()
                }
            };
            report("snapshots could not be made", files.make(&go_on));
        }
    }
}

fn report<T>(what: &str, result: Result<T, StoreError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}

impl Gridwork {
    /// Makes a district's snapshots now and answers when they are in force, with what was done.
    ///
    /// # Errors
    /// The log's or the file system's.
    pub async fn build_snapshots_now(
        &self,
        district: &District,
    ) -> Result<PassReport, ServiceError> {
        let background = self.background(district)?;
        let make = move || background.snapshots.build_now();
        let made =
            tokio::task::spawn_blocking(make)
                .await
                .map_err(|source| ServiceError::Internal {
                    what: "making snapshots panicked",
                    source: Box::new(source),
                })?;
        Ok(made?)
    }

    /// The same for the operator.
    pub(super) async fn build_snapshots(
        &self,
        district: &Arc<District>,
    ) -> Result<serde_json::Value, ServiceError> {
        let report = self.build_snapshots_now(district).await?;
        Ok(serde_json::json!({
            "written": report.written,
            "kept": report.kept,
            "records": report.records,
            "raw_bytes": report.raw_bytes,
            "stored_bytes": report.stored_bytes,
        }))
    }
}
