//! One answer at a time: all of it or nothing, once and not twice, and never what is not signed.

use super::*;
use crate::change::{Signature, SigningKey};
use crate::directory::{Directory, DirectoryChange};
use crate::ids::{Epoch, Pos};
use crate::wire::{Item, KeyLink, SignedHead, SyncResponse, read_items, write_item};

/// A phone with an unsent change, and the answer to its next request.
fn answered() -> (FakeServer, Replica, SyncResponse, RequestFacts) {
    let mut server = FakeServer::new();
    let (mut other, mut phone) = (server.phone(2), server.phone(1));
    make(&server, &mut other, record_id(1), "report.create", REPORT);
    meet(&mut server, &mut other);
    make(&server, &mut phone, record_id(2), "report.create", REPORT);
    let outgoing = Session::new("test")
        .next_request(&phone, evidence(server.now_ms))
        .expect("a request")
        .expect("due");
    let response = server.answer(&outgoing.bytes);
    let facts = RequestFacts {
        request_no: outgoing.request_no,
        sent_at: evidence(server.now_ms),
        first_seq: Seq(1),
        count: 1,
        wanted: Vec::new(),
        asked_documents: false,
    };
    (server, phone, response, facts)
}

fn picture(phone: &Replica) -> (Hash, SetDigest, Counts, Cursor) {
    (
        phone.state_digest().expect("digest"),
        phone.digest().expect("digest"),
        phone.counts().expect("counts"),
        phone.cursor().expect("cursor"),
    )
}

#[test]
fn a_bad_answer_changes_nothing_at_all() {
    type Damage = fn(&mut SyncResponse, &FakeServer);
    let damages: &[(&str, Damage)] = &[
        ("items cut", |response, _| {
            response.items.truncate(response.items.len() - 1);
        }),
        ("a receipt's signature", |response, _| {
            response.receipts[0].signature.0[5] ^= 1;
        }),
        ("a receipt's answers", |response, _| {
            response.receipts[0].times_ms[0] += 1;
        }),
        ("a receipt of another replica", |response, server| {
            response.receipts[0].replica = ReplicaId(uuid::Uuid::from_u128(5));
            response.receipts[0].sign(server.district, &server.key);
        }),
        ("a receipt of another district", |response, server| {
            let other = DistrictId(uuid::Uuid::from_u128(5));
            response.receipts[0].sign(other, &server.key);
        }),
        ("a receipt twice", |response, _| {
            response.receipts.push(response.receipts[0].clone());
        }),
        ("a key that is not known", |response, server| {
            response.receipts[0].key_id = "k9".into();
            response.receipts[0].sign(server.district, &server.key);
        }),
        ("a new key that no key signed", |response, _| {
            response.keys.push(KeyLink {
                id: "k2".into(),
                key: SigningKey::from_seed(&[9; 32]).verifying_key(),
                signature: Signature([0; 64]),
            });
        }),
        ("another key under a known name", |response, server| {
            response.keys.push(key_link(server, "k1", [9; 32]));
        }),
        ("an epoch that has passed", |response, _| {
            response.epoch = Epoch(0);
        }),
        ("a head with a wrong signature", |response, _| {
            response.head.as_mut().expect("a head").pos.0 += 1;
        }),
    ];
    for (what, damage) in damages {
        let (server, mut phone, mut response, facts) = answered();
        let before = picture(&phone);
        let good = response.clone();
        damage(&mut response, &server);
        phone
            .apply_response(&response, &facts, evidence(server.now_ms))
            .expect_err(what);
        assert_eq!(picture(&phone), before, "{what}");
        phone
            .apply_response(&good, &facts, evidence(server.now_ms))
            .expect(what);
        assert_eq!(phone.counts().expect("counts").waiting, 0);
        assert_converged(&server, &phone);
    }
}

#[test]
fn a_good_receipt_over_another_chain_tells_of_a_fork() {
    let (server, mut phone, mut response, facts) = answered();
    let waiting = phone.counts().expect("counts").waiting;
    response.receipts[0].chain_hash = Hash([1; 32]);
    response.receipts[0].sign(server.district, &server.key);
    let applied = phone
        .apply_response(&response, &facts, evidence(server.now_ms))
        .expect("taken in");
    assert!(applied.forked && applied.receipted == 0);
    assert_eq!(phone.condition().expect("condition"), Condition::Forked);
    assert_eq!(
        phone.counts().expect("counts").waiting,
        waiting,
        "nothing is acknowledged by it"
    );
}

/// A further key of the server, signed with its first.
fn key_link(server: &FakeServer, id: &str, seed: [u8; 32]) -> KeyLink {
    let key = SigningKey::from_seed(&seed).verifying_key();
    let mut directory = Directory::default();
    let change = DirectoryChange::next_server_key(server.district, id, key, &server.key);
    directory.apply(Pos(1), change);
    directory.key_links()[0].clone()
}

#[test]
fn a_new_key_holds_from_the_answer_that_brings_it_on_and_the_old_one_introduces_no_other() {
    let (server, mut phone, mut response, facts) = answered();
    let now = evidence(server.now_ms);
    let second = SigningKey::from_seed(&[8; 32]);
    response.keys.push(key_link(&server, "k2", [8; 32]));
    response.receipts[0].key_id = "k2".into();
    response.receipts[0].sign(server.district, &second);
    phone.apply_response(&response, &facts, now).expect("taken");
    phone.apply_response(&response, &facts, now).expect("again");
    assert_eq!(phone.known_keys().expect("count"), 2);
    // Whoever has the old key cannot bring in one of their own.
    response.keys = vec![key_link(&server, "k3", [9; 32])];
    let refused = phone.apply_response(&response, &facts, now);
    assert!(matches!(refused, Err(ApplyError::BadServerKey(_))));
}

#[test]
fn a_crash_before_the_commit_leaves_the_state_before() {
    let (server, mut phone, response, facts) = answered();
    let before = picture(&phone);
    // The last statement of the transaction fails, as when the disk is full just then.
    phone
        .connection
        .execute_batch(
            "CREATE TEMP TRIGGER full BEFORE UPDATE ON meta BEGIN SELECT raise(ABORT, 'disk full'); END",
        )
        .expect("trigger");
    phone
        .apply_response(&response, &facts, evidence(server.now_ms))
        .expect_err("no room");
    assert_eq!(picture(&phone), before);
    phone
        .connection
        .execute_batch("DROP TRIGGER full")
        .expect("trigger");
    phone
        .apply_response(&response, &facts, evidence(server.now_ms))
        .expect("room again");
    assert_converged(&server, &phone);
}

#[test]
fn an_answer_twice_is_an_answer_once() {
    let (server, mut phone, response, facts) = answered();
    let now = evidence(server.now_ms);
    phone.apply_response(&response, &facts, now).expect("first");
    let once = picture(&phone);
    let again = phone
        .apply_response(&response, &facts, now)
        .expect("second");
    assert_eq!(again.entries, 0);
    assert_eq!(picture(&phone), once);
}

#[test]
fn a_head_that_goes_back_or_differs_is_refused() {
    let (server, mut phone, mut response, facts) = answered();
    let now = evidence(server.now_ms);
    phone.apply_response(&response, &facts, now).expect("first");
    let head = response.head.clone().expect("a head");
    let sign = |pos: u64, hash: Hash| {
        Some(SignedHead::sign(
            server.district,
            head.epoch,
            Pos(pos),
            hash,
            "k1",
            &server.key,
        ))
    };
    for (pos, hash, taken) in [
        (head.pos.0 - 1, head.hash, false),
        (head.pos.0, Hash([9; 32]), false),
        (head.pos.0, head.hash, true),
        (head.pos.0 + 1, Hash([9; 32]), true),
    ] {
        response.head = sign(pos, hash);
        let result = phone.apply_response(&response, &facts, now);
        assert_eq!(result.is_ok(), taken, "{pos}");
    }
    for pos in 0..40 {
        response.head = sign(head.pos.0 + 2 + pos, Hash::ZERO);
        phone.apply_response(&response, &facts, now).expect("taken");
    }
    let kept: i64 = phone
        .connection
        .query_row("SELECT count(*) FROM head", [], |row| row.get(0))
        .expect("count");
    assert_eq!(kept, 12);
}

#[test]
fn a_digest_that_differs_is_repaired_and_reported_only_when_repair_does_not_help() {
    let (mut server, mut phone, response, facts) = answered();
    phone
        .apply_response(&response, &facts, evidence(server.now_ms))
        .expect("taken");
    // A record that the server does not have, another that lost its content.
    let image = server.records[&record_id(1)].to_image();
    phone
        .apply_images([(record_id(50), Pos(1), &image[..])])
        .expect("taken");
    phone
        .connection
        .execute(
            "UPDATE record SET image = x'7b7d' WHERE id = ?1",
            [&record_id(2).as_bytes()[..]],
        )
        .expect("damage");
    meet(&mut server, &mut phone);
    assert_converged(&server, &phone);
    assert_eq!(phone.counts().expect("counts").records, 2);
    server.digest_fault = 1;
    let mut session = Session::new("test");
    let requests = sync(&mut server, &mut session, &mut phone);
    assert!(requests <= 4, "{requests} requests");
    server.digest_fault = 0;
    meet(&mut server, &mut phone);
    assert_converged(&server, &phone);
}

#[test]
fn an_intent_of_a_later_version_is_kept_and_its_record_asked_for() {
    let (mut server, mut phone, mut response, facts) = answered();
    let now = evidence(server.now_ms);
    phone.apply_response(&response, &facts, now).expect("taken");
    let mut item = server.log[0].item.clone();
    item.place.pos = Pos(3);
    let mut header = crate::change::Header::decode(&item.header).expect("ours");
    header.intent = "report.sing".into();
    item.header = header.encode();
    item.open = Some(br#"{ "tune" :1.0}"#.to_vec());
    response.items.clear();
    write_item(&mut response.items, &Item::Entry(item.clone()));
    // And an item of a kind that nobody knows yet.
    response.items.extend([2, 2, 99]);
    response.receipts.clear();
    response.digest = None;
    response.cursor.pos = Pos(3);
    phone.apply_response(&response, &facts, now).expect("taken");
    assert_eq!(phone.wanted(10).expect("wanted"), [record_id(1)]);
    let kept: Vec<u8> = phone
        .connection
        .query_row("SELECT item FROM unknown_entry", [], |row| row.get(0))
        .expect("kept");
    let read: Vec<_> = read_items(&kept).collect();
    assert_eq!(read, [Ok(Some(Item::Entry(item)))]);
    // The server, which knows it, sends the whole.
    meet(&mut server, &mut phone);
    assert_eq!(phone.wanted(10).expect("wanted"), []);
    // After an upgrade of the app it is asked for once more.
    phone
        .connection
        .execute("UPDATE meta SET reads_version = 0", [])
        .expect("an older app");
    let phone = Replica::open(phone.into_connection()).expect("opened");
    assert_eq!(phone.wanted(10).expect("wanted"), [record_id(1)]);
}

#[test]
fn what_is_safe_and_in_the_image_is_forgotten_after_a_month_and_hashes_stay() {
    let (server, mut phone, mut response, facts) = answered();
    let now = evidence(server.now_ms);
    let whole = |phone: &Replica| -> (i64, i64) {
        phone
            .connection
            .query_row("SELECT count(header), count(hash) FROM own", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .expect("count")
    };
    phone.apply_response(&response, &facts, now).expect("taken");
    assert_eq!(whole(&phone), (1, 1));
    response.safe_seq = Seq(1);
    phone.apply_response(&response, &facts, now).expect("taken");
    assert_eq!(
        whole(&phone),
        (1, 1),
        "an older backup may still be put back"
    );
    let later_ms = crate::limits::OWN_KEPT_MS + 60_000;
    let ahead = evidence(server.now_ms + later_ms);
    phone
        .apply_response(&response, &facts, ahead)
        .expect("taken");
    assert_eq!(
        whole(&phone),
        (1, 1),
        "a month by the phone's own clock is none"
    );
    response.received_ms += later_ms;
    phone.apply_response(&response, &facts, now).expect("taken");
    assert_eq!(whole(&phone), (0, 1));
    assert_eq!(title(&phone, record_id(2)).as_deref(), Some("first"));
}

#[test]
fn a_phone_that_let_go_of_what_a_restored_server_lacks_goes_on_under_a_new_name() {
    let (mut server, mut phone, mut response, facts) = answered();
    let now = evidence(server.now_ms);
    response.safe_seq = Seq(1);
    phone.apply_response(&response, &facts, now).expect("taken");
    response.received_ms += crate::limits::OWN_KEPT_MS + 60_000;
    phone.apply_response(&response, &facts, now).expect("taken");
    make(
        &server,
        &mut phone,
        record_id(2),
        "report.comment",
        r#"{"text":"later"}"#,
    );
    let mut older = FakeServer::new();
    older.phone(2);
    older.phone(1);
    server.restore(&older);
    meet(&mut server, &mut phone);
    assert_eq!(phone.condition().expect("condition"), Condition::Forked);
    let plan = phone.fork_plan().expect("plan");
    assert_eq!((plan.received, plan.repeats), (Seq(1), 1));
    let counts = phone.counts().expect("counts");
    assert_eq!(
        counts.waiting, 1,
        "the comment waits, nothing else ever will"
    );
}
