//! A small log in memory: makes changes on a few replicas, admits them one by one as the server does, and keeps every
//! entry, so that laws and examples can look at any place of it. Knows no storage and no wire.

use std::collections::BTreeMap;

use sync_core::change::{
    FramedChange, Hash, Header, Needs, Part, PartClass, SigningKey, change_hash, hash_parts,
};
use sync_core::decide::{Context, admit, prepare};
use sync_core::directory::{Directory, DirectoryChange, Grant, Replica, Unit};
use sync_core::documents::Documents;
use sync_core::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, ReplicaNo,
    Seq, UnitId,
};
use sync_core::kinds::{self, KnownIntents};
use sync_core::merge::{Event, RecordState, Stamp, fold};
use sync_core::time::{Evidence, Interval};
use sync_core::verdict::{Answer, Verdict};
use uuid::Uuid;

/// The first moment of the log, 2026-06-01 08:00 in Shanghai.
pub const START_MS: i64 = 1_780_272_000_000;

/// The units of the log: the district and two grids in it.
pub const UNITS: [UnitId; 3] = [UnitId(1), UnitId(2), UnitId(3)];

const DISTRICT: DistrictId = DistrictId(Uuid::from_bytes([0xd1; 16]));

/// What an author fills in.
#[derive(Clone, Debug)]
pub struct Form {
    /// About which record.
    pub record: RecordId,
    /// The unit that the author names.
    pub unit: UnitId,
    /// The intent.
    pub intent: &'static str,
    /// The open part.
    pub json: String,
    /// Up to where the author's copy was complete.
    pub base: LogPlace,
    /// What the author's clock says.
    pub wall_ms: i64,
    /// What must be in force first.
    pub needs: Option<Needs>,
}

/// A change made on a replica, sent or not.
#[derive(Clone, Debug)]
pub struct Made {
    /// The author's replica.
    pub replica: ReplicaNo,
    /// Its header as read.
    pub header: Header,
    /// Its header's bytes.
    pub header_bytes: Vec<u8>,
    /// Its open part.
    pub open: Vec<u8>,
    /// Its hash in the replica's chain.
    pub hash: Hash,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its place; for a ruling that released a change, the ruling's.
    pub place: LogPlace,
    /// Its first place, when it was taken back in after a restore.
    pub first_place: Option<LogPlace>,
    /// The change.
    pub made: Made,
    /// When it arrived.
    pub received_ms: i64,
    /// When it was done.
    pub time_ms: i64,
    /// What was decided at this place.
    pub answer: Answer,
    /// What it does to its record at this place, if anything.
    pub event: Option<Event>,
    /// The record's state after it, kept as the server keeps it: advanced by one entry, folded anew for a ruling or
    /// after a restore.
    pub after: Option<RecordState>,
}

/// The log with its replicas. Each replica belongs to a person of its own who may do everything.
#[derive(Clone, Debug)]
pub struct SmallLog {
    directory: Directory,
    documents: Documents,
    chains: BTreeMap<ReplicaNo, (Seq, Hash)>,
    states: BTreeMap<RecordId, RecordState>,
    /// Every entry, in order of places.
    pub entries: Vec<Logged>,
    epoch: Epoch,
    head: Pos,
    now_ms: i64,
}

impl SmallLog {
    /// A log with `replicas` replicas, numbered from 1.
    pub fn new(replicas: u32) -> Self {
        let mut directory = Directory::default();
        let units = UNITS.map(|unit| {
            DirectoryChange::Unit(Unit {
                unit,
                parent: (unit != UNITS[0]).then_some(UNITS[0]),
                code: unit.to_string(),
                name: String::new(),
                kind: String::new(),
            })
        });
        let people = (1..=replicas).flat_map(|number| {
            let person = PersonId(number);
            let grants = ["duty_desk", "grid_head", "district_lead", "worker"].map(|role| {
                DirectoryChange::Grant(Grant {
                    person,
                    role: role.into(),
                    unit: UNITS[0],
                    from_ms: 0,
                    until_ms: None,
                })
            });
            let replica = DirectoryChange::Replica(Replica {
                no: ReplicaNo(number),
                replica: replica_id(ReplicaNo(number)),
                person,
                key: SigningKey::from_seed(&[number as u8; 32]).verifying_key(),
                continues: None,
                branch: None,
                revoked_ms: None,
                office: false,
            });
            grants.into_iter().chain([replica])
        });
        for change in units.into_iter().chain(people) {
            directory.apply(Pos(0), change);
        }
        Self {
            directory,
            documents: Documents::defaults(),
            chains: (1..=replicas)
                .map(|number| (ReplicaNo(number), (Seq(0), Hash::ZERO)))
                .collect(),
            states: BTreeMap::new(),
            entries: Vec::new(),
            epoch: Epoch(1),
            head: Pos(0),
            now_ms: START_MS,
        }
    }

    /// The last place.
    pub fn head(&self) -> LogPlace {
        LogPlace {
            epoch: self.epoch,
            pos: self.head,
        }
    }

    /// What the next entry's arrival is stamped with.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Lets time pass.
    pub fn wait_ms(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// The state of a record now.
    pub fn state(&self, record: RecordId) -> Option<&RecordState> {
        self.states.get(&record)
    }

    /// Every effect on a record, in the order of the log.
    pub fn events(&self, record: RecordId) -> Vec<Event> {
        self.entries
            .iter()
            .filter(|entry| entry.made.header.record == record)
            .filter_map(|entry| entry.event.clone())
            .collect()
    }

    /// Makes a change on a replica. It is not sent yet.
    pub fn make(&mut self, replica: ReplicaNo, form: &Form) -> Made {
        let (last, prev) = self.chains[&replica];
        let intent = kinds::find(form.intent).expect("BUG: an intent of ours");
        let header = Header {
            seq: last.next(),
            record: form.record,
            unit: form.unit,
            intent: form.intent.into(),
            schema: intent.schema,
            documents: DocumentsVersion(1),
            base: form.base,
            at: Evidence {
                wall_ms: form.wall_ms,
                ..Evidence::default()
            },
            for_person: None,
            needs: form.needs,
            repairs: None,
            origin: None,
        };
        let header_bytes = header.encode();
        let open = form.json.clone().into_bytes();
        let hash = change_hash(
            DISTRICT,
            replica_id(replica),
            header.seq,
            prev,
            &header_bytes,
            &hash_parts(&[open_part(&open)]),
        );
        self.chains.insert(replica, (header.seq, hash));
        Made {
            replica,
            header,
            header_bytes,
            open,
            hash,
        }
    }

    /// Admits a change at the next place; `needs_in_force` says whether what it waits for is there.
    pub fn admit(&mut self, made: &Made, needs_in_force: bool) -> &Logged {
        let before = self.states.get(&made.header.record).cloned();
        self.enter(made, before, needs_in_force, None)
    }

    /// Makes and admits a change.
    pub fn write(&mut self, replica: ReplicaNo, form: &Form) -> &Logged {
        let made = self.make(replica, form);
        self.admit(&made, true)
    }

    /// A ruling that releases a held change: decided again at the next place, with the time it had; the record is
    /// folded anew, as the server does for rulings.
    pub fn release(&mut self, held: &Logged) -> &Logged {
        assert_eq!(held.answer.verdict, Verdict::Held, "BUG: not held");
        let record = held.made.header.record;
        let before = self.states.get(&record).cloned();
        self.enter(&held.made, before, true, Some(held.time_ms));
        self.refold(record)
    }

    /// The server is set back to `keep` entries and begins a new epoch. What was lost is handed back.
    pub fn restore(&mut self, keep: usize) -> Vec<Logged> {
        let lost = self.entries.split_off(keep);
        self.epoch = Epoch(self.epoch.0 + 1);
        self.head = self.entries.last().map_or(Pos(0), |entry| entry.place.pos);
        self.states.clear();
        let records: Vec<RecordId> = self
            .entries
            .iter()
            .map(|entry| entry.made.header.record)
            .collect();
        for record in records {
            if let Some(state) = fold(self.events(record)) {
                self.states.insert(record, state);
            }
        }
        lost
    }

    /// Takes an entry back in that a restore had lost, under its receipt: a new place, nothing decided again.
    pub fn take_back(&mut self, lost: &Logged) -> &Logged {
        let place = LogPlace {
            epoch: self.epoch,
            pos: self.head.next(),
        };
        self.head = place.pos;
        let first_place = Some(lost.first_place.unwrap_or(lost.place));
        let event = lost.event.clone().map(|event| Event {
            stamp: Stamp {
                place,
                first_place,
                ..event.stamp
            },
            ..event
        });
        self.entries.push(Logged {
            place,
            first_place,
            event,
            ..lost.clone()
        });
        self.refold(lost.made.header.record)
    }

    fn enter(
        &mut self,
        made: &Made,
        before: Option<RecordState>,
        needs_in_force: bool,
        time_ms: Option<i64>,
    ) -> &Logged {
        self.now_ms += 1;
        let place = LogPlace {
            epoch: self.epoch,
            pos: self.head.next(),
        };
        let base_received_ms = self
            .entries
            .iter()
            .filter(|entry| entry.place <= made.header.base)
            .map(|entry| entry.received_ms)
            .max();
        let framed = FramedChange {
            header: &made.header_bytes,
            parts: vec![open_part(&made.open)],
        };
        let prepared = prepare(&framed, made.header.seq, made.hash, KnownIntents::ALL);
        let replica = self
            .directory
            .replica(made.replica)
            .expect("BUG: a replica of ours");
        let decision = admit(
            &Context {
                directory: &self.directory,
                documents: &self.documents,
                replica,
                record: before.as_ref(),
                interval: Interval {
                    earliest_ms: base_received_ms.unwrap_or(i64::MIN),
                    received_ms: self.now_ms,
                },
                sent_at: Evidence::default(),
                place,
                needs_in_force,
                origin_admitted: false,
                entries: None,
                repairs_quarantined: true,
                time_ms,
            },
            &prepared,
        );
        let stamp = Stamp {
            place,
            first_place: None,
            time_ms: decision.time_ms,
            person: replica.person,
            whose: None,
            replica: made.replica,
            seq: made.header.seq,
        };
        let event = match (prepared.intent, prepared.payload) {
            (Some(intent), Some(payload)) => {
                Event::of(intent, &made.header, payload, &decision.answer, stamp)
            }
            _ => None,
        };
        self.head = place.pos;
        if let Some(after) = &decision.after {
            self.states.insert(made.header.record, after.clone());
        }
        self.entries.push(Logged {
            place,
            first_place: None,
            made: made.clone(),
            received_ms: self.now_ms,
            time_ms: decision.time_ms,
            answer: decision.answer,
            event,
            after: self.states.get(&made.header.record).cloned(),
        });
        self.entries.last().expect("BUG: just pushed")
    }

    fn refold(&mut self, record: RecordId) -> &Logged {
        let state = fold(self.events(record));
        if let Some(state) = &state {
            self.states.insert(record, state.clone());
        }
        let last = self.entries.last_mut().expect("BUG: an entry was entered");
        last.after = state;
        last
    }
}

/// The id of a replica.
pub fn replica_id(replica: ReplicaNo) -> ReplicaId {
    ReplicaId(Uuid::from_bytes([replica.0 as u8; 16]))
}

/// The id of the `number`th record.
pub fn record_id(number: u8) -> RecordId {
    let mut bytes = [0; 16];
    (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, number);
    RecordId(Uuid::from_bytes(bytes))
}

fn open_part(bytes: &[u8]) -> Part<'_> {
    Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    }
}
