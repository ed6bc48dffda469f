//! The writer's hand on the log: what it knows in memory, and the steps that every entry takes, inside one group.

use super::context::{LogView, OpenRange};
use super::documents::InForce;
use super::epochs::next_epoch;
use crate::store::StoreError;
use crate::store::sqlite::{
    Bucket, DistrictFacts, DistrictWrite, NewEntry, PersonRow, RecordRow, ReplicaRow, WaitKey,
};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_core::canary::{Canary, is_awake};
use sync_core::change::{Hash, SigningKey};
use sync_core::digest::SetDigest;
use sync_core::directory::{Directory, DirectoryChange};
use sync_core::entry::{EntryKind, Ruling, RulingKind, chained_body, log_hash};
use sync_core::ids::{Epoch, PersonId, Pos, ScopeVersion, UnitId};
use sync_core::kinds::Kind;
use sync_core::merge::RecordState;
use sync_core::scope::Scope;
use sync_core::wire::SignedHead;

/// More people than are entered between a copy and the loss of the server.
const PEOPLE_LOST_MAX: u32 = 10_000;

/// Numbers of scope versions that an epoch has for a person before it comes to those of the next.
const SCOPE_VERSIONS_AN_EPOCH: u32 = 1 << 12;

/// The first number that an epoch gives to a scope. A restored server must not give a number again that it gave before: a
/// phone would take the new scope for the one that it knows.
pub(super) fn first_scope_version(epoch: Epoch) -> u32 {
    let before = epoch.0.saturating_sub(1);
    before
        .saturating_mul(SCOPE_VERSIONS_AN_EPOCH)
        .saturating_add(1)
}

/// What the writer knows between groups. A group works on a copy, which takes the original's place after the commit.
#[derive(Clone, Debug)]
pub struct WriterState {
    /// The district's facts.
    pub facts: DistrictFacts,
    /// The last place and the log's hash there.
    pub head: (Pos, Hash),
    /// The directory as of the head.
    pub directory: Arc<Directory>,
    /// The documents that were in force at the last entry.
    pub documents: InForce,
    next_record_no: i64,
    buckets: BTreeMap<Bucket, SetDigest>,
    waits: BTreeSet<WaitKey>,
    /// Whether any change repeats a forked branch's. Where nobody ever forked, none needs to be looked for.
    has_origins: bool,
    /// The buckets that this group touched; the nudge after the commit names them.
    pub touched: BTreeSet<Bucket>,
    /// Whether this group changed the directory.
    pub directory_changed: bool,
    pending_rulings: Vec<Ruling>,
    /// What they are about.
    pending_repairs: BTreeSet<Pos>,
}

impl WriterState {
    /// Reads the state as of the last commit.
    ///
    /// # Errors
    /// Storage's own, or a corrupt row.
    pub fn load(write: &DistrictWrite) -> Result<Self, StoreError> {
        let mut directory = Directory::default();
        for (pos, body) in write.list_directory(Pos(0))? {
            let change = serde_json::from_slice(&body)
                .map_err(|error| StoreError::corrupt("entry", pos, error))?;
            directory.apply(pos, change);
        }
        let facts = write.facts()?;
        let at_ms = write.last_received_ms()?;
        let documents = InForce::at(write, &directory, &facts.time_zone, at_ms)?;
        Ok(Self {
            facts,
            head: write.head()?,
            directory: Arc::new(directory),
            documents,
            next_record_no: write.last_record_no()? + 1,
            buckets: write.list_buckets()?.into_iter().collect(),
            waits: write.list_wait_keys()?.into_iter().collect(),
            has_origins: write.has_origins()?,
            touched: BTreeSet::new(),
            directory_changed: false,
            pending_rulings: Vec::new(),
            pending_repairs: BTreeSet::new(),
        })
    }
}

/// The log, open for appending inside one group.
pub struct LogWriter<'a> {
    write: &'a DistrictWrite,
    key: (&'a str, &'a SigningKey),
    state: WriterState,
    open_range: Option<OpenRange>,
}

impl<'a> LogWriter<'a> {
    /// Starts on a copy of the writer's state.
    pub fn new(
        write: &'a DistrictWrite,
        key: (&'a str, &'a SigningKey),
        state: &WriterState,
    ) -> Self {
        let mut state = state.clone();
        state.touched.clear();
        state.directory_changed = false;
        Self {
            write,
            key,
            state,
            open_range: None,
        }
    }

    /// Writes what is kept once a group, and hands back the state that holds after the commit.
    ///
    /// # Errors
    /// Storage's own.
    pub fn finish(self, head_before: Pos) -> Result<WriterState, StoreError> {
        assert!(
            self.state.pending_rulings.is_empty(),
            "BUG: a ruling was put off and forgotten"
        );
        for bucket in &self.state.touched {
            self.write.put_bucket(*bucket, self.state.buckets[bucket])?;
        }
        if self.state.head.0 > head_before {
            self.write
                .insert_head(self.state.head.0, self.state.head.1)?;
        }
        Ok(self.state)
    }

    /// Reads the documents anew when an entry or the time has brought others into force.
    ///
    /// # Errors
    /// Storage's own.
    pub(super) fn refresh_documents(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let state = &mut self.state;
        if !state.documents.are_those_of(&state.directory, now_ms) {
            let time_zone = &state.facts.time_zone;
            state.documents = InForce::at(self.write, &state.directory, time_zone, now_ms)?;
        }
        Ok(())
    }

    pub(super) fn write(&self) -> &'a DistrictWrite {
        self.write
    }

    pub(super) fn facts(&self) -> &DistrictFacts {
        &self.state.facts
    }

    /// The directory as of the last place.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.state.directory)
    }

    pub(super) fn head(&self) -> (Pos, Hash) {
        self.state.head
    }

    pub(super) fn key(&self) -> &'a SigningKey {
        self.key.1
    }

    pub(super) fn key_id(&self) -> &'a str {
        self.key.0
    }

    /// The log as it stands before the next place.
    pub(super) fn view(&self) -> LogView<'_> {
        LogView {
            read: self.write,
            facts: &self.state.facts,
            directory: &self.state.directory,
            documents: &self.state.documents.documents,
            head: self.state.head.0,
            open_range: self.open_range,
            repaired: Some(&self.state.pending_repairs),
            has_origins: self.state.has_origins,
        }
    }

    /// Names the range that is being taken, so that its later changes find its earlier ones; `None` ends it.
    pub(super) fn set_open_range(&mut self, range: Option<OpenRange>) {
        self.open_range = range;
    }

    /// A change that is in force repeats the one of a forked branch that has this hash.
    pub(super) fn note_origin(&mut self, hash: Hash, pos: Pos) -> Result<(), StoreError> {
        self.write.insert_origin(hash, pos)?;
        self.state.has_origins = true;
        Ok(())
    }

    pub(super) fn next_record_no(&mut self) -> i64 {
        let no = self.state.next_record_no;
        self.state.next_record_no += 1;
        no
    }

    pub(super) fn note_wait(&mut self, key: Option<WaitKey>) {
        self.state.waits.extend(key);
    }

    /// Whether nothing waits for anything, as on most days.
    pub(super) fn nothing_waits(&self) -> bool {
        self.state.waits.is_empty()
    }

    pub(super) fn is_waited_for(&self, key: &WaitKey) -> bool {
        self.state.waits.contains(key)
    }

    pub(super) fn defer_ruling(&mut self, ruling: Ruling) {
        self.state.pending_repairs.insert(ruling.of);
        self.state.pending_rulings.push(ruling);
    }

    pub(super) fn flush_rulings(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.state.pending_repairs.clear();
        for ruling in std::mem::take(&mut self.state.pending_rulings) {
            self.rule(&ruling, now_ms)?;
        }
        Ok(())
    }

    /// Appends a row at the next place and moves the head.
    pub(super) fn append(
        &mut self,
        entry: &NewEntry<'_>,
        chained: &[u8],
    ) -> Result<Pos, StoreError> {
        let (last, prev_hash) = self.state.head;
        let pos = last.next();
        self.write.append_entry(pos, entry)?;
        self.state.head = (pos, log_hash(prev_hash, pos, entry.kind, chained));
        Ok(pos)
    }

    /// Puts a record's new state into its row and the digests. Answers with where it was, when it moved.
    pub(super) fn set_state(
        &mut self,
        row: &mut RecordRow,
        state: &RecordState,
        image: Option<Vec<u8>>,
        old: Option<&RecordRow>,
    ) -> Option<(UnitId, Option<UnitId>)> {
        if let Some(old) = old.filter(|old| old.kind != Kind::Unknown) {
            self.change_bucket(old, SetDigest::remove);
        }
        // While nobody made it, a record is in nobody's scope, whatever was added to it.
        row.kind = if state.created.is_some() {
            state.kind
        } else {
            Kind::Unknown
        };
        (row.unit, row.desk, row.pos, row.image) = (state.unit, state.desk, state.pos, image);
        if row.kind != Kind::Unknown {
            self.change_bucket(row, SetDigest::add);
        }
        let old = old?;
        if (old.kind, old.unit, old.desk) == (row.kind, row.unit, row.desk) {
            return None;
        }
        let was_unit = if old.kind == Kind::Unknown {
            UnitId(0)
        } else {
            old.unit
        };
        Some((was_unit, old.desk.filter(|_| old.kind != Kind::Unknown)))
    }

    fn change_bucket(
        &mut self,
        row: &RecordRow,
        change: fn(&mut SetDigest, sync_core::ids::RecordId, Pos),
    ) {
        if is_awake(Canary::DigestForgotten) && row.pos.0.is_multiple_of(7) {
            return;
        }
        let bucket = Bucket {
            kind: row.kind,
            unit: row.unit,
            desk: row.desk,
        };
        change(
            self.state.buckets.entry(bucket).or_default(),
            row.id,
            row.pos,
        );
        self.state.touched.insert(bucket);
    }

    /// Appends a ruling and gives its record the state that follows.
    ///
    /// # Errors
    /// Storage's own, or that the log has no such change.
    pub fn rule(&mut self, ruling: &Ruling, now_ms: i64) -> Result<Pos, StoreError> {
        let pos = self.state.head.0.next();
        let entry = self
            .write
            .find_entry(ruling.of)?
            .ok_or_else(|| StoreError::Missing(format!("the log has no place {}", ruling.of)))?;
        let mut row = entry
            .record
            .map(|no| self.write.get_record_by_no(no))
            .transpose()?;
        let (no, prev) = (
            row.as_ref().map(|row| row.no),
            row.as_ref().map(|row| row.last),
        );
        let mut was = None;
        if let Some(row) = &mut row {
            let old = row.clone();
            row.last = pos;
            let moves = ruling.ruling.puts_into_force();
            let event = self
                .view()
                .event_of(&entry, Some((pos, ruling)))?
                .filter(|_| moves);
            if let Some(event) = event {
                let state = self.view().state_with(Some(&old), event)?;
                let state = state.expect("BUG: a fold over an event is a state");
                let image = if is_awake(Canary::RulingLeavesImage) {
                    self.view().image_of(&old)?
                } else {
                    state.to_image()
                };
                was = self.set_state(row, &state, Some(image), Some(&old));
            }
            self.write.update_record(row)?;
        }
        match ruling.ruling {
            RulingKind::Erased => {
                self.write.erase_sealed(ruling.of)?;
            }
            RulingKind::Seen => self.write.insert_seen(ruling.of, pos)?,
            _ => self.write.insert_ruled(ruling.of, pos, ruling.waits_on())?,
        }
        let body = serde_json::to_vec(ruling).expect("BUG: a ruling is always JSON");
        let appended = NewEntry {
            kind: EntryKind::Ruling,
            admission: None,
            received_ms: now_ms,
            record: no,
            prev,
            header: None,
            body: Some(&body),
            was,
        };
        self.append(&appended, &chained_body(now_ms, &body))
    }

    /// Appends a directory entry and folds it in.
    ///
    /// # Errors
    /// Storage's own.
    pub fn change_directory(
        &mut self,
        change: DirectoryChange,
        now_ms: i64,
    ) -> Result<Pos, StoreError> {
        let body = serde_json::to_vec(&change).expect("BUG: a directory entry is always JSON");
        let entry = NewEntry {
            kind: EntryKind::Directory,
            admission: None,
            received_ms: now_ms,
            record: None,
            prev: None,
            header: None,
            body: Some(&body),
            was: None,
        };
        let pos = self.append(&entry, &chained_body(now_ms, &body))?;
        if let DirectoryChange::Replica(replica) = &change {
            self.write
                .put_replica(&ReplicaRow::new(replica.no, now_ms))?;
        }
        self.state.directory_changed = true;
        Arc::make_mut(&mut self.state.directory).apply(pos, change);
        Ok(pos)
    }

    /// A person's scope now, under a new version when it differs from the last one.
    pub(super) fn current_scope(
        &self,
        person: PersonId,
        now_ms: i64,
    ) -> Result<(Scope, ScopeVersion), StoreError> {
        let scope = Scope::of(
            &self.state.directory,
            &self.state.documents.documents,
            person,
            now_ms,
        );
        let bytes = scope.encode();
        let version = match self.write.find_scope(person)? {
            Some((version, stored)) if stored == bytes => version,
            last => {
                let next = last.map_or(0, |(version, _)| version.0) + 1;
                let first = first_scope_version(self.state.facts.epoch().0);
                let version = ScopeVersion(next.max(first));
                self.write.insert_scope(person, version, &bytes)?;
                version
            }
        };
        Ok((scope, version))
    }

    /// Notes that the log has reached the second place up to `pos`.
    ///
    /// # Errors
    /// Storage's own.
    pub fn set_safe(&mut self, pos: Pos) -> Result<(), StoreError> {
        let facts = &mut self.state.facts;
        // An older copy that ends late takes nothing back.
        facts.safe_pos = facts.safe_pos.max(pos.min(self.state.head.0));
        self.write.put_safe_pos(facts.safe_pos)
    }

    /// Begins a new epoch when a head under this server's name shows that the log was rolled back without anybody saying
    /// so: a later epoch, a later place of this one, or another history at a place. Such a head is never shown twice,
    /// since the new epoch is later than it.
    pub(super) fn check_shown_head(
        &mut self,
        shown: &SignedHead,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let (epoch, _) = self.state.facts.epoch();
        let is_ours = match shown.epoch.cmp(&epoch) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                let found = self.write.list_heads_before(shown.pos, 1)?;
                shown.pos == Pos(0) || found.first() == Some(&(shown.pos, shown.hash))
            }
        };
        if is_ours {
            return Ok(());
        }
        self.begin_anew(shown.epoch, now_ms)
    }

    /// Begins the epoch after the present one and one that a replica has seen, since the log was rolled back.
    pub(super) fn begin_anew(&mut self, seen: Epoch, now_ms: i64) -> Result<(), StoreError> {
        let epoch = self.epoch();
        let next = next_epoch(epoch.max(seen))?;
        let start = self.state.head.0;
        tracing::error!(
            seen_epoch = seen.0,
            epoch = epoch.0,
            pos = start.0,
            next_epoch = next.0,
            "a replica has seen more of this log than the log holds: it was rolled back; a new epoch begins"
        );
        self.write.insert_epoch(next, start, now_ms)?;
        self.write.put_anew(next)?;
        self.state.facts.epochs.push((next, start));
        self.state.facts.anew = next;
        Ok(())
    }

    /// The present epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.state.facts.epoch().0
    }

    /// The least number that a new person may get. After a restore some numbers may belong to people whose entries were
    /// lost, whom an administrator enters again under them: those are passed over.
    pub(super) fn least_new_person(&self) -> Result<PersonId, StoreError> {
        let (_, start) = self.state.facts.epoch();
        if self.state.facts.epochs.len() == 1 {
            return Ok(PersonId(1));
        }
        let mut kept: BTreeSet<PersonId> = self.state.directory.people().collect();
        for (pos, body) in self.write.list_directory(start)? {
            let change = serde_json::from_slice(&body)
                .map_err(|error| StoreError::corrupt("entry", pos, error))?;
            if let DirectoryChange::Person { person } = change {
                kept.remove(&person);
            }
        }
        let last = kept.last().map_or(0, |person| person.0);
        Ok(PersonId(last + 1 + PEOPLE_LOST_MAX))
    }

    /// The number of the next new person.
    pub(super) fn next_person(&self, least: PersonId) -> PersonId {
        let numbers = self.state.directory.people().map(|person| person.0);
        PersonId(least.0.max(numbers.max().unwrap_or(0) + 1))
    }

    /// Writes a person's name beside the directory, where it can be erased.
    ///
    /// # Errors
    /// Storage's own.
    pub fn put_person(&self, person: &PersonRow) -> Result<(), StoreError> {
        self.write.put_person(person)
    }

    /// Writes a unit's boundary.
    ///
    /// # Errors
    /// Storage's own.
    pub fn put_boundary(&self, unit: UnitId, geojson: &str) -> Result<(), StoreError> {
        self.write.put_boundary(unit, geojson)
    }

    /// Stores a version of a document's text.
    ///
    /// # Errors
    /// Storage's own.
    pub fn put_document(&self, name: &str, version: u32, text: &str) -> Result<(), StoreError> {
        self.write.put_document(name, version, text)
    }

    /// A write that nobody reads but that reaches the disk: shows that writing works. SQLite writes no page for a value
    /// that is there already, so this one differs each time.
    ///
    /// # Errors
    /// Storage's own.
    pub fn touch(&self, now_ms: i64) -> Result<(), StoreError> {
        self.write.put_touched(now_ms)
    }
}
