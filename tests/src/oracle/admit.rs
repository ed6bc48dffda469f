//! A model server: takes arrivals in their order, keeps a log of its own, and says what must come of each.

use super::arrival::{Answered, Arrival, Prediction, Status};
use super::decide::{Decided, Situation, decide};
use super::documents::{Documents, Versions};
use super::entering::ranges;
use super::fold::{OracleRecord, fold};
use super::log::ChangeRow;
use super::people::{Grant, People, Scope};
use super::plain::{
    Answer, CLOCK_BOUNDED, Change, ChangeKey, Clocks, Entry, Need, Place, RecordKey, ReplicaKey,
    Verdict, Written,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A change in the model's log.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) row: ChangeRow,
    /// The last contact before it that announced a shorter chain.
    pub(super) contact_ms: i64,
    pub(super) sent_at: Clocks,
    /// Where it is now: its first answer, or that of the last ruling about it.
    pub(super) standing: Answer,
    /// Whether somebody has ended the matter; a release does not.
    pub(super) has_ended: bool,
}

impl Kept {
    /// Whether it waits for a release, a repair or a person.
    pub(super) fn is_open(&self) -> bool {
        let waits = matches!(self.standing.verdict, Verdict::Held | Verdict::Quarantined);
        waits && !self.has_ended
    }
}

/// A record's entries and what they add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    pub(super) shown: Option<OracleRecord>,
    /// The unit that the first change about it named.
    pub(super) first_named_unit: u32,
}

/// A replica that is continued, as it was when the fork was told.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) continued: ReplicaKey,
    pub(super) forked_ms: i64,
    /// How much of its chain the log had.
    pub(super) mark: u64,
    pub(super) contacts: Vec<(i64, u64)>,
}

/// The model. A clone of it stands for a copy of the server's files.
#[derive(Clone, Debug)]
pub struct AdmissionOracle {
    pub(super) documents: Arc<Documents>,
    pub(super) versions: Versions,
    pub(super) people: People,
    /// Whether the server knows intents at all: a version before the first one knows none.
    pub(super) knows_intents: bool,
    /// Each epoch and the position at which it began.
    pub(super) epochs: Vec<(u32, u64)>,
    pub(super) head: u64,
    /// When the entry at each position came.
    pub(super) received_ms: BTreeMap<u64, i64>,
    pub(super) changes: BTreeMap<u64, Kept>,
    /// The positions of each replica's changes, in the order of its chain.
    pub(super) chains: BTreeMap<ReplicaKey, Vec<u64>>,
    /// When each replica announced which head.
    pub(super) contacts: BTreeMap<ReplicaKey, Vec<(i64, u64)>>,
    /// What each replica that continues another found of it at the fork.
    pub(super) branches: BTreeMap<ReplicaKey, Branch>,
    pub(super) records: BTreeMap<RecordKey, Record>,
    /// The hashes of changes of forked branches, and where each was repeated first.
    pub(super) repeated: BTreeMap<[u8; 32], u64>,
    /// What each held change waits for; nothing but a newer server when it is not in here.
    pub(super) waiting: BTreeMap<u64, Need>,
    /// Quarantined changes that the present range repairs: the rulings follow at its end.
    pub(super) repaired: Vec<u64>,
}

impl Default for AdmissionOracle {
    fn default() -> Self {
        Self::new()
    }
}

impl AdmissionOracle {
    /// An empty district in its first epoch.
    pub fn new() -> Self {
        Self {
            documents: Arc::new(Documents::defaults()),
            versions: Versions::default(),
            people: People::default(),
            knows_intents: true,
            epochs: vec![(1, 0)],
            head: 0,
            received_ms: BTreeMap::new(),
            changes: BTreeMap::new(),
            chains: BTreeMap::new(),
            contacts: BTreeMap::new(),
            branches: BTreeMap::new(),
            records: BTreeMap::new(),
            repeated: BTreeMap::new(),
            waiting: BTreeMap::new(),
            repaired: Vec::new(),
        }
    }

    /// As a version of the server that knows no intent yet.
    #[must_use]
    pub fn before_the_first_version(mut self) -> Self {
        self.knows_intents = false;
        self
    }

    /// Whether the server knows intents.
    pub fn knows_intents(&self) -> bool {
        self.knows_intents
    }

    /// Takes the next directory entry in: the JSON that stands in the log, and when it came.
    pub fn directory(&mut self, body: &Value, received_ms: i64) {
        self.readmit(body, received_ms, received_ms);
    }

    /// The same for the entry of a replica that enrolled after a copy from which the server was restored: the request
    /// that brings its certificate brings this entry about, before its batch is looked at.
    pub fn readmit(&mut self, body: &Value, received_ms: i64, first_enrolled_ms: i64) {
        self.next_place(received_ms);
        self.versions.apply(body);
        self.documents = self.versions.at(received_ms);
        // An enrolment is the first contact: nothing was made before it.
        if let Some(replica) = self.people.apply(body) {
            self.contacts.insert(replica, vec![(first_enrolled_ms, 0)]);
            self.note_branch(replica, received_ms);
        }
    }

    /// What a person may see at a time.
    pub fn scope(&self, person: u32, at_ms: i64) -> Scope {
        let documents = self.versions.seen_at(at_ms);
        self.people.scope(&documents, person, at_ms)
    }

    /// A text of a document that an entry to come will name by this hash.
    pub fn know_document(&mut self, hash: String, text: String) {
        self.versions.know(hash, text);
    }

    /// Whether a replica is enrolled.
    pub fn knows(&self, replica: ReplicaKey) -> bool {
        self.people.replica(replica).is_some()
    }

    /// Whose a replica is.
    pub fn person_of(&self, replica: ReplicaKey) -> Option<u32> {
        Some(self.people.replica(replica)?.person)
    }

    /// All roles that a person was ever given.
    pub fn grants(&self, person: u32) -> &[Grant] {
        self.people.grants(person)
    }

    /// What a record shows now; nothing when no entry touches it.
    pub fn record(&self, record: RecordKey) -> Option<&OracleRecord> {
        self.records.get(&record)?.shown.as_ref()
    }

    /// What every record shows now.
    pub fn records(&self) -> BTreeMap<RecordKey, OracleRecord> {
        self.records
            .iter()
            .filter_map(|(record, kept)| Some((*record, kept.shown.clone()?)))
            .collect()
    }

    /// The last position of the log.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The positions of all changes that wait or are quarantined, for a person to rule on.
    pub fn inbox(&self) -> Vec<u64> {
        self.changes
            .iter()
            .filter(|(_, kept)| kept.is_open())
            .map(|(pos, _)| *pos)
            .collect()
    }

    /// The server was put back to a copy: everything since is gone, and a new epoch begins.
    pub fn restore(&mut self, copy: &Self) {
        let epoch = self.epoch() + 1;
        *self = copy.clone();
        self.begin_epoch(epoch);
    }

    /// An epoch of this number begins after the last entry.
    pub fn begin_epoch(&mut self, epoch: u32) {
        self.epochs.push((epoch, self.head));
    }

    /// How many epochs the log has had.
    pub fn count_epochs(&self) -> usize {
        self.epochs.len()
    }

    /// What must come of an arrival. Nothing when the replica is not known: such a request is refused.
    pub fn arrive(&mut self, arrival: &Arrival) -> Option<Prediction> {
        let author = self.people.replica(arrival.replica)?.clone();
        self.documents = self.versions.at(arrival.received_ms);
        let mark = self.mark(arrival.replica);
        let mut prediction = Prediction {
            status: Status::Ok,
            mark,
            duplicates: 0,
            answers: Vec::new(),
            rulings: Vec::new(),
        };
        if author.revoked_ms.is_some() {
            prediction.status = Status::Revoked;
        }
        if self.is_forked(arrival) {
            prediction.status = Status::Fork;
        } else if !arrival.changes.is_empty() && arrival.first_seq <= mark + 1 {
            let is_new = |change: &&Change| change.seq > mark;
            let new: Vec<&Change> = arrival.changes.iter().filter(is_new).collect();
            prediction.duplicates = (arrival.changes.len() - new.len()) as u64;
            // Who does not know of a restore yet is told of it first.
            if arrival.epoch == self.epoch() {
                for (offered, range) in ranges(&arrival.receipts, &new) {
                    let rulings = self.take_range(arrival, &author, offered, range);
                    prediction.rulings.extend(rulings);
                }
            }
            let mark = self.mark(arrival.replica);
            prediction.answers = arrival
                .changes
                .iter()
                .filter(|change| change.seq <= mark)
                .map(|change| self.answered(arrival.replica, change.seq))
                .collect();
        }
        // What another chain announces says nothing of this one.
        if prediction.status != Status::Fork {
            self.contacts
                .entry(arrival.replica)
                .or_default()
                .push((arrival.received_ms, arrival.head.0));
        }
        prediction.mark = self.mark(arrival.replica);
        Some(prediction)
    }

    /// The present epoch.
    pub fn epoch(&self) -> u32 {
        self.epochs.last().map_or(1, |(epoch, _)| *epoch)
    }

    /// The place that the next entry gets.
    pub(super) fn coming_place(&self) -> Place {
        (self.epoch(), self.head + 1)
    }

    /// The last change of a replica that the server has.
    pub fn mark(&self, replica: ReplicaKey) -> u64 {
        self.chains
            .get(&replica)
            .map_or(0, |chain| chain.len() as u64)
    }

    pub(super) fn next_place(&mut self, received_ms: i64) -> Place {
        let place = self.coming_place();
        self.head = place.1;
        self.received_ms.insert(self.head, received_ms);
        place
    }

    /// A change by its replica and seq.
    pub(super) fn find(&self, change: ChangeKey) -> Option<&Kept> {
        let index = usize::try_from(change.1.checked_sub(1)?).ok()?;
        let pos = self.chains.get(&change.0)?.get(index)?;
        self.changes.get(pos)
    }

    fn answered(&self, replica: ReplicaKey, seq: u64) -> Answered {
        let kept = self
            .find((replica, seq))
            .expect("BUG: every change up to the mark is in the log");
        Answered {
            seq,
            place: kept.row.place,
            first: kept.row.first,
            time_ms: kept.row.time_ms,
            answer: kept.row.answer.clone(),
        }
    }

    /// Whether the server knows another hash at a seq, or more than the announced head.
    fn is_forked(&self, arrival: &Arrival) -> bool {
        let hash_at = |seq: u64| {
            self.find((arrival.replica, seq))
                .map(|kept| kept.row.change.hash)
        };
        let differs = |seq: u64, hash: [u8; 32]| hash_at(seq).is_some_and(|known| known != hash);
        arrival.head.0 < self.mark(arrival.replica)
            || differs(arrival.head.0, arrival.head.1)
            || (arrival.first_seq > 1 && differs(arrival.first_seq - 1, arrival.prev_hash))
            || arrival
                .changes
                .iter()
                .any(|change| differs(change.seq, change.hash))
    }

    /// Adds an entry to its record.
    pub(super) fn add(&mut self, entry: Entry) {
        if entry.effect == super::plain::Effect::None {
            return;
        }
        let record = self.records.entry(entry.record).or_default();
        record.entries.push(entry);
        let entries: Vec<&Entry> = record.entries.iter().collect();
        record.shown = fold(&entries);
    }

    /// The change of the same person that a change repairs, while it is quarantined or not applied and nobody ended it.
    /// For a repair that a restore had lost it may be held again.
    pub(super) fn repaired_by(&self, row: &ChangeRow) -> Option<u64> {
        let repairs = row.change.written.as_ref()?.repairs?;
        let kept = self.find(repairs)?;
        let is_repairable = match kept.standing.verdict {
            Verdict::Quarantined | Verdict::NotApplied => true,
            Verdict::Held => row.first.is_some(),
            Verdict::Accepted | Verdict::Conflict => false,
        };
        let pos = kept.row.place.1;
        let is_taken = self.repaired.contains(&pos);
        let is_own = kept.row.person == row.person;
        (is_own && is_repairable && !kept.has_ended && !is_taken).then_some(pos)
    }

    /// Whether what a change needs is in force.
    fn is_in_force(&self, need: Need) -> bool {
        match need {
            Need::Change(change) => self
                .find(change)
                .is_some_and(|kept| kept.standing.verdict.is_in_force()),
            Need::Record(record) => self
                .record(record)
                .is_some_and(|record| record.created.is_some()),
        }
    }

    /// The unit of a record: its own, or what the first change about it named.
    pub(super) fn unit_of(&self, record: RecordKey) -> Option<u32> {
        let record = self.records.get(&record)?;
        let own = record.shown.as_ref().map(|shown| shown.unit);
        Some(own.unwrap_or(record.first_named_unit))
    }

    /// Whether a change is in the log under another name: what it repeats, another repeat of that, or a repeat of itself.
    pub(super) fn is_repeat(&self, change: &Change, again: Option<u64>) -> bool {
        // A held change that is looked at again is not its own repeat.
        let was_repeated = |hash: [u8; 32]| {
            let first = self.repeated.get(&hash);
            first.is_some_and(|pos| Some(*pos) != again)
        };
        let Some(written) = &change.written else {
            return false;
        };
        match written.origin {
            Some((first, hash)) => {
                let has_hash = |kept: &Kept| kept.row.change.hash == hash;
                was_repeated(hash) || self.find(first).is_some_and(has_hash)
            }
            None => was_repeated(change.hash),
        }
    }

    pub(super) fn decide(
        &self,
        row: &ChangeRow,
        contact_ms: i64,
        sent_at: Clocks,
        fixed_time_ms: Option<i64>,
        again: Option<u64>,
    ) -> Decided {
        let written = row.change.written.as_ref();
        let record = written.and_then(|written| self.records.get(&written.record));
        let id = self.people.replica_id(row.replica);
        let revoked_ms = id
            .and_then(|id| self.people.replica(id))
            .and_then(|replica| replica.revoked_ms);
        let repairs = written.is_some_and(|written| written.repairs.is_some());
        let situation = Situation {
            documents: &self.documents,
            knows_intents: self.knows_intents,
            people: &self.people,
            person: row.person,
            replica: row.replica,
            is_revoked: revoked_ms.is_some_and(|revoked_ms| revoked_ms <= row.received_ms),
            record: record.and_then(|record| record.shown.as_ref()),
            history: record.map_or(&[], |record| &record.entries),
            earliest_ms: contact_ms.max(written.map_or(i64::MIN, |it| self.base_ms(it.base))),
            received_ms: row.received_ms,
            sent_at,
            place: row.place,
            has_what_it_needs: written
                .and_then(|written| written.needs)
                .is_none_or(|need| self.is_in_force(need)),
            is_repeat: self.is_repeat(&row.change, again),
            repairs_something: !repairs || self.repaired_by(row).is_some(),
            fixed_time_ms,
        };
        decide(&situation, &row.change)
    }

    /// Decides a held change again, with the time it has, as if it came into force at the next place.
    pub(super) fn decide_again(&self, of: u64) -> Answer {
        let kept = &self.changes[&of];
        let row = ChangeRow {
            place: self.coming_place(),
            ..kept.row.clone()
        };
        let time_ms = Some(row.time_ms);
        let decided = self.decide(&row, kept.contact_ms, kept.sent_at, time_ms, Some(of));
        let mut answer = decided.answer;
        answer.marks |= kept.row.answer.marks & CLOCK_BOUNDED;
        answer
    }
}

/// Whether a repair with this answer ends what it repairs.
pub(super) fn ends_repairs(answer: &Answer) -> bool {
    !matches!(answer.verdict, Verdict::Held | Verdict::Quarantined)
}

/// What a held change waits for.
pub(super) fn awaited(written: &Written, answer: &Answer) -> Option<Need> {
    let (code, _) = answer.problems.first()?;
    match (answer.verdict, code.as_str()) {
        (Verdict::Held, "record_missing") => Some(Need::Record(written.record)),
        (Verdict::Held, "needs_missing") => written.needs,
        _ => None,
    }
}
