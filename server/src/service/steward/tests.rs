//! What the server does by itself, over a real district.

use super::*;
use crate::clock::Clock;
use crate::language::Language;
use crate::service::Backend;
use crate::service::administration::AdminRequest;
use crate::service::document_imports::DocumentFile;
use crate::service::testing::{DISTRICT, GRID, Phone, TestDistrict};
use crate::service::verify::{Known, verify};
use crate::store::sqlite::DistrictRead;
use serde_json::json;
use sync_core::documents::DEFAULTS;
use sync_core::ids::{PersonId, RecordId, UnitId};

const DAY_MS: u32 = 24 * 3_600_000;

/// A report that the desk sent back for more information on Monday morning.
async fn scene() -> (TestDistrict, Phone, Phone, RecordId) {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    let mut desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾堆积");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    let asked = json!({"to": "NEEDS_INFO", "reason": "照片不清"});
    district.make(&mut desk, record, GRID, "report.transition", &asked);
    district.sync(&mut desk).await;
    (district, worker, desk, record)
}

/// Takes the steps that are due, and does nothing else.
async fn go_round(district: &TestDistrict) -> u64 {
    let now_ms = district.clock.wall_ms();
    let gridwork = district.gridwork();
    let background = gridwork.background(district.district());
    let projection = Arc::clone(&background.expect("it runs").projection);
    let steward = Steward::new(gridwork.hand(), Some(projection));
    let taken = automatic::take_due(&steward, district.district(), now_ms);
    taken.await.expect("a round")
}

fn head(district: &TestDistrict) -> u64 {
    district.district().state().head.0.0
}

async fn state(district: &TestDistrict, phone: &Phone, record: RecordId) -> String {
    let seen = district.gridwork();
    let seen = seen.get_record(phone.caller, record.0, Language::English);
    let summary = seen.await.expect("the record").summary;
    summary.state.unwrap_or_default()
}

fn workflow(from: &str, to: &str) -> AdminRequest {
    let (_, text) = DEFAULTS
        .iter()
        .find(|(name, _)| *name == "case_workflow")
        .expect("it ships");
    assert!(text.contains(from));
    AdminRequest::ImportDocuments {
        files: vec![DocumentFile {
            file: "case_workflow.json".into(),
            text: text
                .replacen("\"version\": 1", "\"version\": 2", 1)
                .replacen(from, to, 1),
        }],
        only_check: false,
    }
}

#[tokio::test]
async fn a_step_that_is_due_is_taken_once_and_in_the_systems_name() {
    let (district, mut worker, desk, record) = scene().await;
    // Before work begins on Monday; the fifth working day ends on Friday.
    for _ in 0..4 {
        district.clock.advance_ms(DAY_MS);
        let before = head(&district);
        assert_eq!((go_round(&district).await, head(&district)), (0, before));
    }
    district.clock.advance_ms(DAY_MS);
    assert_eq!(go_round(&district).await, 1);
    assert_eq!(state(&district, &desk, record).await, "REJECTED");
    let after = head(&district);
    assert_eq!((go_round(&district).await, head(&district)), (0, after));
    district.sync(&mut worker).await;
    let image = worker.replica.record_view(record).expect("read");
    assert!(format!("{image:?}").contains("REJECTED"));
    let seen = district.gridwork();
    let seen = seen.get_record(desk.caller, record.0, Language::English);
    let last = seen.await.expect("the record").timeline.pop();
    let last = last.expect("an entry");
    let directory = &district.district().state().directory;
    assert!(is_system(directory, PersonId(last.person)), "{last:?}");
    assert_eq!((last.verdict.as_str(), last.seq), ("accepted", 1));
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[tokio::test]
async fn whoever_moved_the_record_meanwhile_was_first() {
    let (district, _, mut desk, record) = scene().await;
    district.clock.advance_ms(9 * DAY_MS);
    let merged = json!({"to": "REGISTERED", "level": "III"});
    district.make(&mut desk, record, GRID, "report.transition", &merged);
    district.sync(&mut desk).await;
    let before = head(&district);
    let steward = Steward::new(district.gridwork().hand(), None);
    let replica = steward.system_replica(district.district()).await;
    let replica = replica.expect("a replica");
    let entered = head(&district) - before;
    // What a list said before the move is looked at again inside the writer.
    let step = district
        .district()
        .writer()
        .run(move |log, now_ms| log.take_due(replica, &[1], now_ms, now_ms));
    assert_eq!(step.await.expect("done").expect("done"), 0);
    assert_eq!(go_round(&district).await, 0);
    assert_eq!(head(&district), before + entered);
    assert_eq!(state(&district, &desk, record).await, "REGISTERED");
}

#[tokio::test]
async fn what_the_table_does_not_allow_the_system_is_not_tried_again_and_again() {
    let (district, ..) = scene().await;
    let from = r#""to": "REJECTED", "roles": ["duty_desk", "system"], "requires": ["reason"], "guards": [], "offline": false, "automatic"#;
    let to = from.replace(", \"system\"", "");
    let taken = district
        .gridwork()
        .administer(None, workflow(from, &to))
        .await;
    taken.expect("taken");
    district.clock.advance_ms(9 * DAY_MS);
    assert_eq!(go_round(&district).await, 0);
    let before = head(&district);
    assert_eq!((go_round(&district).await, head(&district)), (0, before));
}

#[tokio::test]
async fn with_other_documents_other_times_are_due() {
    let (district, ..) = scene().await;
    district.clock.advance_ms(2 * DAY_MS);
    assert_eq!(go_round(&district).await, 0);
    let from = r#""automatic_after": {"value": 5, "unit": "working_day"}"#;
    let to = r#""automatic_after": {"value": 1, "unit": "working_day"}"#;
    let taken = district
        .gridwork()
        .administer(None, workflow(from, to))
        .await;
    taken.expect("taken");
    let (mut done, mut tries) = (0, 0);
    while done == 0 && tries < 100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        done = go_round(&district).await;
        tries += 1;
    }
    assert_eq!(done, 1);
}

#[tokio::test]
async fn without_a_projection_all_records_are_looked_at() {
    let (mut district, _, desk, record) = scene().await;
    district.clock.advance_ms(9 * DAY_MS);
    let steward = Steward::new(district.gridwork().hand(), None);
    let handle = Arc::clone(district.district());
    let done = steward.go_round(&handle, district.clock.wall_ms()).await;
    assert_eq!(done.expect("a round")[0].done, 1);
    assert_eq!(state(&district, &desk, record).await, "REJECTED");
    drop((steward, handle));
    district.close();
}

#[tokio::test]
async fn nobody_else_is_the_system() {
    let (district, _, desk, _) = scene().await;
    let steward = Steward::new(district.gridwork().hand(), None);
    let replica = steward.system_replica(district.district()).await;
    let directory = Arc::clone(&district.district().state().directory);
    let replica = directory.replica_by_id(replica.expect("a replica"));
    let system = replica.expect("in the directory").person;
    let gridwork = district.gridwork();
    let code = gridwork.make_code(district.district(), system);
    assert!(matches!(code, Err(ServiceError::Forbidden)));
    let person = PersonId(desk.caller.person);
    let granted = gridwork.grant_role(district.district(), person, "system", UnitId(1));
    assert!(granted.await.is_err());
    let text = "姓名,角色,单位编码\n张三,系统,440399\n".to_owned();
    let imported = gridwork.administer(None, AdminRequest::ImportPeople { text });
    assert!(matches!(
        imported.await,
        Err(ServiceError::FieldInvalid { .. })
    ));
    let role = "system".to_owned();
    let revoke = AdminRequest::Revoke {
        person: system,
        role,
        unit: UnitId(1),
    };
    assert!(gridwork.administer(None, revoke).await.is_err());
}
