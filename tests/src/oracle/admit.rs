//! A model server: takes arrivals in their order, keeps a log of its own, and says what must come of each.

use super::arrival::{Answered, Arrival, OfferedReceipt, Prediction, Ruled, Status};
use super::decide::{Decided, Situation, decide};
use super::documents::Documents;
use super::fold::{OracleRecord, fold};
use super::log::{self, ChangeRow};
use super::people::{Grant, People, Scope};
use super::plain::{
    Answer, Change, ChangeKey, Clocks, Entry, Need, Place, REOFFERED, REPEAT, RecordKey,
    ReplicaKey, Verdict,
};
use super::written::{self, Shape};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A change in the model's log.
#[derive(Clone, Debug)]
struct Kept {
    row: ChangeRow,
    /// What was decided from.
    earliest_ms: i64,
    sent_at: Clocks,
    /// Where it is now: its first answer, or that of the last ruling about it.
    standing: Answer,
    /// Whether a ruling has ended its waiting.
    has_ended: bool,
}

/// A record's entries and what they add up to.
#[derive(Clone, Debug, Default)]
struct Record {
    entries: Vec<Entry>,
    shown: Option<OracleRecord>,
}

/// The model. A clone of it stands for a copy of the server's files.
#[derive(Clone, Debug)]
pub struct AdmissionOracle {
    documents: Documents,
    people: People,
    epoch: u32,
    head: u64,
    /// When the entry at each position came.
    received_ms: BTreeMap<u64, i64>,
    /// The epoch of each position.
    epochs: BTreeMap<u64, u32>,
    changes: BTreeMap<u64, Kept>,
    /// The positions of each replica's changes, in the order of its chain.
    chains: BTreeMap<ReplicaKey, Vec<u64>>,
    /// When each replica announced which head.
    contacts: BTreeMap<ReplicaKey, Vec<(i64, u64)>>,
    records: BTreeMap<RecordKey, Record>,
    /// Changes of forked branches that others repeat, with their hashes.
    repeated: BTreeSet<(ChangeKey, [u8; 32])>,
    /// Held changes, by position.
    waiting: BTreeSet<u64>,
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
            documents: Documents::defaults(),
            people: People::default(),
            epoch: 1,
            head: 0,
            received_ms: BTreeMap::new(),
            epochs: BTreeMap::new(),
            changes: BTreeMap::new(),
            chains: BTreeMap::new(),
            contacts: BTreeMap::new(),
            records: BTreeMap::new(),
            repeated: BTreeSet::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Takes the next directory entry in: the JSON that stands in the log, and when it came.
    pub fn directory(&mut self, body: &Value, received_ms: i64) {
        self.next_place(received_ms);
        self.people.apply(body);
    }

    /// What a person may see at a time.
    pub fn scope(&self, person: u32, at_ms: i64) -> Scope {
        self.people.scope(&self.documents, person, at_ms)
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
            .filter(|(_, kept)| {
                !kept.has_ended
                    && matches!(kept.standing.verdict, Verdict::Held | Verdict::Quarantined)
            })
            .map(|(pos, _)| *pos)
            .collect()
    }

    /// The server was put back to a copy: everything since is gone, and a new epoch begins.
    pub fn restore(&mut self, copy: &Self) {
        let epoch = self.epoch.max(copy.epoch) + 1;
        *self = copy.clone();
        self.epoch = epoch;
    }

    /// What must come of an arrival. Nothing when the replica is not known: such a request is refused.
    pub fn arrive(&mut self, arrival: &Arrival) -> Option<Prediction> {
        let author = self.people.replica(arrival.replica)?.clone();
        let mark = self.mark(arrival.replica);
        let mut prediction = Prediction {
            status: Status::Ok,
            mark,
            duplicates: 0,
            answers: Vec::new(),
            rulings: Vec::new(),
        };
        if author.is_revoked {
            prediction.status = Status::Revoked;
        }
        if self.is_forked(arrival) {
            prediction.status = Status::Fork;
            return Some(prediction);
        }
        let last_seq = arrival.first_seq + arrival.changes.len() as u64;
        let has_gap = arrival.first_seq > mark + 1;
        if !arrival.changes.is_empty() && !has_gap {
            let mut new = Vec::new();
            for change in &arrival.changes {
                if change.seq <= mark {
                    prediction.duplicates += 1;
                } else {
                    new.push(self.enter(arrival, change, author.person, author.number));
                }
            }
            prediction.rulings = self.rule_after(&new, arrival.received_ms);
            prediction.answers = (arrival.first_seq..last_seq)
                .map(|seq| self.answered(arrival.replica, seq))
                .collect();
        }
        self.contacts
            .entry(arrival.replica)
            .or_default()
            .push((arrival.received_ms, arrival.head.0));
        prediction.mark = self.mark(arrival.replica);
        Some(prediction)
    }

    /// A person rules `admitted` or `rejected` on a change that waits or is quarantined. Nothing when there is none there.
    pub fn rule(&mut self, of: u64, ruling: &str, received_ms: i64) -> Option<Vec<Ruled>> {
        if !self.inbox().contains(&of) {
            return None;
        }
        let kept = self.changes[&of].clone();
        if ruling != "admitted" {
            let answer = kept.standing;
            return Some(vec![self.end(of, ruling, answer, received_ms)]);
        }
        let answer = self.decide_again(of, (self.epoch, self.head + 1)).answer;
        let mut ruled = vec![self.end(of, ruling, answer, received_ms)];
        ruled.extend(self.release(received_ms));
        Some(ruled)
    }

    fn mark(&self, replica: ReplicaKey) -> u64 {
        self.chains
            .get(&replica)
            .map_or(0, |chain| chain.len() as u64)
    }

    fn next_place(&mut self, received_ms: i64) -> Place {
        self.head += 1;
        self.received_ms.insert(self.head, received_ms);
        self.epochs.insert(self.head, self.epoch);
        (self.epoch, self.head)
    }

    /// A change by its replica and seq.
    fn find(&self, change: ChangeKey) -> Option<&Kept> {
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

    /// The moment before which a change was not made.
    fn earliest_ms(&self, replica: ReplicaKey, change: &Change) -> i64 {
        let shorter = self
            .contacts
            .get(&replica)
            .into_iter()
            .flatten()
            .filter(|(_, head_seq)| *head_seq < change.seq)
            .map(|(at_ms, _)| *at_ms)
            .max();
        let base = change
            .written
            .as_ref()
            .map_or((0, 0), |written| written.base);
        let base_ms = self.received_at(base);
        shorter.into_iter().chain(base_ms).max().unwrap_or(i64::MIN)
    }

    /// When the entry at a place was received, if that place is in the log.
    fn received_at(&self, place: Place) -> Option<i64> {
        if self
            .epochs
            .get(&place.1)
            .is_some_and(|epoch| *epoch <= place.0)
        {
            return self.received_ms.get(&place.1).copied();
        }
        self.changes
            .values()
            .find(|kept| kept.row.first == Some(place))
            .map(|kept| kept.row.received_ms)
    }

    /// Takes a new change in and gives its position.
    fn enter(&mut self, arrival: &Arrival, change: &Change, person: u32, number: u32) -> u64 {
        let earliest_ms = self.earliest_ms(arrival.replica, change);
        let place = (self.epoch, self.head + 1);
        let offered = arrival
            .receipts
            .iter()
            .find(|receipt| self.covers(receipt, arrival, change.seq));
        let mut row = ChangeRow {
            place,
            first: None,
            replica: number,
            person,
            received_ms: arrival.received_ms,
            time_ms: 0,
            answer: Answer {
                verdict: Verdict::Held,
                marks: 0,
                problems: Vec::new(),
            },
            change: change.clone(),
        };
        if let Some(receipt) = offered {
            let index = usize::try_from(change.seq - receipt.range.0).expect("BUG: in range");
            row.first = Some((receipt.epoch, receipt.first_pos + index as u64));
            row.received_ms = receipt.received_ms;
            row.time_ms = receipt.times_ms[index];
            row.answer = receipt.answers[index].clone();
            row.answer.marks |= REOFFERED;
        } else {
            let fixed_time_ms = change
                .written
                .as_ref()
                .and_then(|written| self.find(written.repairs?))
                .filter(|_| self.repairs_something(change, person))
                .map(|kept| kept.row.time_ms);
            let decided = self.decide(&row, earliest_ms, arrival.sent_at, fixed_time_ms);
            (row.time_ms, row.answer) = (decided.time_ms, decided.answer);
        }
        self.next_place(row.received_ms);
        self.chains
            .entry(arrival.replica)
            .or_default()
            .push(place.1);
        self.keep(row, earliest_ms, arrival.sent_at);
        place.1
    }

    fn keep(&mut self, row: ChangeRow, earliest_ms: i64, sent_at: Clocks) {
        let pos = row.place.1;
        if let Some(origin) = row
            .change
            .written
            .as_ref()
            .and_then(|written| written.origin)
        {
            self.repeated.insert(origin);
        }
        if row.answer.verdict == Verdict::Held {
            self.waiting.insert(pos);
        }
        if let Some(entry) = log::entry(&row, row.place, row.first, &row.answer) {
            self.add(entry);
        }
        let kept = Kept {
            standing: row.answer.clone(),
            row,
            earliest_ms,
            sent_at,
            has_ended: false,
        };
        self.changes.insert(pos, kept);
    }

    fn add(&mut self, entry: Entry) {
        let record = self.records.entry(entry.record).or_default();
        record.entries.push(entry);
        let entries: Vec<&Entry> = record.entries.iter().collect();
        record.shown = fold(&entries);
    }

    /// Whether a receipt of an earlier epoch says what was answered to a change.
    fn covers(&self, receipt: &OfferedReceipt, arrival: &Arrival, seq: u64) -> bool {
        let (from, to) = receipt.range;
        let hash_of_last = arrival
            .changes
            .iter()
            .find(|change| change.seq == to)
            .map(|change| change.hash)
            .or_else(|| {
                self.find((arrival.replica, to))
                    .map(|kept| kept.row.change.hash)
            });
        receipt.replica == arrival.replica
            && receipt.epoch < self.epoch
            && (from..=to).contains(&seq)
            && hash_of_last == Some(receipt.chain_hash)
    }

    fn repairs_something(&self, change: &Change, person: u32) -> bool {
        let Some(repairs) = change.written.as_ref().and_then(|written| written.repairs) else {
            return true;
        };
        self.find(repairs).is_some_and(|kept| {
            kept.row.person == person
                && kept.standing.verdict == Verdict::Quarantined
                && !kept.has_ended
        })
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

    fn decide(
        &self,
        row: &ChangeRow,
        earliest_ms: i64,
        sent_at: Clocks,
        fixed_time_ms: Option<i64>,
    ) -> Decided {
        let written = row.change.written.as_ref();
        let record = written.and_then(|written| self.records.get(&written.record));
        let origin = written.and_then(|written| written.origin);
        let is_repeat = origin.is_some_and(|(change, hash)| {
            self.repeated.contains(&(change, hash))
                || self
                    .find(change)
                    .is_some_and(|kept| kept.row.change.hash == hash)
        });
        let id = self.people.replica_id(row.replica);
        let situation = Situation {
            documents: &self.documents,
            people: &self.people,
            person: row.person,
            replica: row.replica,
            is_revoked: id
                .and_then(|id| self.people.replica(id))
                .is_some_and(|replica| replica.is_revoked),
            record: record.and_then(|record| record.shown.as_ref()),
            history: record.map_or(&[], |record| &record.entries),
            earliest_ms,
            received_ms: row.received_ms,
            sent_at,
            place: row.place,
            has_what_it_needs: written
                .and_then(|written| written.needs)
                .is_none_or(|need| self.is_in_force(need)),
            is_repeat,
            repairs_something: self.repairs_something(&row.change, row.person),
            fixed_time_ms,
        };
        decide(&situation, &row.change)
    }

    /// Decides a change of the log again, with the time it has, as if it came into force at a place.
    fn decide_again(&self, of: u64, place: Place) -> Decided {
        let kept = &self.changes[&of];
        let row = ChangeRow {
            place,
            ..kept.row.clone()
        };
        let mut decided = self.decide(&row, kept.earliest_ms, kept.sent_at, Some(row.time_ms));
        decided.answer.marks |= kept.row.answer.marks & !REPEAT;
        decided
    }

    /// Writes a ruling, which is the last word about a change for now.
    fn end(&mut self, of: u64, ruling: &str, answer: Answer, received_ms: i64) -> Ruled {
        let place = self.next_place(received_ms);
        self.waiting.remove(&of);
        let kept = self.changes.get_mut(&of).expect("BUG: a change of the log");
        kept.standing = answer.clone();
        kept.has_ended = true;
        if ["released", "admitted"].contains(&ruling)
            && let Some(entry) = log::entry(&kept.row, place, None, &answer)
        {
            self.add(entry);
        }
        Ruled {
            place,
            ruling: ruling.to_owned(),
            of,
            answer,
        }
    }

    /// The rulings that new changes bring about: what they repair ends, and what waited for them comes into force.
    fn rule_after(&mut self, new: &[u64], received_ms: i64) -> Vec<Ruled> {
        let mut ruled = Vec::new();
        for pos in new {
            let kept = &self.changes[pos];
            let repairs = kept
                .row
                .change
                .written
                .as_ref()
                .and_then(|written| written.repairs)
                .and_then(|repairs| self.find(repairs))
                .filter(|repaired| {
                    !repaired.has_ended && repaired.standing.verdict == Verdict::Quarantined
                })
                .map(|repaired| repaired.row.place.1);
            if let Some(of) = repairs.filter(|_| kept.row.answer.verdict != Verdict::Quarantined) {
                let answer = self.changes[&of].standing.clone();
                ruled.push(self.end(of, "repaired", answer, received_ms));
            }
        }
        ruled.extend(self.release(received_ms));
        ruled
    }

    /// Releases what waits for nothing any more, in the order of places, until nothing is left to release.
    fn release(&mut self, received_ms: i64) -> Vec<Ruled> {
        let mut ruled = Vec::new();
        loop {
            let ready = self.waiting.iter().copied().find(|pos| self.is_ready(*pos));
            let Some(of) = ready else { return ruled };
            let answer = self.decide_again(of, (self.epoch, self.head + 1)).answer;
            ruled.push(self.end(of, "released", answer, received_ms));
        }
    }

    /// Whether what a held change waits for is in force.
    fn is_ready(&self, pos: u64) -> bool {
        let Some(header) = &self.changes[&pos].row.change.written else {
            return false;
        };
        let Some(intent) =
            written::intent(&header.intent).filter(|intent| header.schema <= intent.schema)
        else {
            return false;
        };
        let needs_record = !matches!(intent.shape, Shape::Makes(_) | Shape::Adds(_));
        let has_need = header.needs.is_none_or(|need| self.is_in_force(need));
        let has_record = !needs_record || self.is_in_force(Need::Record(header.record));
        has_need && has_record
    }
}
