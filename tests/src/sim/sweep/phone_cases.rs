//! What a person and the app do on a phone: enrol, open, make each kind of change, drafts, going on after a fork, leaving.

use super::Side;
use super::crash::{Case, Expected, Machine};
use super::scene::{Scene, draft, open_phone, report, told};
use crate::sim::disk::Files;
use crate::sim::phone::open_connection;
use serde_json::{Value, json};
use sync_core::change::{ChangeId, PartClass, SigningKey};
use sync_core::ids::{
    DistrictId, Epoch, LogPlace, PersonId, RecordId, ReplicaId, ReplicaNo, UnitId,
};
use sync_core::replica::{
    Draft, Enrolment, ForkIdentity, FormDraft, Replica, ReplicaError, SealedDraft,
};
use sync_core::session::Session;
use sync_core::time::Evidence;
use uuid::Uuid;

/// Everybody whose work is needed for one record of each kind, in grid 7.
const WORKER: u32 = 4;
const LEADER: u32 = 8;
const HEAD: u32 = 3;
const GRID: u32 = 7;

/// Every intent, with an open part; those that make a record first.
fn intents() -> [(&'static str, u32, Value); 16] {
    let place = json!({"latitude_e7": 225_000_100, "longitude_e7": 1_140_000_100});
    let sha256 = "ab".repeat(32);
    [
        ("report.create", WORKER, report("新的")),
        ("report.amend", WORKER, json!({"title": "改了"})),
        (
            "report.transition",
            WORKER,
            json!({"to": "CANCELLED", "reason": "重复"}),
        ),
        ("report.comment", WORKER, json!({"text": "还在"})),
        (
            "report.move",
            WORKER,
            json!({"unit": 8, "reason": "在隔壁"}),
        ),
        (
            "visit.log",
            WORKER,
            json!({"outcome": "done", "purpose": "care", "note": "去过", "place": place}),
        ),
        ("visit.amend", WORKER, json!({"note": "改了"})),
        ("visit.void", WORKER, json!({"reason": "记错了"})),
        ("patrol.start", LEADER, json!({"team": "T01", "slot": "A"})),
        (
            "patrol.check_in",
            LEADER,
            json!({"point": "P01", "method": "code"}),
        ),
        ("patrol.join", LEADER, json!({"code": "K1"})),
        ("patrol.finish", LEADER, json!({"summary": "完"})),
        ("task.create", HEAD, json!({"title": "清理"})),
        (
            "task.result",
            HEAD,
            json!({"to": "DONE", "result": "清理了"}),
        ),
        ("points.claim", WORKER, json!({"activity": "ACT-EDU"})),
        (
            "attachment.add",
            WORKER,
            json!({"sha256": sha256, "size_bytes": 1_000, "media_type": "image/jpeg"}),
        ),
    ]
}

/// Names for cases, which are told by static texts.
const MAKES: [&str; 16] = [
    "phone: makes report.create",
    "phone: makes report.amend",
    "phone: makes report.transition",
    "phone: makes report.comment",
    "phone: makes report.move",
    "phone: makes visit.log",
    "phone: makes visit.amend",
    "phone: makes visit.void",
    "phone: makes patrol.start",
    "phone: makes patrol.check_in",
    "phone: makes patrol.join",
    "phone: makes patrol.finish",
    "phone: makes task.create",
    "phone: makes task.result",
    "phone: makes points.claim",
    "phone: makes attachment.add",
];

/// See the module.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![enrols(), opens(), opens_with_a_newer_app()];
    for (name, (intent, number, open)) in MAKES.into_iter().zip(intents()) {
        cases.push(makes(name, intent, number, &open));
    }
    cases.extend([
        makes_sealed(),
        makes_a_repair(),
        next_request(),
        saves_a_draft(),
        discards_a_draft(),
        makes_from_a_draft(),
        dismisses(),
        goes_on_after_a_fork(),
        closes(),
    ]);
    cases
}

/// One record of each kind that later intents work on, synced.
fn worked() -> (Scene, Vec<(&'static str, RecordId)>) {
    let mut scene = Scene::new(&[WORKER, LEADER, HEAD]);
    let mut records = Vec::new();
    for (intent, number, open) in intents() {
        let kind = intent.split('.').next().expect("BUG: an intent has a dot");
        if !["report.create", "visit.log", "patrol.start", "task.create"].contains(&intent) {
            continue;
        }
        let record = scene.new_record(number);
        scene.make(number, draft(record, GRID, intent, &open));
        records.push((kind, record));
    }
    for number in [WORKER, LEADER, HEAD] {
        scene.sync(number);
    }
    (scene, records)
}

fn make(replica: &mut Replica, draft: Draft, at: Evidence) -> Result<Vec<u8>, String> {
    let made = replica.make_change(draft, at);
    made.map(|seq| seq.0.to_string().into_bytes())
        .map_err(|error| told(&error))
}

fn makes(name: &'static str, intent: &str, number: u32, open: &Value) -> Case {
    let (mut scene, records) = worked();
    let kind = intent.split('.').next().expect("BUG: an intent has a dot");
    let is_new = ["create", "log", "start", "claim"]
        .iter()
        .any(|act| intent.ends_with(act));
    let known = records
        .iter()
        .find(|(known, _)| *known == kind || kind == "attachment");
    let record = match known {
        Some((_, record)) if !is_new => *record,
        _ => scene.new_record(number),
    };
    let draft = draft(record, GRID, intent, open);
    let at = scene.phones[&number].clocks(&scene.server);
    scene.phone_case(name, number, move |replica| {
        make(replica, draft.clone(), at)
    })
}

fn makes_sealed() -> Case {
    let (mut scene, _) = worked();
    let record = scene.new_record(WORKER);
    let mut draft = draft(record, GRID, "report.create", &report("保密"));
    for class in [PartClass::PERSON, PartClass::WHEREABOUTS] {
        draft.sealed.push(SealedDraft {
            class,
            salt: [5; 16],
            bytes: br#"{"contact":"13800000000"}"#.to_vec(),
        });
    }
    let at = scene.phones[&WORKER].clocks(&scene.server);
    scene.phone_case("phone: makes sealed parts", WORKER, move |replica| {
        make(replica, draft.clone(), at)
    })
}

/// A report that was quarantined, and its repair.
fn makes_a_repair() -> Case {
    let (mut scene, _) = worked();
    let record = scene.report(WORKER, 11);
    scene.sync(WORKER);
    let replica = scene.replica(WORKER);
    let mut repaired = draft(record, GRID, "report.create", &report("改正"));
    repaired.repairs = Some(ChangeId {
        replica: replica.replica_id(),
        seq: replica.head().expect("BUG: a sound disk").0,
    });
    let at = scene.phones[&WORKER].clocks(&scene.server);
    scene.phone_case("phone: makes a repair", WORKER, move |replica| {
        make(replica, repaired.clone(), at)
    })
}

fn enrols() -> Case {
    let key = SigningKey::from_seed(&[4; 32]);
    let enrolment = Enrolment {
        district: DistrictId(Uuid::from_u64_pair(1, 1)),
        replica: ReplicaId(Uuid::from_u64_pair(4, 4)),
        key_seed: [4; 32],
        replica_no: ReplicaNo(4),
        person: PersonId(4),
        epoch: Epoch(1),
        certificate: Vec::new(),
        server_keys: vec![("k1".to_owned(), key.verifying_key())],
    };
    Case {
        name: "phone: enrols",
        side: Side::Phone,
        // The tables, then what the enrolment gave.
        commits: 2,
        expected: Expected::Same,
        databases: vec!["phone.db"],
        passed_over: None,
        files: Files::default(),
        start: Box::new(|_| Ok(Machine::Off)),
        act: Box::new(move |node, machine| {
            *machine = Machine::Off;
            let connection = open_connection(node).map_err(|error| told(&error))?;
            let replica = match Replica::create(connection, &enrolment) {
                Ok(replica) => replica,
                // Whoever asks again has enrolled.
                Err(ReplicaError::AlreadyEnrolled) => open_phone(node)?,
                Err(error) => return Err(told(&error)),
            };
            let id = replica.replica_id().to_string().into_bytes();
            *machine = Machine::Phone(Box::new(replica));
            Ok(id)
        }),
    }
}

fn opens_case(name: &'static str, files: Files) -> Case {
    Case {
        name,
        side: Side::Phone,
        commits: 1,
        expected: Expected::Same,
        databases: vec!["phone.db"],
        passed_over: None,
        files,
        start: Box::new(|_| Ok(Machine::Off)),
        act: Box::new(|node, machine| {
            *machine = Machine::Off;
            let replica = open_phone(node)?;
            let (seq, hash) = replica.head().map_err(|error| told(&error))?;
            *machine = Machine::Phone(Box::new(replica));
            Ok(format!("{seq} {hash}").into_bytes())
        }),
    }
}

/// An app that was killed leaves a log beside its file; the next start takes it in.
fn opens() -> Case {
    let (mut scene, _) = worked();
    scene.report(WORKER, GRID);
    let files = scene.phones[&WORKER].node.snapshot();
    opens_case("phone: opens after a kill", files)
}

/// A newer app asks again for what the one before could not read.
fn opens_with_a_newer_app() -> Case {
    let (mut scene, records) = worked();
    let record = records[0].1;
    let connection = scene.replica(WORKER).connection();
    connection
        .execute("UPDATE meta SET reads_version = 0", [])
        .and_then(|_| {
            connection.execute(
                "INSERT INTO unknown_entry (record, epoch, pos, item) VALUES (?1, 1, 1, x'00')",
                [&record.as_bytes()[..]],
            )
        })
        .expect("BUG: a sound disk");
    let files = scene.phones[&WORKER].node.snapshot();
    opens_case("phone: opens with a newer app", files)
}

fn next_request() -> Case {
    let (mut scene, _) = worked();
    scene.report(WORKER, GRID);
    let at = scene.phones[&WORKER].clocks(&scene.server);
    scene.phone_case("phone: next request", WORKER, move |replica| {
        let request = Session::new("sim 1").next_request(replica, at);
        let request = request.map_err(|error| told(&error))?;
        Ok(request.ok_or("no request")?.bytes)
    })
}

fn form(record: RecordId) -> FormDraft {
    FormDraft {
        record,
        intent: "report.amend".to_owned(),
        unit: UnitId(GRID),
        payload: r#"{"title":"一半"}"#.as_bytes().to_vec(),
        base: LogPlace::default(),
        saved_ms: 1,
    }
}

fn saves_a_draft() -> Case {
    let (scene, records) = worked();
    let form = form(records[0].1);
    scene.phone_case("phone: saves a draft", WORKER, move |replica| {
        let saved = replica.save_draft(&form);
        saved.map(|()| Vec::new()).map_err(|error| told(&error))
    })
}

fn with_draft() -> (Scene, RecordId) {
    let (mut scene, records) = worked();
    let record = records[0].1;
    let saved = scene.replica(WORKER).save_draft(&form(record));
    saved.expect("BUG: a sound disk");
    (scene, record)
}

fn discards_a_draft() -> Case {
    let (scene, record) = with_draft();
    scene.phone_case("phone: discards a draft", WORKER, move |replica| {
        let discarded = replica.discard_draft(record, "report.amend");
        discarded.map(|()| Vec::new()).map_err(|error| told(&error))
    })
}

/// The draft goes when its change comes, and not otherwise.
fn makes_from_a_draft() -> Case {
    let (scene, record) = with_draft();
    let at = scene.phones[&WORKER].clocks(&scene.server);
    let draft = draft(record, GRID, "report.amend", &json!({"title": "整个"}));
    scene.phone_case("phone: makes from a draft", WORKER, move |replica| {
        make(replica, draft.clone(), at)
    })
}

/// A step that was not applied is put aside.
fn dismisses() -> Case {
    let (mut scene, records) = worked();
    let record = records[0].1;
    scene.sync(HEAD);
    for (number, open) in [
        (WORKER, json!({"to": "CANCELLED", "reason": "重复"})),
        (HEAD, json!({"to": "REGISTERED", "level": "III"})),
    ] {
        scene.make(number, draft(record, GRID, "report.transition", &open));
    }
    scene.sync(HEAD);
    scene.sync(WORKER);
    let replica = scene.replica(WORKER);
    let (id, (seq, _)) = (
        replica.replica_id(),
        replica.head().expect("BUG: a sound disk"),
    );
    scene.phone_case("phone: dismisses", WORKER, move |replica| {
        let dismissed = replica.dismiss(id, seq);
        dismissed
            .map(|done| done.to_string().into_bytes())
            .map_err(|error| told(&error))
    })
}

fn goes_on_after_a_fork() -> Case {
    let (mut scene, records) = worked();
    scene.clone_phone(WORKER, 104);
    for number in [104, WORKER] {
        let comment = json!({"text": format!("{number}")});
        let record = records[0].1;
        scene.make(number, draft(record, GRID, "report.comment", &comment));
        scene.report(number, GRID);
    }
    scene.sync(104);
    scene.sync(WORKER);
    let identity = ForkIdentity {
        replica: ReplicaId(Uuid::from_u64_pair(9, 9)),
        key_seed: [9; 32],
        replica_no: ReplicaNo(99),
        certificate: Vec::new(),
    };
    scene.phone_case("phone: goes on after a fork", WORKER, move |replica| {
        if replica.replica_id() == identity.replica {
            return Ok(b"2".to_vec());
        }
        let plan = replica.fork_plan().map_err(|error| told(&error))?;
        let repeated = replica.continue_as(&plan, &identity);
        repeated
            .map(|count| count.to_string().into_bytes())
            .map_err(|error| told(&error))
    })
}

/// The app ends in order, which takes the log into the file; then it is opened again.
fn closes() -> Case {
    let (mut scene, _) = worked();
    scene.report(WORKER, GRID);
    let files = scene.phones[&WORKER].node.snapshot();
    let mut case = opens_case("phone: closes and opens", files);
    case.act = Box::new(|node, machine| {
        *machine = Machine::Off;
        drop(open_phone(node)?);
        *machine = Machine::Phone(Box::new(open_phone(node)?));
        Ok(Vec::new())
    });
    case
}
