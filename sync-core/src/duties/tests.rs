use super::alerts::{self, LastAlert, Sighting};
use super::*;
use crate::calendar::Zone;
use crate::directory::{Directory, DirectoryChange, Grant, Unit};
use crate::documents::DEFAULTS;
use crate::geo::Place;
use crate::ids::{PersonId, Pos};
use crate::testing::Story;
use serde_json::Value;
use std::collections::BTreeMap;

/// 2026-11-30, a Monday, 08:30 in Shanghai.
const MONDAY_MS: i64 = 1_795_998_600_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A district 1, its town 2, the community 3, its grids 7 and 8, the department 9.
fn directory() -> Directory {
    let unit = |unit: u32, parent: Option<u32>, kind: &str| {
        DirectoryChange::Unit(Unit {
            unit: UnitId(unit),
            parent: parent.map(UnitId),
            code: format!("44.{unit}"),
            name: String::new(),
            kind: kind.into(),
        })
    };
    let grant = |person: u32, role: &str, unit: u32| {
        DirectoryChange::Grant(Grant {
            person: PersonId(person),
            role: role.into(),
            unit: UnitId(unit),
            from_ms: 0,
            until_ms: None,
        })
    };
    let people = (1..=9).map(|person| DirectoryChange::Person {
        person: PersonId(person),
    });
    let changes: Vec<_> = [
        unit(1, None, "district"),
        unit(2, Some(1), "town"),
        unit(3, Some(2), "community"),
        unit(7, Some(3), "grid"),
        unit(8, Some(3), "grid"),
        unit(9, Some(1), "department"),
    ]
    .into_iter()
    .chain(people)
    .chain([
        grant(1, "worker", 7),
        grant(2, "duty_desk", 2),
        grant(3, "department_handler", 9),
        grant(4, "verifier", 2),
        grant(5, "district_lead", 1),
        grant(6, "duty_desk", 2),
        grant(7, "grid_head", 3),
        grant(8, "mediator", 2),
    ])
    .collect();
    let mut directory = Directory::default();
    for (index, change) in changes.into_iter().enumerate() {
        directory.apply(Pos(index as u64 + 1), change);
    }
    directory
}

fn documents_with(name: &str, text: &str) -> Documents {
    let texts: BTreeMap<&str, &str> = DEFAULTS.iter().copied().chain([(name, text)]).collect();
    Documents::read(texts, Zone::fixed(480)).expect("documents")
}

fn report_id() -> RecordId {
    RecordId(uuid::Uuid::from_u128(
        0x018f_0000_0000_7000_8000_0000_0000_0001,
    ))
}

/// Event and person of each notice that a record makes.
fn told(record: &RecordState, documents: &Documents, since: u64, now_ms: i64) -> Vec<String> {
    let directory = directory();
    let office = notices::Office {
        directory: &directory,
        documents,
        now_ms,
    };
    let mut told: Vec<String> = occasions::occasions(record, documents, Pos(since), now_ms)
        .iter()
        .flat_map(|occasion| office.notices(report_id(), record, occasion))
        .map(|due| {
            let open: Value = serde_json::from_str(&due.open).expect("json");
            format!(
                "{} {}",
                open["event"].as_str().expect("an event"),
                open["person"]
            )
        })
        .collect();
    told.sort();
    told
}

fn report() -> Story {
    Story::at(MONDAY_MS).does(1, "report.create", r#"{"category":"SAN-02"}"#)
}

#[test]
fn each_step_of_a_case_tells_whom_the_rules_name_and_nobody_what_they_did_themselves() {
    let documents = Documents::defaults();
    let now = |story: Story, since| told(&story.record(), &documents, since, MONDAY_MS);
    let back = r#"{"to":"NEEDS_INFO","reason":"where?"}"#;
    assert_eq!(now(report(), 0), [] as [&str; 0]);
    assert_eq!(
        now(report().does(2, "report.transition", back), 1),
        ["CASE_RETURNED 1"]
    );
    // What was told before is not told again.
    assert!(now(report().does(2, "report.transition", back), 2).is_empty());
    let sent = || {
        report()
            .does(
                2,
                "report.transition",
                r#"{"to":"REGISTERED","level":"III"}"#,
            )
            .does(
                2,
                "report.transition",
                r#"{"to":"DISPATCHED","level":"III","desk":9}"#,
            )
    };
    assert_eq!(now(sent(), 2), ["CASE_DISPATCHED 3"]);
    let bounced = sent().does(
        3,
        "report.transition",
        r#"{"to":"BOUNCED","reason":"not ours"}"#,
    );
    assert_eq!(now(bounced, 3), ["CASE_BOUNCED 2", "CASE_BOUNCED 6"]);
    let rework = |story: Story| {
        story
            .does(3, "report.transition", r#"{"to":"IN_PROGRESS"}"#)
            .does(3, "report.transition", r#"{"to":"FEEDBACK","note":"done"}"#)
            .does(
                4,
                "report.transition",
                r#"{"to":"REWORK","reason":"still there"}"#,
            )
    };
    assert_eq!(now(rework(sent()), 5), ["CASE_REWORK 3"]);
    assert_eq!(
        now(rework(rework(sent())), 8),
        ["CASE_REWORK 3", "CASE_REWORK_AGAIN 5"]
    );
    let appealed = report()
        .does(2, "report.transition", r#"{"to":"REJECTED","reason":"no"}"#)
        .does(
            1,
            "report.transition",
            r#"{"to":"SUBMITTED","reason":"look"}"#,
        )
        .does(
            6,
            "report.transition",
            r#"{"to":"REGISTERED","level":"III"}"#,
        );
    assert_eq!(now(appealed, 3), ["CASE_APPEAL_DECIDED 1"]);
}

#[test]
fn a_clock_reminds_the_holder_then_the_leader_then_the_district() {
    let documents = Documents::defaults();
    // Level III: four working hours until somebody takes it up, from 08:30 to 14:00.
    let at = |hours: f64| {
        let now_ms = MONDAY_MS + (hours * HOUR_MS as f64) as i64;
        told(&report().record(), &documents, 1, now_ms)
    };
    assert!(at(1.9).is_empty());
    assert_eq!(at(2.0), ["CLOCK_HALF 2", "CLOCK_HALF 6"]);
    assert_eq!(at(5.5), ["CLOCK_OVER 2", "CLOCK_OVER 6", "CLOCK_OVER 7"]);
    assert_eq!(at(7.5), ["CLOCK_LONG_OVER 5"]);
    let record = report().record();
    assert_eq!(
        moments(&record, &documents).due_ms,
        Some(MONDAY_MS + 2 * HOUR_MS)
    );
    let over_ms = moments(&record, &documents).over_ms;
    assert_eq!(over_ms, Some(MONDAY_MS + 5 * HOUR_MS + HOUR_MS / 2));
    // One occasion has one id, whenever it is looked at.
    let ids = |now_ms: i64| {
        let directory = directory();
        let documents = &documents;
        let office = notices::Office {
            directory: &directory,
            documents,
            now_ms,
        };
        let found = occasions::occasions(&record, documents, Pos(1), now_ms);
        let notices = found
            .iter()
            .flat_map(|one| office.notices(report_id(), &record, one));
        notices.map(|due| due.record).collect::<Vec<_>>()
    };
    assert_eq!(ids(MONDAY_MS + 2 * HOUR_MS), ids(MONDAY_MS + 3 * HOUR_MS));
}

#[test]
fn a_report_of_level_one_goes_along_the_roster_until_somebody_takes_it_up() {
    let roster = r#"{"shifts":[{"unit":"44.2","from":"2026-11-30 08:00","until":"2026-11-30 20:00","people":[6,2]}],"leave":[]}"#;
    let documents = documents_with("duty_roster", roster);
    let story = || Story::at(MONDAY_MS).does(1, "report.create", r#"{"category":"FIR-04"}"#);
    let level_one = |story: Story, minutes: i64, documents: &Documents| {
        let mut told = told(
            &story.record(),
            documents,
            1,
            MONDAY_MS + minutes * MINUTE_MS,
        );
        told.retain(|one| one.starts_with("LEVEL_I "));
        told
    };
    assert_eq!(level_one(story(), 0, &documents), ["LEVEL_I 6"]);
    assert_eq!(
        level_one(story(), 5, &documents),
        ["LEVEL_I 2", "LEVEL_I 6"]
    );
    assert_eq!(
        level_one(story(), 10, &documents),
        ["LEVEL_I 2", "LEVEL_I 5", "LEVEL_I 6"]
    );
    let taken = story().does(2, "report.transition", r#"{"to":"REGISTERED","level":"I"}"#);
    assert!(level_one(taken, 10, &documents).is_empty());
    // Without a roster the desk is told, and after it the district.
    let plain = Documents::defaults();
    assert_eq!(level_one(story(), 0, &plain), ["LEVEL_I 2", "LEVEL_I 6"]);
    assert_eq!(
        level_one(story(), 5, &plain),
        ["LEVEL_I 2", "LEVEL_I 5", "LEVEL_I 6"]
    );
    let directory = directory();
    let now_ms = MONDAY_MS + 5 * MINUTE_MS;
    let office = notices::Office {
        directory: &directory,
        documents: &documents,
        now_ms,
    };
    let record = story().record();
    let found = occasions::occasions(&record, &documents, Pos(1), now_ms);
    let second = found.iter().find(|one| one.rank == 1).expect("a second");
    assert_eq!(office.told_before(report_id(), &record, second).len(), 1);
}

#[test]
fn whoever_is_away_is_told_through_their_deputy() {
    let roster =
        r#"{"shifts":[],"leave":[{"person":1,"from":"2026-11-30","to":"2026-11-30","deputy":7}]}"#;
    let documents = documents_with("duty_roster", roster);
    let back = report().does(
        2,
        "report.transition",
        r#"{"to":"NEEDS_INFO","reason":"where?"}"#,
    );
    let record = back.record();
    assert_eq!(told(&record, &documents, 1, MONDAY_MS), ["CASE_RETURNED 7"]);
}

#[test]
fn a_notice_is_acknowledged_by_whoever_it_is_for() {
    let notice = |person| {
        Story::at(MONDAY_MS)
            .does(9, "notice.create", r#"{"event":"TASK_GIVEN","person":1}"#)
            .does(person, "notice.acknowledge", "{}")
            .record()
    };
    assert!(notices::is_acknowledged(&notice(1)));
    assert!(!notices::is_acknowledged(&notice(2)));
}

fn tasks_of<'a>(
    directory: &'a Directory,
    documents: &'a Documents,
    now_ms: i64,
) -> tasks::Office<'a> {
    tasks::Office {
        directory,
        documents,
        now_ms,
    }
}

fn field(due: &Due, name: &str) -> Value {
    serde_json::from_str::<Value>(&due.open).expect("json")[name].clone()
}

#[test]
fn a_state_makes_its_task_at_once_or_after_its_time_and_once_only() {
    let (directory, documents) = (directory(), Documents::defaults());
    let inspection = Story::at(MONDAY_MS)
        .does(
            1,
            "inspection.create",
            r#"{"checklist":"CHK-SHOP","answers":[{"item":"EXIT","answer":"fault"}]}"#,
        )
        .does(
            1,
            "inspection.transition",
            &format!(r#"{{"to":"RECTIFYING","until_ms":{}}}"#, MONDAY_MS + DAY_MS),
        )
        .record();
    let office = tasks_of(&directory, &documents, MONDAY_MS);
    let found = office.of_states(report_id(), &inspection, Pos(0));
    assert_eq!(found.len(), 1);
    assert_eq!(field(&found[0], "rule"), "RECHECK");
    assert_eq!(field(&found[0], "assignee"), 1);
    assert!(
        office
            .of_states(report_id(), &inspection, Pos(2))
            .is_empty()
    );
    let digest = "5".repeat(64);
    let agreed = || {
        Story::at(MONDAY_MS)
            .does(
                1,
                "mediation.create",
                r#"{"category":"MED-01","parties":2}"#,
            )
            .does(
                1,
                "mediation.sign",
                &format!(r#"{{"party":1,"sha256":"{digest}"}}"#),
            )
            .does(
                1,
                "mediation.transition",
                r#"{"to":"AGREED","agreement":"a wall"}"#,
            )
    };
    let record = agreed().record();
    let due_ms = MONDAY_MS + 30 * DAY_MS;
    assert_eq!(tasks::first_due_ms(&record, &documents), Some(due_ms));
    let at = |record: &RecordState, now_ms| {
        tasks_of(&directory, &documents, now_ms).of_states(report_id(), record, Pos(99))
    };
    assert!(at(&record, due_ms - 1).is_empty());
    let found = at(&record, due_ms);
    assert_eq!(field(&found[0], "assignee"), 8);
    assert_eq!(found[0].record, at(&record, due_ms + DAY_MS)[0].record);
    let relapsed = agreed().does(
        1,
        "mediation.transition",
        r#"{"to":"RELAPSED","reason":"no"}"#,
    );
    assert!(at(&relapsed.record(), due_ms).is_empty());
}

#[test]
fn a_household_is_due_again_after_its_days_unless_it_has_not_consented() {
    let (directory, documents) = (directory(), Documents::defaults());
    let household = |consented: bool| {
        let json = format!(
            r#"{{"title":"3-201","consented":{consented},"visit_every_days":7,"assignee":7}}"#
        );
        Story::at(MONDAY_MS)
            .does(1, "household.create", &json)
            .record()
    };
    let due = |record: &RecordState, last_ms, now_ms| {
        tasks_of(&directory, &documents, now_ms).of_due_field(report_id(), record, last_ms)
    };
    let record = household(true);
    assert!(due(&record, None, MONDAY_MS + 7 * DAY_MS - 1).is_empty());
    let found = due(&record, None, MONDAY_MS + 7 * DAY_MS);
    assert_eq!((found.len(), field(&found[0], "assignee")), (1, 7.into()));
    let visited_ms = MONDAY_MS + 3 * DAY_MS;
    assert!(due(&record, Some(visited_ms), MONDAY_MS + 9 * DAY_MS).is_empty());
    let again = due(&record, Some(visited_ms), MONDAY_MS + 10 * DAY_MS);
    assert_ne!(again[0].record, found[0].record);
    assert!(due(&household(false), None, MONDAY_MS + 99 * DAY_MS).is_empty());
}

#[test]
fn each_week_has_one_task_in_each_grid() {
    let (directory, documents) = (directory(), Documents::defaults());
    let of = |now_ms| tasks_of(&directory, &documents, now_ms).of_cycles();
    let week = of(MONDAY_MS);
    assert_eq!(week.len(), 2);
    assert_eq!(field(&week[0], "cycle"), "2026-W49");
    let ids = |tasks: Vec<Due>| {
        tasks
            .into_iter()
            .map(|task| task.record)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(of(MONDAY_MS + 6 * DAY_MS)), ids(week.clone()));
    assert_ne!(ids(of(MONDAY_MS + 7 * DAY_MS)), ids(week));
    let day = "2026-12-31".parse().expect("a day");
    use crate::documents::Every;
    let labels =
        [Every::Week, Every::Month, Every::Quarter].map(|every| tasks::label_of(every, day));
    assert_eq!(labels, ["2026-W53", "2026-12", "2026-Q4"]);
}

fn sightings(category: &str, count: usize, apart_m: i64) -> Vec<Sighting> {
    (0..count)
        .map(|index| Sighting {
            record: RecordId(uuid::Uuid::from_u128(index as u128)),
            category: category.into(),
            place: Some(Place {
                latitude_e7: 0,
                longitude_e7: index as i64 * apart_m * 90,
                accuracy_m: 0,
            }),
            time_ms: MONDAY_MS - index as i64 * MINUTE_MS,
            is_open: true,
            is_overdue: index % 5 == 0,
        })
        .collect()
}

#[test]
fn a_threshold_raises_one_alert_and_another_only_for_newer_reports() {
    let documents = Documents::defaults();
    let rule = documents
        .alert_rules()
        .iter()
        .find(|rule| rule.code == "FIRE-MANY")
        .expect("a rule");
    let raise = |reports: &[Sighting], last, now_ms| {
        alerts::raise(rule, UnitId(3), reports, last, &documents, now_ms)
    };
    let ten = sightings("FIR-01", 10, 10);
    assert!(raise(&ten[..9], None, MONDAY_MS).is_none());
    assert!(raise(&sightings("SAN-01", 10, 10), None, MONDAY_MS).is_none());
    assert!(raise(&ten, None, MONDAY_MS + 8 * DAY_MS).is_none());
    let alert = raise(&ten, None, MONDAY_MS).expect("an alert");
    assert_eq!(
        (field(&alert, "count"), field(&alert, "grade")),
        (10.into(), "yellow".into())
    );
    let just_ended = Some(LastAlert {
        is_open: false,
        window_until_ms: MONDAY_MS - MINUTE_MS,
    });
    let long_ago = |is_open| {
        Some(LastAlert {
            is_open,
            window_until_ms: 0,
        })
    };
    assert!(raise(&ten, long_ago(false), MONDAY_MS).is_some());
    assert!(
        raise(&ten, long_ago(true), MONDAY_MS).is_none(),
        "one is open"
    );
    assert!(raise(&ten, just_ended, MONDAY_MS).is_none());
}

#[test]
fn a_cluster_needs_a_circle_and_an_overdue_share_needs_enough_cases() {
    let documents = Documents::defaults();
    let rule = |code: &str| {
        let mut rules = documents.alert_rules().iter();
        rules.find(|rule| rule.code == code).expect("a rule")
    };
    let raise = |code, reports: &[Sighting]| {
        alerts::raise(rule(code), UnitId(2), reports, None, &documents, MONDAY_MS)
    };
    assert!(raise("FLOOD-CLUSTER", &sightings("FLD-01", 3, 600)).is_none());
    let alert = raise("FLOOD-CLUSTER", &sightings("FLD-01", 5, 400)).expect("an alert");
    assert_eq!(field(&alert, "count"), 3);
    assert_eq!(field(&alert, "place")["longitude_e7"], 400 * 90);
    assert!(raise("OVERDUE-SHARE", &sightings("SAN-01", 9, 1)).is_none());
    let share = raise("OVERDUE-SHARE", &sightings("SAN-01", 20, 1)).expect("an alert");
    assert_eq!(field(&share, "share_permille"), 200);
    let mut fine = sightings("SAN-01", 20, 1);
    fine.iter_mut()
        .for_each(|report| report.is_overdue = report.record.0.as_u128() == 0);
    assert!(raise("OVERDUE-SHARE", &fine).is_none());
}

#[test]
fn derived_ids_are_canonical_and_differ_by_every_part() {
    let id = derived_id(MONDAY_MS, &["a", "bc"]);
    assert_eq!(id.0.get_version_num(), 7);
    assert_eq!(RecordId::parse_canonical(&id.to_string()), Some(id));
    for other in [
        derived_id(MONDAY_MS, &["ab", "c"]),
        derived_id(MONDAY_MS, &["a", "bc", ""]),
        derived_id(MONDAY_MS + 1, &["a", "bc"]),
    ] {
        assert_ne!(id, other);
    }
}

#[test]
fn the_desks_are_warned_once_a_day_from_december_on_while_a_year_is_missing() {
    let directory = directory();
    let calendar = DEFAULTS
        .iter()
        .find(|(name, _)| *name == "calendar")
        .expect("it ships")
        .1;
    let year = calendar.find("\"year\": 2026").expect("a year");
    let documents = documents_with("calendar", calendar);
    let known = calendar[year..].matches("\"year\":").count();
    assert_eq!(known, 1, "2026 is the last year that ships");
    let warned = |days: i64| {
        let now_ms = MONDAY_MS + days * DAY_MS;
        let office = notices::Office {
            directory: &directory,
            documents: &documents,
            now_ms,
        };
        office.calendar()
    };
    assert!(warned(0).is_empty(), "November");
    // Two desks in the town.
    let first = warned(1);
    assert_eq!(first.len(), 2);
    assert_eq!(field(&first[0], "event"), "CALENDAR_MISSING");
    let ids = |due: Vec<Due>| due.into_iter().map(|one| one.record).collect::<Vec<_>>();
    assert_ne!(ids(first), ids(warned(2)));
}
