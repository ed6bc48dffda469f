//! Tracks: taken only where the plan asks for them, and erased by the server alone.

use super::tests::{keep, routes, start, take};
use crate::language::Language;
use crate::service::Backend;
use crate::service::document_imports::DocumentFile;
use crate::service::testing::{DISTRICT, GRID, TestDistrict};
use crate::service::verify::{FaultKind, Known, verify};
use crate::store::sqlite::DistrictRead;
use serde_json::{Value, json};
use sync_core::change::PartClass;
use sync_core::documents::DEFAULTS;
use sync_core::entry::{Ruling, RulingKind};
use sync_core::ids::{Pos, RecordId};
use sync_core::replica::{Draft, SealedDraft};

/// The plan that ships, asking for tracks.
fn plan_with_tracks() -> DocumentFile {
    let shipped = DEFAULTS.iter().find(|(name, _)| *name == "patrol_plan");
    let mut plan: Value = serde_json::from_str(shipped.expect("it ships").1).expect("JSON");
    plan["version"] = json!(2);
    plan["track"]["on"] = json!(true);
    plan["track"]["reason"] = json!({ "zh": "夜间独行", "en": "Alone at night" });
    DocumentFile {
        file: "plan.json".to_owned(),
        text: serde_json::to_string_pretty(&plan).expect("plain data"),
    }
}

fn track(district: &TestDistrict, record: RecordId) -> Draft {
    let now_ms = district.now().wall_ms;
    let open = json!({ "from_ms": now_ms - 60_000, "until_ms": now_ms, "fixes": 2 });
    let mut draft = Draft::new(record, GRID, "patrol.track", open.to_string());
    draft.sealed = vec![SealedDraft {
        class: PartClass::WHEREABOUTS,
        salt: [1; 16],
        bytes: br#"{"track":[[225000000,1140000000]]}"#.to_vec(),
    }];
    draft
}

/// How many tracks still say where somebody was.
async fn tracks_kept(district: &TestDistrict) -> usize {
    let head = district.district().state().head.0.0;
    district
        .district()
        .read(move |read, _| {
            let mut kept = 0;
            for pos in 1..=head {
                let sealed = read.list_sealed(Pos(pos))?;
                kept += sealed.iter().filter(|part| part.content.is_some()).count();
            }
            Ok(kept)
        })
        .await
        .expect("read")
}

#[tokio::test]
async fn tracks_are_taken_only_where_they_are_asked_for_and_erased_when_their_time_is_over() {
    const DAY_MS: i64 = 24 * 3_600_000;
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1"])).await;
    let mut leader = district.phone(&[("patrol_leader", GRID)]).await;
    let lead = district.phone(&[("district_lead", DISTRICT)]).await;
    district.sync(&mut leader).await;
    let unasked = start(&district, &mut leader, "A");
    keep(&district, &mut leader, track(&district, unasked));
    district.sync(&mut leader).await;
    let own = leader.replica.record_view(unasked).expect("read");
    let problems = own.expect("a record").own;
    assert!(
        format!("{problems:?}").contains("TrackNotAsked"),
        "{problems:?}"
    );

    take(&district, plan_with_tracks()).await;
    district.clock.advance_ms(1_000);
    let asked = start(&district, &mut leader, "B");
    keep(&district, &mut leader, track(&district, asked));
    district.sync(&mut leader).await;
    assert_eq!(tracks_kept(&district).await, 2);
    let run = async |days: i64| {
        let now_ms = district.now().wall_ms + days * DAY_MS;
        let done = district
            .gridwork()
            .run_due(district.district(), now_ms)
            .await;
        let done = done.expect("the duties are done");
        let erased = done.iter().find(|each| each.duty == "tracks_erased");
        erased.expect("a duty").done
    };
    // What nobody had asked for goes at once, and still waits for a person without it.
    assert_eq!(run(0).await, 1);
    assert_eq!(tracks_kept(&district).await, 1);
    assert_eq!(run(29).await, 0);
    assert_eq!(run(31).await, 1);
    assert_eq!(run(31).await, 0);
    assert_eq!(tracks_kept(&district).await, 0);
    assert_eq!(faults(&district), []);
    // That the round was tracked, from when to when, stays.
    let detail = district
        .gridwork()
        .get_record(lead.caller, asked.0, Language::English)
        .await
        .expect("the record");
    assert_eq!(detail.sets["tracks"][0].value["fixes"], 2);
    let erased = detail
        .timeline
        .iter()
        .any(|entry| entry.intent == "ruling.erased");
    assert!(erased);
}

/// What `gridwork verify` finds wrong.
fn faults(district: &TestDistrict) -> Vec<FaultKind> {
    let read = DistrictRead::open(district.district().path()).expect("open");
    let report = verify(&read, "440399", Known::default(), &mut |_| {}).expect("verify");
    report.faults.iter().map(|fault| fault.what).collect()
}

#[tokio::test]
async fn of_all_changes_the_server_may_erase_only_tracks_by_itself() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1"])).await;
    let mut leader = district.phone(&[("patrol_leader", GRID)]).await;
    district.sync(&mut leader).await;
    start(&district, &mut leader, "A");
    district.sync(&mut leader).await;
    let pos = district.district().state().head.0;
    let forged = district.district().writer().run(move |log, now_ms| {
        let entry = log.view().read.find_entry(pos)?.expect("the start");
        let ruling = Ruling {
            ruling: RulingKind::Erased,
            of: pos,
            replica: entry.replica,
            seq: entry.seq,
            by: None,
            reason: "why not".into(),
            verdict: entry.answer.verdict,
            marks: entry.answer.marks,
            problems: entry.answer.problems.clone(),
        };
        log.rule(&ruling, now_ms)
    });
    forged.await.expect("written");
    assert_eq!(faults(&district), [FaultKind::RulingRight]);
}
