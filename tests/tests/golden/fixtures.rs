//! What the golden files hold, built from fixed seeds, ids and times.

use serde_json::{Value, json};
use sync_core::change::{
    BatchWriter, ChangeId, For, Hash, Header, Needs, Origin, Part, PartClass, Salt, Signature,
    SigningKey, Source, change_hash, hash_parts,
};
use sync_core::digest::SetDigest;
use sync_core::directory::{Directory, DirectoryChange, Grant, Unit};
use sync_core::documents::Documents;
use sync_core::entry::{Admission, EntryKind, Ruling, RulingKind, chained_body, log_hash};
use sync_core::hex;
use sync_core::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, ReplicaNo,
    ScopeVersion, Seq, UnitId,
};
use sync_core::kinds;
use sync_core::merge::{Event, Stamp, fold};
use sync_core::payload::Payload;
use sync_core::scope::Scope;
use sync_core::time::Evidence;
use sync_core::verdict::{Answer, Marks, Problem, ProblemCode, Verdict, encode_answers};
use sync_core::wire::{
    Cursor, EntryItem, ImageItem, Item, PROTOCOL, Receipt, RulingItem, SignedHead, Status,
    SyncRequest, SyncResponse, write_item,
};
use uuid::{Uuid, uuid};

/// A file of bytes.
pub struct Golden {
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

pub const DISTRICT: DistrictId = DistrictId(uuid!("018f4c1e-0000-7000-8000-0000000000d1"));
pub const REPLICA: ReplicaId = ReplicaId(uuid!("018f4c1e-0000-7000-8000-0000000000a1"));
const OTHER_REPLICA: ReplicaId = ReplicaId(uuid!("018f4c1e-0000-7000-8000-0000000000a2"));
const REPORT: RecordId = RecordId(uuid!("018f4c1e-7b7a-7cc3-98c4-dc0c0c073981"));
const PATROL: RecordId = RecordId(uuid!("018f4c1e-7b7a-7cc3-98c4-dc0c0c073982"));
/// 2026-06-01 08:00 in Shanghai.
const NOON_MS: i64 = 1_780_272_000_000;
const RECEIVED_MS: i64 = NOON_MS + 600_000;

/// Seed `00 01 .. 1f`.
pub fn replica_key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| index as u8))
}

/// Seed `20 21 .. 3f`.
pub fn server_key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| index as u8 + 32))
}

fn place(epoch: u32, pos: u64) -> LogPlace {
    LogPlace {
        epoch: Epoch(epoch),
        pos: Pos(pos),
    }
}

fn header(seq: u64, record: RecordId, intent: &str) -> Header {
    Header {
        seq: Seq(seq),
        record,
        unit: UnitId(13),
        intent: intent.into(),
        schema: 1,
        documents: DocumentsVersion(0),
        base: LogPlace::default(),
        at: Evidence {
            wall_ms: NOON_MS,
            ..Evidence::default()
        },
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    }
}

fn full_header() -> Header {
    let change = |seq| ChangeId {
        replica: OTHER_REPLICA,
        seq: Seq(seq),
    };
    Header {
        documents: DocumentsVersion(4),
        base: place(2, 70_000),
        at: Evidence {
            wall_ms: NOON_MS,
            monotonic_ms: 86_400_000,
            boot: 7,
            skew_ms: -60_000,
        },
        for_person: Some(For {
            person: PersonId(8),
            source: Source::Leader,
            happened_at_ms: NOON_MS - 3_600_000,
        }),
        needs: Some(Needs::Change(change(5))),
        repairs: Some(ChangeId {
            replica: REPLICA,
            seq: Seq(299),
        }),
        origin: Some(Origin {
            change: change(12),
            hash: Hash::of(&[b"the change on the branch"]),
        }),
        ..header(300, REPORT, "report.transition")
    }
}

fn bare_with_record_need() -> Header {
    Header {
        needs: Some(Needs::Record(REPORT)),
        ..header(301, PATROL, "patrol.check_in")
    }
}

struct FullPart {
    class: PartClass,
    salt: Option<Salt>,
    bytes: &'static [u8],
}

impl FullPart {
    fn part(&self) -> Part<'_> {
        Part {
            class: self.class,
            salt: self.salt,
            bytes: self.bytes,
        }
    }
}

fn open(bytes: &'static str) -> FullPart {
    FullPart {
        class: PartClass::OPEN,
        salt: None,
        bytes: bytes.as_bytes(),
    }
}

/// The chain of three: a report with sealed parts, a comment, a check-in.
fn chain() -> Vec<(Header, Vec<FullPart>)> {
    let seen = Header {
        documents: DocumentsVersion(1),
        at: Evidence {
            wall_ms: NOON_MS,
            monotonic_ms: 86_400_000,
            boot: 7,
            skew_ms: 1_500,
        },
        ..header(1, REPORT, "report.create")
    };
    let comment = Header {
        base: place(1, 9),
        ..header(2, REPORT, "report.comment")
    };
    vec![
        (
            seen,
            vec![
                open(
                    r#"{"category":"SAN-01","title":"垃圾堆积","place":{"latitude_e7":225431234,"longitude_e7":1140561234,"accuracy_m":12}}"#,
                ),
                FullPart {
                    class: PartClass::PERSON,
                    salt: Some([0x11; 16]),
                    bytes: br#"{"contact_phone":"13800000000"}"#,
                },
                FullPart {
                    class: PartClass::WHEREABOUTS,
                    salt: Some([0x22; 16]),
                    bytes: br#"{"latitude_e7":225431200,"longitude_e7":1140561200}"#,
                },
            ],
        ),
        (
            comment,
            vec![open(r#"{"text":"Two bags more since noon."}"#)],
        ),
        (
            header(3, PATROL, "patrol.check_in"),
            vec![open(r#"{"point":"P-07","method":"nfc"}"#)],
        ),
    ]
}

fn chain_hashes() -> Vec<Hash> {
    let mut prev = Hash::ZERO;
    let changes = chain();
    changes
        .iter()
        .map(|(header, parts)| {
            let parts: Vec<_> = parts.iter().map(FullPart::part).collect();
            prev = change_hash(
                DISTRICT,
                REPLICA,
                header.seq,
                prev,
                &header.encode(),
                &hash_parts(&parts),
            );
            prev
        })
        .collect()
}

fn batch() -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for (header, parts) in chain() {
        let parts: Vec<_> = parts.iter().map(FullPart::part).collect();
        writer.push(&header.encode(), &parts);
    }
    writer.finish()
}

fn idle_request() -> SyncRequest {
    SyncRequest {
        protocol: PROTOCOL,
        district: DISTRICT,
        replica: REPLICA,
        request_no: 42,
        head_seq: Seq(3),
        head_hash: chain_hashes()[2],
        sent_at: Evidence {
            wall_ms: NOON_MS + 500_000,
            monotonic_ms: 86_900_000,
            boot: 7,
            skew_ms: 1_500,
        },
        cursor: Cursor {
            epoch: Epoch(1),
            scope_version: ScopeVersion(3),
            pos: Pos(1_200),
            backfill: 0,
        },
        first_seq: Seq(0),
        prev_hash: Hash::ZERO,
        count: 0,
        end_hash: Hash::ZERO,
        receipts: Vec::new(),
        wanted: Vec::new(),
        wants_token: false,
        page_bytes_max: 524_288,
        image_version: 1,
        app: "1.0.0".into(),
    }
}

fn request_batch() -> Vec<u8> {
    let request = SyncRequest {
        first_seq: Seq(1),
        count: 3,
        end_hash: chain_hashes()[2],
        wants_token: true,
        ..idle_request()
    };
    request.encode(&batch(), &replica_key())
}

/// After a restore: a later batch than the head, receipts handed back, records asked for, a scope being filled.
fn request_offering() -> Vec<u8> {
    let hashes = chain_hashes();
    let request = SyncRequest {
        request_no: 43,
        head_seq: Seq(9),
        head_hash: Hash::of(&[b"a later head"]),
        cursor: Cursor {
            epoch: Epoch(2),
            scope_version: ScopeVersion(4),
            pos: Pos(1_100),
            backfill: 77,
        },
        first_seq: Seq(1),
        count: 3,
        end_hash: hashes[2],
        receipts: vec![receipt().encode()],
        wanted: vec![REPORT, PATROL],
        ..idle_request()
    };
    request.encode(&batch(), &replica_key())
}

fn quarantined() -> Answer {
    Answer {
        verdict: Verdict::Quarantined,
        marks: Marks::CLOCK_BOUNDED,
        problems: vec![
            Problem::field(ProblemCode::TooLong, "title").limit(100),
            Problem::whole(ProblemCode::RightMissing),
        ],
    }
}

fn receipt() -> Receipt {
    let mut receipt = Receipt {
        epoch: Epoch(1),
        replica: REPLICA,
        from: Seq(1),
        to: Seq(3),
        chain_hash: chain_hashes()[2],
        first_pos: Pos(1_201),
        last_pos: Pos(1_203),
        received_ms: RECEIVED_MS,
        answers: vec![Answer::accepted(), Answer::accepted(), quarantined()],
        times_ms: vec![RECEIVED_MS - 500_000, RECEIVED_MS - 400_000, RECEIVED_MS],
        key_id: "k1".into(),
        signature: Signature([0; 64]),
    };
    receipt.sign(DISTRICT, &server_key());
    receipt
}

fn head() -> SignedHead {
    let hash = Hash::of(&[b"the log's last hash"]);
    SignedHead::sign(DISTRICT, Epoch(1), Pos(1_205), hash, "k1", &server_key())
}

fn scope() -> Scope {
    let mut directory = Directory::default();
    let units = [(1, None), (12, Some(1)), (13, Some(12)), (900, Some(1))];
    let units = units.map(|(unit, parent)| {
        DirectoryChange::Unit(Unit {
            unit: UnitId(unit),
            parent: parent.map(UnitId),
            code: unit.to_string(),
            name: String::new(),
            kind: String::new(),
        })
    });
    let grants = [("worker", 12), ("department_handler", 900)].map(|(role, unit)| {
        DirectoryChange::Grant(Grant {
            person: PersonId(7),
            role: role.into(),
            unit: UnitId(unit),
            from_ms: 0,
            until_ms: None,
        })
    });
    for change in units.into_iter().chain(grants) {
        directory.apply(Pos(1), change);
    }
    Scope::of(&directory, &Documents::defaults(), PersonId(7), NOON_MS)
}

fn event(pos: u64, base: u64, replica: u32, intent: &str, json: &str, answer: &Answer) -> Event {
    let mut header = header(pos, REPORT, intent);
    header.base = place(1, base);
    let stamp = Stamp {
        place: place(1, pos),
        first_place: None,
        time_ms: NOON_MS + pos as i64 * 1_000,
        person: PersonId(replica + 6),
        whose: None,
        replica: ReplicaNo(replica),
        seq: Seq(pos),
    };
    let intent = kinds::find(intent).expect("an intent of ours");
    let payload = Payload::read(json.as_bytes()).expect("an object");
    Event::of(intent, &header, payload, answer, stamp).expect("an effect")
}

fn image(events: Vec<Event>) -> Vec<u8> {
    fold(events).expect("a state").to_image()
}

fn created() -> Event {
    event(
        10,
        0,
        1,
        "report.create",
        r#"{"category":"SAN-01","title":"垃圾堆积"}"#,
        &Answer::accepted(),
    )
}

/// One write, and nothing else: the most frequent image.
fn image_created() -> Vec<u8> {
    image(vec![created()])
}

/// Two values of one field, a comment, a step, a move and a step that was not applied.
fn image_worked_on() -> Vec<u8> {
    let good = Answer::accepted();
    let refused = Answer {
        verdict: Verdict::NotApplied,
        marks: Marks::default(),
        problems: vec![Problem::whole(ProblemCode::StateMovedOn).limit("REGISTERED")],
    };
    image(vec![
        created(),
        event(
            11,
            10,
            1,
            "report.amend",
            r#"{"title":"垃圾堆积在门口","later": {"kept":  1.50}}"#,
            &good,
        ),
        event(12, 10, 2, "report.amend", r#"{"title":"垃圾"}"#, &good),
        event(13, 12, 2, "report.comment", r#"{"text":"是两处"}"#, &good),
        event(
            14,
            13,
            2,
            "report.transition",
            r#"{"to":"REGISTERED","level":"III","desk":900}"#,
            &good,
        ),
        event(
            15,
            12,
            3,
            "report.transition",
            r#"{"to":"REJECTED","reason":"no"}"#,
            &refused,
        ),
        event(16, 14, 2, "report.move", r#"{"unit":12}"#, &good),
    ])
}

/// Taken back in after a restore, entered for somebody else.
fn image_restored() -> Vec<u8> {
    let mut event = created();
    event.stamp.place = place(2, 30);
    event.stamp.first_place = Some(place(1, 10));
    event.stamp.whose = Some(PersonId(8));
    image(vec![event])
}

/// An attachment came before its record.
fn image_unknown() -> Vec<u8> {
    let json = format!(
        r#"{{"sha256":"{}","size_bytes":1024,"media_type":"image/jpeg"}}"#,
        "ab".repeat(32)
    );
    image(vec![event(
        10,
        0,
        1,
        "attachment.add",
        &json,
        &Answer::accepted(),
    )])
}

fn items() -> [Item; 4] {
    let (header, parts) = &chain()[1];
    [
        Item::Entry(EntryItem {
            place: place(2, 1_204),
            first_place: Some(place(1, 1_202)),
            replica: ReplicaNo(1),
            person: PersonId(7),
            time_ms: RECEIVED_MS - 400_000,
            answer: Answer::accepted(),
            header: header.encode(),
            open: Some(parts[0].bytes.to_vec()),
        }),
        Item::Image(ImageItem {
            record: REPORT,
            pos: Pos(10),
            image: image_created(),
        }),
        Item::Leave(PATROL),
        Item::Ruling(RulingItem {
            pos: Pos(1_205),
            ruling: RulingKind::Rejected,
            replica: ReplicaNo(1),
            seq: Seq(3),
            answer: quarantined(),
            reason: "名字写错了".into(),
        }),
    ]
}

fn items_bytes(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        write_item(&mut out, item);
    }
    out
}

fn response() -> SyncResponse {
    let mut digest = SetDigest::default();
    digest.add(REPORT, Pos(10));
    SyncResponse {
        request_no: 42,
        status: Status::Ok,
        epoch: Epoch(1),
        epoch_start: Pos(0),
        mark: Seq(3),
        duplicates: 1,
        receipts: vec![receipt()],
        received_ms: RECEIVED_MS,
        safe_seq: Seq(2),
        scope: Some(scope()),
        items: items_bytes(&items()),
        cursor: Cursor {
            epoch: Epoch(1),
            scope_version: ScopeVersion(4),
            pos: Pos(1_205),
            backfill: 0,
        },
        more: false,
        digest: Some(digest),
        head: Some(head()),
        token: Some("header.claims.signature".into()),
        documents: DocumentsVersion(1),
        replica_no: ReplicaNo(1),
        wipe: None,
    }
}

fn idle_response() -> SyncResponse {
    SyncResponse {
        duplicates: 0,
        receipts: Vec::new(),
        scope: None,
        items: Vec::new(),
        token: None,
        ..response()
    }
}

fn fork_response() -> SyncResponse {
    SyncResponse {
        status: Status::Fork,
        digest: None,
        head: None,
        ..idle_response()
    }
}

/// After a restore, in the middle of several pages.
fn restored_response() -> SyncResponse {
    SyncResponse {
        epoch: Epoch(2),
        epoch_start: Pos(1_100),
        mark: Seq(1),
        cursor: Cursor {
            epoch: Epoch(2),
            scope_version: ScopeVersion(4),
            pos: Pos(1_100),
            backfill: 1_234,
        },
        more: true,
        digest: None,
        ..idle_response()
    }
}

/// Every golden file of bytes; the first word of a name says what it is.
pub fn all() -> Vec<Golden> {
    let mut digest = SetDigest::default();
    digest.add(REPORT, Pos(10));
    digest.add(PATROL, Pos(1_203));
    let [entry, image, leave, ruling] = items();
    [
        ("header_bare", header(1, REPORT, "report.comment").encode()),
        ("header_full", full_header().encode()),
        ("header_needs_record", bare_with_record_need().encode()),
        ("batch", batch()),
        ("request_idle", idle_request().encode(&[], &replica_key())),
        ("request_batch", request_batch()),
        ("request_offering", request_offering()),
        ("answers", encode_answers(&receipt().answers)),
        ("receipt", receipt().encode()),
        ("head", head().encode()),
        ("scope", scope().encode()),
        ("items_entry", items_bytes(&[entry])),
        ("items_image", items_bytes(&[image])),
        ("items_leave", items_bytes(&[leave])),
        ("items_ruling", items_bytes(&[ruling])),
        ("response", response().encode()),
        ("response_idle", idle_response().encode()),
        ("response_fork", fork_response().encode()),
        ("response_restored", restored_response().encode()),
        ("image_created", image_created()),
        ("image_worked_on", image_worked_on()),
        ("image_restored", image_restored()),
        ("image_unknown", image_unknown()),
        ("digest", digest.to_bytes().to_vec()),
    ]
    .map(|(name, bytes)| Golden { name, bytes })
    .into()
}

/// Every golden file of text.
pub fn texts_of() -> Vec<(&'static str, String)> {
    vec![
        ("keys.json", pretty(&keys_json())),
        ("chain.json", pretty(&chain_json())),
        ("log_chain.json", pretty(&log_chain_json())),
        ("enrolment.json", pretty(&enrolment_json())),
    ]
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON");
    text.push('\n');
    text
}

fn keys_json() -> Value {
    let key = |key: &SigningKey| json!({"seed": hex::encode(&*key.seed()), "public": hex::encode(&key.verifying_key().to_bytes())});
    json!({
        "district": DISTRICT.to_string(),
        "replica": REPLICA.to_string(),
        "replica_key": key(&replica_key()),
        "server_key_id": "k1",
        "server_key": key(&server_key()),
    })
}

fn chain_json() -> Value {
    let hashes = chain_hashes();
    let changes: Vec<Value> = chain()
        .iter()
        .zip(&hashes)
        .map(|((header, parts), hash)| {
            let parts: Vec<Value> = parts
                .iter()
                .map(|part| {
                    json!({
                        "class": part.class.0,
                        "salt": part.salt.map(|salt| hex::encode(&salt)),
                        "text": std::str::from_utf8(part.bytes).expect("text"),
                        "commitment": part.part().commitment().to_string(),
                    })
                })
                .collect();
            json!({"seq": header.seq, "header": hex::encode(&header.encode()), "parts": parts, "hash": hash.to_string()})
        })
        .collect();
    json!({"district": DISTRICT.to_string(), "replica": REPLICA.to_string(), "changes": changes})
}

fn admission() -> Admission {
    Admission {
        replica: ReplicaNo(1),
        person: PersonId(7),
        seq: Seq(1),
        hash: chain_hashes()[0],
        received_ms: RECEIVED_MS,
        time_ms: RECEIVED_MS - 500_000,
        answer: Answer::accepted(),
        first_place: None,
    }
}

fn log_chain_json() -> Value {
    let change = admission().chained_bytes();
    let first = log_hash(Hash::ZERO, Pos(1), EntryKind::Change, &change);
    let answer = quarantined();
    let ruling = Ruling {
        ruling: RulingKind::Rejected,
        of: Pos(1),
        replica: ReplicaNo(1),
        seq: Seq(1),
        by: Some(PersonId(3)),
        reason: "twice".into(),
        verdict: answer.verdict,
        marks: answer.marks,
        problems: answer.problems,
    };
    let body = serde_json::to_vec(&ruling).expect("JSON");
    let chained = chained_body(RECEIVED_MS + 1, &body);
    let second = log_hash(first, Pos(2), EntryKind::Ruling, &chained);
    json!({"entries": [
        {"pos": 1, "kind": 1, "chained": hex::encode(&change), "hash": first.to_string()},
        {"pos": 2, "kind": 2, "body": String::from_utf8(body).expect("text"), "chained": hex::encode(&chained), "hash": second.to_string()},
    ]})
}

fn enrolment_json() -> Value {
    let code = "40715528";
    let public = replica_key().verifying_key().to_bytes();
    let message = [code.as_bytes(), REPLICA.as_bytes(), &public].concat();
    let proof = replica_key().sign("gridwork/enrol/1", &message);
    let last = chain_hashes()[2];
    let new_key = SigningKey::from_seed(&[0x77; 32]);
    let new_public = new_key.verifying_key().to_bytes();
    let seq = 3u64.to_be_bytes();
    let fork = [
        &REPLICA.as_bytes()[..],
        OTHER_REPLICA.as_bytes(),
        &new_public,
        &seq,
        &last.0,
    ]
    .concat();
    json!({
        "enrol": {
            "code": code,
            "replica": REPLICA.to_string(),
            "public_key": hex::encode(&public),
            "signed": hex::encode(&[&b"gridwork/enrol/1"[..], &message].concat()),
            "proof": hex::encode(&proof.0),
        },
        "fork": {
            "old_replica": REPLICA.to_string(),
            "replica": OTHER_REPLICA.to_string(),
            "public_key": hex::encode(&new_public),
            "last_common_seq": 3,
            "last_common_hash": last.to_string(),
            "signed": hex::encode(&[&b"gridwork/fork/1"[..], &fork].concat()),
            "old_proof": hex::encode(&replica_key().sign("gridwork/fork/1", &fork).0),
            "proof": hex::encode(&new_key.sign("gridwork/fork/1", &fork).0),
        },
    })
}

fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    Hash::of(&[&parts.concat()]).0.to_vec()
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hexadecimal")
}

fn uuid_bytes(value: &Value) -> Vec<u8> {
    Uuid::parse_str(value.as_str().expect("text"))
        .expect("a UUID")
        .as_bytes()
        .to_vec()
}

/// Recomputes `chain.json` from the written rule; how many changes it checked.
pub fn written_chain(text: &str) -> usize {
    let chain: Value = serde_json::from_str(text).expect("JSON");
    let mut prev = vec![0; 32];
    let changes = chain["changes"].as_array().expect("changes");
    for change in changes {
        let parts = change["parts"].as_array().expect("parts");
        let mut commitments = Vec::new();
        for part in parts {
            let class = [part["class"].as_u64().expect("a class") as u8];
            let salt = part["salt"]
                .as_str()
                .map_or(Vec::new(), |_| unhex(&part["salt"]));
            let bytes = part["text"].as_str().expect("text").as_bytes();
            let commitment = sha256(&[b"gridwork/part/1", &class, &salt, bytes]);
            assert_eq!(commitment, unhex(&part["commitment"]));
            commitments.extend(class);
            commitments.extend(commitment);
        }
        let seq = change["seq"].as_u64().expect("a seq").to_be_bytes();
        prev = sha256(&[
            b"gridwork/change/1",
            &[1, 1],
            &uuid_bytes(&chain["district"]),
            &uuid_bytes(&chain["replica"]),
            &seq,
            &prev,
            &sha256(&[&unhex(&change["header"])]),
            &[parts.len() as u8],
            &commitments,
        ]);
        assert_eq!(prev, unhex(&change["hash"]), "change {seq:?}");
    }
    changes.len()
}

/// Recomputes `log_chain.json` from the written rule; how many entries it checked.
pub fn written_log_chain(text: &str) -> usize {
    let log: Value = serde_json::from_str(text).expect("JSON");
    let mut prev = vec![0; 32];
    let entries = log["entries"].as_array().expect("entries");
    for entry in entries {
        let pos = entry["pos"].as_u64().expect("a pos").to_be_bytes();
        let kind = [entry["kind"].as_u64().expect("a kind") as u8];
        prev = sha256(&[
            b"gridwork/log/1",
            &prev,
            &pos,
            &kind,
            &unhex(&entry["chained"]),
        ]);
        assert_eq!(prev, unhex(&entry["hash"]));
    }
    entries.len()
}
