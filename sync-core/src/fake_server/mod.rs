//! A small server in memory for tests of replica and session: decides with the same core, keeps everything in maps.

mod admit;
mod drive;
mod page;

pub use drive::{make, phone_with, sync};

use crate::change::{Hash, SigningKey};
use crate::digest::SetDigest;
use crate::directory::{Directory, DirectoryChange, Grant, Replica as Listed, Unit};
use crate::documents::Documents;
use crate::entry::RulingKind;
use crate::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, ReplicaNo,
    Seq, UnitId,
};
use crate::kinds;
use crate::merge::{Event, RecordState, Stamp, fold};
use crate::payload::Payload;
use crate::replica::{Enrolment, Replica};
use crate::scope::Scope;
use crate::time::Evidence;
use crate::verdict::Answer;
use crate::wire::{
    Cursor, EntryItem, RequestBody, RulingItem, SignedHead, Status, SyncResponse, WipeOrder,
};
use rusqlite::Connection;
use std::collections::BTreeMap;

pub const DAY_MS: i64 = 24 * 3_600_000;
/// A Monday morning.
pub const START_MS: i64 = 1_800_000_000_000;

#[derive(Clone, Debug)]
pub struct Logged {
    pub item: EntryItem,
    pub record: RecordId,
    pub hash: Hash,
    pub ruling: Option<RulingItem>,
}

#[derive(Clone, Debug)]
pub struct FakeServer {
    pub district: DistrictId,
    pub key: SigningKey,
    pub epoch: Epoch,
    /// Each epoch with the place at which it began.
    pub epochs: Vec<(Epoch, Pos)>,
    pub now_ms: i64,
    pub log: Vec<Logged>,
    pub records: BTreeMap<RecordId, RecordState>,
    pub chains: BTreeMap<ReplicaId, Vec<Hash>>,
    pub directory: Directory,
    pub documents: Documents,
    pub scope_versions: BTreeMap<PersonId, u32>,
    /// Added to every digest, to make a difference where there is none.
    pub digest_fault: u64,
    /// Images in one page.
    pub images_max: usize,
    directory_pos: u64,
}

pub fn evidence(wall_ms: i64) -> Evidence {
    Evidence {
        wall_ms,
        monotonic_ms: (wall_ms - START_MS + DAY_MS) as u64,
        boot: 9,
        skew_ms: 0,
    }
}

pub fn record_id(number: u64) -> RecordId {
    RecordId(uuid::Uuid::from_u128(
        0x0190_0000_0000_7000_8000_0000_0000_0000 | u128::from(number),
    ))
}

impl FakeServer {
    /// Units 1 > 2 > (3, 4), department 9.
    pub fn new() -> Self {
        let mut server = Self {
            district: DistrictId(uuid::Uuid::from_u128(77)),
            key: SigningKey::from_seed(&[3; 32]),
            epoch: Epoch(1),
            epochs: vec![(Epoch(1), Pos(0))],
            now_ms: START_MS,
            log: Vec::new(),
            records: BTreeMap::new(),
            chains: BTreeMap::new(),
            directory: Directory::default(),
            documents: Documents::defaults(),
            scope_versions: BTreeMap::new(),
            digest_fault: 0,
            images_max: 1_000,
            directory_pos: 0,
        };
        for (unit, parent) in [
            (1, None),
            (2, Some(1)),
            (3, Some(2)),
            (4, Some(2)),
            (9, Some(1)),
        ] {
            server.direct(DirectoryChange::Unit(Unit {
                unit: UnitId(unit),
                parent: parent.map(UnitId),
                code: unit.to_string(),
                name: String::new(),
                kind: String::new(),
            }));
        }
        server
    }

    fn direct(&mut self, change: DirectoryChange) {
        self.directory_pos += 1;
        self.directory.apply(Pos(self.directory_pos), change);
    }

    /// Gives a person a role on a unit; their replicas get a new scope version.
    pub fn grant(&mut self, person: u32, role: &str, unit: u32) {
        self.direct(DirectoryChange::Person {
            person: PersonId(person),
        });
        self.direct(DirectoryChange::Grant(Grant {
            person: PersonId(person),
            role: role.into(),
            unit: UnitId(unit),
            from_ms: 0,
            until_ms: None,
        }));
        *self.scope_versions.entry(PersonId(person)).or_insert(0) += 1;
    }

    /// Ends it.
    pub fn end_grant(&mut self, person: u32, role: &str, unit: u32) {
        self.direct(DirectoryChange::GrantEnded {
            person: PersonId(person),
            role: role.into(),
            unit: UnitId(unit),
            until_ms: self.now_ms,
        });
        *self.scope_versions.entry(PersonId(person)).or_insert(0) += 1;
    }

    /// Enrols a replica of a person under this number.
    pub fn enrol(&mut self, person: u32, no: u32) -> Enrolment {
        let seed = [no as u8; 32];
        let replica = ReplicaId(uuid::Uuid::from_u128(u128::from(no) + 1_000));
        self.direct(DirectoryChange::Replica(Listed {
            no: ReplicaNo(no),
            replica,
            person: PersonId(person),
            key: SigningKey::from_seed(&seed).verifying_key(),
            continues: None,
            branch: None,
            revoked_ms: None,
            office: false,
        }));
        Enrolment {
            district: self.district,
            replica,
            key_seed: seed,
            replica_no: ReplicaNo(no),
            person: PersonId(person),
            epoch: self.epoch,
            server_keys: vec![("k1".into(), self.key.verifying_key())],
            certificate: Vec::new(),
        }
    }

    /// A phone of a worker of unit 2, in memory.
    pub fn phone(&mut self, no: u32) -> Replica {
        self.grant(no, "worker", 2);
        let enrolment = self.enrol(no, no);
        let connection = Connection::open_in_memory().expect("memory");
        Replica::create(connection, &enrolment).expect("a new replica")
    }

    pub fn head(&self) -> Pos {
        self.log.last().map_or(Pos(0), |last| last.item.place.pos)
    }

    pub fn revoke(&mut self, no: u32) {
        self.direct(DirectoryChange::ReplicaRevoked {
            no: ReplicaNo(no),
            revoked_ms: self.now_ms,
        });
    }

    pub fn scope_of(&self, person: PersonId) -> Scope {
        Scope::of(&self.directory, &self.documents, person, self.now_ms)
    }

    fn is_in(&self, scope: &Scope, record: RecordId) -> bool {
        self.records
            .get(&record)
            .is_some_and(|state| scope.contains(state.kind, state.unit, state.desk))
    }

    /// The digest that a person's replica should have.
    pub fn digest_of(&self, person: PersonId) -> SetDigest {
        let scope = self.scope_of(person);
        let mut digest = SetDigest::default();
        for (record, state) in &self.records {
            if self.is_in(&scope, *record) {
                digest.add(*record, state.pos);
            }
        }
        digest
    }

    /// Goes back to an older self, as a restore does, and begins a new epoch.
    pub fn restore(&mut self, old: &Self) {
        let (epoch, now_ms) = (self.epoch, self.now_ms);
        *self = old.clone();
        self.epoch = Epoch(epoch.0 + 1);
        self.epochs.push((self.epoch, self.head()));
        self.now_ms = now_ms;
    }

    /// Up to which place a phone of an epoch shares this log.
    fn common_with(&self, epoch: Epoch) -> Pos {
        let known = self.epochs.iter().any(|(each, _)| *each == epoch);
        let later = self.epochs.iter().find(|(each, _)| *each > epoch);
        match later {
            Some((_, start)) if known => *start,
            _ => Pos(0),
        }
    }

    /// A person admits a held or quarantined change, or ends it.
    pub fn rule(&mut self, replica: ReplicaNo, seq: Seq, ruling: RulingKind, answer: Answer) {
        let pos = self.head().next();
        let of = self
            .log
            .iter()
            .find(|entry| {
                entry.item.replica == replica && entry.ruling.is_none() && entry.seq() == seq
            })
            .expect("a change to rule on")
            .clone();
        if matches!(ruling, RulingKind::Admitted | RulingKind::Released) {
            let place = LogPlace {
                epoch: self.epoch,
                pos,
            };
            let item = EntryItem {
                place,
                answer: answer.clone(),
                ..of.item.clone()
            };
            if let Some(event) = event_of(&item) {
                let state = self.records.remove(&of.record);
                self.records
                    .insert(of.record, RecordState::advance(state, event));
            }
        }
        let mut entry = of;
        entry.item.place.pos = pos;
        entry.ruling = Some(RulingItem {
            pos,
            ruling,
            replica,
            seq,
            answer,
            reason: "because".into(),
        });
        self.log.push(entry);
    }

    /// Answers a request.
    pub fn handle(&mut self, body: &[u8]) -> Vec<u8> {
        self.answer(body).encode()
    }

    pub fn answer(&mut self, body: &[u8]) -> SyncResponse {
        let body = RequestBody::read(body).expect("a request");
        let request = &body.request;
        let listed = self
            .directory
            .replica_by_id(request.replica)
            .expect("an enrolled replica")
            .clone();
        assert!(body.is_signed_by(&listed.key), "a signed request");
        let chain = self.chains.entry(request.replica).or_default().clone();
        let mut response = SyncResponse {
            request_no: request.request_no,
            status: Status::Ok,
            epoch: self.epoch,
            epoch_start: self.common_with(request.cursor.epoch),
            mark: Seq(chain.len() as u64),
            duplicates: 0,
            receipts: Vec::new(),
            received_ms: self.now_ms,
            safe_seq: Seq(0),
            scope: None,
            items: Vec::new(),
            cursor: request.cursor,
            more: false,
            digest: None,
            head: None,
            token: request.wants_token.then(|| "token".to_owned()),
            documents: DocumentsVersion(1),
            replica_no: listed.no,
            wipe: None,
            keys: Vec::new(),
            manifest: None,
            texts: Vec::new(),
        };
        let batch = body.batch().expect("a batch");
        let hashes = batch.chain(
            self.district,
            request.replica,
            request.first_seq,
            request.prev_hash,
        );
        assert_eq!(hashes.last().copied().unwrap_or_default(), request.end_hash);
        let forked = chain.len() as u64 > request.head_seq.0
            || hashes.iter().enumerate().any(|(index, hash)| {
                let at = request.first_seq.0 as usize - 1 + index;
                chain.get(at).is_some_and(|known| known != hash)
            })
            || (chain.len() as u64 == request.head_seq.0
                && chain
                    .last()
                    .is_some_and(|known| *known != request.head_hash));
        if forked {
            response.status = Status::Fork;
            return response;
        }
        if let Some(revoked_ms) = listed.revoked_ms {
            response.status = Status::Revoked;
            let order = WipeOrder::sign(self.district, listed.replica, revoked_ms, "k1", &self.key);
            response.wipe = Some(order);
        }
        if request.first_seq.0 <= response.mark.0 + 1 && !hashes.is_empty() {
            self.take_batch(&body, &batch, &hashes, &listed, &mut response);
        }
        response.mark = Seq(self.chains[&request.replica].len() as u64);
        if response.status == Status::Ok && request.cursor.epoch == self.epoch {
            self.fill_page(&body, &listed, &mut response);
        } else if response.status == Status::Ok {
            response.cursor = Cursor {
                epoch: self.epoch,
                pos: request.cursor.pos.min(response.epoch_start),
                ..request.cursor
            };
            response.more = true;
        }
        let pos = self.head();
        let hash = Hash::of(&[&self.epoch.0.to_be_bytes(), &pos.0.to_be_bytes()]);
        response.head = Some(SignedHead::sign(
            self.district,
            self.epoch,
            pos,
            hash,
            "k1",
            &self.key,
        ));
        response
    }

    /// The fold of all entries of a record, rulings at their own places.
    pub fn fold_record(&self, record: RecordId) -> Option<RecordState> {
        self.fold_before(record, self.head().next())
    }

    /// The same of those before a place.
    fn fold_before(&self, record: RecordId, end: Pos) -> Option<RecordState> {
        let events = self
            .log
            .iter()
            .filter(|entry| entry.record == record && entry.item.place.pos < end)
            .filter_map(|entry| {
                let mut item = entry.item.clone();
                if let Some(ruling) = &entry.ruling {
                    item.answer = ruling.answer.clone();
                    item.first_place = None;
                }
                event_of(&item)
            })
            .collect();
        fold(events)
    }
}

impl Logged {
    fn seq(&self) -> Seq {
        crate::change::Header::decode(&self.item.header)
            .expect("a header of ours")
            .seq
    }
}

pub fn event_of(item: &EntryItem) -> Option<Event> {
    let header = crate::change::Header::decode(&item.header).ok()?;
    let stamp = Stamp {
        place: item.place,
        first_place: item.first_place,
        time_ms: item.time_ms,
        person: item.person,
        whose: header.for_person.map(|whose| whose.person),
        replica: item.replica,
        seq: header.seq,
    };
    let payload = Payload::read(item.open.as_deref().unwrap_or(b"{}")).ok()?;
    Event::of(
        kinds::find(&header.intent)?,
        &header,
        payload,
        &item.answer,
        stamp,
    )
}
