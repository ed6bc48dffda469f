//! What the tests of decisions share: a small district, records made of a few events, a change and its decision.

use crate::change::{FramedChange, Hash, Header, Part, PartClass, SigningKey};
use crate::decide::{Context, Decision, admit, prepare};
use crate::directory::{Directory, DirectoryChange, Grant, Replica, Unit};
use crate::documents::Documents;
use crate::ids::{
    DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, ReplicaNo, Seq, UnitId,
};
use crate::kinds::{Kind, KnownIntents};
use crate::merge::{Act, Event, RecordState, Stamp};
use crate::payload::Payload;
use crate::time::{Evidence, Interval};
use crate::verdict::{Problem, ProblemCode, Verdict};
use uuid::Uuid;

/// When a change of the tests arrives.
pub const NOW_MS: i64 = 1_780_272_000_000;
/// The district; towns 2 and 3 lie in it, grid 21 in town 2.
pub const DISTRICT: UnitId = UnitId(1);
pub const TOWN: UnitId = UnitId(2);
pub const OTHER_TOWN: UnitId = UnitId(3);
pub const GRID: UnitId = UnitId(21);
/// The author, with replica 7; the other one has replica 8.
pub const AUTHOR: PersonId = PersonId(7);
pub const OTHER: PersonId = PersonId(8);

pub fn place(pos: u64) -> LogPlace {
    LogPlace {
        epoch: Epoch(1),
        pos: Pos(pos),
    }
}

pub fn fields(json: &str) -> Payload {
    Payload::read(json.as_bytes()).expect("an object")
}

pub fn record_id() -> RecordId {
    RecordId(Uuid::from_bytes([4; 16]))
}

/// A district without grants. Everybody's replica has the number of its person.
pub fn district() -> Directory {
    let mut directory = Directory::default();
    for (unit, parent) in [
        (DISTRICT, None),
        (TOWN, Some(DISTRICT)),
        (OTHER_TOWN, Some(DISTRICT)),
        (GRID, Some(TOWN)),
    ] {
        let unit = Unit {
            unit,
            parent,
            code: unit.to_string(),
            name: String::new(),
            kind: String::new(),
        };
        directory.apply(Pos(0), DirectoryChange::Unit(unit));
    }
    for person in [AUTHOR, OTHER] {
        let replica = Replica {
            no: ReplicaNo(person.0),
            replica: ReplicaId(Uuid::from_bytes([person.0 as u8; 16])),
            person,
            key: SigningKey::from_seed(&[person.0 as u8; 32]).verifying_key(),
            continues: None,
            branch: None,
            revoked_ms: None,
            office: false,
        };
        directory.apply(Pos(0), DirectoryChange::Person { person });
        directory.apply(Pos(0), DirectoryChange::Replica(replica));
    }
    directory
}

pub fn grant(role: &str, unit: UnitId) -> Grant {
    Grant {
        person: AUTHOR,
        role: role.into(),
        unit,
        from_ms: 0,
        until_ms: None,
    }
}

/// An event at place `pos` by a person's replica, whose seq there is `pos` as well.
pub fn event(pos: u64, person: PersonId, act: Act) -> Event {
    Event {
        stamp: Stamp {
            place: place(pos),
            first_place: None,
            time_ms: NOW_MS - 1_000_000 + pos as i64,
            person,
            whose: None,
            replica: ReplicaNo(person.0),
            seq: Seq(pos),
        },
        base: place(pos - 1),
        unit: TOWN,
        act,
    }
}

/// The same, entered for somebody else.
pub fn event_for(pos: u64, person: PersonId, whose: PersonId, act: Act) -> Event {
    let mut event = event(pos, person, act);
    event.stamp.whose = Some(whose);
    event
}

pub fn created(kind: Kind, state: &str, json: &str) -> Act {
    Act::Create {
        kind,
        state: Some(state.into()),
        fields: fields(json),
    }
}

pub fn step(to: &str, json: &str) -> Act {
    let fields = fields(json);
    Act::Step {
        to: to.into(),
        desk: fields.value("desk").map(UnitId),
        fields,
    }
}

pub fn moved(to: UnitId) -> Act {
    Act::Move {
        to,
        fields: Payload::default(),
    }
}

pub fn comment() -> Act {
    Act::Element {
        set: "comments".into(),
        kind: Some(Kind::Report),
        fields: fields(r#"{"text":"seen"}"#),
    }
}

/// A record of these events, which stand in order.
pub fn record(events: impl IntoIterator<Item = Event>) -> RecordState {
    events
        .into_iter()
        .fold(None, |state, event| {
            Some(RecordState::advance(state, event))
        })
        .expect("at least one event")
}

/// A report of the other person at place 1.
pub fn report() -> RecordState {
    record([event(
        1,
        OTHER,
        created(Kind::Report, "SUBMITTED", r#"{"category":"SAN-01"}"#),
    )])
}

/// What a decision looks at, to be altered before it is made.
#[derive(Clone, Debug)]
pub struct Scene {
    pub directory: Directory,
    pub record: Option<RecordState>,
    pub entries: Option<Vec<Event>>,
    pub interval: Interval,
    pub needs_in_force: bool,
    pub origin_admitted: bool,
    pub repairs_quarantined: bool,
    pub time_ms: Option<i64>,
    pub revoked_ms: Option<i64>,
}

impl Scene {
    /// The author holds these roles on the whole district and looks at `record`.
    pub fn new(roles: &[&str], record: Option<RecordState>) -> Self {
        let mut directory = district();
        for role in roles {
            directory.apply(Pos(0), DirectoryChange::Grant(grant(role, DISTRICT)));
        }
        Self {
            directory,
            record,
            entries: None,
            interval: Interval {
                earliest_ms: 0,
                received_ms: NOW_MS,
            },
            needs_in_force: true,
            origin_admitted: false,
            repairs_quarantined: true,
            time_ms: None,
            revoked_ms: None,
        }
    }

    pub fn decide(&self, header: &Header, json: &str) -> Decision {
        self.decide_bytes(&header.encode(), header.seq, json)
    }

    pub fn decide_bytes(&self, header: &[u8], seq: Seq, json: &str) -> Decision {
        let framed = FramedChange {
            header,
            parts: vec![Part {
                class: PartClass::OPEN,
                salt: None,
                bytes: json.as_bytes(),
            }],
        };
        let mut replica = self
            .directory
            .replica(ReplicaNo(AUTHOR.0))
            .expect("the author's replica")
            .clone();
        replica.revoked_ms = self.revoked_ms;
        let documents = Documents::defaults();
        let context = Context {
            directory: &self.directory,
            documents: &documents,
            replica: &replica,
            record: self.record.as_ref(),
            entries: self.entries.as_deref(),
            interval: self.interval,
            sent_at: Evidence::default(),
            place: place(50),
            needs_in_force: self.needs_in_force,
            origin_admitted: self.origin_admitted,
            repairs_quarantined: self.repairs_quarantined,
            time_ms: self.time_ms,
        };
        admit(
            &context,
            &prepare(&framed, seq, Hash::ZERO, KnownIntents::ALL),
        )
    }
}

/// The header of the author's change 30, made when all up to `base` was there, a second before it arrives.
pub fn header(intent: &str, base: u64) -> Header {
    Header {
        seq: Seq(30),
        record: record_id(),
        unit: TOWN,
        intent: intent.into(),
        schema: 1,
        documents: DocumentsVersion(1),
        base: place(base),
        at: Evidence {
            wall_ms: NOW_MS - 1_000,
            ..Evidence::default()
        },
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    }
}

pub const AMEND: &str = r#"{"title":"a"}"#;
pub const CREATE: &str = r#"{"category":"SAN-01"}"#;
pub const REGISTER: &str = r#"{"to":"REGISTERED","level":"II"}"#;
pub const DISPATCH: &str = r#"{"to":"DISPATCHED","desk":2,"level":"II","due_ms":1780300000000}"#;

pub fn desk(record: Option<RecordState>) -> Scene {
    Scene::new(&["duty_desk"], record)
}

/// Verdict and first problem.
pub fn told(decision: &Decision) -> (Verdict, Option<Problem>) {
    (
        decision.answer.verdict,
        decision.answer.problems.first().cloned(),
    )
}

pub fn whole(verdict: Verdict, code: ProblemCode) -> (Verdict, Option<Problem>) {
    (verdict, Some(Problem::whole(code)))
}

pub const ACCEPTED: (Verdict, Option<Problem>) = (Verdict::Accepted, None);
