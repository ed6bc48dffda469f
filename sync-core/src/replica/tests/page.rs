//! One answer at a time: all of it or nothing, once and not twice, and never what is not signed.

use super::*;
use crate::fake_server::phone_with;
use crate::ids::{Epoch, Pos, UnitId};
use crate::verdict::ProblemCode;
use crate::wire::{Item, SignedHead, SyncResponse, read_items, write_item};

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
        ("a receipt over another chain", |response, server| {
            response.receipts[0].chain_hash = Hash([1; 32]);
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
fn every_problem_of_a_draft_is_told_and_nothing_is_stored() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut draft = Draft::new(
        record_id(1),
        UnitId(3),
        "report.create",
        r#"{"level":"V","title":""}"#,
    );
    draft.sealed = vec![SealedDraft {
        class: crate::change::PartClass::PERSON,
        salt: [1; 16],
        bytes: b"no json".to_vec(),
    }];
    let error = phone.make_change(draft, evidence(server.now_ms));
    let Err(MakeError::Invalid(problems)) = error else {
        panic!("a bad draft was taken");
    };
    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(
        codes,
        [
            ProblemCode::Required,
            ProblemCode::UnknownChoice,
            ProblemCode::Required,
            ProblemCode::Unreadable
        ]
    );
    assert_eq!(phone.head().expect("head").0, Seq(0));
}

#[test]
fn sealed_parts_go_up_and_drafts_end_with_the_change() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    phone
        .save_draft(&FormDraft {
            record: record_id(1),
            intent: "report.create".into(),
            unit: UnitId(3),
            payload: b"half a form".to_vec(),
            base: LogPlace::default(),
            saved_ms: 5,
        })
        .expect("saved");
    assert_eq!(phone.counts().expect("counts").drafts, 1);
    let mut draft = Draft::new(record_id(1), UnitId(3), "report.create", REPORT);
    draft.sealed = vec![SealedDraft {
        class: crate::change::PartClass::PERSON,
        salt: [1; 16],
        bytes: br#"{"telephone":"1"}"#.to_vec(),
    }];
    phone
        .make_change(draft, evidence(server.now_ms))
        .expect("made");
    assert_eq!(phone.drafts().expect("drafts"), []);
    let batch = phone.next_batch(500, 1 << 18).expect("read").expect("one");
    let framed = crate::change::Batch::read(1, &batch.bytes).expect("a batch");
    assert_eq!(framed.changes[0].parts.len(), 2);
    meet(&mut server, &mut phone);
    assert_converged(&server, &phone);
}

#[test]
fn what_is_safe_and_in_the_image_is_forgotten_and_hashes_stay() {
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
    assert_eq!(whole(&phone), (0, 1));
    assert_eq!(title(&phone, record_id(2)).as_deref(), Some("first"));
}

#[test]
fn images_of_a_prepared_file_make_the_same_replica_as_pages() {
    let mut server = FakeServer::new();
    let mut writer = server.phone(2);
    for number in 1..=2_100 {
        make(
            &server,
            &mut writer,
            record_id(number),
            "report.create",
            REPORT,
        );
    }
    meet(&mut server, &mut writer);
    let mut by_pages = server.phone(1);
    meet(&mut server, &mut by_pages);
    server.grant(3, "worker", 2);
    let mut by_file = phone_with(&server.enrol(3, 3));
    let images: Vec<(RecordId, Pos, Vec<u8>)> = server
        .records
        .iter()
        .map(|(record, state)| (*record, state.pos, state.to_image()))
        .collect();
    let borrowed = || images.iter().map(|image| (image.0, image.1, &image.2[..]));
    // The download breaks off, and starts again.
    assert_eq!(
        by_file.apply_images(borrowed().take(2_050)).expect("taken"),
        2_050
    );
    by_file.apply_images(borrowed()).expect("taken");
    by_file
        .finish_snapshot(Cursor {
            epoch: server.epoch,
            scope_version: crate::ids::ScopeVersion(1),
            pos: server.head(),
            backfill: 0,
        })
        .expect("done");
    make(
        &server,
        &mut writer,
        record_id(1),
        "report.amend",
        r#"{"title":"x"}"#,
    );
    for phone in [&mut writer, &mut by_pages, &mut by_file] {
        meet(&mut server, phone);
        assert_converged(&server, phone);
    }
    assert_eq!(
        by_pages.state_digest().expect("digest"),
        by_file.state_digest().expect("digest")
    );
}

#[test]
fn lists_read_an_index_and_show_the_overlay() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    make(&server, &mut phone, record_id(1), "report.create", REPORT);
    make(
        &server,
        &mut phone,
        record_id(2),
        "patrol.start",
        r#"{"team":"T1","slot":"A"}"#,
    );
    let open = phone.my_open_reports(10).expect("list");
    assert_eq!(open.len(), 1);
    assert!(open[0].pending);
    assert_eq!(open[0].title.as_deref(), Some("first"));
    meet(&mut server, &mut phone);
    assert!(!phone.my_open_reports(10).expect("list")[0].pending);
    let now = server.now_ms;
    assert_eq!(
        phone.patrols_between(now - 1, now + 1).expect("list").len(),
        1
    );
    assert_eq!(
        phone.patrols_between(now + 1, now + 2).expect("list").len(),
        0
    );
    for (query, index) in [
        (
            "SELECT id FROM record WHERE kind = 1 AND mine = 1 AND (state IS NULL OR state NOT IN ('CLOSED'))
             ORDER BY time_ms DESC LIMIT 9",
            "record_mine",
        ),
        (
            "SELECT id FROM record WHERE kind = 3 AND time_ms >= 1 AND time_ms < 2 ORDER BY time_ms DESC",
            "record_by_time",
        ),
        (
            "SELECT local FROM own WHERE (standing IN (1, 4, 5, 6, 7) OR again = 1) AND dismissed = 0 ORDER BY local",
            "own_open",
        ),
    ] {
        let plan: String = phone
            .connection
            .query_row(&format!("EXPLAIN QUERY PLAN {query}"), [], |row| row.get(3))
            .expect("a plan");
        assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
