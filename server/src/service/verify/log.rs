//! The pass over the log: places, chain and heads; the other files check what each entry says.

use super::fault::{FaultKind, Findings};
use super::receipts::Covering;
use super::records::Slot;
use super::{DistrictReport, HeadReport, Known, Progress};
use crate::service::context::LogView;
use crate::service::documents::InForce;
use crate::store::StoreError;
use crate::store::sqlite::{Bucket, DistrictFacts, DistrictRead, EntryRow};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use sync_core::change::{Hash, VerifyingKey};
use sync_core::digest::SetDigest;
use sync_core::directory::Directory;
use sync_core::entry::{Admission, EntryKind, chained_body, log_hash};
use sync_core::ids::{Pos, ReplicaNo, Seq};

/// Entries read between two reports of progress.
const CHUNK_ENTRIES: usize = 2_000;
/// Heads read at a time.
const CHUNK_HEADS: usize = 1_000;
/// Rows that may be unreadable before the pass gives up.
const UNREADABLE_MAX: usize = 100;

/// What was counted on the way, to be compared with the tables at the end.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub entries: u64,
    pub changes: u64,
    pub rulings: u64,
    pub directory: u64,
    pub receipts: u64,
    pub sealed_kept: u64,
    pub sealed_erased: u64,
    pub waiting: u64,
    pub ruled: u64,
    /// Changes that a person has looked at.
    pub seen: u64,
    pub origins: u64,
    pub documents: BTreeSet<(String, u32)>,
}

/// The pass and what it knows as of the last entry.
pub(super) struct Pass<'a> {
    pub read: &'a DistrictRead,
    pub facts: &'a DistrictFacts,
    /// Those in force at the entry that is looked at.
    pub documents: InForce,
    pub known: Known<'a>,
    pub findings: Findings,
    pub counts: Counts,
    pub directory: Directory,
    /// The last place and the recomputed hash there.
    pub last: (Pos, Hash),
    /// Whether the hash follows from the entries alone; not after one that could not be read.
    chain_whole: bool,
    received_ms: i64,
    heads: VecDeque<(Pos, Hash)>,
    heads_read: Option<Pos>,
    last_head: Pos,
    /// The newest of the server's keys.
    pub server_key: Option<VerifyingKey>,
    /// The last change of each replica.
    pub chains: BTreeMap<ReplicaNo, (Seq, Hash)>,
    /// The receipt that covers the last change of each replica.
    pub covering: BTreeMap<ReplicaNo, Covering>,
    /// Records by their number, from 1.
    pub slots: Vec<Slot>,
    pub buckets: BTreeMap<Bucket, SetDigest>,
    /// Changes with deleted sealed parts for which no ruling has come yet.
    pub gone: BTreeSet<Pos>,
    /// Quarantined changes that were repaired, until the ruling that says so.
    pub repaired: BTreeSet<Pos>,
}

impl<'a> Pass<'a> {
    pub fn new(
        read: &'a DistrictRead,
        facts: &'a DistrictFacts,
        known: Known<'a>,
        findings: Findings,
    ) -> Result<Self, StoreError> {
        let directory = Directory::default();
        Ok(Self {
            read,
            facts,
            documents: InForce::at(read, &directory, &facts.time_zone, 0)?,
            known,
            findings,
            counts: Counts::default(),
            directory,
            last: (Pos(0), Hash::ZERO),
            chain_whole: true,
            received_ms: i64::MIN,
            heads: VecDeque::new(),
            heads_read: None,
            last_head: Pos(0),
            server_key: None,
            chains: BTreeMap::new(),
            covering: BTreeMap::new(),
            slots: Vec::new(),
            buckets: BTreeMap::new(),
            gone: BTreeSet::new(),
            repaired: BTreeSet::new(),
        })
    }

    /// The documents that were in force when an entry was decided. What a restore took back in is not decided again.
    fn refresh_documents(&mut self, entry: &EntryRow) -> Result<(), StoreError> {
        let at_ms = entry.received_ms;
        if entry.first_place.is_none() && !self.documents.are_those_of(&self.directory, at_ms) {
            let time_zone = &self.facts.time_zone;
            self.documents = InForce::at(self.read, &self.directory, time_zone, at_ms)?;
        }
        Ok(())
    }

    /// The log as it stood when `head` was its last place.
    pub fn view_at(&self, head: Pos) -> LogView<'_> {
        LogView {
            read: self.read,
            facts: self.facts,
            directory: &self.directory,
            documents: &self.documents.documents,
            head,
            open_range: None,
            repaired: Some(&self.repaired),
            has_origins: true,
        }
    }

    /// Notes a fault of an entry.
    pub fn fault(&mut self, pos: Pos, what: FaultKind, detail: impl Into<String>) {
        self.findings.note(Some(pos), "entry", pos, what, detail);
    }

    /// Reads the log from its first entry to its last.
    pub fn run(&mut self, progress: &mut dyn FnMut(Progress)) {
        let of = match self.read.last_entry_pos() {
            Ok(pos) => pos.0,
            Err(error) => return self.findings.note_error(None, &error),
        };
        self.check_known();
        let mut unreadable = 0;
        loop {
            let (after, read) = (self.last.0, self.read);
            let scanned = read.scan_entries(after, CHUNK_ENTRIES, |entry| {
                self.entry(&entry);
                Ok::<_, StoreError>(true)
            });
            progress(Progress {
                pos: self.last.0.0,
                of,
            });
            match scanned {
                Ok(()) if self.last.0 == after => break,
                Ok(()) => {}
                Err(error) => {
                    let pos = self.last.0.next();
                    self.findings.note_error(Some(pos), &error);
                    unreadable += 1;
                    if unreadable == UNREADABLE_MAX || pos.0 >= of {
                        break;
                    }
                    self.counts.entries += 1;
                    (self.last.0, self.chain_whole) = (pos, false);
                }
            }
        }
        self.check_end();
    }

    fn entry(&mut self, entry: &EntryRow) {
        let expected = self.last.0.next();
        if entry.pos != expected {
            self.fault(
                expected,
                FaultKind::PlaceMissing,
                format!("the next is {}", entry.pos),
            );
            (self.last.0, self.chain_whole) = (Pos(entry.pos.0 - 1), false);
        }
        self.counts.entries += 1;
        if let Err(error) = self.refresh_documents(entry) {
            self.findings.note_error(Some(entry.pos), &error);
        }
        let checked = match entry.kind {
            EntryKind::Change => self.change(entry),
            EntryKind::Ruling => self.ruling(entry),
            EntryKind::Directory => self.directory_entry(entry),
        };
        if let Err(error) = checked {
            self.findings.note_error(Some(entry.pos), &error);
        }
        self.check_received(entry);
        let chained = chained_bytes(entry);
        self.last = (
            entry.pos,
            log_hash(self.last.1, entry.pos, entry.kind, &chained),
        );
        self.check_known();
        if let Err(error) = self.check_head() {
            self.findings.note_error(Some(entry.pos), &error);
        }
    }

    fn check_received(&mut self, entry: &EntryRow) {
        // What a restore took back in keeps the time of its first arrival.
        if entry.first_place.is_some() {
            return;
        }
        if entry.received_ms < self.received_ms {
            let detail = format!("{} after {}", entry.received_ms, self.received_ms);
            self.fault(entry.pos, FaultKind::TimeFell, detail);
        }
        self.received_ms = entry.received_ms;
    }

    /// Compares the chain with the committed head of the last place, if there is one.
    fn check_head(&mut self) -> Result<(), StoreError> {
        let (pos, hash) = self.last;
        loop {
            if self.heads.is_empty() {
                self.heads
                    .extend(self.read.list_heads_after(self.heads_read, CHUNK_HEADS)?);
                self.heads_read = self.heads.back().map(|(last, _)| *last).or(self.heads_read);
            }
            let Some(head) = self.heads.front().copied().filter(|head| head.0 <= pos) else {
                return Ok(());
            };
            self.heads.pop_front();
            if head.0 < pos {
                self.findings
                    .note(Some(head.0), "head", head.0, FaultKind::HeadBeyond, "");
                continue;
            }
            self.last_head = pos;
            if head.1 != hash {
                if self.chain_whole {
                    let detail = format!("{hash} instead of {}", head.1);
                    self.findings
                        .note(Some(pos), "head", pos, FaultKind::ChainDiffers, detail);
                }
                // Told once; what follows is compared with what the head says.
                self.last.1 = head.1;
            }
            self.chain_whole = true;
        }
    }

    /// Compares the chain with the heads that are known from elsewhere, where they stand at the last place.
    fn check_known(&mut self) {
        let (pos, hash) = self.last;
        if self
            .known
            .head
            .is_some_and(|known| known.pos == pos && known.hash != hash)
        {
            self.findings
                .note(Some(pos), "entry", pos, FaultKind::KnownHeadDiffers, "");
        }
        if self
            .known
            .noted
            .is_some_and(|noted| noted.head.0 == pos && noted.head.1 != hash)
        {
            self.findings.note(
                Some(pos),
                "control.district",
                pos,
                FaultKind::NotedHeadDiffers,
                "",
            );
        }
    }

    fn check_end(&mut self) {
        let end = self.last.0;
        if self.last_head != end {
            self.findings
                .note(Some(end), "head", end, FaultKind::HeadMissing, "");
        }
        if let Some(head) = self.heads.front().copied().or_else(|| {
            self.read
                .list_heads_after(Some(end), 1)
                .ok()
                .and_then(|heads| heads.first().copied())
        }) {
            let place = head.0.min(end.next());
            self.findings
                .note(Some(place), "head", head.0, FaultKind::HeadBeyond, "");
        }
        if let Some(known) = self.known.head {
            let key = self.directory.server_key(&known.key_id);
            if !key.is_some_and(|key| known.is_signed_by(self.facts.id, key)) {
                let row = &known.key_id;
                self.findings.note(
                    Some(known.pos),
                    "entry",
                    row,
                    FaultKind::KnownHeadUnsigned,
                    "",
                );
            }
            if known.pos > end {
                let detail = format!("the log ends at {end}");
                let place = Some(end.next());
                self.findings.note(
                    place,
                    "entry",
                    known.pos,
                    FaultKind::KnownHeadBeyond,
                    detail,
                );
            }
        }
        if let Some(noted) = self.known.noted.filter(|noted| noted.head.0 > end) {
            let (place, row) = (Some(end.next()), noted.head.0);
            let detail = format!("the log ends at {end}");
            self.findings.note(
                place,
                "control.district",
                row,
                FaultKind::NotedHeadDiffers,
                detail,
            );
        }
    }

    /// The counts and what was found.
    pub fn report(self, code: &str) -> DistrictReport {
        let (faults_count, faults) = self.findings.finish();
        DistrictReport {
            code: code.to_owned(),
            entries: self.counts.entries,
            changes: self.counts.changes,
            rulings: self.counts.rulings,
            directory: self.counts.directory,
            replicas: self.directory.replicas().count() as u64,
            receipts: self.counts.receipts,
            records: self.slots.len() as u64,
            sealed_kept: self.counts.sealed_kept,
            sealed_erased: self.counts.sealed_erased,
            head: HeadReport {
                epoch: self.facts.epoch().0.0,
                pos: self.last.0.0,
                hash: self.last.1.to_string(),
            },
            faults_count,
            faults,
        }
    }
}

/// What the log's chain covers of an entry.
fn chained_bytes(entry: &EntryRow) -> Vec<u8> {
    match entry.kind {
        EntryKind::Change => Admission {
            replica: entry.replica,
            person: entry.person,
            seq: entry.seq,
            hash: entry.hash,
            received_ms: entry.received_ms,
            time_ms: entry.time_ms,
            answer: entry.answer.clone(),
            first_place: entry.first_place,
        }
        .chained_bytes(),
        EntryKind::Ruling | EntryKind::Directory => {
            chained_body(entry.received_ms, entry.body.as_deref().unwrap_or_default())
        }
    }
}
