//! Rounds as the projection holds them: reckoned under the documents in force when they began, with the doubts that other
//! rounds and the log give reason for.

use crate::service::context::{LogView, read_ruling};
use crate::service::district::District;
use crate::service::log_writer::WriterState;
use crate::service::projection::Trouble;
use crate::store::StoreError;
use crate::store::sqlite::RecordRow;
use crate::store::sqlite::index::IndexWrite;
use crate::store::sqlite::rounds::{DoubtRow, ProjectedRound, RoundRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_core::change::{Hash, VerifyingKey};
use sync_core::documents::{Documents, KeyPeriod};
use sync_core::duties::lineage_codes;
use sync_core::entry::EntryKind;
use sync_core::hex;
use sync_core::ids::{Pos, ReplicaNo, Seq};
use sync_core::kinds::Kind;
use sync_core::merge::{Element, RecordState};
use sync_core::patrols::coverage::{Planned, RoundLine};
use sync_core::patrols::doubts::{Doubt, Outside, doubts};
use sync_core::patrols::{Completion, Round};
use sync_core::verdict::Marks;

/// A round with all that is told of it.
pub(super) struct Reckoned {
    /// The documents in force when it began.
    pub documents: Arc<Documents>,
    /// The round itself.
    pub round: Round,
    /// The key period that it was walked in.
    pub key_period: Option<KeyPeriod>,
    /// How much of its must-points it has visited.
    pub completion: Completion,
    /// How many people the plan asked for.
    pub people_min: u32,
    /// Everything doubtful, settled or not.
    pub doubts: Vec<Doubt>,
}

/// Reckons a round; `None` for a record that is none. `is_photo_elsewhere` says whether another round shows a photo.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(super) fn reckon(
    district: &District,
    state: &WriterState,
    view: &LogView<'_>,
    (row, record): (&RecordRow, &RecordState),
    is_photo_elsewhere: &dyn Fn(&str) -> bool,
) -> Result<Option<Reckoned>, StoreError> {
    let Some(created) = &record.created else {
        return Ok(None);
    };
    let documents = district.documents_at(view.read, state, created.time_ms)?;
    let found = doubts_of(view, (row, record), &documents, is_photo_elsewhere)?;
    let Some((round, doubts)) = found else {
        return Ok(None);
    };
    let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
    let team = routes.team(&round.team);
    let unit = team.and_then(|team| view.directory.unit_by_code(&team.unit));
    let lineage = unit.map_or_else(Vec::new, |unit| lineage_codes(view.directory, unit.unit));
    let key_period = plan.key_period_on(round.day, &lineage).cloned();
    let crew = match key_period {
        Some(_) => plan.key_period,
        None => plan.normal,
    };
    Ok(Some(Reckoned {
        completion: round.completion(plan, routes, key_period.is_some()),
        people_min: crew.people_min,
        key_period,
        doubts,
        round,
        documents,
    }))
}

/// A round under documents, and everything doubtful about it; `None` for a record that is none.
///
/// # Errors
/// Storage's own, or a corrupt row.
pub(in crate::service) fn doubts_of(
    view: &LogView<'_>,
    (row, record): (&RecordRow, &RecordState),
    documents: &Documents,
    is_photo_elsewhere: &dyn Fn(&str) -> bool,
) -> Result<Option<(Round, Vec<Doubt>)>, StoreError> {
    let Some(round) = Round::of(record, documents) else {
        return Ok(None);
    };
    let keys: Vec<VerifyingKey> = view.directory.server_keys().map(|(_, key)| *key).collect();
    let replica = |id| {
        let found = view.directory.replica_by_id(id)?;
        Some((found.key, found.person))
    };
    let clock_bounded = clock_bounded(view, record)?;
    let outside = Outside {
        district: view.facts.id,
        keys: &keys,
        record: row.id,
        replica: &replica,
        is_photo_elsewhere,
        clock_bounded: &clock_bounded,
    };
    let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
    let found = doubts(record, &round, plan, routes, &outside);
    Ok(Some((round, found)))
}

/// The check-ins whose clock had to be brought into its bounds.
fn clock_bounded(
    view: &LogView<'_>,
    record: &RecordState,
) -> Result<BTreeSet<(ReplicaNo, Seq)>, StoreError> {
    let mut found = BTreeSet::new();
    for element in check_ins(record) {
        let stamp = &element.stamp;
        let Some(entry) = view.read.find_entry(stamp.place.pos)? else {
            continue;
        };
        // What a ruling let in has the marks of its own entry and of the ruling.
        let marks = match entry.kind {
            EntryKind::Ruling => read_ruling(&entry)?.marks,
            _ => entry.answer.marks,
        };
        if marks.has(Marks::CLOCK_BOUNDED) {
            found.insert((stamp.replica, stamp.seq));
        }
    }
    Ok(found)
}

fn check_ins(record: &RecordState) -> impl Iterator<Item = &Element> {
    let elements = record.elements.iter();
    elements.filter(|element| element.set == "check_ins")
}

pub(in crate::service) fn hash_of(photo: &str) -> Option<Hash> {
    hex::decode(photo).and_then(|bytes| Hash::from_slice(&bytes))
}

/// The photos that the check-ins of a record show.
pub(in crate::service) fn photos_of(record: &RecordState) -> BTreeSet<Hash> {
    check_ins(record)
        .filter_map(|element| element.fields.value::<Vec<String>>("photos"))
        .flatten()
        .filter_map(|photo| hash_of(&photo))
        .collect()
}

/// The patrols that one step of the projection looks at.
#[derive(Default)]
pub(in crate::service) struct Walked {
    records: BTreeMap<i64, (RecordRow, RecordState)>,
    /// Which rounds show a photo, of all photos that the records show.
    showing: BTreeMap<Hash, BTreeSet<i64>>,
}

impl Walked {
    /// Takes note of a record, if it is a patrol.
    pub(in crate::service) fn note(&mut self, row: &RecordRow, record: RecordState) {
        if row.kind == Kind::Patrol {
            self.records.insert(row.no, (row.clone(), record));
        }
    }

    /// Adds the rounds that share a photo with these, or did so far: what is doubtful about them may be another.
    pub(in crate::service) fn find_sharing(
        &mut self,
        view: &LogView<'_>,
        index: &IndexWrite,
    ) -> Result<(), Trouble> {
        let mut others = BTreeSet::new();
        for (no, (_, record)) in &self.records {
            let before = index.list_check_in_photos(*no).map_err(Trouble::Index)?;
            let now = photos_of(record);
            for photo in now.union(&before) {
                others.extend(index.list_rounds_with(*photo).map_err(Trouble::Index)?);
            }
        }
        for no in others {
            if !self.records.contains_key(&no) {
                let row = view.read.get_record_by_no(no)?;
                if let Some(record) = view.load_state(&row)? {
                    self.note(&row, record);
                }
            }
        }
        for (no, (_, record)) in &self.records {
            for photo in photos_of(record) {
                if !self.showing.contains_key(&photo) {
                    // What the index says of the records of this step may be old.
                    let all = index.list_rounds_with(photo).map_err(Trouble::Index)?;
                    let of_others = all.into_iter().filter(|no| !self.records.contains_key(no));
                    self.showing.insert(photo, of_others.collect());
                }
                self.showing.entry(photo).or_default().insert(*no);
            }
        }
        Ok(())
    }

    /// What the projection is to hold of them.
    pub(in crate::service) fn reckon(
        self,
        district: &District,
        state: &WriterState,
        view: &LogView<'_>,
    ) -> Result<Vec<(i64, Option<ProjectedRound>)>, StoreError> {
        let mut found = Vec::new();
        for (no, (row, record)) in &self.records {
            let is_elsewhere = |photo: &str| {
                let showing = hash_of(photo).and_then(|photo| self.showing.get(&photo));
                showing.is_some_and(|rounds| rounds.iter().any(|other| other != no))
            };
            let reckoned = reckon(district, state, view, (row, record), &is_elsewhere)?;
            let projected = match reckoned {
                Some(reckoned) => Some(project(view, row, record, reckoned)?),
                None => None,
            };
            found.push((*no, projected));
        }
        Ok(found)
    }
}

/// The changes of a record with tracks that are still there, and when these are to be erased.
fn tracks(
    view: &LogView<'_>,
    record: &RecordState,
    keep_days: u32,
) -> Result<Vec<(Pos, i64)>, StoreError> {
    let mut found = Vec::new();
    let elements = record.elements.iter();
    for element in elements.filter(|element| element.set == "tracks") {
        let mut pos = element.stamp.place.pos;
        if let Some(entry) = view.read.find_entry(pos)?
            && entry.kind == EntryKind::Ruling
        {
            pos = read_ruling(&entry)?.of;
        }
        let sealed = view.read.list_sealed(pos)?;
        if sealed.iter().any(|part| part.content.is_some()) {
            let keep_ms = i64::from(keep_days) * 24 * 3_600_000;
            found.push((pos, element.stamp.time_ms.saturating_add(keep_ms)));
        }
    }
    Ok(found)
}

fn project(
    view: &LogView<'_>,
    row: &RecordRow,
    record: &RecordState,
    reckoned: Reckoned,
) -> Result<ProjectedRound, StoreError> {
    let track = &reckoned.documents.patrol_plan().track;
    let keep_days = match reckoned.key_period {
        Some(_) => track.keep_days_key_period,
        None => track.keep_days,
    };
    let round = &reckoned.round;
    let open = reckoned
        .doubts
        .iter()
        .filter(|doubt| doubt.settled.is_none());
    let doubts: Vec<DoubtRow> = open
        .map(|doubt| DoubtRow {
            kind: doubt.kind.to_owned(),
            about: doubt.about.clone(),
            person: doubt.person,
            time_ms: doubt.time_ms,
        })
        .collect();
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Ok(ProjectedRound {
        tracks: tracks(view, record, keep_days)?,
        row: RoundRow {
            unit: row.unit,
            must: count(round.must_points.len()),
            visited: count(round.visited.len()),
            line: RoundLine {
                id: row.id,
                planned: Planned {
                    day: round.day,
                    team: round.team.clone(),
                    slot: round.slot.clone(),
                },
                state: round.state.clone(),
                completion: reckoned.completion,
                people: count(round.people()),
                people_min: reckoned.people_min,
                open_doubts: count(doubts.len()),
                missed_reason: round.missed_reason.clone(),
            },
        },
        doubts,
        photos: photos_of(record),
    })
}
