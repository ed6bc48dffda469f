//! The projection for lists and search: follows the log on a thread and connections of its own, and is made again from
//! the log whenever there is doubt about it.

use super::district::District;
use super::office::inbox;
use super::patrols::Walked;
use super::search_text::words_of;
use super::worker::{Bell, Worker};
use crate::store::StoreError;
use crate::store::sqlite::facts::Facts;
use crate::store::sqlite::index::{IndexPlace, IndexRow, IndexStep, IndexWrite, Projected};
use crate::store::sqlite::{DistrictRead, IndexRead, RecordRow};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use sync_core::documents::Documents;
use sync_core::duties;
use sync_core::ids::{Pos, RecordId};
use sync_core::kinds::Kind;
use sync_core::merge::RecordState;
use tokio::sync::watch;

/// Records or entries of one step: bounds how long a state of the log is held open, and what a crash loses.
const STEP: usize = 500;
/// How often the thread looks whether there is something new.
const LOOK: Duration = Duration::from_millis(50);
/// While the writer is at work, how many times as long as a step took the thread rests before the next.
const REST_FACTOR: u32 = 3;
/// How far behind the projection may be before it rests no longer than it works.
const LAG_MAX: u64 = 100_000;
/// How long a reader waits for the projection to reach the head.
const WAIT: Duration = Duration::from_secs(1);
/// How long after a failure the thread tries again.
const RETRY: Duration = Duration::from_secs(5);
/// Characters of a title in a list.
const TITLE_CHARS_MAX: usize = 100;

/// A record as a list shows it.
pub fn describe(row: &RecordRow, state: &RecordState) -> IndexRow {
    let title = ["title", "description", "note"]
        .iter()
        .find_map(|field| state.shown_text(field));
    IndexRow {
        no: row.no,
        id: row.id,
        kind: row.kind,
        unit: row.unit,
        desk: row.desk,
        state: state.state.clone(),
        // The rule of an alert is what lists of alerts tell apart by.
        category: state
            .shown_text("category")
            .or_else(|| state.shown_text("rule").filter(|_| row.kind == Kind::Alert)),
        title: title.map(|title| title.chars().take(TITLE_CHARS_MAX).collect()),
        time_ms: state.created.map_or(0, |created| created.time_ms),
        pos: row.pos,
        conflicts: u32::try_from(state.conflicts().len()).unwrap_or(u32::MAX),
    }
}

/// What is reckoned of a record.
fn facts_of(record: &RecordState, documents: &Documents) -> Facts {
    let subjects = ["about", "household", "subject", "found_in", "report"];
    let subject = subjects
        .iter()
        .find_map(|field| RecordId::parse_canonical(&record.shown_text(field)?));
    let place = record
        .shown("place")
        .and_then(|value| serde_json::from_str(value.get()).ok());
    let moments = duties::moments(record, documents);
    Facts {
        due_ms: moments.due_ms,
        over_ms: moments.over_ms,
        subject,
        place,
    }
}

#[derive(Debug, Default)]
struct Shared {
    readers: Mutex<Vec<(u64, IndexRead)>>,
    /// Counts the files that were begun; readers of an older one are closed. 0 before there is any.
    generation: AtomicU64,
    /// A reader found the file damaged.
    damaged: AtomicBool,
}

impl Shared {
    fn close_readers(&self) {
        if let Ok(mut readers) = self.readers.lock() {
            readers.clear();
        }
    }
}

/// The projection of one district.
#[derive(Debug)]
pub struct Projection {
    path: PathBuf,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    reached: watch::Receiver<Pos>,
    _worker: Worker,
}

/// The file of a district's projection.
pub fn index_path(district: &Path) -> PathBuf {
    district.with_extension("index.db")
}

impl Projection {
    /// Starts the thread that keeps the projection up to date.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub fn start(district: Arc<District>) -> Result<Self, StoreError> {
        let path = index_path(district.path());
        let (shared, bell) = (Arc::new(Shared::default()), Arc::new(Bell::default()));
        let (reach, reached) = watch::channel(Pos(0));
        let runner = Runner {
            district,
            path: path.clone(),
            shared: Arc::clone(&shared),
            bell: Arc::clone(&bell),
            reach,
        };
        let worker = Worker::start("projection", Arc::clone(&bell), move || runner.run())?;
        Ok(Self {
            path,
            shared,
            bell,
            reached,
            _worker: worker,
        })
    }

    /// Waits until the projection reflects `head`, for a second at most.
    pub async fn wait_for(&self, head: Pos) {
        let mut reached = self.reached.clone();
        if *reached.borrow() < head {
            self.bell.ring();
            // Too late, or the thread has ended: the reader gets what there is, and is told how far that reaches.
            let _ = tokio::time::timeout(WAIT, reached.wait_for(|pos| *pos >= head)).await;
        }
    }

    /// Runs `read` over one state of the projection; `None` when there is none yet.
    ///
    /// # Errors
    /// The database's own, or what `read` says.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&IndexRead) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation == 0 {
            return Ok(None);
        }
        let pooled = self.shared.readers.lock().ok().and_then(|mut readers| {
            readers.retain(|(of, _)| *of == generation);
            readers.pop()
        });
        let result = match pooled {
            Some((_, connection)) => Ok(connection),
            None => IndexRead::open(&self.path),
        }
        .and_then(|connection| Ok((connection.snapshot(read)?, connection)));
        match result {
            Ok((value, connection)) => {
                if let Ok(mut readers) = self.shared.readers.lock()
                    && readers.len() < 8
                {
                    readers.push((generation, connection));
                }
                Ok(Some(value))
            }
            Err(error) => {
                if is_damage(&error) {
                    self.shared.damaged.store(true, Ordering::Release);
                    self.bell.ring();
                }
                Err(error)
            }
        }
    }
}

/// Whether an error says that the projection's file itself is no good.
fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Corrupt { .. } | StoreError::Newer { .. } => true,
        StoreError::Sqlite(error) => matches!(
            error.sqlite_error_code(),
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
        ),
        _ => false,
    }
}

/// Which side failed: what to do about it differs.
pub(super) enum Trouble {
    Log(StoreError),
    Index(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Log(error)
    }
}

struct Runner {
    district: Arc<District>,
    path: PathBuf,
    shared: Arc<Shared>,
    bell: Arc<Bell>,
    reach: watch::Sender<Pos>,
}

impl Runner {
    fn run(self) {
        while !self.bell.is_stopped() {
            let discard = match self.follow() {
                Ok(()) => continue,
                Err(Trouble::Log(error)) => {
                    tracing::warn!(%error, "the projection cannot read the log");
                    false
                }
                Err(Trouble::Index(error)) => {
                    tracing::warn!(%error, "the projection failed");
                    is_damage(&error)
                }
            };
            if discard {
                self.discard();
            }
            self.bell.answer();
            self.bell.sleep(RETRY);
        }
    }

    fn discard(&self) {
        self.shared.damaged.store(false, Ordering::Release);
        if let Err(error) = IndexWrite::discard(&self.path) {
            tracing::warn!(%error, "a damaged projection could not be removed");
        }
    }

    /// Opens the projection and follows the log until the thread must end or the file turns out damaged.
    fn follow(&self) -> Result<(), Trouble> {
        let state = self.district.state();
        let (epoch, head) = (state.facts.epoch().0, state.head.0);
        let documents = state.documents.mark();
        let opened = IndexWrite::open(&self.path, self.district.id(), epoch, head, &documents);
        let (mut index, anew) = opened.map_err(Trouble::Index)?;
        if anew {
            tracing::info!(
                district = self.district.code(),
                "the projection is made from the log"
            );
        }
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        let log = DistrictRead::open(self.district.path()).map_err(Trouble::Log)?;
        let mut seen = head;
        let mut took = Duration::ZERO;
        while !self.bell.is_stopped() {
            if self.shared.damaged.load(Ordering::Acquire) {
                self.shared.close_readers();
                self.discard();
                return Ok(());
            }
            let place = index.place().map_err(Trouble::Index)?;
            let reached = if place.next_no == 0 {
                place.pos
            } else {
                Pos(0)
            };
            self.reach.send_replace(reached);
            let state = self.district.state();
            let documents = state.documents.mark();
            if place.next_no == 0 && place.documents != documents {
                index.reckon_anew(&documents).map_err(Trouble::Index)?;
            }
            let head = state.head.0;
            let busy = std::mem::replace(&mut seen, head) != head;
            if place.next_no == 0 && place.pos >= head && place.due_no == 0 {
                self.bell.answer();
                self.bell.sleep(LOOK);
                continue;
            }
            if busy && !self.bell.is_rung() {
                let lag = head.0.saturating_sub(place.pos.0);
                let factor = if lag > LAG_MAX { 1 } else { REST_FACTOR };
                self.bell.sleep((took * factor).max(LOOK));
            }
            let began = Instant::now();
            self.step(&log, &mut index)?;
            took = began.elapsed();
        }
        // The last connection to close puts the file in order, which a reader cannot.
        self.shared.close_readers();
        Ok(())
    }

    /// Brings the projection a little further.
    fn step(&self, log: &DistrictRead, index: &mut IndexWrite) -> Result<(), Trouble> {
        let place = index.place().map_err(Trouble::Index)?;
        let step = log.snapshot(|log| {
            let mut walked = Walked::default();
            let mut step = match (place.next_no, place.due_no) {
                (0, 0) => self.read_new(log, &place, &mut walked)?,
                (0, _) if place.pos >= self.district.state().head.0 => {
                    self.reckon_due(log, &place)?
                }
                (0, _) => self.read_new(log, &place, &mut walked)?,
                _ => self.read_all(log, &place, &mut walked)?,
            };
            let state = self.district.state();
            let view = self.district.view(log, &state);
            walked.find_sharing(&view, index)?;
            step.rounds = walked.reckon(&self.district, &state, &view)?;
            Ok::<_, Trouble>(step)
        })?;
        index.write(&step).map_err(Trouble::Index)
    }

    /// Some more records of the first pass; with the last of them come the changes that wait.
    fn read_all(
        &self,
        log: &DistrictRead,
        place: &IndexPlace,
        walked: &mut Walked,
    ) -> Result<IndexStep, StoreError> {
        let mut step = IndexStep {
            pos: place.pos,
            ..IndexStep::default()
        };
        let next = log.scan_records(place.next_no, STEP, |row| {
            step.records
                .push((row.no, self.read_record(log, &row, walked)?));
            Ok::<_, StoreError>(true)
        })?;
        step.next_no = next.unwrap_or(0);
        if next.is_none() {
            let state = self.district.state();
            let view = self.district.view(log, &state);
            for pos in log.list_perhaps_waiting()? {
                step.changes.push((pos, inbox::item_of_change(&view, pos)?));
            }
        }
        Ok(step)
    }

    /// What the entries after the present place have touched.
    fn read_new(
        &self,
        log: &DistrictRead,
        place: &IndexPlace,
        walked: &mut Walked,
    ) -> Result<IndexStep, StoreError> {
        let mut step = IndexStep {
            pos: place.pos,
            due_no: place.due_no,
            ..IndexStep::default()
        };
        let (mut touched, mut changes) = (BTreeSet::new(), BTreeSet::new());
        log.scan_entries(place.pos, STEP, |entry| {
            step.pos = entry.pos;
            touched.extend(entry.record);
            changes.extend(inbox::change_to_look_at(&entry));
            Ok::<_, StoreError>(true)
        })?;
        for no in touched {
            let row = log.get_record_by_no(no)?;
            step.records
                .push((no, self.read_record(log, &row, walked)?));
        }
        let state = self.district.state();
        let view = self.district.view(log, &state);
        for pos in changes {
            step.changes.push((pos, inbox::item_of_change(&view, pos)?));
        }
        Ok(step)
    }

    /// The times of some more records, with other documents than before.
    fn reckon_due(&self, log: &DistrictRead, place: &IndexPlace) -> Result<IndexStep, StoreError> {
        let state = self.district.state();
        let view = self.district.view(log, &state);
        let mut step = IndexStep {
            pos: place.pos,
            ..IndexStep::default()
        };
        let next = log.scan_records(place.due_no, STEP, |row| {
            let record = view.load_state(&row)?;
            let facts = record
                .filter(|record| record.kind != Kind::Unknown)
                .map(|record| facts_of(&record, view.documents));
            step.facts.push((row.no, facts));
            Ok::<_, StoreError>(true)
        })?;
        step.due_no = next.unwrap_or(0);
        Ok(step)
    }

    /// What lists show and search looks at; `None` for a record that nobody has made yet.
    fn read_record(
        &self,
        log: &DistrictRead,
        row: &RecordRow,
        walked: &mut Walked,
    ) -> Result<Option<Projected>, StoreError> {
        if row.kind == Kind::Unknown {
            return Ok(None);
        }
        let state = self.district.state();
        let view = self.district.view(log, &state);
        let Some(record) = view.load_state(row)? else {
            return Ok(None);
        };
        let described = describe(row, &record);
        let projected = Projected {
            words: words_of(&record, described.category.as_deref()),
            facts: facts_of(&record, view.documents),
            items: inbox::items_of_record(&view, row, &record)?,
            row: described,
        };
        walked.note(row, record);
        Ok(Some(projected))
    }
}
