//! Packs over a real district.

use super::*;
use crate::service::administration::AdminRequest;
use crate::service::testing::{DISTRICT, GRID, TestDistrict};
use crate::service::verify::{FaultKind, Known, verify};

const DAY_MS: u32 = 24 * 3_600_000;

async fn ask(district: &TestDistrict, label: &str, preview: bool) -> Result<Value, ServiceError> {
    let label = label.to_owned();
    let request = AdminRequest::Pack { label, preview };
    district.gridwork().administer(None, request).await
}

fn faults(district: &TestDistrict) -> Vec<FaultKind> {
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    report.faults.iter().map(|fault| fault.what).collect()
}

#[tokio::test]
async fn a_frozen_pack_is_the_same_whatever_comes_later_and_verify_finds_another() {
    let district = TestDistrict::new().await;
    let mut worker = district.phone(&[("worker", GRID)]).await;
    let mut late = district.phone(&[("worker", GRID)]).await;
    let mut desk = district.phone(&[("duty_desk", DISTRICT)]).await;
    let record = district.report(&mut worker, GRID, "SAN-01", "垃圾堆积");
    district.sync(&mut worker).await;
    district.sync(&mut desk).await;
    // Made in the week, and sent after it was frozen: a step on a record of the pack, and a record.
    let moved = json!({"to": "REGISTERED", "level": "III"});
    district.make(&mut desk, record, GRID, "report.transition", &moved);
    district.report(&mut late, GRID, "SAN-01", "晚到");
    let early = ask(&district, "2026-W10", false).await;
    assert!(
        matches!(early, Err(ServiceError::Conflict { .. })),
        "{early:?}"
    );
    let preview = ask(&district, "2026-W10", true).await.expect("a preview");
    assert_eq!(preview["pack"]["total"]["reported"], 1);
    for _ in 0..7 {
        district.clock.advance_ms(DAY_MS);
    }
    let frozen = ask(&district, "2026-W10", false).await.expect("frozen");
    assert_eq!(
        (&frozen["same"], &frozen["pack"]["total"]["reported"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(frozen["pack"]["total"]["overdue"], 1);
    district.sync(&mut desk).await;
    district.sync(&mut late).await;
    let again = ask(&district, "2026-W10", false).await.expect("again");
    assert_eq!(again, frozen);
    // As it stands now, the week had two.
    let now = ask(&district, "2026-W10", true).await.expect("a preview");
    assert_eq!(now["pack"]["total"]["reported"], 2);
    let registered = |pack: &Value| pack["pack"]["total"]["registered"].as_u64();
    assert_eq!((registered(&frozen), registered(&now)), (Some(0), Some(1)));
    assert_ne!(now["hash"], frozen["hash"]);
    assert_eq!(faults(&district), []);
    let text = district
        .gridwork()
        .get_pack(desk.caller, "2026-W10".into())
        .await;
    assert_eq!(frozen["text"], text.expect("the desk reads it"));
    let listed = district
        .gridwork()
        .list_packs(desk.caller)
        .await
        .expect("a list");
    assert_eq!(frozen["hash"], listed.packs[0].hash);
    let refused = district
        .gridwork()
        .get_pack(worker.caller, "2026-W10".into())
        .await;
    assert!(
        matches!(refused, Err(ServiceError::Forbidden)),
        "{refused:?}"
    );

    let change = |sql: &str| {
        let path = district.district().path();
        let connection = rusqlite::Connection::open(path).expect("open");
        assert_eq!(connection.execute(sql, []).expect("changed"), 1, "{sql}");
    };
    change("UPDATE pack SET text = replace(text, '\"reported\":1', '\"reported\":3')");
    assert_eq!(faults(&district), [FaultKind::PackDiffers]);
    let changed = ask(&district, "2026-W10", false).await;
    let refused = changed.expect_err("it is another");
    let mut told = refused.to_string();
    if let Some(source) = std::error::Error::source(&refused) {
        told = format!("{told}: {source}");
    }
    assert!(told.contains("not the one that the log names"), "{told}");
    change("UPDATE pack SET text = replace(text, '\"reported\":3', '\"reported\":1')");
    let earlier = "UPDATE pack SET observed = replace(observed, '_ms\":17', '_ms\":16')";
    change(earlier);
    assert_eq!(faults(&district), [FaultKind::PackDiffers]);
    change("DELETE FROM pack");
    assert_eq!(faults(&district), [FaultKind::RowsStray]);
}

#[tokio::test]
async fn what_is_no_period_is_refused_and_the_steward_freezes_what_is_over_once() {
    let district = TestDistrict::new().await;
    for label in ["2026-W60", "2026-3", "soon"] {
        let refused = ask(&district, label, true).await;
        assert!(
            matches!(refused, Err(ServiceError::FieldInvalid { .. })),
            "{label}"
        );
    }
    let ahead = ask(&district, "2026-12", true).await;
    assert!(matches!(ahead, Err(ServiceError::FieldInvalid { .. })));
    let round = async || {
        let now_ms = district.gridwork().clock.wall_ms();
        let done = district
            .gridwork()
            .run_due(district.district(), now_ms)
            .await;
        let done = done.expect("a round");
        done.iter()
            .find(|each| each.duty == "packs")
            .expect("it is one")
            .done
    };
    // The week before ended when the district was not there yet.
    assert_eq!(round().await, 0);
    for _ in 0..7 {
        district.clock.advance_ms(DAY_MS);
    }
    assert_eq!((round().await, round().await), (1, 0));
    let packs = district
        .gridwork()
        .administer(None, AdminRequest::Packs)
        .await;
    assert_eq!(packs.expect("a list")["packs"][0]["label"], "2026-W10");
}
