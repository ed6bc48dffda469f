//! Outdoors: what a form begins with, and what may be the same.

use super::*;
use crate::cases::duplicates::Sighting;
use crate::geo::Place;
use crate::ids::UnitId;
use crate::patrols::codes::ShownCode;
use crate::work::visit::Answer;

fn visit(server: &FakeServer, phone: &mut Replica, record: u64, open: &str) {
    make(server, phone, record_id(record), "visit.log", open);
}

#[test]
fn the_next_visit_begins_with_what_the_last_one_answered_through_no_change() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let home = record_id(90);
    assert_eq!(phone.last_visit(home).expect("read"), None);
    let first = record_id(1);
    let answered = format!(
        r#"{{"household":"{home}","outcome":"done","answers":[{{"item":"GAS","answer":"ok"}}]}}"#
    );
    visit(&server, &mut phone, 1, &answered);
    server.now_ms += 1_000;
    let unchanged =
        format!(r#"{{"household":"{home}","outcome":"no_change","previous":"{first}"}}"#);
    visit(&server, &mut phone, 2, &unchanged);
    server.now_ms += 1_000;
    let other = format!(r#"{{"household":"{}","outcome":"done"}}"#, record_id(91));
    visit(&server, &mut phone, 3, &other);
    let last = phone.last_visit(home).expect("read").expect("a visit");
    assert_eq!(last.record, record_id(2));
    let answer = Answer {
        item: "GAS".to_owned(),
        answer: "ok".to_owned(),
    };
    assert_eq!(last.answers, [answer]);
    // One that was taken back is no last visit.
    let reason = r#"{"reason":"the wrong door"}"#;
    make(&server, &mut phone, record_id(2), "visit.void", reason);
    let last = phone.last_visit(home).expect("read").expect("a visit");
    assert_eq!(last.record, first);
}

#[test]
fn an_open_report_near_by_is_hinted_at_and_a_far_one_is_not() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let report = |latitude_e7: i64| {
        format!(
            r#"{{"category":"SAN-01","title":"x","place":{{"latitude_e7":{latitude_e7},"longitude_e7":0,"accuracy_m":5}}}}"#
        )
    };
    for (number, latitude_e7) in [(1, 0), (2, 100_000)] {
        let open = report(latitude_e7);
        make(
            &server,
            &mut phone,
            record_id(number),
            "report.create",
            &open,
        );
    }
    let new = Sighting {
        id: record_id(3),
        category: "SAN-01".to_owned(),
        place: Some(Place {
            latitude_e7: 100,
            longitude_e7: 0,
            accuracy_m: 5,
        }),
        address: None,
        time_ms: server.now_ms,
    };
    let found = phone.duplicate_hints(&new).expect("read");
    let found: Vec<_> = found.iter().map(|hint| hint.id).collect();
    assert_eq!(found, [record_id(1)]);
}

#[test]
fn a_joint_visit_is_confirmed_by_its_code_and_only_by_such_a_code() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    visit(&server, &mut phone, 1, r#"{"outcome":"done","joint":true}"#);
    let code = phone.show_code(record_id(1), &evidence(server.now_ms));
    let code = code.expect("a code");
    let shown = ShownCode::parse(&code).expect("a code");
    assert!(shown.is_signed(&phone.signing_key().verifying_key()));
    let draft = visit_confirm_draft(&code, UnitId(3), Some(UnitId(6)), true);
    let draft = draft.expect("our own code");
    assert_eq!(draft.record, record_id(1));
    assert_eq!(visit_confirm_draft("04:A2", UnitId(3), None, true), None);
    let mut other = server.phone(2);
    let made = other.make_change(draft, evidence(server.now_ms));
    made.expect("a valid change");
}
