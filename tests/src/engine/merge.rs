//! The engine's merge: both sides' amendments as JSON into record states, every value that another wrote kept readable.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use sync_core::change::{Header, SigningKey};
use sync_core::ids::{
    DistrictId, DocumentsVersion, LogPlace, PersonId, Pos, RecordId, ReplicaId, ReplicaNo,
    ScopeVersion, Seq, UnitId,
};
use sync_core::kinds::Kind;
use sync_core::merge::{Act, Event, RecordState};
use sync_core::payload::Payload;
use sync_core::replica::{Enrolment, Replica, RequestFacts};
use sync_core::time::Evidence;
use sync_core::verdict::{Answer, Marks, Verdict};
use sync_core::wire::{Cursor, EntryItem, Item, Status, SyncResponse, write_item};
use uuid::Uuid;

use super::{EPOCH, amendment, stamp, subject};
use crate::bench::merge_work::{FIELD_NAMES, FieldEdit, MergeWork};
use crate::bench::report::json_of;
use crate::bench::under_test::{BenchError, LocalUnderTest, PreparedRun};

/// The author of the reports; the two sides are the replicas after it.
const MAKER: u32 = 1;

/// Two replicas in memory that take in what the other wrote.
#[derive(Clone, Copy, Debug)]
pub struct EngineMerge;

/// One replica's database that takes in pages with both sides' amendments.
#[derive(Clone, Copy, Debug)]
pub struct EngineMergeIntoSqlite;

/// One amendment as it comes out of a page: the payload is still JSON.
struct Amendment {
    record: RecordId,
    pos: u64,
    author: u32,
    seq: u64,
    time_ms: i64,
    base: u64,
    open: Vec<u8>,
}

impl Amendment {
    fn event(&self) -> Result<Event, BenchError> {
        let base = LogPlace {
            epoch: EPOCH,
            pos: Pos(self.base),
        };
        Ok(Event {
            stamp: stamp(self.pos, self.time_ms, self.author, self.seq),
            base,
            unit: UnitId(2),
            act: Act::Write(Payload::read(&self.open).map_err(subject)?),
        })
    }
}

/// Both sides' amendments in the log's order: what the first side handed in, then what the second did. Neither saw the other's.
fn amendments(work: &MergeWork) -> [Vec<Amendment>; 2] {
    let base = work.reports.len() as u64;
    let mut pos = base;
    [0, 1].map(|side: usize| {
        let edits = &work.edits[side];
        edits
            .chunk_by(|left, right| left.record == right.record)
            .zip(1..)
            .map(|(edits, seq)| {
                pos += 1;
                Amendment {
                    record: RecordId(edits[0].record),
                    pos,
                    author: MAKER + 1 + side as u32,
                    seq,
                    time_ms: edits[0].time_ms,
                    base,
                    open: amendment(edits),
                }
            })
            .collect()
    })
}

type States = BTreeMap<RecordId, RecordState>;

fn common(work: &MergeWork) -> Result<States, BenchError> {
    let created = work.reports.iter().zip(1..).map(|((id, report), pos)| {
        let event = Event {
            stamp: stamp(pos, report.happened_at_ms, MAKER, pos),
            base: LogPlace::default(),
            unit: UnitId(2),
            act: Act::Create {
                kind: Kind::Report,
                state: Some("SUBMITTED".to_owned()),
                fields: Payload::read(&json_of(report)).map_err(subject)?,
            },
        };
        Ok((RecordId(*id), RecordState::advance(None, event)))
    });
    created.collect()
}

fn take_in(states: &mut States, amendments: &[Amendment]) -> Result<(), BenchError> {
    for amendment in amendments {
        let state = states
            .get_mut(&amendment.record)
            .ok_or_else(|| BenchError::WrongAnswer("an unknown record".to_owned()))?;
        state.apply(amendment.event()?);
    }
    Ok(())
}

/// Every edit of both sides must be readable: nobody saw another's, so nothing may be gone.
fn check(
    work: &MergeWork,
    state_of: impl Fn(RecordId) -> Option<RecordState>,
) -> Result<(), BenchError> {
    let lost = |edit: &FieldEdit| {
        BenchError::WrongAnswer(format!(
            "{} of {} is gone",
            FIELD_NAMES[usize::from(edit.field.0)],
            edit.record
        ))
    };
    for (author, edit) in (0..)
        .zip(&work.edits)
        .flat_map(|(side, edits)| edits.iter().map(move |edit| (MAKER + 1 + side, edit)))
    {
        let state = state_of(RecordId(edit.record)).ok_or_else(|| lost(edit))?;
        let wanted = edit.value.to_json().to_string();
        let values = state.values(FIELD_NAMES[usize::from(edit.field.0)]);
        let readable = values
            .iter()
            .any(|(stamp, value)| stamp.person == PersonId(author) && value.get() == wanted);
        if !readable {
            return Err(lost(edit));
        }
    }
    Ok(())
}

struct InMemory {
    work: MergeWork,
    replicas: [States; 2],
    amendments: [Vec<Amendment>; 2],
}

impl LocalUnderTest<MergeWork> for EngineMerge {
    fn prepare(&self, work: &MergeWork, _data: &Path) -> Result<Box<dyn PreparedRun>, BenchError> {
        let amendments = amendments(work);
        let mut first = common(work)?;
        let second = first.clone();
        // The first side's work reached the log before the second's: it holds its own already. The second's own changes
        // get places above what it has not received yet, so that it folds both.
        take_in(&mut first, &amendments[0])?;
        Ok(Box::new(InMemory {
            work: work.clone(),
            replicas: [first, second],
            amendments,
        }))
    }
}

impl PreparedRun for InMemory {
    fn run(&mut self) -> Result<u64, BenchError> {
        let [first, second] = &mut self.replicas;
        take_in(first, &self.amendments[1])?;
        take_in(second, &self.amendments[0])?;
        take_in(second, &self.amendments[1])?;
        Ok(self.work.field_edits())
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        let [first, second] = &self.replicas;
        if first != second {
            return Err(BenchError::WrongAnswer("the two sides differ".to_owned()));
        }
        check(&self.work, |record| first.get(&record).cloned())
    }
}

struct IntoSqlite {
    work: MergeWork,
    replica: Replica,
    pages: Vec<SyncResponse>,
}

impl LocalUnderTest<MergeWork> for EngineMergeIntoSqlite {
    fn prepare(&self, work: &MergeWork, data: &Path) -> Result<Box<dyn PreparedRun>, BenchError> {
        let mut replica = new_replica(data)?;
        let states = common(work)?;
        let images: Vec<_> = states
            .iter()
            .map(|(record, state)| (*record, state.pos, state.to_image()))
            .collect();
        let borrowed = images
            .iter()
            .map(|(record, pos, image)| (*record, *pos, &image[..]));
        replica.apply_images(borrowed).map_err(subject)?;
        Ok(Box::new(IntoSqlite {
            work: work.clone(),
            replica,
            pages: pages(work),
        }))
    }
}

/// A replica in a file as an app opens it: write-ahead log, a commit is on the disk.
pub fn new_replica(data: &Path) -> Result<Replica, BenchError> {
    let connection = Connection::open(data.join("replica.db"))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let key = SigningKey::from_seed(&[7; 32]);
    let enrolment = Enrolment {
        district: DistrictId(Uuid::from_bytes([1; 16])),
        replica: ReplicaId(Uuid::from_bytes([2; 16])),
        key_seed: *key.seed(),
        replica_no: ReplicaNo(9),
        person: PersonId(9),
        epoch: EPOCH,
        certificate: Vec::new(),
        server_keys: vec![("k1".to_owned(), key.verifying_key())],
    };
    Replica::create(connection, &enrolment).map_err(subject)
}

/// Both sides' amendments as the server sends them: pages of entries of at most the protocol's size.
fn pages(work: &MergeWork) -> Vec<SyncResponse> {
    let mut pages = Vec::new();
    let mut items = Vec::new();
    let mut last = 0;
    for amendment in amendments(work).iter().flatten() {
        if items.len() >= sync_core::limits::PAGE_BYTES_MAX {
            pages.push(page(std::mem::take(&mut items), last));
        }
        last = amendment.pos;
        write_item(&mut items, &Item::Entry(entry(amendment)));
    }
    pages.push(page(items, last));
    pages
}

fn entry(amendment: &Amendment) -> EntryItem {
    let base = LogPlace {
        epoch: EPOCH,
        pos: Pos(amendment.base),
    };
    let header = Header {
        seq: Seq(amendment.seq),
        record: amendment.record,
        unit: UnitId(2),
        intent: "report.amend".to_owned(),
        schema: 1,
        documents: DocumentsVersion(1),
        base,
        at: Evidence {
            wall_ms: amendment.time_ms,
            monotonic_ms: amendment.pos * 1_000,
            boot: 1,
            skew_ms: 0,
        },
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    };
    let stamp = stamp(
        amendment.pos,
        amendment.time_ms,
        amendment.author,
        amendment.seq,
    );
    EntryItem {
        place: stamp.place,
        first_place: None,
        replica: stamp.replica,
        person: stamp.person,
        time_ms: stamp.time_ms,
        answer: Answer {
            verdict: Verdict::Accepted,
            marks: Marks::default(),
            problems: Vec::new(),
        },
        header: header.encode(),
        open: Some(amendment.open.clone()),
    }
}

fn page(items: Vec<u8>, pos: u64) -> SyncResponse {
    SyncResponse {
        request_no: 1,
        status: Status::Ok,
        epoch: EPOCH,
        epoch_start: Pos(0),
        mark: Seq(0),
        duplicates: 0,
        receipts: Vec::new(),
        received_ms: 1_800_000_000_000,
        safe_seq: Seq(0),
        scope: None,
        items,
        cursor: Cursor {
            epoch: EPOCH,
            scope_version: ScopeVersion(1),
            pos: Pos(pos),
            backfill: 0,
        },
        more: true,
        digest: None,
        head: None,
        token: None,
        wipe: None,
        keys: Vec::new(),
        manifest: None,
        texts: Vec::new(),
        documents: DocumentsVersion(1),
        replica_no: ReplicaNo(9),
    }
}

impl PreparedRun for IntoSqlite {
    fn run(&mut self) -> Result<u64, BenchError> {
        let facts = RequestFacts::default();
        for page in &self.pages {
            self.replica
                .apply_response(page, &facts, Evidence::default())
                .map_err(subject)?;
        }
        Ok(self.work.field_edits())
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        let mut statement = self
            .replica
            .connection()
            .prepare("SELECT id, image FROM record")?;
        let rows = statement.query_map([], |row| {
            let id: [u8; 16] = row.get(0)?;
            Ok((RecordId(Uuid::from_bytes(id)), row.get::<_, Vec<u8>>(1)?))
        })?;
        let images: BTreeMap<_, _> = rows.collect::<Result<_, _>>()?;
        check(&self.work, |record| {
            RecordState::from_image(images.get(&record)?).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::timing::measure_local;

    #[test]
    fn both_ways_keep_every_edit_readable() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let work = MergeWork::new(2, 100, 60, 2);
        for subject in [
            &EngineMerge as &dyn LocalUnderTest<_>,
            &EngineMergeIntoSqlite,
        ] {
            let figures = measure_local(subject, &work, scratch.path()).expect("merged");
            assert_eq!(figures.units, 240);
        }
    }

    #[test]
    fn a_side_that_took_nothing_in_does_not_pass() {
        let work = MergeWork::new(2, 100, 60, 2);
        let states = common(&work).expect("states");
        assert!(check(&work, |record| states.get(&record).cloned()).is_err());
    }
}
