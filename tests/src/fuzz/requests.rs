//! A sync request to a real server: a good one, spoilt by choice, its chain made anew and signed again.

use super::choices::Choices;
use crate::sim::disk::{Disk, Files, Node};
use crate::sim::server::{Delivered, Server};
use crate::sim::sweep::{Scene, draft, report, start_server};
use serde_json::json;
use server::clock::Clock as _;
use server::service::ServiceError;
use std::cell::RefCell;
use sync_core::change::{Batch, BatchWriter, Header, Part, PartClass, SigningKey};
use sync_core::ids::{Epoch, Pos, RecordId, ScopeVersion, Seq};
use sync_core::wire::{RequestBody, SyncRequest, SyncResponse};
use uuid::Uuid;

/// What every input starts from.
struct Base {
    node: Node,
    files: Files,
    wall_ms: i64,
    request: SyncRequest,
    changes: Vec<Change>,
    key: SigningKey,
}

#[derive(Clone)]
struct Change {
    header: Vec<u8>,
    parts: Vec<(u8, Vec<u8>)>,
}

fn base() -> Base {
    let mut scene = Scene::new(&[4, 5]);
    let record = scene.report(4, 7);
    scene.sync(4);
    for (intent, open) in [
        ("report.create", report("新的")),
        ("report.amend", json!({"title": "改了"})),
        (
            "report.transition",
            json!({"to": "CANCELLED", "reason": "重复"}),
        ),
        ("report.create", report("远的")),
    ] {
        let is_new = intent == "report.create";
        let record = if is_new { scene.new_record(4) } else { record };
        scene.make(4, draft(record, 7, intent, &open));
    }
    let bytes = scene.request(4);
    let body = RequestBody::read(&bytes).expect("BUG: own request");
    let batch = body.batch().expect("BUG: own batch");
    let changes = batch.changes.iter().map(|change| Change {
        header: change.header.to_vec(),
        parts: change
            .parts
            .iter()
            .map(|part| (part.class.0, part.bytes.to_vec()))
            .collect(),
    });
    Base {
        node: Disk::install().node(&format!("fuzz.{:?}", std::thread::current().id())),
        files: scene.server.node.snapshot(),
        wall_ms: scene.server.clock.wall_ms() + 1_000,
        request: body.request.clone(),
        changes: changes.collect(),
        key: scene.replica(4).signing_key().clone(),
    }
}

thread_local! {
    static BASE: RefCell<Option<Base>> = const { RefCell::new(None) };
}

/// See the module.
pub fn requests(data: &[u8]) {
    BASE.with_borrow_mut(|base_or_none| {
        let base = base_or_none.get_or_insert_with(base);
        base.node.restore(&base.files);
        let server = start_server(&base.node, base.wall_ms, false);
        let server = server.expect("BUG: the server starts");
        one_request(base, &server, data);
        base.node.die();
    });
}

fn one_request(base: &Base, server: &Server, data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut request = base.request.clone();
    let mut changes = base.changes.clone();
    let keeps_chain = !choices.byte().is_multiple_of(8);
    while choices.are_left() {
        if choices.byte().is_multiple_of(2) {
            spoil_request(&mut choices, &mut request);
        } else {
            spoil_changes(&mut choices, &mut changes);
        }
    }
    let bytes = sign(&mut request, &changes, keeps_chain, &base.key);
    let first = server.deliver(&bytes);
    assert!(server.is_up(), "a request has stopped the server");
    check_answer(server, &first);
    // The same again must get the same verdicts.
    let again = server.deliver(&bytes);
    if let (Delivered::Answer(first), Delivered::Answer(again)) = (&first, &again) {
        let read = |bytes: &[u8]| SyncResponse::decode(bytes).expect("BUG: own answer");
        let (first, again) = (read(first), read(again));
        assert_eq!(first.status, again.status);
        for receipt in &first.receipts {
            assert!(
                again.receipts.contains(receipt),
                "a repeat got another receipt"
            );
        }
    }
    // Whatever it left, an honest request still gets its answer.
    let honest = base.request.encode(&batch_of(&base.changes), &base.key);
    let honest = server.deliver(&honest);
    assert!(
        matches!(honest, Delivered::Answer(_)),
        "an honest request is refused: {honest:?}"
    );
}

fn check_answer(server: &Server, delivered: &Delivered) {
    match delivered {
        Delivered::Answer(bytes) => {
            let response = SyncResponse::decode(bytes).expect("an answer that nobody can read");
            let district = server.district().expect("BUG: it runs");
            let directory = district.state();
            for receipt in &response.receipts {
                let key = directory.directory.server_key(&receipt.key_id);
                let key = key.expect("a receipt under an unknown key");
                assert!(receipt.is_signed_by(district.id(), key));
                assert!(receipt.to <= response.mark);
                for seq in receipt.from.0..=receipt.to.0 {
                    assert!(receipt.answer(Seq(seq)).is_some());
                }
            }
        }
        Delivered::Refused(ServiceError::Internal { what, source }) => {
            panic!("a request made the server fail: {what}: {source}")
        }
        Delivered::Refused(_) => {}
        Delivered::Down => panic!("the server is down"),
    }
}

fn spoil_request(choices: &mut Choices<'_>, request: &mut SyncRequest) {
    match choices.below(16) {
        0 => request.protocol = choices.number(1) as u32,
        1 => request.request_no = choices.number(request.request_no),
        2 => request.head_seq = Seq(choices.number(request.head_seq.0)),
        3 => request.sent_at.wall_ms = choices.number(request.sent_at.wall_ms as u64) as i64,
        4 => request.sent_at.monotonic_ms = choices.number(request.sent_at.monotonic_ms),
        5 => request.sent_at.skew_ms = choices.number(0) as i64,
        6 => request.cursor.epoch = Epoch(choices.number(1) as u32),
        7 => request.cursor.scope_version = ScopeVersion(choices.number(1) as u32),
        8 => request.cursor.pos = Pos(choices.number(request.cursor.pos.0)),
        9 => request.cursor.backfill = choices.number(0),
        10 => request.first_seq = Seq(choices.number(request.first_seq.0)),
        11 => {
            let mut hash = request.prev_hash.0;
            hash[choices.below(32)] ^= choices.byte();
            request.prev_hash.0 = hash;
        }
        12 => request.receipts.push(choices.bytes().to_vec()),
        13 => {
            let id = u128::from(choices.number(0));
            request.wanted.push(RecordId(Uuid::from_u128(id)));
        }
        14 => request.page_bytes_max = choices.number(500_000),
        _ => {
            request.image_version = choices.number(1) as u32;
            request.wants_token = choices.byte().is_multiple_of(2);
            request.app = String::from_utf8_lossy(choices.bytes()).into_owned();
        }
    }
}

fn spoil_changes(choices: &mut Choices<'_>, changes: &mut Vec<Change>) {
    let Some(last) = changes.len().checked_sub(1) else {
        return;
    };
    let index = choices.below(last + 1);
    match choices.below(7) {
        0 => choices.spoil(&mut changes[index].header),
        1 | 2 => spoil_header(choices, &mut changes[index]),
        3 => {
            if let Some((_, bytes)) = changes[index].parts.first_mut() {
                choices.spoil(bytes);
            }
        }
        4 => {
            let class = changes[index]
                .parts
                .last()
                .map_or(0, |(class, _)| class + 1);
            changes[index].parts.push((class, choices.bytes().to_vec()));
        }
        5 => {
            changes.remove(index);
        }
        _ => {
            let copy = changes[index].clone();
            changes.insert(index, copy);
        }
    }
}

fn spoil_header(choices: &mut Choices<'_>, change: &mut Change) {
    let Ok(mut header) = Header::decode(&change.header) else {
        return;
    };
    match choices.below(9) {
        0 => header.seq = Seq(choices.number(header.seq.0)),
        1 => header.unit.0 = choices.number(u64::from(header.unit.0)) as u32,
        2 => header.schema = choices.number(1) as u32,
        3 => header.base.pos = Pos(choices.number(header.base.pos.0)),
        4 => header.base.epoch = Epoch(choices.number(1) as u32),
        5 => header.at.wall_ms = choices.number(header.at.wall_ms as u64) as i64,
        6 => header.at.skew_ms = choices.number(0) as i64,
        7 => {
            let intents: Vec<_> = sync_core::kinds::all().collect();
            let intent = intents[choices.below(intents.len())];
            header.intent = intent.name.to_owned();
        }
        _ => header.record = RecordId(Uuid::from_u128(u128::from(choices.number(0)))),
    }
    change.header = header.encode();
}

fn batch_of(changes: &[Change]) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for change in changes {
        let parts: Vec<Part<'_>> = change
            .parts
            .iter()
            .map(|(class, bytes)| Part {
                class: PartClass(*class),
                salt: PartClass(*class).is_sealed().then_some([1; 16]),
                bytes,
            })
            .collect();
        writer.push(&change.header, &parts);
    }
    writer.finish()
}

/// The body, its chain made anew so that it fits, unless it is not to.
fn sign(
    request: &mut SyncRequest,
    changes: &[Change],
    keeps_chain: bool,
    key: &SigningKey,
) -> Vec<u8> {
    let bytes = batch_of(changes);
    request.count = changes.len() as u64;
    if keeps_chain
        && let Ok(batch) = Batch::read(changes.len(), &bytes)
        && request
            .first_seq
            .0
            .checked_add(changes.len() as u64)
            .is_some()
    {
        let hashes = batch.chain(
            request.district,
            request.replica,
            request.first_seq,
            request.prev_hash,
        );
        if let Some(last) = hashes.last() {
            request.end_hash = *last;
            let last_seq = request.first_seq.0 + changes.len() as u64 - 1;
            if request.head_seq.0 <= last_seq {
                (request.head_seq, request.head_hash) = (Seq(last_seq), *last);
            }
        }
    }
    request.encode(&bytes, key)
}
