//! Documents of a district: taken in, in force from their day, with every phone by then, and in every recomputation.

use serde_json::Value;
use server::service::administration::AdminRequest;
use server::service::document_imports::DocumentFile;
use sync_core::documents::DEFAULTS;
use sync_core::ids::{RecordId, UnitId};
use sync_core::verdict::Verdict;

use crate::phone::{Phone, report};
use crate::world::World;

const DAY_MS: u32 = 24 * 3_600_000;

/// A shipped document as its second version, in force from a day on, with some of its text replaced.
fn second(name: &str, from: &str, replace: (&str, &str)) -> DocumentFile {
    let (_, text) = DEFAULTS
        .iter()
        .find(|(each, _)| *each == name)
        .expect("a document that ships");
    let value: Value = serde_json::from_str(text).expect("json");
    let shipped_from = value["in_force_from"].as_str().expect("a day");
    assert!(text.contains(replace.0));
    DocumentFile {
        file: format!("{name}.json"),
        text: text
            .replacen("\"version\": 1", "\"version\": 2", 1)
            .replacen(shipped_from, from, 1)
            .replacen(replace.0, replace.1, 1),
    }
}

fn import(world: &World, files: Vec<DocumentFile>) -> Result<Value, String> {
    world.try_admin(AdminRequest::ImportDocuments {
        files,
        only_check: false,
    })
}

fn district() -> (World, UnitId, Phone) {
    let world = World::new();
    let town = world.add_unit(1, "001", "town");
    let community = world.add_unit(town.0, "001", "community");
    let grid = world.add_unit(community.0, "001", "grid");
    let worker = world.add_person("甲", "worker", grid);
    let phone = Phone::new(&world, worker);
    (world, grid, phone)
}

fn is_retired(world: &World, phone: &Phone) -> bool {
    let documents = phone.replica.documents(&world.evidence()).expect("read");
    documents.category("SAN-02").expect("a category").retired
}

#[test]
fn a_version_comes_to_phones_before_its_day_and_is_in_force_from_then_on() {
    let (world, grid, mut phone) = district();
    phone.sync(&world);
    // Two days after the beginning, local time.
    let retired = second(
        "categories",
        "2026-05-31",
        (
            "\"code\": \"SAN-02\",",
            "\"code\": \"SAN-02\", \"retired\": true,",
        ),
    );
    let answer = import(&world, vec![retired.clone()]).expect("taken");
    assert_eq!(answer["entered"][0]["version"], 2);
    // 2026-05-31 00:00 in Asia/Shanghai.
    assert_eq!(answer["entered"][0]["from_ms"], 1_780_156_800_000_i64);
    let again = import(&world, vec![retired]).expect("no error");
    assert_eq!(
        (&again["entered"], &again["unchanged"]),
        (&serde_json::json!([]), &1.into())
    );
    phone.sync(&world);
    assert!(!is_retired(&world, &phone));
    world.clock.advance_ms(DAY_MS);
    assert!(!is_retired(&world, &phone));
    // Without a network meanwhile.
    world.clock.advance_ms(2 * DAY_MS);
    assert!(is_retired(&world, &phone));
    let record = world.new_record();
    phone.make(&world, report(record, grid, "路灯不亮"));
    phone.sync(&world);
    let state = world.admin(AdminRequest::Documents);
    let states: Vec<(&str, u64, &str)> = state["documents"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().expect("a text");
            (
                text("document"),
                row["version"].as_u64().expect("a number"),
                text("state"),
            )
        })
        .filter(|(name, ..)| *name == "categories")
        .collect();
    assert_eq!(
        states,
        [("categories", 1, "past"), ("categories", 2, "in_force")]
    );
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn a_wrong_document_is_refused_with_its_line_and_nothing_is_taken() {
    let (world, _, _) = district();
    let good = second("roles", "2026-05-31", ("网格员", "社区网格员"));
    let wrong = second("calendar", "2026-05-31", ("\"saturday\"", "\"someday\""));
    let line = wrong
        .text
        .lines()
        .position(|line| line.contains("someday"))
        .expect("a line")
        + 1;
    let refused = world.gridwork.administer(
        None,
        AdminRequest::ImportDocuments {
            files: vec![good, wrong],
            only_check: false,
        },
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let error = runtime.block_on(refused).expect_err("refused");
    let server::service::ServiceError::FieldInvalid { errors } = error else {
        panic!("{error:?}");
    };
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].field, "calendar.json");
    assert!(
        errors[0].message.starts_with(&format!("{line}: 不符合")),
        "{}",
        errors[0].message
    );
    let listed = world.admin(AdminRequest::Documents);
    let rows = listed["documents"].as_array().expect("a list");
    assert!(rows.iter().all(|row| row["version"] == 1));
}

#[test]
fn what_a_role_may_do_is_decided_by_the_version_of_that_moment() {
    let (world, grid, mut phone) = district();
    let mut said = |world: &World, record: RecordId| {
        let draft = crate::phone::draft(
            record,
            grid,
            "visit.log",
            serde_json::json!({"outcome": "done"}),
        );
        phone.make(world, draft);
        phone.sync(world);
        let seq = phone.last_seq();
        let before = sync_core::ids::Seq(seq.0 - 1);
        let told = phone.replica.verdicts_above(before, 1).expect("read");
        told[0].answer.verdict
    };
    assert_eq!(said(&world, world.new_record()), Verdict::Accepted);
    let none = second("roles", "2026-05-01", ("\"visit.log\", ", ""));
    import(&world, vec![none]).expect("taken");
    // Longer than the right that a late arrival may rest on.
    world.clock.advance_ms(40 * DAY_MS);
    assert_eq!(said(&world, world.new_record()), Verdict::Quarantined);
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}
