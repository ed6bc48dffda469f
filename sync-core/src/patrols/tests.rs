use super::codes::{PointCode, ShownCode};
use super::coverage::{self, Outcome, Planned, RoundLine};
use super::doubts::{Outside, doubts};
use super::{Completion, Round};
use crate::calendar::Zone;
use crate::change::{SigningKey, VerifyingKey};
use crate::documents::Documents;
use crate::ids::{DistrictId, PersonId, RecordId, ReplicaId};
use crate::merge::RecordState;
use crate::testing::Story;
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-11-30, 08:30 in Shanghai.
const MORNING_MS: i64 = 1_795_998_600_000;
const MINUTE_MS: i64 = 60_000;
const START: &str = r#"{"team":"T1","slot":"A"}"#;

/// The documents that ship, with these teams, routes and points.
fn documents_with(routes: &str) -> Documents {
    let texts: BTreeMap<&str, &str> = crate::documents::DEFAULTS
        .iter()
        .copied()
        .chain([("patrol_routes", routes)])
        .collect();
    Documents::read(texts, Zone::fixed(480)).expect("documents")
}

/// Five points on one route; the fifth is a red one.
fn documents_of_five() -> Documents {
    let point = |number: i64| {
        let red = number == 5;
        format!(
            r#"{{"code":"P{number}","name":"p","unit":"1","red":{red},"serial":2,"revoked":[1],
            "place":{{"latitude_e7":225000000,"longitude_e7":{}}}}}"#,
            1_140_000_000 + number * 10_000
        )
    };
    let points: Vec<_> = (1..=5).map(point).collect();
    documents_with(&format!(
        r#"{{"points":[{}],"routes":[{{"code":"R1","name":"r","points":["P1","P2","P3","P4","P5"]}}],
        "teams":[{{"code":"T1","name":"t","unit":"44.007","routes":["R1"]}}]}}"#,
        points.join(",")
    ))
}

fn round(record: &RecordState) -> Round {
    Round::of(record, &documents_of_five()).expect("a round")
}

fn check_in(point: u32) -> String {
    format!(
        r#"{{"point":"P{point}","method":"place","place":{{"latitude_e7":225000000,"longitude_e7":{},"accuracy_m":5}}}}"#,
        1_140_000_000 + i64::from(point) * 10_000
    )
}

fn walked(points: &[u32]) -> Story {
    let mut story = Story::at(MORNING_MS).does(1, "patrol.start", START);
    for point in points {
        story = story
            .after(5 * MINUTE_MS)
            .does(1, "patrol.check_in", &check_in(*point));
    }
    story
}

#[test]
fn a_round_works_with_the_leaders_phone_alone_and_members_have_their_say() {
    let record = walked(&[1])
        .whose(2)
        .does(1, "patrol.join", "{}")
        .whose(3)
        .does(1, "patrol.join", "{}")
        .does(4, "patrol.join", "{}")
        .does(
            3,
            "patrol.confirm",
            r#"{"was_there":false,"reason":"I was ill"}"#,
        )
        .does(2, "patrol.confirm", r#"{"was_there":true}"#)
        .record();
    let round = round(&record);
    let told: Vec<_> = round
        .members
        .iter()
        .map(|member| (member.person.0, member.ticked, member.own_word))
        .collect();
    assert_eq!(
        told,
        [
            (1, false, None),
            (2, true, Some(true)),
            (3, true, Some(false)),
            (4, false, None)
        ]
    );
    assert_eq!(round.people(), 3);
    assert_eq!(round.day.to_string(), "2026-11-30");
}

#[test]
fn completion_is_the_share_of_must_points_and_red_ones_count_in_key_periods() {
    let of = |points: &[u32], in_key_period| {
        let documents = documents_of_five();
        let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
        round(&walked(points).record()).completion(plan, routes, in_key_period)
    };
    assert_eq!(of(&[1, 2, 3, 4], false), Completion::Complete);
    assert_eq!(of(&[1, 2, 3, 4], true), Completion::Partial);
    assert_eq!(of(&[1, 2, 3, 5], true), Completion::Complete);
    assert_eq!(of(&[1, 2, 3], false), Completion::Partial);
    assert_eq!(of(&[1, 2, 2, 1], false), Completion::Short);
}

#[test]
fn a_late_round_after_midnight_belongs_to_the_day_before() {
    let midnight_ms = MORNING_MS - (8 * 60 + 30) * MINUTE_MS;
    let start = r#"{"team":"T1","slot":"L"}"#;
    let record = |at_ms| Story::at(at_ms).does(1, "patrol.start", start).record();
    assert_eq!(
        round(&record(midnight_ms + MINUTE_MS)).day.to_string(),
        "2026-11-29"
    );
    assert_eq!(
        round(&record(midnight_ms - MINUTE_MS)).day.to_string(),
        "2026-11-29"
    );
    let named = Story::at(MORNING_MS)
        .does(
            1,
            "patrol.start",
            r#"{"team":"T1","slot":"A","date":"2026-11-01"}"#,
        )
        .record();
    assert_eq!(round(&named).day.to_string(), "2026-11-01");
}

struct World {
    leader: SigningKey,
    server: SigningKey,
    keys: Vec<VerifyingKey>,
    photos: BTreeSet<String>,
    bounded: BTreeSet<(crate::ids::ReplicaNo, crate::ids::Seq)>,
}

fn district() -> DistrictId {
    DistrictId(uuid::Uuid::from_u128(1))
}

fn this_round() -> RecordId {
    RecordId(uuid::Uuid::from_u128(2))
}

fn leaders_phone() -> ReplicaId {
    ReplicaId(uuid::Uuid::from_u128(3))
}

impl World {
    fn new() -> Self {
        let server = SigningKey::from_seed(&[1; 32]);
        Self {
            leader: SigningKey::from_seed(&[2; 32]),
            keys: vec![server.verifying_key()],
            server,
            photos: BTreeSet::new(),
            bounded: BTreeSet::new(),
        }
    }

    fn doubts(&self, story: Story) -> Vec<(String, u32)> {
        let record = story.record();
        let replica =
            |id| (id == leaders_phone()).then(|| (self.leader.verifying_key(), PersonId(1)));
        let elsewhere = |photo: &str| self.photos.contains(photo);
        let outside = Outside {
            district: district(),
            keys: &self.keys,
            record: this_round(),
            replica: &replica,
            is_photo_elsewhere: &elsewhere,
            clock_bounded: &self.bounded,
        };
        let documents = documents_of_five();
        let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
        let found = doubts(&record, &round(&record), plan, routes, &outside);
        found
            .into_iter()
            .filter(|doubt| doubt.settled.is_none())
            .map(|doubt| (doubt.kind.to_owned(), doubt.person.0))
            .collect()
    }
}

fn one(kind: &str) -> Vec<(String, u32)> {
    vec![(kind.to_owned(), 1)]
}

#[test]
fn an_honest_round_has_no_doubts_and_each_kind_of_doubt_has_its_cause() {
    let world = World::new();
    let code = |point: &str, serial| {
        let code = PointCode::sign(district(), point, serial, &world.server);
        format!(r#"{{"point":"P2","method":"code","code":"{code}"}}"#)
    };
    let with = |json: &str| world.doubts(walked(&[1]).does(1, "patrol.check_in", json));
    assert_eq!(world.doubts(walked(&[1, 2, 3, 4, 5])), []);
    assert_eq!(with(&code("P2", 2)), []);
    assert_eq!(with(&code("P2", 1)), one("revoked_code"));
    assert_eq!(with(&code("P3", 2)), one("foreign_code"));
    assert_eq!(
        with(r#"{"point":"P2","method":"nfc","code":"04:A2"}"#),
        one("foreign_code")
    );
    assert_eq!(
        with(r#"{"point":"P2","method":"note","mock":true}"#),
        one("mock_location")
    );
    // P5 is some 410 m from P1: nobody is there at once, and at P2 it is too far away.
    assert_eq!(with(&check_in(5)), one("impossible_speed"));
    let far = check_in(5).replace("P5", "P2");
    let far = world.doubts(
        walked(&[])
            .after(MINUTE_MS)
            .does(1, "patrol.check_in", &far),
    );
    assert_eq!(far, one("far_from_point"));
    let phones = walked(&[1])
        .on(9)
        .after(MINUTE_MS)
        .does(1, "patrol.check_in", &check_in(1));
    assert_eq!(world.doubts(phones), one("one_person_two_phones"));
}

#[test]
fn a_photo_that_was_seen_before_and_a_clock_that_was_bounded_are_doubtful() {
    let photo = "7777777777777777777777777777777777777777777777777777777777777777";
    let json = |point| format!(r#"{{"point":"P{point}","method":"place","photos":["{photo}"]}}"#);
    let mut world = World::new();
    let once = || walked(&[]).does(1, "patrol.check_in", &json(1));
    assert_eq!(world.doubts(once()), []);
    assert_eq!(
        world.doubts(once().does(1, "patrol.check_in", &json(2))),
        one("same_photo")
    );
    world.photos.insert(photo.to_owned());
    assert_eq!(world.doubts(once()), one("same_photo"));
    let mut world = World::new();
    world
        .bounded
        .insert((crate::ids::ReplicaNo(1), crate::ids::Seq(2)));
    assert_eq!(world.doubts(walked(&[1, 2])), one("clock"));
}

#[test]
fn a_leaders_code_is_good_for_its_round_and_ten_minutes() {
    let world = World::new();
    let join = |record, shown_ms, key: &SigningKey, after_ms| {
        let code = ShownCode::sign(record, leaders_phone(), shown_ms, key);
        let json = format!(r#"{{"code":"{code}"}}"#);
        world.doubts(walked(&[]).after(after_ms).does(2, "patrol.join", &json))
    };
    let of_two = |kind: &str| vec![(kind.to_owned(), 2)];
    let good = (this_round(), MORNING_MS);
    assert_eq!(join(good.0, good.1, &world.leader, 9 * MINUTE_MS), []);
    assert_eq!(
        join(good.0, good.1, &world.leader, 12 * MINUTE_MS),
        of_two("reused_code")
    );
    let other = RecordId(uuid::Uuid::from_u128(77));
    assert_eq!(join(other, good.1, &world.leader, 0), of_two("reused_code"));
    assert_eq!(
        join(good.0, good.1, &world.server, 0),
        of_two("foreign_code")
    );
    let text = world.doubts(walked(&[]).does(2, "patrol.join", r#"{"code":"a friend"}"#));
    assert_eq!(text, of_two("foreign_code"));
}

#[test]
fn only_a_person_settles_a_doubt_and_one_that_is_upheld_takes_the_point_away() {
    let world = World::new();
    let mock = r#"{"point":"P2","method":"note","mock":true}"#;
    let settle = |outcome: &str| {
        let json = format!(
            r#"{{"doubt":"mock_location","about":"1.2","outcome":"{outcome}","reason":"a test phone"}}"#
        );
        walked(&[])
            .does(1, "patrol.check_in", mock)
            .does(5, "patrol.settle_doubt", &json)
    };
    assert_eq!(world.doubts(settle("cleared")), []);
    assert_eq!(round(&settle("cleared").record()).visited.len(), 1);
    assert!(round(&settle("upheld").record()).visited.is_empty());
    // Nobody settles a doubt about themselves, and such a word does not hide another's.
    let own = |story: Story, outcome: &str| {
        let json = format!(
            r#"{{"doubt":"mock_location","about":"1.2","outcome":"{outcome}","reason":"mine"}}"#
        );
        story.does(1, "patrol.settle_doubt", &json)
    };
    let alone = || walked(&[]).does(1, "patrol.check_in", mock);
    assert_eq!(world.doubts(own(alone(), "cleared")), one("mock_location"));
    assert_eq!(round(&own(alone(), "upheld").record()).visited.len(), 1);
    let after = own(settle("upheld"), "cleared");
    assert!(round(&after.record()).visited.is_empty());
    // Nor does the leader about what they entered for a member, and neither does the member.
    let entered = || walked(&[]).whose(2).does(1, "patrol.check_in", mock);
    for person in [1, 2] {
        let json = r#"{"doubt":"mock_location","about":"1.2","outcome":"cleared","reason":"x"}"#;
        let story = entered().does(person, "patrol.settle_doubt", json);
        assert_eq!(world.doubts(story).len(), 1, "{person}");
    }
    // Until somebody does, the check-in counts.
    let open = walked(&[]).does(1, "patrol.check_in", mock);
    assert_eq!(round(&open.record()).visited.len(), 1);
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn documents() -> Documents {
    documents_with(
        r#"{"points":[],"routes":[],"teams":[
        {"code":"T1","name":"t","unit":"44.007","routes":[]},
        {"code":"T2","name":"t","unit":"44.008","routes":[],"slots":["A","N"]},
        {"code":"T3","name":"t","unit":"44.008","routes":[],"retired":true}]}"#,
    )
}

#[test]
fn the_plan_asks_for_three_rounds_and_more_in_key_periods() {
    let documents = documents();
    let count = |from: &str, to: &str| {
        let planned = coverage::planned(
            &documents,
            |unit| vec![if unit == "44.007" { "44.007" } else { "44.008" }],
            day(from)..=day(to),
        );
        let of = |team: &str| planned.iter().filter(|each| each.team == team).count();
        (of("T1"), of("T2"), of("T3"))
    };
    assert_eq!(count("2026-11-30", "2026-11-30"), (3, 1, 0));
    // The seventh of October is the last day of a key period.
    assert_eq!(count("2026-10-07", "2026-10-08"), (8, 3, 0));
}

#[test]
fn each_cell_tells_the_best_round_or_why_there_is_none() {
    let documents = documents();
    let planned = coverage::planned(
        &documents,
        |_| Vec::new(),
        day("2026-11-30")..=day("2026-11-30"),
    );
    let cell = |slot: &str| Planned {
        day: day("2026-11-30"),
        team: "T1".into(),
        slot: slot.into(),
    };
    let line = |id: u32, slot: &str, state: &str, completion, people| RoundLine {
        id,
        planned: cell(slot),
        state: state.into(),
        completion,
        people,
        people_min: 2,
        open_doubts: id,
        missed_reason: Some("RAIN".into()),
    };
    let rounds = vec![
        line(1, "A", "MISSED", Completion::Complete, 1),
        line(2, "A", "FINISHED", Completion::Complete, 1),
        line(3, "B", "MISSED", Completion::Complete, 1),
        line(4, "N", "FINISHED", Completion::Complete, 2),
    ];
    // At noon, two are over, the evening is to come.
    let noon_ms = MORNING_MS + 210 * MINUTE_MS;
    let cells = coverage::coverage(
        planned,
        rounds,
        documents.patrol_plan(),
        documents.zone(),
        noon_ms,
    );
    let told: Vec<_> = cells
        .iter()
        .map(|cell| {
            (
                cell.planned.team.as_str(),
                cell.planned.slot.as_str(),
                cell.is_planned,
                cell.outcome.clone(),
                cell.round,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("T1", "A", true, Outcome::Partial, Some(2)),
            ("T1", "B", true, Outcome::Excused("RAIN".into()), Some(3)),
            ("T1", "C", true, Outcome::ToCome, None),
            ("T1", "N", false, Outcome::Complete, Some(4)),
            ("T2", "A", true, Outcome::Missed, None),
        ]
    );
}

#[test]
fn a_round_that_nobody_ended_ends_with_its_slot_or_after_the_longest_walk() {
    let documents = Documents::defaults();
    let ends = |start_ms: i64, slot: &str| {
        let json = format!(r#"{{"team":"T1","slot":"{slot}"}}"#);
        let record = Story::at(start_ms).does(1, "patrol.start", &json).record();
        let coming = crate::cases::next_automatic(&record, &documents)?;
        assert_eq!(coming.step.to, "FINISHED");
        Some((coming.due_ms - MORNING_MS) / MINUTE_MS)
    };
    // Slot A ends at 09:00; nobody walks longer than 90 minutes.
    assert_eq!(ends(MORNING_MS - 80 * MINUTE_MS, "A"), Some(30));
    assert_eq!(ends(MORNING_MS, "A"), Some(90));
    // Late at night: 22:30 to 00:30.
    let late_ms = MORNING_MS + 14 * 60 * MINUTE_MS;
    assert_eq!(ends(late_ms, "L"), Some(16 * 60));
    assert_eq!(ends(MORNING_MS, "X"), None);
}
