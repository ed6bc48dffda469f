//! Making changes, first sync from prepared files, and the lists.

use super::*;
use crate::fake_server::phone_with;
use crate::ids::{Pos, UnitId};
use crate::verdict::ProblemCode;

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
