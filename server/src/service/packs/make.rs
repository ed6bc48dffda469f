//! Making a pack from the log as it stood at a place: the same text whenever it is made.

use crate::service::context::LogView;
use crate::service::documents::{read_in_force, zone_of};
use crate::service::patrols::{doubts_of, photos_of};
use crate::store::StoreError;
use crate::store::sqlite::{DistrictFacts, DistrictRead, RecordRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_core::calendar::Zone;
use sync_core::change::Hash;
use sync_core::directory::Directory;
use sync_core::documents::Documents;
use sync_core::ids::Pos;
use sync_core::kinds::Kind;
use sync_core::merge::{RecordState, fold};
use sync_core::packs::{DaysUnder, Observed, Period, Scene, Tally};

/// Records of one step of the way through all.
const STEP: usize = 1_000;
/// Rounds begin at most so long before or after the period that they belong to.
const ROUND_MARGIN_MS: i64 = 2 * 24 * 3_600_000;

/// What a pack is made from.
#[derive(Clone, Copy)]
pub(in crate::service) struct Source<'a> {
    /// The district's file.
    pub read: &'a DistrictRead,
    /// Its facts.
    pub facts: &'a DistrictFacts,
    /// Up to where the log counts.
    pub pos: Pos,
    /// Until when, while the period lasts.
    pub now_ms: i64,
    /// What the log does not hold.
    pub observed: &'a Observed,
}

/// What every replica was seen to be.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(in crate::service) fn observe(
    read: &DistrictRead,
    directory: &Directory,
) -> Result<Observed, StoreError> {
    let mut observed = Observed::default();
    for replica in directory.replicas() {
        if let Some(row) = read.find_replica(replica.no)? {
            observed.replicas.push(sync_core::packs::SeenReplica {
                no: row.no,
                last_seen_ms: row.last_seen_ms,
                unsent: row.unsent,
            });
        }
    }
    Ok(observed)
}

/// The directory as it stood at a place.
fn directory_at(read: &DistrictRead, pos: Pos) -> Result<Directory, StoreError> {
    let mut directory = Directory::default();
    for (at, body) in read.list_directory(Pos(0))? {
        if at > pos {
            break;
        }
        let change = serde_json::from_slice(&body)
            .map_err(|error| StoreError::corrupt("entry", at, error))?;
        directory.apply(at, change);
    }
    Ok(directory)
}

/// The sets of documents that were in force, as a directory knows them, each read once.
struct InForceThen<'a> {
    read: &'a DistrictRead,
    directory: &'a Directory,
    zone: Zone,
    held: Vec<(i64, i64, Arc<Documents>)>,
}

impl InForceThen<'_> {
    fn at(&mut self, at_ms: i64) -> Result<Arc<Documents>, StoreError> {
        let holds = |held: &&(i64, i64, Arc<Documents>)| (held.0..held.1).contains(&at_ms);
        if let Some((_, _, documents)) = self.held.iter().find(holds) {
            return Ok(Arc::clone(documents));
        }
        let zone = self.zone.clone();
        let documents = Arc::new(read_in_force(self.read, self.directory, zone, at_ms)?);
        let (from_ms, until_ms) = self.directory.documents_hold_ms(at_ms);
        self.held.push((from_ms, until_ms, Arc::clone(&documents)));
        Ok(documents)
    }

    /// The days of a period, cut where other documents come into force: each by those in force at its end.
    fn runs(&mut self, period: &Period, until_ms: i64) -> Result<Vec<DaysUnder>, StoreError> {
        let mut runs: Vec<DaysUnder> = Vec::new();
        for day in period
            .first
            .iter_days()
            .take_while(|day| period.contains(*day))
        {
            let next = day.succ_opt().unwrap_or(day);
            let end_ms = self.zone.moment_ms(next, 0) - 1;
            let documents = self.at(end_ms.min(until_ms))?;
            match runs.last_mut() {
                Some((run, last)) if Arc::ptr_eq(last, &documents) => *run = *run.start()..=day,
                _ => runs.push((day..=day, documents)),
            }
        }
        Ok(runs)
    }
}

/// A record as it stood at a place; `None` when it was not there yet.
fn state_at(
    view: &LogView<'_>,
    row: &RecordRow,
    pos: Pos,
) -> Result<Option<RecordState>, StoreError> {
    if row.pos <= pos {
        return view.load_state(row);
    }
    let events = view.history(row.last)?.into_iter();
    let events = events.filter_map(|(_, event)| event);
    Ok(fold(
        events
            .filter(|event| event.stamp.place.pos <= pos)
            .collect(),
    ))
}

/// Hands every record as it stood at the place to `each`.
fn scan(
    source: &Source<'_>,
    view: &LogView<'_>,
    mut each: impl FnMut(&RecordRow, RecordState) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = Some(0);
    while let Some(no) = from {
        from = source.read.scan_records(no, STEP, |row| {
            if let Some(state) = state_at(view, &row, source.pos)? {
                each(&row, state)?;
            }
            Ok::<_, StoreError>(true)
        })?;
    }
    Ok(())
}

/// The text of a pack.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(in crate::service) fn make(source: Source<'_>, period: &Period) -> Result<String, StoreError> {
    let directory = directory_at(source.read, source.pos)?;
    let zone = zone_of(&source.facts.time_zone);
    let until_ms = period.to_ms(&zone).min(source.now_ms);
    let mut then = InForceThen {
        read: source.read,
        directory: &directory,
        zone: zone.clone(),
        held: Vec::new(),
    };
    let runs = then.runs(period, until_ms - 1)?;
    let documents = then.at(until_ms - 1)?;
    let view = LogView {
        read: source.read,
        facts: source.facts,
        directory: &directory,
        documents: &documents,
        head: source.pos,
        open_range: None,
        repaired: None,
        has_origins: true,
    };
    let mut tally = Tally::new(Scene {
        period,
        pos: source.pos,
        until_ms,
        directory: &directory,
        documents: &documents,
        days_under: &runs,
        observed: source.observed,
    });
    let near_ms = period.from_ms(&zone) - ROUND_MARGIN_MS..until_ms + ROUND_MARGIN_MS;
    let mut shown: BTreeMap<Hash, u32> = BTreeMap::new();
    let mut rounds = Vec::new();
    scan(&source, &view, |row, record| {
        if record.kind != Kind::Patrol {
            tally.add(row.id, &record, 0);
            return Ok(());
        }
        for photo in photos_of(&record) {
            *shown.entry(photo).or_default() += 1;
        }
        let made_ms = record.created.map(|created| created.time_ms);
        if made_ms.is_some_and(|made_ms| near_ms.contains(&made_ms)) {
            rounds.push((row.clone(), record));
        }
        Ok(())
    })?;
    for (row, record) in rounds {
        let open = open_doubts(&view, &mut then, (&row, &record), &shown)?;
        tally.add(row.id, &record, open);
    }
    Ok(tally.finish())
}

/// How many doubts about a round nobody has settled.
fn open_doubts(
    view: &LogView<'_>,
    then: &mut InForceThen<'_>,
    (row, record): (&RecordRow, &RecordState),
    shown: &BTreeMap<Hash, u32>,
) -> Result<u32, StoreError> {
    let Some(created) = &record.created else {
        return Ok(0);
    };
    let documents = then.at(created.time_ms)?;
    let elsewhere = |photo: &str| {
        let hash = crate::service::patrols::hash_of(photo);
        hash.is_some_and(|hash| shown.get(&hash).is_some_and(|records| *records > 1))
    };
    let found = doubts_of(view, (row, record), &documents, &elsewhere)?;
    let (_, found) = found.unzip();
    let found = found.unwrap_or_default();
    let open = found.iter().filter(|doubt| doubt.settled.is_none());
    Ok(open.count() as u32)
}
