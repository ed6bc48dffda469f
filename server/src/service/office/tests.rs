//! Acting online, over a real district.

use super::Office;
use crate::language::Language;
use crate::service::administration::AdminRequest;
use crate::service::testing::{DISTRICT, GRID, OTHER_TOWN, Phone, TOWN, TestDistrict};
use crate::service::verify::{Known, verify};
use crate::service::{Backend, ServiceError};
use crate::store::sqlite::DistrictRead;
use api_schema::change::{ChangeAnswer, ChangeRequest};
use serde_json::{Value, json};
use sync_core::ids::{PersonId, ReplicaId, UnitId};
use uuid::Uuid;

/// A report by its worker's phone, and the desk's phone.
async fn scene() -> (TestDistrict, Phone, Phone, Uuid) {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    let desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾堆积");
    district.sync(&mut worker).await;
    (district, worker, desk, record.0)
}

fn request(id: u128, record: Uuid, unit: UnitId, intent: &str, payload: &Value) -> ChangeRequest {
    let request = json!({
        "id": Uuid::from_u128(id), "record": record, "unit": unit, "intent": intent, "payload": payload,
    });
    serde_json::from_str(&request.to_string()).expect("a request")
}

async fn ask(
    district: &TestDistrict,
    phone: &Phone,
    request: ChangeRequest,
) -> Result<ChangeAnswer, ServiceError> {
    let gridwork = district.gridwork();
    gridwork
        .make_change(phone.caller, request, Language::English)
        .await
}

fn register(id: u128, record: Uuid) -> ChangeRequest {
    let payload = json!({"to": "REGISTERED", "level": "III"});
    request(id, record, GRID, "report.transition", &payload)
}

fn head(district: &TestDistrict) -> u64 {
    district.district().state().head.0.0
}

fn assert_verifies(district: &TestDistrict) {
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[tokio::test]
async fn what_is_done_online_is_done_now_and_comes_to_phones() {
    let (district, mut worker, desk, record) = scene().await;
    district.clock.advance_ms(60_000);
    let answer = ask(&district, &desk, register(1, record)).await;
    let answer = answer.expect("an answer");
    assert_eq!(
        (answer.verdict.as_str(), answer.state.as_deref()),
        ("accepted", Some("REGISTERED"))
    );
    assert_eq!(
        answer.time_ms,
        crate::clock::Clock::wall_ms(&*district.clock)
    );
    assert_eq!((answer.seq, answer.problems.len()), (1, 0));
    let state = district.district().state();
    let replica = state.directory.replica_by_id(ReplicaId(answer.replica));
    let replica = replica.expect("in the directory");
    assert!(replica.office && replica.person == PersonId(desk.caller.person));
    assert_ne!(answer.replica, desk.caller.replica);
    district.sync(&mut worker).await;
    let image = worker.replica.record_view(sync_core::ids::RecordId(record));
    let shown = format!("{:?}", image.expect("read"));
    assert!(shown.contains("REGISTERED"), "{shown}");
    assert_verifies(&district);
}

#[tokio::test]
async fn the_same_asked_again_has_the_same_answer_for_ever_and_another_under_its_id_has_none() {
    let (mut district, _, desk, record) = scene().await;
    let first = ask(&district, &desk, register(1, record)).await;
    let first = first.expect("an answer");
    let later = json!({"text": "已电话核实"});
    let later = request(2, record, GRID, "report.comment", &later);
    let second = ask(&district, &desk, later).await.expect("an answer");
    assert_eq!((second.replica, second.seq), (first.replica, 2));
    let head_before = head(&district);
    for _ in 0..2 {
        let again = ask(&district, &desk, register(1, record)).await;
        assert_eq!(again.expect("the answer"), first);
        let other = json!({"to": "REJECTED", "reason": "x"});
        let other = request(1, record, GRID, "report.transition", &other);
        let refused = ask(&district, &desk, other).await;
        assert!(matches!(refused, Err(ServiceError::ChangeIdReused)));
        assert_eq!(head(&district), head_before);
        district.close();
        district.open();
    }
    // Somebody else's id is nobody's business.
    let other = district.phone(&[("duty_desk", DISTRICT)]).await;
    let text = json!({"text": "同号"});
    let theirs = request(1, record, GRID, "report.comment", &text);
    let theirs = ask(&district, &other, theirs).await.expect("an answer");
    assert_eq!(theirs.verdict, "accepted");
    assert_verifies(&district);
}

#[tokio::test]
async fn without_the_right_it_is_quarantined_and_nothing_else_changes() {
    let (district, _, desk, record) = scene().await;
    let stranger = district.phone(&[("duty_desk", OTHER_TOWN)]).await;
    let answer = ask(&district, &stranger, register(1, record)).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.verdict, "quarantined");
    assert_eq!(answer.problems[0].code, "right_missing");
    assert_eq!(answer.state.as_deref(), Some("SUBMITTED"));
    let seen = district.gridwork();
    let seen = seen
        .get_record(desk.caller, record, Language::English)
        .await;
    assert_eq!(
        seen.expect("the record").summary.state.as_deref(),
        Some("SUBMITTED")
    );
    // Rights are those of now: a role that has ended gives none, although it held when this replica was last used.
    let text = json!({"text": "一"});
    let before = request(2, record, GRID, "report.comment", &text);
    let before = ask(&district, &desk, before).await.expect("an answer");
    assert_eq!(before.verdict, "accepted");
    let revoke = AdminRequest::Revoke {
        person: PersonId(desk.caller.person),
        role: "duty_desk".into(),
        unit: DISTRICT,
    };
    let seen = api_schema::change::BaseRequest {
        epoch: 1,
        pos: head(&district),
    };
    district.clock.advance_ms(1_000);
    let revoked = district.gridwork().administer(None, revoke).await;
    revoked.expect("the role ends");
    district.clock.advance_ms(1_000);
    let mut after = request(3, record, GRID, "report.comment", &text);
    after.base = Some(seen);
    let after = ask(&district, &desk, after).await.expect("an answer");
    assert_eq!(after.verdict, "quarantined");
    assert_verifies(&district);
}

#[tokio::test]
async fn a_step_that_is_not_allowed_is_a_verdict_and_a_wrong_field_is_an_error() {
    let (district, _, desk, record) = scene().await;
    let closed = json!({"to": "CLOSED"});
    let closed = request(1, record, GRID, "report.transition", &closed);
    let answer = ask(&district, &desk, closed).await.expect("an answer");
    assert_eq!(answer.verdict, "not_applied");
    assert_eq!(answer.problems[0].code, "transition_not_allowed");
    assert!(!answer.problems[0].message.is_empty());
    let head_before = head(&district);
    let wrong = [
        (json!({"to": "REGISTERED", "level": "V"}), "payload.level"),
        (json!({"level": "III"}), "payload.to"),
    ];
    for (payload, field) in wrong {
        let wrong = request(2, record, GRID, "report.transition", &payload);
        match ask(&district, &desk, wrong).await {
            Err(ServiceError::FieldInvalid { errors }) => assert_eq!(errors[0].field, field),
            other => panic!("{other:?}"),
        }
    }
    let unknown = request(2, record, GRID, "report.frobnicate", &json!({}));
    let refused = ask(&district, &desk, unknown).await;
    assert!(matches!(refused, Err(ServiceError::FieldInvalid { .. })));
    let mut ahead = register(2, record);
    ahead.base = Some(api_schema::change::BaseRequest {
        epoch: 1,
        pos: 1_000,
    });
    let refused = ask(&district, &desk, ahead).await;
    assert!(matches!(refused, Err(ServiceError::FieldInvalid { .. })));
    assert_eq!(head(&district), head_before);
    // Who looked at the record before the last step does not take it back unseen.
    let mut stale = register(3, record);
    stale.base = Some(api_schema::change::BaseRequest {
        epoch: 1,
        pos: head_before,
    });
    ask(&district, &desk, register(2, record))
        .await
        .expect("an answer");
    let other = district.phone(&[("duty_desk", TOWN)]).await;
    let stale = ask(&district, &other, stale).await.expect("an answer");
    assert_eq!(stale.problems[0].code, "state_moved_on");
    assert_verifies(&district);
}

#[tokio::test]
async fn a_sealed_part_and_work_for_others_go_with_it() {
    let (district, worker, desk, _) = scene().await;
    let record = district.new_record();
    let payload = json!({"category": "SAN-01", "description": "居民来电"});
    let mut made = request(9, record.0, GRID, "report.create", &payload);
    let whose = json!({"person": worker.caller.person, "source": "telephone", "happened_at_ms": 1_772_407_000_000_i64});
    made.for_person = serde_json::from_value(whose).expect("for");
    let part = json!({"contact_phone": "13800000000"}).to_string();
    made.person_part = Some(serde_json::value::RawValue::from_string(part).expect("json"));
    let answer = ask(&district, &desk, made.clone())
        .await
        .expect("an answer");
    assert_eq!(answer.verdict, "accepted", "{:?}", answer.problems);
    let again = ask(&district, &desk, made.clone()).await;
    assert_eq!(again.expect("the answer"), answer);
    made.person_part = None;
    let other = ask(&district, &desk, made).await;
    assert!(matches!(other, Err(ServiceError::ChangeIdReused)));
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    assert!(
        report.is_ok() && report.sealed_kept == 1,
        "{:#?}",
        report.faults
    );
}

#[tokio::test]
async fn whoever_lost_the_key_goes_on_under_a_new_name() {
    let (mut district, _, desk, record) = scene().await;
    let first = ask(&district, &desk, register(1, record)).await;
    let first = first.expect("an answer");
    district.close();
    let control = rusqlite::Connection::open(district.folder.path().join("control.db"));
    let deleted = control
        .expect("open")
        .execute("DELETE FROM office_replica", []);
    assert_eq!(deleted.expect("deleted"), 1);
    district.open();
    let text = json!({"text": "二"});
    let second = request(2, record, GRID, "report.comment", &text);
    let second = ask(&district, &desk, second).await.expect("an answer");
    assert_eq!((second.verdict.as_str(), second.seq), ("accepted", 1));
    assert_ne!(second.replica, first.replica);
    let again = ask(&district, &desk, register(1, record)).await;
    assert_eq!(again.expect("the answer"), first);
    assert_verifies(&district);
}

#[tokio::test]
async fn a_revoked_phone_does_not_act_online() {
    let (district, _, desk, record) = scene().await;
    let revoke = AdminRequest::RevokeReplica {
        replica: ReplicaId(desk.caller.replica),
    };
    let revoked = district.gridwork().administer(None, revoke).await;
    revoked.expect("revoked");
    let refused = ask(&district, &desk, register(1, record)).await;
    assert!(matches!(refused, Err(ServiceError::Revoked)));
}
