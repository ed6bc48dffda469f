//! Notices, tasks and alerts that the server makes by itself, over a real district.

use crate::clock::Clock;
use crate::language::Language;
use crate::service::administration::AdminRequest;
use crate::service::document_imports::DocumentFile;
use crate::service::testing::{DISTRICT, GRID, Phone, TestDistrict};
use crate::service::verify::{Known, verify};
use crate::service::{Backend, ServiceError};
use crate::store::sqlite::DistrictRead;
use api_schema::desk::{Deadline, DeadlineQuery, DuplicateQuery};
use api_schema::record::{RecordDetail, RecordQuery};
use serde_json::{Value, json};
use sync_core::ids::RecordId;

const MINUTE_MS: u32 = 60_000;

/// One round of all duties, with what each did.
async fn round(district: &TestDistrict) -> Vec<(&'static str, u64)> {
    let now_ms = district.clock.wall_ms();
    let done = district
        .gridwork()
        .run_due(district.district(), now_ms)
        .await;
    done.expect("a round")
        .into_iter()
        .filter(|duty| duty.done > 0)
        .map(|duty| (duty.duty, duty.done))
        .collect()
}

/// Every record of a kind that a phone's owner reads, the newest first.
async fn list(district: &TestDistrict, phone: &Phone, kind: &str) -> Vec<RecordDetail> {
    let query = RecordQuery {
        kind: Some(kind.to_owned()),
        limit: Some(500),
        ..RecordQuery::default()
    };
    let gridwork = district.gridwork();
    let page = gridwork
        .list_records(phone.caller, query)
        .await
        .expect("a page");
    let mut found = Vec::new();
    for row in page.records {
        let detail = gridwork.get_record(phone.caller, row.record, Language::English);
        found.push(detail.await.expect("a record"));
    }
    found
}

fn shown(detail: &RecordDetail, field: &str) -> Value {
    let field = detail.fields.get(field);
    field.map_or(Value::Null, |field| field.shown.value.clone())
}

async fn notices(district: &TestDistrict, phone: &Phone) -> Vec<(String, u64)> {
    let mut told: Vec<_> = list(district, phone, "notice")
        .await
        .iter()
        .map(|notice| {
            let event = shown(notice, "event")
                .as_str()
                .unwrap_or_default()
                .to_owned();
            (event, shown(notice, "person").as_u64().unwrap_or(0))
        })
        .collect();
    told.sort();
    told
}

async fn scene() -> (TestDistrict, Phone, Phone) {
    let district = TestDistrict::new().await;
    let worker = district.phone(&[("worker", GRID)]).await;
    let desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    // The tasks of the week, and who is told of them, are not what is looked at here.
    while !round(&district).await.is_empty() {}
    (district, worker, desk)
}

fn assert_verified(district: &TestDistrict) {
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[tokio::test]
async fn a_returned_case_reaches_the_workers_phone_as_a_notice_and_is_acknowledged_there() {
    let (district, mut worker, mut desk) = scene().await;
    let record = district.report(&mut worker, GRID, "SAN-02", "渣土");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    let asked = json!({"to": "NEEDS_INFO", "reason": "在哪里"});
    district.make(&mut desk, record, GRID, "report.transition", &asked);
    district.sync(&mut desk).await;
    assert_eq!(round(&district).await, [("events", 1)]);
    assert_eq!(round(&district).await, []);
    let person = u64::from(worker.caller.person);
    let told = notices(&district, &worker).await;
    let returned: Vec<_> = told
        .iter()
        .filter(|(event, _)| event == "CASE_RETURNED")
        .collect();
    assert_eq!(returned, [&("CASE_RETURNED".to_owned(), person)]);
    district.sync(&mut worker).await;
    let notice = list(&district, &worker, "notice").await.remove(0);
    assert_eq!(shown(&notice, "about"), record.to_string());
    let id = RecordId(notice.summary.record);
    let held = worker.replica.record_view(id).expect("read");
    assert!(held.is_some(), "the phone holds it");
    district.make(&mut worker, id, GRID, "notice.acknowledge", &json!({}));
    district.sync(&mut worker).await;
    let notice = list(&district, &worker, "notice").await.remove(0);
    assert_eq!(notice.sets["acknowledgements"].len(), 1);
    assert_verified(&district);
}

#[tokio::test]
async fn clocks_tell_the_holder_once_at_each_stage() {
    let (district, mut worker, desk) = scene().await;
    district.report(&mut worker, GRID, "SAN-02", "渣土");
    district.sync(&mut worker).await;
    assert_eq!(round(&district).await, []);
    let person = u64::from(desk.caller.person);
    let of_desk = |event: &str| (event.to_owned(), person);
    // Day and night until each stage has come, whenever the test's clock began.
    for _ in 0..(5 * 24 * 4) {
        district.clock.advance_ms(15 * MINUTE_MS);
        round(&district).await;
    }
    let told = notices(&district, &desk).await;
    let count = |event: &str| told.iter().filter(|one| **one == of_desk(event)).count();
    assert_eq!(
        (count("CLOCK_HALF"), count("CLOCK_OVER")),
        (1, 1),
        "{told:?}"
    );
    assert_verified(&district);
}

#[tokio::test]
async fn a_report_of_level_one_that_nobody_acknowledges_goes_to_the_next_on_duty() {
    let (district, mut worker, mut first) = scene().await;
    let second = district.phone(&[("grid_head", GRID)]).await;
    let roster = json!({
        "document": "duty_roster", "version": 2, "in_force_from": "2020-01-01", "title": {"zh": "值班", "en": "Duty"},
        "shifts": [{"unit": "440399", "from": "2020-01-01 00:00", "until": "2099-01-01 00:00",
            "people": [first.caller.person, second.caller.person]}],
        "leave": []
    });
    let import = AdminRequest::ImportDocuments {
        files: vec![DocumentFile {
            file: "duty_roster.json".into(),
            text: roster.to_string(),
        }],
        only_check: false,
    };
    district
        .gridwork()
        .administer(None, import)
        .await
        .expect("taken");
    let told_of = async |phone: &Phone, person: u32| {
        let told = notices(&district, phone).await;
        told.contains(&("LEVEL_I".to_owned(), u64::from(person)))
    };
    for is_acknowledged in [true, false] {
        district.report(&mut worker, GRID, "FIR-04", "煤气味");
        district.sync(&mut worker).await;
        round(&district).await;
        assert!(told_of(&first, first.caller.person).await);
        if is_acknowledged {
            district.sync(&mut first).await;
            let newest = list(&district, &first, "notice").await.remove(0);
            let id = RecordId(newest.summary.record);
            let unit = sync_core::ids::UnitId(newest.summary.unit);
            district.make(&mut first, id, unit, "notice.acknowledge", &json!({}));
            district.sync(&mut first).await;
        }
        district.clock.advance_ms(6 * MINUTE_MS);
        round(&district).await;
        let second_told = told_of(&second, second.caller.person).await;
        assert_eq!(second_told, !is_acknowledged);
    }
}

#[tokio::test]
async fn a_week_has_its_tasks_once_and_an_inspection_its_recheck() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    let made = round(&district).await;
    let cycles = made.iter().find(|(duty, _)| *duty == "cycles");
    assert!(cycles.is_some(), "{made:?}");
    let later = round(&district).await;
    assert!(later.iter().all(|(duty, _)| *duty != "cycles"), "{later:?}");
    let record = district.new_record();
    let found = json!({"checklist": "CHK-SHOP", "answers": [{"item": "EXIT", "answer": "fault"}]});
    district.make(&mut worker, record, GRID, "inspection.create", &found);
    let until = json!({"to": "RECTIFYING", "until_ms": district.clock.wall_ms() + 86_400_000});
    district.make(&mut worker, record, GRID, "inspection.transition", &until);
    district.sync(&mut worker).await;
    round(&district).await;
    let tasks = list(&district, &worker, "task").await;
    let about: Vec<_> = tasks
        .iter()
        .filter(|task| shown(task, "about") == record.to_string())
        .collect();
    assert_eq!(about.len(), 1);
    assert_eq!(shown(about[0], "rule"), "RECHECK");
    assert_eq!(shown(about[0], "assignee"), worker.caller.person);
    assert_verified(&district);
}

#[tokio::test]
async fn a_household_is_to_be_visited_again_when_its_days_are_over() {
    let (district, mut worker, _) = scene().await;
    let household = district.new_record();
    let made = json!({"title": "3-201", "consented": true, "visit_every_days": 7});
    district.make(&mut worker, household, GRID, "household.create", &made);
    let visit = district.new_record();
    let done = json!({"outcome": "done", "household": household.to_string()});
    district.clock.advance_ms(3 * 24 * 60 * MINUTE_MS);
    district.make(&mut worker, visit, GRID, "visit.log", &done);
    district.sync(&mut worker).await;
    let due = async |days: u32| {
        district.clock.advance_ms(days * 24 * 60 * MINUTE_MS);
        round(&district).await;
        let tasks = list(&district, &worker, "task").await;
        let of_visits = tasks
            .iter()
            .filter(|task| shown(task, "rule") == "CARE-VISIT");
        of_visits.count()
    };
    // Seven days since the household was entered, and then seven since it was visited.
    assert_eq!((due(5).await, due(3).await, due(1).await), (0, 1, 1));
}

#[tokio::test]
async fn ten_fire_hazards_in_a_week_raise_one_alert_that_is_followed_to_its_end() {
    let (district, mut worker, mut desk) = scene().await;
    let (_, rules) = sync_core::documents::DEFAULTS
        .iter()
        .find(|(name, _)| *name == "alert_rules")
        .expect("they ship");
    // The small district has no community between.
    let rules = rules
        .replace("\"version\": 1", "\"version\": 2")
        .replace("\"by\": \"community\"", "\"by\": \"grid\"");
    let import = AdminRequest::ImportDocuments {
        files: vec![DocumentFile {
            file: "alert_rules.json".into(),
            text: rules,
        }],
        only_check: false,
    };
    district
        .gridwork()
        .administer(None, import)
        .await
        .expect("taken");
    for number in 0..10 {
        district.report(&mut worker, GRID, "FIR-01", &format!("堵塞 {number}"));
    }
    district.sync(&mut worker).await;
    let made = round(&district).await;
    assert!(made.contains(&("alerts", 1)), "{made:?}");
    let made = round(&district).await;
    assert!(made.iter().all(|(duty, _)| *duty != "alerts"), "{made:?}");
    let alert = list(&district, &desk, "alert").await.remove(0);
    assert_eq!(
        (shown(&alert, "rule"), shown(&alert, "count")),
        (json!("FIRE-MANY"), json!(10))
    );
    assert!(!notices(&district, &desk).await.is_empty());
    district.sync(&mut desk).await;
    let id = RecordId(alert.summary.record);
    let unit = sync_core::ids::UnitId(alert.summary.unit);
    let taken = json!({"to": "TAKEN"});
    district.make(&mut desk, id, unit, "alert.transition", &taken);
    let done = json!({"to": "DONE", "note": "清理了通道"});
    district.make(&mut desk, id, unit, "alert.transition", &done);
    // Whoever handled it does not end it.
    district.make(
        &mut desk,
        id,
        unit,
        "alert.transition",
        &json!({"to": "ENDED"}),
    );
    district.sync(&mut desk).await;
    let alert = list(&district, &desk, "alert").await.remove(0);
    assert_eq!(alert.summary.state.as_deref(), Some("DONE"));
    let mut lead = district.phone(&[("district_lead", DISTRICT)]).await;
    district.sync(&mut lead).await;
    district.make(
        &mut lead,
        id,
        unit,
        "alert.transition",
        &json!({"to": "ENDED"}),
    );
    district.sync(&mut lead).await;
    let alert = list(&district, &desk, "alert").await.remove(0);
    assert_eq!(alert.summary.state.as_deref(), Some("ENDED"));
    let listed = district
        .gridwork()
        .administer(None, AdminRequest::Alerts { only_list: true });
    let listed = listed.await.expect("a list");
    assert_eq!((&listed["raised"], &listed["open"]), (&json!(0), &json!(0)));
    assert_eq!(listed["alerts"][0]["record"], id.to_string());
    // The same reports raise no second one.
    let made = round(&district).await;
    assert!(made.iter().all(|(duty, _)| *duty != "alerts"), "{made:?}");
}

#[tokio::test]
async fn deadlines_come_first_due_first_page_by_page_and_within_the_scope() {
    let (district, mut worker, desk) = scene().await;
    for category in ["SAN-02", "FIR-04", "FAC-01"] {
        district.report(&mut worker, GRID, category, category);
    }
    district.sync(&mut worker).await;
    let ask = async |phone: &Phone, after: Option<String>, limit: u32| {
        let query = DeadlineQuery {
            kind: Some("report".into()),
            after,
            limit: Some(limit),
            ..DeadlineQuery::default()
        };
        district
            .gridwork()
            .list_deadlines(phone.caller, query)
            .await
            .expect("a page")
    };
    let all = ask(&desk, None, 10).await;
    let category = |deadline: &Deadline| deadline.record.category.clone().unwrap_or_default();
    // Ten minutes, thirty minutes, four working hours.
    let order: Vec<_> = all.deadlines.iter().map(category).collect();
    assert_eq!(order, ["FIR-04", "FAC-01", "SAN-02"]);
    assert!(all.deadlines.is_sorted_by_key(|deadline| deadline.due_ms));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = ask(&desk, after, 1).await;
        paged.extend(page.deadlines.iter().map(category));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paged, order);
    let handler = district.phone(&[("department_handler", DISTRICT)]).await;
    assert!(ask(&handler, None, 10).await.deadlines.is_empty());
    let wrong = DeadlineQuery {
        after: Some("1.1".into()),
        ..DeadlineQuery::default()
    };
    let answer = district.gridwork().list_deadlines(desk.caller, wrong).await;
    assert!(matches!(answer, Err(ServiceError::FieldInvalid { .. })));
}

#[tokio::test]
async fn a_report_nearby_is_hinted_at_to_those_who_may_read_it() {
    let (district, mut worker, desk) = scene().await;
    let record = district.new_record();
    let place = json!({"latitude_e7": 225_000_000, "longitude_e7": 1_140_000_000});
    let made = json!({"category": "SAN-01", "place": place});
    district.make(&mut worker, record, GRID, "report.create", &made);
    district.sync(&mut worker).await;
    let ask = async |phone: &Phone, east_e7: i32, own: Option<RecordId>| {
        let query = DuplicateQuery {
            category: "SAN-01".into(),
            latitude_e7: 225_000_000,
            longitude_e7: 1_140_000_000 + east_e7,
            accuracy_m: None,
            record: own.map(|own| own.0),
        };
        let found = district.gridwork().find_duplicates(phone.caller, query);
        found.await.expect("hints").hints
    };
    let hints = ask(&desk, 3_000, None).await;
    assert_eq!(hints.len(), 1);
    assert_eq!(
        (hints[0].record.record, hints[0].distance_m),
        (record.0, Some(31))
    );
    assert!(ask(&desk, 9_000, None).await.is_empty(), "too far away");
    assert!(ask(&desk, 3_000, Some(record)).await.is_empty(), "itself");
    let handler = district.phone(&[("department_handler", DISTRICT)]).await;
    assert!(ask(&handler, 3_000, None).await.is_empty());
}

#[tokio::test]
async fn the_steward_keeps_how_far_it_has_come_and_tells_nobody_of_what_was_before() {
    let (district, mut worker, mut desk) = scene().await;
    let followed = async || {
        let read = district.district().read(|read, _| Ok(read.steward_pos()?));
        read.await.expect("read")
    };
    assert_eq!(followed().await, Some(district.district().state().head.0));
    let record = district.report(&mut worker, GRID, "SAN-02", "渣土");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    let asked = json!({"to": "NEEDS_INFO", "reason": "在哪里"});
    district.make(&mut desk, record, GRID, "report.transition", &asked);
    district.sync(&mut desk).await;
    // A server that follows from here on.
    let head = district.district().state().head.0;
    let step = district
        .district()
        .writer()
        .run(move |log, _| log.write().put_steward_pos(head));
    step.await.expect("written");
    assert_eq!(round(&district).await, []);
    let told = notices(&district, &worker).await;
    assert!(
        told.iter().all(|(event, _)| event != "CASE_RETURNED"),
        "{told:?}"
    );
}
