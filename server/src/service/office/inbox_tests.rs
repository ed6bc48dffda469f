//! What waits for a person, over a real district: it comes, it is seen by those whose it is, and it goes when it is settled.

use super::Office;
use crate::language::Language;
use crate::service::ServiceError;
use crate::service::testing::{DISTRICT, GRID, OTHER_TOWN, Phone, TOWN, TestDistrict};
use crate::service::verify::{Known, verify};
use crate::store::sqlite::DistrictRead;
use crate::store::sqlite::inbox::SettledRow;
use api_schema::inbox::{
    InboxItem, InboxPage, InboxQuery, InboxSort, RulingAnswer, RulingChoice, RulingRequest,
};
use serde_json::json;
use sync_core::ids::RecordId;
use uuid::Uuid;

/// A report of a worker's, known to the desk's phone as well.
async fn scene() -> (TestDistrict, Phone, Phone, RecordId) {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    let mut desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾堆积");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    (district, worker, desk, record)
}

async fn ask(
    district: &TestDistrict,
    phone: &Phone,
    query: InboxQuery,
) -> Result<InboxPage, ServiceError> {
    let gridwork = district.gridwork();
    gridwork
        .list_inbox(phone.caller, query, Language::English)
        .await
}

async fn inbox(district: &TestDistrict, phone: &Phone) -> Vec<InboxItem> {
    let page = ask(district, phone, InboxQuery::default()).await;
    page.expect("a page").items
}

async fn rule(
    district: &TestDistrict,
    phone: &Phone,
    item: &InboxItem,
    ruling: RulingChoice,
) -> Result<RulingAnswer, ServiceError> {
    let request = RulingRequest {
        replica: item.change.replica,
        seq: item.change.seq,
        ruling,
        reason: "已核实".into(),
    };
    district.gridwork().rule(phone.caller, request).await
}

/// What whoever tells people of it reads.
fn told_settled(district: &TestDistrict) -> Vec<SettledRow> {
    let background = district.gridwork().background(district.district());
    let projection = &background.expect("it runs").projection;
    let settled = projection.read(|index| index.list_settled(0, 100));
    settled.expect("read").expect("a projection")
}

fn assert_verifies(district: &TestDistrict) {
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[tokio::test]
async fn a_conflict_shows_both_values_and_goes_with_an_amendment_that_saw_them() {
    let (district, mut worker, mut desk, record) = scene().await;
    for (phone, title) in [(&mut worker, "北门"), (&mut desk, "南门")] {
        let title = json!({ "title": title });
        district.make(phone, record, GRID, "report.amend", &title);
    }
    district.sync(&mut worker).await;
    assert_eq!(inbox(&district, &desk).await.len(), 0);
    district.sync(&mut desk).await;
    let items = inbox(&district, &desk).await;
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!(
        (item.sort, item.field.as_deref()),
        (InboxSort::Conflict, Some("title"))
    );
    let values: Vec<_> = (item.values.iter())
        .map(|value| (value.value.clone(), value.person))
        .collect();
    assert!(values.contains(&(json!("北门"), worker.caller.person)));
    assert!(values.contains(&(json!("南门"), desk.caller.person)));
    assert_eq!(item.record.as_ref().map(|record| record.conflicts), Some(1));
    assert_eq!(item.change.person, desk.caller.person);
    // The worker of the grid sees it, somebody of another town does not.
    assert_eq!(inbox(&district, &worker).await.len(), 1);
    let stranger = district.phone(&[("duty_desk", OTHER_TOWN)]).await;
    assert_eq!(inbox(&district, &stranger).await.len(), 0);
    let settle = json!({
        "id": Uuid::from_u128(1), "record": record, "unit": GRID, "intent": "report.amend",
        "payload": {"title": "南门"}, "base": item.base,
    });
    let settle = serde_json::from_str(&settle.to_string()).expect("a request");
    let gridwork = district.gridwork();
    let settled = gridwork.make_change(desk.caller, settle, Language::English);
    let settled = settled.await.expect("an answer");
    assert_eq!(settled.verdict, "accepted");
    assert_eq!(inbox(&district, &desk).await.len(), 0);
    let told = told_settled(&district);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].sort as u8, told[0].field.as_str()), (1, "title"));
    assert_eq!(
        (told[0].pos.0, told[0].by.0),
        (item.change.pos, settled.pos)
    );
    assert_verifies(&district);
}

#[tokio::test]
async fn a_step_that_was_not_applied_goes_when_it_was_seen_or_another_is_taken() {
    let (district, mut worker, mut desk, record) = scene().await;
    let other = district.phone(&[("duty_desk", TOWN)]).await;
    let mut others = [other, district.phone(&[("duty_desk", TOWN)]).await];
    for other in &mut others {
        district.sync(other).await;
    }
    let registered = json!({"to": "REGISTERED", "level": "III"});
    let rejected = json!({"to": "REJECTED", "reason": "重复"});
    district.make(&mut desk, record, GRID, "report.transition", &registered);
    district.sync(&mut desk).await;
    for other in &mut others {
        district.make(other, record, GRID, "report.transition", &rejected);
        district.sync(other).await;
    }
    let items = inbox(&district, &desk).await;
    assert_eq!(items.len(), 2);
    let item = &items[0];
    assert_eq!(item.sort, InboxSort::NotApplied);
    assert_eq!(item.change.wanted.as_deref(), Some("REJECTED"));
    assert_eq!(item.change.met.as_deref(), Some("REGISTERED"));
    assert_eq!(item.change.person, others[0].caller.person);
    assert_eq!(item.change.problems[0].code, "state_moved_on");
    // A worker may see it and not rule about it.
    let refused = rule(&district, &worker, item, RulingChoice::Seen).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden)));
    let refused = rule(&district, &desk, item, RulingChoice::Admit).await;
    assert!(matches!(refused, Err(ServiceError::Conflict { .. })));
    let seen = rule(&district, &desk, item, RulingChoice::Seen).await;
    let seen = seen.expect("seen");
    assert_eq!(seen.verdict, "not_applied");
    let again = rule(&district, &desk, item, RulingChoice::Seen).await;
    assert_eq!(again.expect("the same"), seen);
    let second = rule(&district, &others[1], item, RulingChoice::Seen).await;
    assert!(matches!(second, Err(ServiceError::Conflict { .. })));
    let left = inbox(&district, &desk).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].change.person, others[1].caller.person);
    district.sync(&mut others[0]).await;
    let own = others[0].replica.record_view(record).expect("read");
    assert!(own.is_some());
    district.sync(&mut desk).await;
    let sent =
        json!({"to": "DISPATCHED", "desk": 6, "level": "III", "due_ms": 1_772_600_000_000_i64});
    district.make(&mut desk, record, GRID, "report.transition", &sent);
    district.sync(&mut desk).await;
    assert_eq!(inbox(&district, &desk).await.len(), 0);
    district.sync(&mut worker).await;
    assert_verifies(&district);
}

#[tokio::test]
async fn what_waits_is_listed_at_once_marked_after_three_days_and_ruled_about() {
    let (district, mut worker, desk, _) = scene().await;
    let mut stranger = district
        .phone(&[("worker", GRID), ("worker", OTHER_TOWN)])
        .await;
    // Held: a step on a record that nobody has made. Quarantined: work where they have no role.
    let missing = district.new_record();
    let done = json!({"to": "SELF_DONE", "proof": ["ab".repeat(32)]});
    district.make(&mut stranger, missing, GRID, "report.transition", &done);
    let away = district.new_record();
    let report = json!({"category": "SAN-01", "description": "越界"});
    district.make(&mut worker, away, OTHER_TOWN, "report.create", &report);
    district.sync(&mut worker).await;
    district.sync(&mut stranger).await;
    let items = inbox(&district, &desk).await;
    let sorts: Vec<_> = items.iter().map(|item| item.sort).collect();
    assert_eq!(sorts, [InboxSort::Quarantined, InboxSort::Held]);
    assert!(
        items
            .iter()
            .all(|item| !item.is_late && item.record.is_none())
    );
    assert_eq!(items[0].record_id, Some(away.0));
    assert_eq!(items[0].unit, OTHER_TOWN.0);
    assert_eq!(items[0].change.problems[0].code, "right_missing");
    let query = InboxQuery {
        unit: Some(TOWN.0),
        ..InboxQuery::default()
    };
    let of_town = ask(&district, &desk, query).await.expect("a page");
    assert_eq!(of_town.items.len(), 1);
    let query = InboxQuery {
        limit: Some(1),
        ..InboxQuery::default()
    };
    let first = ask(&district, &desk, query.clone()).await.expect("a page");
    assert_eq!(first.items[0].sort, InboxSort::Quarantined);
    let after = InboxQuery {
        after: first.next.clone(),
        ..query
    };
    let last = ask(&district, &desk, after).await.expect("a page");
    assert_eq!((last.items[0].sort, last.next), (InboxSort::Held, None));
    district.clock.advance_ms(72 * 3_600_000 + 60_000);
    let items = inbox(&district, &desk).await;
    assert!(items.iter().all(|item| item.is_late));
    let admitted = rule(&district, &desk, &items[0], RulingChoice::Admit).await;
    assert_eq!(admitted.expect("admitted").verdict, "accepted");
    let rejected = rule(&district, &desk, &items[1], RulingChoice::Reject).await;
    assert_eq!(rejected.expect("rejected").verdict, "quarantined");
    assert_eq!(inbox(&district, &desk).await.len(), 0);
    let told = told_settled(&district);
    let told: Vec<_> = told.iter().map(|row| row.pos.0).collect();
    assert_eq!(told, [items[0].change.pos, items[1].change.pos]);
    assert_verifies(&district);
}

#[tokio::test]
async fn a_projection_that_is_made_again_has_the_same_inbox() {
    let (mut district, mut worker, mut desk, record) = scene().await;
    for (phone, title) in [(&mut worker, "北门"), (&mut desk, "南门")] {
        let title = json!({ "title": title });
        district.make(phone, record, GRID, "report.amend", &title);
    }
    let away = district.new_record();
    let report = json!({"category": "SAN-01", "description": "越界"});
    district.make(&mut worker, away, OTHER_TOWN, "report.create", &report);
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    let told = |items: Vec<InboxItem>| -> Vec<_> {
        let told = items.iter();
        let mut told: Vec<_> = told
            .map(|item| (item.sort, item.change.pos, item.since_ms))
            .collect();
        // Of the same moment, whichever the projection came to first is listed first.
        told.sort_by_key(|item| (item.2, item.1));
        told
    };
    let before = told(inbox(&district, &desk).await);
    assert_eq!(before.len(), 2);
    let index = crate::service::projection::index_path(district.district().path());
    district.close();
    std::fs::remove_file(index).expect("removed");
    district.open();
    let after = told(inbox(&district, &desk).await);
    assert_eq!(after, before);
}
