//! The golden files of bytes: headers, batches, requests, answers and their pieces.

use super::chain::{
    DISTRICT, Golden, NOON_MS, PATROL, RECEIVED_MS, REPLICA, REPORT, bare_with_record_need, batch,
    chain, chain_hashes, full_header, header, place, replica_key, server_key,
};
use super::images::{image_created, image_restored, image_unknown, image_worked_on};
use sync_core::calendar::Zone;
use sync_core::change::{Hash, Signature, SigningKey};
use sync_core::digest::SetDigest;
use sync_core::directory::{Directory, DirectoryChange, Grant, Unit};
use sync_core::documents::{Documents, Manifest, ManifestVersion};
use sync_core::entry::RulingKind;
use sync_core::ids::{
    DocumentsVersion, Epoch, PersonId, Pos, ReplicaNo, ScopeVersion, Seq, UnitId,
};
use sync_core::scope::Scope;
use sync_core::time::Evidence;
use sync_core::verdict::{Answer, Marks, Problem, ProblemCode, Verdict, encode_answers};
use sync_core::wire::{
    Cursor, EnrolmentCertificate, EntryItem, ImageItem, Item, KeyLink, PROTOCOL, Receipt,
    RulingItem, SignedHead, Status, SyncRequest, SyncResponse, WipeOrder, write_item,
};

pub fn idle_request() -> SyncRequest {
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
        certificate: Vec::new(),
        known_keys: 1,
        last_head: Vec::new(),
        documents_held: None,
    }
}

pub fn request_batch() -> Vec<u8> {
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
pub fn request_offering() -> Vec<u8> {
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

pub fn quarantined() -> Answer {
    Answer {
        verdict: Verdict::Quarantined,
        marks: Marks::CLOCK_BOUNDED,
        problems: vec![
            Problem::field(ProblemCode::TooLong, "title").limit(100),
            Problem::whole(ProblemCode::RightMissing),
        ],
    }
}

pub fn receipt() -> Receipt {
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

pub fn head() -> SignedHead {
    let hash = Hash::of(&[b"the log's last hash"]);
    SignedHead::sign(DISTRICT, Epoch(1), Pos(1_205), hash, "k1", &server_key())
}

pub fn scope() -> Scope {
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

pub fn items() -> [Item; 4] {
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

pub fn items_bytes(items: &[Item]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        write_item(&mut out, item);
    }
    out
}

pub fn response() -> SyncResponse {
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
        keys: Vec::new(),
        manifest: None,
        texts: Vec::new(),
    }
}

pub fn idle_response() -> SyncResponse {
    SyncResponse {
        duplicates: 0,
        receipts: Vec::new(),
        scope: None,
        items: Vec::new(),
        token: None,
        ..response()
    }
}

pub fn fork_response() -> SyncResponse {
    SyncResponse {
        status: Status::Fork,
        digest: None,
        head: None,
        ..idle_response()
    }
}

fn wipe() -> WipeOrder {
    WipeOrder::sign(DISTRICT, REPLICA, RECEIVED_MS - 1_000, "k1", &server_key())
}

pub fn certificate() -> EnrolmentCertificate {
    let mut certificate = EnrolmentCertificate {
        epoch: Epoch(1),
        replica: REPLICA,
        replica_no: ReplicaNo(1),
        person: PersonId(7),
        key: replica_key().verifying_key(),
        received_ms: RECEIVED_MS - 86_400_000,
        key_id: "k1".into(),
        signature: Signature([0; 64]),
    };
    certificate.sign(DISTRICT, &server_key());
    certificate
}

/// The server's second key, as the directory has it.
fn second_key() -> KeyLink {
    let key = SigningKey::from_seed(&[0x2b; 32]).verifying_key();
    let mut directory = Directory::default();
    let change = DirectoryChange::next_server_key(DISTRICT, "k2", key, &server_key());
    directory.apply(Pos(1), change);
    directory.key_links()[0].clone()
}

/// With a key that the replica did not know.
fn response_key() -> SyncResponse {
    SyncResponse {
        keys: vec![second_key()],
        ..fork_response()
    }
}

/// To a restored server that does not know the replica.
fn request_known_once() -> Vec<u8> {
    let request = SyncRequest {
        request_no: 44,
        certificate: certificate().encode(),
        ..idle_request()
    };
    request.encode(&[], &replica_key())
}

fn request_two_keys() -> Vec<u8> {
    let request = SyncRequest {
        known_keys: 2,
        ..idle_request()
    };
    request.encode(&[], &replica_key())
}

/// From a phone that has one text and has heard of more.
fn request_documents() -> Vec<u8> {
    let request = SyncRequest {
        documents_held: Some(vec![[7; 8]]),
        ..idle_request()
    };
    request.encode(&[], &replica_key())
}

/// The list of documents, and a text.
fn response_documents() -> SyncResponse {
    let text = br#"{"document":"calendar","version":2}"#;
    let manifest = Manifest {
        zone: Zone::fixed(480),
        versions: vec![ManifestVersion {
            name: "calendar".to_owned(),
            version: 2,
            from_ms: Some(NOON_MS),
            sha256: Hash::of(&[text]).to_string(),
        }],
    };
    SyncResponse {
        documents: DocumentsVersion(2),
        manifest: Some(manifest.encode()),
        texts: vec![text.to_vec()],
        ..idle_response()
    }
}

fn revoked_response() -> SyncResponse {
    SyncResponse {
        status: Status::Revoked,
        wipe: Some(wipe()),
        ..fork_response()
    }
}

/// After a restore, in the middle of several pages.
pub fn restored_response() -> SyncResponse {
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
        ("request_certificate", request_known_once()),
        ("certificate", certificate().encode()),
        ("request_keys", request_two_keys()),
        ("request_documents", request_documents()),
        ("response_documents", response_documents().encode()),
        ("key_second", second_key().encode()),
        ("response_key", response_key().encode()),
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
        ("response_revoked", revoked_response().encode()),
        ("wipe", wipe().encode()),
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
