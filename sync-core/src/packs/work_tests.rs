//! Rounds, other work, phones and roles in packs.

use super::tests::{DAY_MS, HOUR_MS, MONDAY_MS, directory, id};
use super::*;
use crate::calendar::Zone;
use crate::change::SigningKey;
use crate::directory::{DirectoryChange, Grant, Replica};
use crate::documents::DEFAULTS;
use crate::ids::{PersonId, ReplicaId, ReplicaNo};
use crate::testing::Story;

const ROUTES: &str = r#"{"document":"patrol_routes","version":2,"in_force_from":"2026-01-01","title":{"zh":"队","en":"t"},
    "points":[],"routes":[],"teams":[{"code":"T1","name":"t","unit":"440305","routes":[]}]}"#;

fn pack(
    label: &str,
    directory: &Directory,
    observed: &Observed,
    records: &[(RecordState, u32)],
) -> Value {
    let texts = DEFAULTS.iter().map(|(name, text)| match *name {
        "patrol_routes" => (*name, ROUTES),
        _ => (*name, *text),
    });
    let documents = Arc::new(Documents::read(texts, Zone::fixed(480)).expect("documents"));
    let period = Period::parse(label).expect("a label");
    let days = [(period.first..=period.last, Arc::clone(&documents))];
    let mut tally = Tally::new(Scene {
        period: &period,
        pos: Pos(99),
        until_ms: i64::MAX,
        directory,
        documents: &documents,
        days_under: &days,
        observed,
    });
    for (number, (record, open_doubts)) in records.iter().enumerate() {
        tally.add(id(number as u8), record, *open_doubts);
    }
    serde_json::from_str(&tally.finish()).expect("JSON")
}

#[test]
fn rounds_are_held_against_the_plan_of_the_week() {
    let walked = Story::at(MONDAY_MS - HOUR_MS)
        .does(1, "patrol.start", r#"{"team":"T1","slot":"A"}"#)
        .whose(2)
        .does(1, "patrol.join", "{}")
        .after(HOUR_MS)
        .does(1, "patrol.transition", r#"{"to":"FINISHED"}"#)
        .record();
    let alone = Story::at(MONDAY_MS + DAY_MS)
        .does(1, "patrol.start", r#"{"team":"T1","slot":"A"}"#)
        .does(1, "patrol.transition", r#"{"to":"FINISHED"}"#)
        .record();
    let missed = Story::at(MONDAY_MS)
        .does(
            1,
            "patrol.miss",
            r#"{"team":"T1","slot":"B","date":"2026-11-23","reason":"RAIN"}"#,
        )
        .record();
    let week_before = Story::at(MONDAY_MS - DAY_MS)
        .does(1, "patrol.start", r#"{"team":"T1","slot":"A"}"#)
        .record();
    let rounds = [(walked, 2), (alone, 0), (missed, 0), (week_before, 9)];
    let pack = pack("2026-W48", &directory(), &Observed::default(), &rounds);
    for (name, count) in [
        ("rounds_planned", 21),
        ("rounds_complete", 1),
        ("rounds_partial", 1),
        ("rounds_excused", 1),
        ("rounds_missed", 18),
        ("rounds_doubts_open", 2),
        ("for_others", 1),
    ] {
        assert_eq!(pack["total"][name], count, "{name}");
    }
    assert_eq!(pack["units"][0]["rounds_planned"], 21);
}

#[test]
fn visits_mediations_and_tasks_are_counted_where_they_came_to_something() {
    let visit = Story::at(MONDAY_MS)
        .does(
            1,
            "visit.log",
            r#"{"outcome":"no_change","joint":true,"body":7}"#,
        )
        .does(2, "visit.confirm", r#"{"agrees":true,"body":9}"#)
        .record();
    let mistaken = Story::at(MONDAY_MS)
        .does(1, "visit.log", r#"{"outcome":"no_change"}"#)
        .does(1, "visit.void", r#"{"reason":"错"}"#)
        .record();
    let mediation = |to: &str| {
        let step = format!(r#"{{"to":"{to}"}}"#);
        let made = Story::at(MONDAY_MS).does(
            1,
            "mediation.create",
            r#"{"category":"CON-01","parties":2}"#,
        );
        made.after(HOUR_MS)
            .does(1, "mediation.transition", &step)
            .record()
    };
    let task = |done: bool| {
        let due_ms = MONDAY_MS + DAY_MS;
        let made = format!(r#"{{"title":"走访","activity":"ACT-VIS","due_at_ms":{due_ms}}}"#);
        let story = Story::at(MONDAY_MS).does(1, "task.create", &made);
        match done {
            true => story
                .after(HOUR_MS)
                .does(2, "task.result", r#"{"to":"DONE"}"#)
                .record(),
            false => story.record(),
        }
    };
    let records = [
        visit,
        mistaken,
        mediation("AGREED"),
        mediation("FAILED"),
        task(true),
        task(false),
    ];
    let records = records.map(|record| (record, 0));
    let month = pack("2026-11", &directory(), &Observed::default(), &records);
    for (name, count) in [
        ("visits", 1),
        ("joint_visits", 1),
        ("mediations", 2),
        ("mediations_agreed", 1),
        ("tasks_done", 1),
        ("tasks_overdue", 1),
        ("overdue", 0),
    ] {
        assert_eq!(month["total"][name], count, "{name}");
    }
    let share = |code: &str| {
        let rows = month["indicators"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["code"] == code).expect(code);
        row["permille"].as_u64()
    };
    assert_eq!((share("MEDIATE"), share("VISIT")), (Some(500), Some(500)));
}

#[test]
fn silent_phones_and_roles_that_ended_are_told() {
    let mut directory = directory();
    for number in [1, 2] {
        let person = PersonId(number);
        let replica = Replica {
            no: ReplicaNo(number),
            replica: ReplicaId(id(number as u8).0),
            person,
            key: SigningKey::from_seed(&[number as u8; 32]).verifying_key(),
            continues: None,
            branch: None,
            revoked_ms: None,
            office: false,
        };
        let grant = Grant {
            person,
            role: "worker".into(),
            unit: UnitId(7),
            from_ms: MONDAY_MS - 100 * DAY_MS,
            until_ms: (number == 2).then_some(MONDAY_MS),
        };
        directory.apply(Pos(2), DirectoryChange::Person { person });
        directory.apply(Pos(3), DirectoryChange::Grant(grant));
        directory.apply(Pos(4), DirectoryChange::Replica(replica));
    }
    let seen = |no, last_seen_ms| SeenReplica {
        no: ReplicaNo(no),
        last_seen_ms,
        unsent: 0,
    };
    let observed = Observed {
        replicas: vec![
            seen(1, MONDAY_MS + DAY_MS),
            seen(2, MONDAY_MS - 90 * DAY_MS),
        ],
    };
    let week = pack("2026-W48", &directory, &observed, &[]);
    let silent = week["not_synced"].as_array().expect("a list");
    assert_eq!((silent.len(), &silent[0]["no"]), (1, &json!(2)));
    assert_eq!(silent[0]["since_ms"], MONDAY_MS - 90 * DAY_MS);
    let quarter = pack("2026-Q4", &directory, &observed, &[]);
    let told: Vec<_> = (quarter["access"].as_array().expect("a list").iter())
        .map(|person| {
            (
                person["has_contact"].as_bool(),
                person["roles"][0]["has_ended"].as_bool(),
            )
        })
        .collect();
    assert_eq!(told, [(Some(true), Some(false)), (Some(false), Some(true))]);
    assert_eq!(
        pack("2027-Q1", &directory, &observed, &[])["access"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
}
