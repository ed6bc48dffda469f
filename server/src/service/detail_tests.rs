//! One record whole: the clock of its case.

use super::Backend;
use super::testing::{GRID, NOW_MS, TestDistrict};
use crate::language::Language;
use api_schema::record::{CaseClock, ClockStage};
use serde_json::json;

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn a_case_tells_its_clock_in_working_time() {
    let district = TestDistrict::new().await;
    let mut phone = district.phone(&[("worker", GRID)]).await;
    district.sync(&mut phone).await;
    let case = district.report(&mut phone, GRID, "SAN-01", "垃圾");
    let visit = district.new_record();
    district.make(
        &mut phone,
        visit,
        GRID,
        "visit.log",
        &json!({ "outcome": "done" }),
    );
    district.sync(&mut phone).await;
    let clock = async |record: sync_core::ids::RecordId| {
        let found = district
            .gridwork()
            .get_record(phone.caller, record.0, Language::Chinese);
        found.await.expect("found").clock
    };
    // Reported on a Monday at 07:30: four working hours begin at 08:30 and are over at 14:00.
    let CaseClock {
        kind,
        allowed_ms,
        used_ms,
        due_ms,
        is_working,
        stage,
        ..
    } = clock(case).await.expect("a clock");
    assert_eq!(
        (
            kind.as_str(),
            allowed_ms,
            used_ms,
            due_ms,
            is_working,
            stage
        ),
        (
            "acknowledge",
            4 * HOUR_MS,
            0,
            Some(NOW_MS + 6 * HOUR_MS + HOUR_MS / 2),
            true,
            ClockStage::InTime
        )
    );
    assert_eq!(clock(visit).await, None, "a visit has no deadline");
}
