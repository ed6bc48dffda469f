//! What phones ask of the server: enrolment, every kind of verdict, repeats, forks, repairs, offers after a restore.

use super::Case;
use super::scene::{Scene, deliver, draft, report, told};
use crate::sim::server::now;
use api_schema::enrolment::EnrolmentRequest;
use api_schema::fork::ForkRequest;
use api_schema::setup::SetupRequest;
use api_schema::shapes::Base64Url;
use serde_json::json;
use server::service::Backend as _;
use server::service::administration::AdminRequest;
use sync_core::change::{Batch, BatchWriter, ChangeId, Needs, Part, PartClass, SigningKey};
use sync_core::entry::RulingKind;
use sync_core::ids::{LogPlace, PersonId, Pos, ReplicaId, UnitId};
use sync_core::replica::{ForkStep, Renaming};
use sync_core::session::{Failure, Session};
use sync_core::verdict::Verdict;
use sync_core::wire::RequestBody;
use uuid::Uuid;

/// A worker of grids 7 and 8, one of the whole community 4, and a desk of the town: they see the same records.
const WORKER: u32 = 4;
const OTHER_WORKER: u32 = 5;
const DESK: u32 = 1;
const GRID: u32 = 7;
/// A grid where neither has a right.
const FAR_GRID: u32 = 11;

/// See the module.
pub fn cases() -> Vec<Case> {
    vec![
        enrolment(),
        set_up(),
        first_sync(),
        idle_sync(),
        accepted(),
        sealed(),
        conflict(),
        not_applied(),
        held(),
        released(),
        quarantined(),
        unreadable(),
        duplicate(),
        half_duplicate(),
        group_of_three(),
        scope_change(),
        fork_noticed(),
        fork_continued(),
        fork_repeats(),
        repair(),
        revoked_hands_in(),
        brought_back(),
        unknown_comes_back(),
        ready(),
    ]
}

/// A scene in which the three know one report and have nothing to say.
fn settled() -> (Scene, sync_core::ids::RecordId) {
    let mut scene = Scene::new(&[WORKER, OTHER_WORKER, DESK]);
    let record = scene.report(WORKER, GRID);
    for number in [WORKER, OTHER_WORKER, DESK] {
        scene.sync(number);
    }
    (scene, record)
}

fn sent(mut scene: Scene, name: &'static str, number: u32, verdict: Option<Verdict>) -> Case {
    let request = scene.request(number);
    scene.request_case(name, vec![request], verdict)
}

fn enrolment() -> Case {
    let scene = Scene::new(&[]);
    let gridwork = scene.server.gridwork().expect("BUG: it runs");
    let district = scene.server.district().expect("BUG: it runs");
    let code = gridwork.make_code(&district, PersonId(WORKER));
    let code = code.expect("BUG: a code");
    let replica = Uuid::from_u64_pair(7, 7);
    let key = SigningKey::from_seed(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let message = [code.as_bytes(), replica.as_bytes(), &public[..]].concat();
    let request = EnrolmentRequest {
        proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
        code,
        replica,
        public_key: Base64Url(public),
        device_label: None,
        continues: None,
    };
    drop(district);
    // The code is used up in one file, the replica written in the other.
    scene.server_case("enrolment", 2, move |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let mut answer = now(gridwork.enrol(request.clone())).map_err(|error| told(&error))?;
        // Each answer has a token of its own.
        answer.token.clear();
        Ok(serde_json::to_vec(&answer).expect("BUG: an answer is JSON"))
    })
}

fn set_up() -> Case {
    let scene = Scene::new(&[]);
    let gridwork = scene.server.gridwork().expect("BUG: it runs");
    let district = scene.server.district().expect("BUG: it runs");
    let token = gridwork.make_setup_token(&district).expect("BUG: a token");
    drop(district);
    let request = SetupRequest {
        token,
        name: "管理员".to_owned(),
    };
    scene.drawing_case("set-up", 1, move |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let answer = now(gridwork.set_up(request.clone())).map_err(|error| told(&error))?;
        Ok(answer.person.to_string().into_bytes())
    })
}

fn first_sync() -> Case {
    let mut scene = Scene::new(&[WORKER, OTHER_WORKER]);
    scene.report(OTHER_WORKER, GRID);
    scene.sync(OTHER_WORKER);
    sent(scene, "sync: the first", WORKER, None)
}

fn idle_sync() -> Case {
    let (scene, _) = settled();
    sent(scene, "sync: idle", WORKER, None)
}

fn accepted() -> Case {
    let (mut scene, record) = settled();
    scene.report(WORKER, GRID);
    let comment = json!({"text": "还在"});
    scene.make(WORKER, draft(record, GRID, "report.comment", &comment));
    sent(scene, "sync: accepted", WORKER, Some(Verdict::Accepted))
}

fn sealed() -> Case {
    let (mut scene, _) = settled();
    make_sealed(&mut scene);
    sent(
        scene,
        "sync: with sealed parts",
        WORKER,
        Some(Verdict::Accepted),
    )
}

fn make_sealed(scene: &mut Scene) {
    let record = scene.new_record(WORKER);
    let mut draft = draft(record, GRID, "report.create", &report("保密"));
    draft.sealed.push(sync_core::replica::SealedDraft {
        class: PartClass::PERSON,
        salt: [3; 16],
        bytes: br#"{"contact":"13800000000"}"#.to_vec(),
    });
    scene.make(WORKER, draft);
}

fn conflict() -> Case {
    let (mut scene, record) = settled();
    for (number, title) in [(OTHER_WORKER, "甲"), (WORKER, "乙")] {
        let amended = json!({"title": title});
        scene.make(number, draft(record, GRID, "report.amend", &amended));
    }
    scene.sync(OTHER_WORKER);
    sent(scene, "sync: conflict", WORKER, Some(Verdict::Conflict))
}

fn not_applied() -> Case {
    let (mut scene, record) = settled();
    let cancelled = json!({"to": "CANCELLED", "reason": "重复"});
    scene.make(WORKER, draft(record, GRID, "report.transition", &cancelled));
    let registered = json!({"to": "REGISTERED", "level": "III"});
    scene.make(DESK, draft(record, GRID, "report.transition", &registered));
    scene.sync(DESK);
    sent(
        scene,
        "sync: not applied",
        WORKER,
        Some(Verdict::NotApplied),
    )
}

/// Somebody amends a report whose creation has not arrived.
fn hearsay(scene: &mut Scene) -> sync_core::ids::RecordId {
    let record = scene.report(WORKER, GRID);
    let amended = json!({"title": "听说的"});
    scene.make(OTHER_WORKER, draft(record, GRID, "report.amend", &amended));
    let other = scene.report(OTHER_WORKER, GRID);
    let mut comment = draft(other, GRID, "report.comment", &json!({"text": "见那一条"}));
    comment.needs = Some(Needs::Record(record));
    scene.make(OTHER_WORKER, comment);
    record
}

fn held() -> Case {
    let (mut scene, _) = settled();
    hearsay(&mut scene);
    sent(scene, "sync: held", OTHER_WORKER, Some(Verdict::Held))
}

fn released() -> Case {
    let (mut scene, _) = settled();
    hearsay(&mut scene);
    scene.sync(OTHER_WORKER);
    sent(scene, "sync: releases", WORKER, Some(Verdict::Accepted))
}

fn quarantined() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, FAR_GRID);
    scene.report(WORKER, GRID);
    sent(
        scene,
        "sync: quarantined",
        WORKER,
        Some(Verdict::Quarantined),
    )
}

/// A batch of two changes: a header that nobody can read, and a part that is no JSON.
fn unreadable() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    let bytes = scene.request(WORKER);
    let body = RequestBody::read(&bytes).expect("BUG: own request");
    let mut request = body.request.clone();
    let good = body.batch().expect("BUG: own batch").changes[0]
        .header
        .to_vec();
    let mut batch = BatchWriter::default();
    batch.push(b"\x09\x09 no header at all", &[]);
    let broken = Part {
        class: PartClass::OPEN,
        salt: None,
        bytes: b"{\"category\":",
    };
    batch.push(&good, &[broken]);
    let batch = batch.finish();
    let changes = Batch::read(2, &batch).expect("BUG: own batch");
    let hashes = changes.chain(
        request.district,
        request.replica,
        request.first_seq,
        request.prev_hash,
    );
    request.count = 2;
    request.head_seq.0 += 1;
    (request.end_hash, request.head_hash) = (hashes[1], hashes[1]);
    let bytes = request.encode(&batch, scene.replica(WORKER).signing_key());
    scene.request_case("sync: unreadable", vec![bytes], Some(Verdict::Quarantined))
}

fn duplicate() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    scene.report(WORKER, FAR_GRID);
    let request = scene.request(WORKER);
    scene.deliver(&request);
    scene.request_case("sync: duplicate", vec![request], Some(Verdict::Quarantined))
}

/// The first part of the batch has arrived before, its answer was lost; more was made since.
fn half_duplicate() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    let request = scene.request(WORKER);
    scene.deliver(&request);
    scene.report(WORKER, GRID);
    let at = scene.phones[&WORKER].clocks(&scene.server);
    let failure = Failure::Busy;
    let number = RequestBody::read(&request)
        .expect("BUG: own request")
        .request
        .request_no;
    let session = &mut scene.phone(WORKER).session;
    session.on_failure(number, failure, None, at, 1);
    sent(
        scene,
        "sync: half a duplicate",
        WORKER,
        Some(Verdict::Accepted),
    )
}

fn group_of_three() -> Case {
    let (mut scene, record) = settled();
    for (number, title) in [(WORKER, "甲"), (OTHER_WORKER, "乙"), (DESK, "丙")] {
        let amended = json!({"title": title});
        scene.make(number, draft(record, GRID, "report.amend", &amended));
    }
    let requests: Vec<Vec<u8>> = [WORKER, OTHER_WORKER, DESK]
        .into_iter()
        .map(|number| scene.request(number))
        .collect();
    scene.request_case(
        "sync: three in one commit",
        requests,
        Some(Verdict::Conflict),
    )
}

fn scope_change() -> Case {
    let (mut scene, _) = settled();
    scene.office(AdminRequest::Revoke {
        person: PersonId(WORKER),
        role: "worker".to_owned(),
        unit: UnitId(GRID),
    });
    scene.office(AdminRequest::Grant {
        person: PersonId(WORKER),
        role: "worker".to_owned(),
        unit: UnitId(9),
    });
    sent(scene, "sync: another scope", WORKER, None)
}

/// Two phones with one name; the other one has been at the server.
fn forked() -> Scene {
    let (mut scene, record) = settled();
    scene.clone_phone(WORKER, 104);
    for (number, text) in [(104, "副本"), (WORKER, "原件")] {
        let comment = json!({"text": text});
        scene.make(number, draft(record, GRID, "report.comment", &comment));
    }
    scene.sync(104);
    scene
}

fn fork_noticed() -> Case {
    sent(forked(), "sync: fork noticed", WORKER, None)
}

/// The request for a new name, and who makes it.
fn fork_request(scene: &mut Scene) -> (ForkRequest, Renaming) {
    scene.sync(WORKER);
    let replica = scene.replica(WORKER);
    let new = ReplicaId(Uuid::from_u64_pair(9, 9));
    let renaming = Renaming::begin(replica, new, [9; 32]).expect("BUG: a sound disk");
    (renaming.question(replica).into(), renaming)
}

fn fork_continued() -> Case {
    let mut scene = forked();
    let (request, _) = fork_request(&mut scene);
    scene.server_case("fork: a new name", 1, move |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let mut answer = now(gridwork.fork(request.clone())).map_err(|error| told(&error))?;
        answer.token.clear();
        Ok(serde_json::to_vec(&answer).expect("BUG: an answer is JSON"))
    })
}

fn fork_repeats() -> Case {
    let mut scene = forked();
    let (request, mut renaming) = fork_request(&mut scene);
    let gridwork = scene.server.gridwork().expect("BUG: it runs");
    let answer = now(gridwork.fork(request)).expect("BUG: a new name");
    let step = renaming.take(scene.replica(WORKER), answer.into());
    assert!(
        matches!(step, Ok(ForkStep::Renamed(_))),
        "BUG: a sound disk and a good answer"
    );
    sent(
        scene,
        "sync: repeats with origin",
        WORKER,
        Some(Verdict::Accepted),
    )
}

fn repair() -> Case {
    let (mut scene, _) = settled();
    let record = scene.report(WORKER, FAR_GRID);
    scene.sync(WORKER);
    let replica = scene.replica(WORKER);
    let (replica, (seq, _)) = (
        replica.replica_id(),
        replica.head().expect("BUG: a sound disk"),
    );
    let mut repaired = draft(record, GRID, "report.create", &report("改正"));
    repaired.repairs = Some(ChangeId { replica, seq });
    repaired.base = Some(LogPlace::default());
    scene.make(WORKER, repaired);
    sent(scene, "sync: repair", WORKER, Some(Verdict::Accepted))
}

fn revoked_hands_in() -> Case {
    let (mut scene, _) = settled();
    scene.report(WORKER, GRID);
    let replica = scene.replica(WORKER).replica_id();
    scene.office(AdminRequest::RevokeReplica { replica });
    sent(
        scene,
        "sync: revoked hands in",
        WORKER,
        Some(Verdict::Quarantined),
    )
}

/// The server was put back from a copy; a phone offers again what the copy misses, with its receipts.
fn brought_back() -> Case {
    let (mut scene, record) = settled();
    let copy = scene.server.node.snapshot();
    scene.report(WORKER, GRID);
    scene.sync(WORKER);
    let comment = json!({"text": "后来的"});
    scene.make(WORKER, draft(record, GRID, "report.comment", &comment));
    scene.sync(WORKER);
    scene.server.put_back(&copy);
    scene.server.start(true).expect("BUG: it starts");
    // The first answer tells the phone that an epoch began.
    let (response, facts) = scene.answer(WORKER);
    let at = scene.phones[&WORKER].clocks(&scene.server);
    let replica = scene.replica(WORKER);
    let applied = replica.apply_response(&response, &facts, at);
    assert!(applied.expect("BUG: an answer fits").new_epoch);
    scene.phone(WORKER).session = Session::new("sim 1");
    sent(scene, "sync: brought back", WORKER, Some(Verdict::Accepted))
}

/// A phone that enrolled after the copy shows its certificate.
fn unknown_comes_back() -> Case {
    let (mut scene, _) = settled();
    let copy = scene.server.node.snapshot();
    scene.enrol(106, PersonId(6));
    scene.report(106, 9);
    scene.sync(106);
    scene.server.put_back(&copy);
    scene.server.start(true).expect("BUG: it starts");
    scene.report(106, 9);
    let request = scene.request(106);
    assert!(deliver(&scene.server, std::slice::from_ref(&request)).is_err());
    let number = RequestBody::read(&request)
        .expect("BUG: own request")
        .request
        .request_no;
    let at = scene.phones[&106].clocks(&scene.server);
    let session = &mut scene.phone(106).session;
    session.on_failure(number, Failure::UnknownReplica, None, at, 1);
    let request = scene.request(106);
    let mut case = scene.request_case("sync: comes back by certificate", vec![request], None);
    // The replica's entry, then its work.
    case.commits = 2;
    case
}

fn ready() -> Case {
    let scene = Scene::new(&[]);
    scene.server_case("ready", 1, |server| {
        let gridwork = server.gridwork().ok_or("down")?;
        let answer = now(gridwork.ready()).map_err(|error| told(&error))?;
        Ok(serde_json::to_vec(&answer).expect("BUG: an answer is JSON"))
    })
}

/// What the office cases start from: a change in quarantine, a sealed one, and where they lie.
pub(super) fn with_waiting() -> (Scene, Pos, Pos) {
    let (mut scene, _) = settled();
    scene.report(WORKER, FAR_GRID);
    make_sealed(&mut scene);
    scene.sync(WORKER);
    let inbox = scene.office(AdminRequest::Inbox);
    let pos = inbox["inbox"][0]["pos"].as_u64();
    let pos = Pos(pos.expect("BUG: something waits"));
    (scene, pos, Pos(pos.0 + 1))
}

/// The ruling kinds that a person may use, by name.
pub(super) const RULINGS: [(&str, RulingKind); 3] = [
    ("office: admits", RulingKind::Admitted),
    ("office: rejects", RulingKind::Rejected),
    ("office: erases", RulingKind::Erased),
];
