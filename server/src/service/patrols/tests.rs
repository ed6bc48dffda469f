//! Rounds through the engine: walked on phones, read by the office.

use super::Patrols;
use crate::language::Language;
use crate::service::ServiceError;
use crate::service::document_imports::{DocumentFile, import_documents};
use crate::service::projection::index_path;
use crate::service::testing::{DISTRICT, GRID, OTHER_TOWN, Phone, TOWN, TestDistrict};
use api_schema::patrol::{
    Coverage, CoverageQuery, DoubtPage, DoubtQuery, OpenDoubt, PatrolRound, TeamCoverage,
};
use serde_json::{Value, json};
use sync_core::change::{For, Source};
use sync_core::ids::RecordId;
use sync_core::replica::{Draft, confirm_draft, join_draft, tick_draft};

const PHOTO: &str = "7777777777777777777777777777777777777777777777777777777777777777";

pub(super) fn routes(version: u32, points: &[&str]) -> DocumentFile {
    let all: Vec<_> = (1..=5)
        .map(|number| {
            json!({ "code": format!("P{number}"), "name": format!("点位{number}"), "unit": "440399.3" })
        })
        .collect();
    let text = json!({
        "document": "patrol_routes", "version": version, "in_force_from": "2026-01-01",
        "title": { "zh": "路线", "en": "Routes" },
        "points": all,
        "routes": [{ "code": "R1", "name": "一号线", "points": points }],
        "teams": [
            { "code": "T1", "name": "一队", "unit": "440399.3", "routes": ["R1"] },
            { "code": "T9", "name": "九队", "unit": "440399.5", "routes": ["R1"] },
        ],
    });
    DocumentFile {
        file: format!("routes{version}.json"),
        text: serde_json::to_string_pretty(&text).expect("plain data"),
    }
}

pub(super) async fn take(district: &TestDistrict, file: DocumentFile) {
    import_documents(district.district(), &[file], false)
        .await
        .expect("a document");
}

async fn calendar(district: &TestDistrict, phone: &Phone, days: (&str, &str)) -> Coverage {
    let query = CoverageQuery {
        from: days.0.to_owned(),
        to: days.1.to_owned(),
        ..CoverageQuery::default()
    };
    let asked = district.gridwork().coverage(phone.caller, query).await;
    asked.expect("a calendar")
}

async fn round(district: &TestDistrict, phone: &Phone, record: RecordId) -> PatrolRound {
    let asked = district.gridwork().round(phone.caller, record.0).await;
    asked.expect("a round")
}

async fn doubts(district: &TestDistrict, phone: &Phone, query: DoubtQuery) -> DoubtPage {
    let asked = district.gridwork().list_doubts(phone.caller, query).await;
    asked.expect("a page")
}

async fn open(district: &TestDistrict, phone: &Phone) -> Vec<OpenDoubt> {
    doubts(district, phone, DoubtQuery::default()).await.doubts
}

pub(super) fn start(district: &TestDistrict, phone: &mut Phone, slot: &str) -> RecordId {
    let record = district.new_record();
    let open = json!({ "team": "T1", "slot": slot, "date": "2026-03-02" });
    district.make(phone, record, GRID, "patrol.start", &open);
    record
}

fn check_in(district: &TestDistrict, phone: &mut Phone, record: RecordId, open: &Value) {
    district.clock.advance_ms(300_000);
    district.make(phone, record, GRID, "patrol.check_in", open);
}

fn slots(team: &TeamCoverage) -> Vec<(String, String)> {
    let cells = team.days.iter().flat_map(|day| &day.cells);
    cells
        .map(|cell| (cell.slot.clone(), cell.outcome.clone()))
        .collect()
}

#[tokio::test]
async fn a_round_of_the_leaders_phone_alone_is_told_by_day_and_team_under_its_own_documents() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1", "P2", "P3", "P4"])).await;
    let mut leader = district.phone(&[("patrol_leader", GRID)]).await;
    let mut member = district.phone(&[("patrol_member", GRID)]).await;
    let lead = district.phone(&[("district_lead", DISTRICT)]).await;
    district.sync(&mut leader).await;
    district.sync(&mut member).await;
    // All of it without a network.
    let record = start(&district, &mut leader, "A");
    let mut tick = Draft::new(record, GRID, "patrol.join", "{}");
    tick.for_person = Some(For {
        person: district.person(&member),
        source: Source::Leader,
        happened_at_ms: district.now().wall_ms,
    });
    leader
        .replica
        .make_change(tick, district.now())
        .expect("a tick");
    for point in ["P1", "P2", "P3", "P4"] {
        let open = json!({ "point": point, "method": "note" });
        check_in(&district, &mut leader, record, &open);
    }
    district.make(&mut leader, record, GRID, "patrol.finish", &json!({}));
    district.sync(&mut leader).await;
    let day = ("2026-03-02", "2026-03-02");
    let told = calendar(&district, &lead, day).await;
    let cell = |slot: &str, outcome: &str| (slot.to_owned(), outcome.to_owned());
    let to_come = ["A", "B", "C"].map(|slot| cell(slot, "to_come"));
    assert_eq!(
        told.teams.iter().map(slots).collect::<Vec<_>>(),
        [
            vec![
                cell("A", "complete"),
                cell("B", "to_come"),
                cell("C", "to_come")
            ],
            to_come.to_vec(),
        ]
    );
    assert_eq!((told.totals.planned, told.totals.complete), (6, 1));
    assert_eq!(told.teams[0].days[0].cells[0].round, Some(record.0));

    // The member takes part back: one person is too few, and the round no longer whole.
    district.sync(&mut member).await;
    let open = json!({ "was_there": false, "reason": "I was ill" });
    district.make(&mut member, record, GRID, "patrol.confirm", &open);
    district.sync(&mut member).await;
    let told = calendar(&district, &lead, day).await;
    assert_eq!(told.teams[0].days[0].cells[0].outcome, "partial");
    let whole = round(&district, &lead, record).await;
    let words: Vec<_> = whole
        .members
        .iter()
        .map(|member| (member.ticked, member.own_word, member.counts))
        .collect();
    assert_eq!(words, [(false, None, true), (true, Some(false), false)]);
    assert_eq!((whole.share_permille, whole.people_min), (1_000, 2));

    // Another route is in force from now on: the round keeps its own, also in a projection that is made anew.
    take(&district, routes(3, &["P5"])).await;
    let index = index_path(district.district().path());
    let mut district = district;
    district.close();
    std::fs::remove_file(&index).expect("a projection");
    district.open();
    let told = calendar(&district, &lead, day).await;
    assert_eq!(told.teams[0].days[0].cells[0].outcome, "partial");
    let whole = round(&district, &lead, record).await;
    assert_eq!(whole.points.len(), 4);
}

#[tokio::test]
async fn doubts_are_listed_until_somebody_else_settles_them_and_photos_cast_them_on_both_rounds() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1", "P2"])).await;
    let mut leader = district.phone(&[("grid_head", GRID)]).await;
    let mut desk = district.phone(&[("grid_head", TOWN)]).await;
    let stranger = district.phone(&[("grid_head", OTHER_TOWN)]).await;
    for phone in [&mut leader, &mut desk] {
        district.sync(phone).await;
    }
    let first = start(&district, &mut leader, "A");
    let with_photo = json!({ "point": "P1", "method": "place", "photos": [PHOTO] });
    check_in(&district, &mut leader, first, &with_photo);
    district.sync(&mut leader).await;
    assert_eq!(open(&district, &desk).await, []);
    // The same photo in another round.
    let second = start(&district, &mut leader, "B");
    check_in(&district, &mut leader, second, &with_photo);
    let mocked = json!({ "point": "P2", "method": "note", "mock": true });
    check_in(&district, &mut leader, second, &mocked);
    district.sync(&mut leader).await;
    let found = open(&district, &desk).await;
    let told: Vec<_> = found
        .iter()
        .map(|doubt| (doubt.doubt.as_str(), RecordId(doubt.record)))
        .collect();
    assert_eq!(
        told,
        [
            ("same_photo", first),
            ("same_photo", second),
            ("mock_location", second)
        ]
    );
    assert_eq!(open(&district, &stranger).await, []);
    let page = |after| DoubtQuery {
        limit: Some(2),
        after,
        ..DoubtQuery::default()
    };
    let one = doubts(&district, &desk, page(None)).await;
    let two = doubts(&district, &desk, page(one.next.clone())).await;
    assert_eq!([one.doubts, two.doubts].concat(), found);
    assert_eq!(two.next, None);
    let wrong = page(Some("1.2".to_owned()));
    let asked = district.gridwork().list_doubts(desk.caller, wrong).await;
    assert!(matches!(asked, Err(ServiceError::FieldInvalid { .. })));

    let settle = |outcome: &str| json!({ "doubt": "mock_location", "about": found[2].about, "outcome": outcome, "reason": "a test phone" });
    // The word of whoever is meant counts for nothing.
    let own = settle("cleared");
    district.make(&mut leader, second, GRID, "patrol.settle_doubt", &own);
    district.sync(&mut leader).await;
    assert_eq!(open(&district, &desk).await.len(), 3);
    district.sync(&mut desk).await;
    let upheld = settle("upheld");
    district.make(&mut desk, second, GRID, "patrol.settle_doubt", &upheld);
    district.sync(&mut desk).await;
    assert_eq!(open(&district, &desk).await.len(), 2);
    let whole = round(&district, &desk, second).await;
    let settled = whole.doubts.iter().find_map(|doubt| doubt.settled.clone());
    assert_eq!(settled.expect("a word").by, desk.caller.person);
    assert_eq!(whole.share_permille, 500);
    let asked = district.gridwork().round(stranger.caller, second.0).await;
    assert!(matches!(asked, Err(ServiceError::NotFound)));
}

#[tokio::test]
async fn the_calendar_shows_the_teams_in_scope_and_refuses_days_that_are_none() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1"])).await;
    let mut leader = district.phone(&[("patrol_leader", GRID)]).await;
    district.sync(&mut leader).await;
    let record = district.new_record();
    let open = json!({ "team": "T1", "slot": "A", "date": "2026-03-01", "reason": "RAIN" });
    district.make(&mut leader, record, GRID, "patrol.miss", &open);
    district.sync(&mut leader).await;
    let told = calendar(&district, &leader, ("2026-03-01", "2026-03-02")).await;
    let teams: Vec<_> = told.teams.iter().map(|team| team.team.as_str()).collect();
    assert_eq!(teams, ["T1"]);
    assert_eq!(told.totals.excused, 1);
    assert_eq!(told.totals.reasons.get("RAIN"), Some(&1));
    for (from, to) in [
        ("2026-03-02", "2026-03-01"),
        ("2026-3-2", "2026-03-02"),
        ("2026-02-30", "2026-03-02"),
        ("2026-01-01", "2026-06-01"),
    ] {
        let query = CoverageQuery {
            from: from.to_owned(),
            to: to.to_owned(),
            ..CoverageQuery::default()
        };
        let asked = district.gridwork().coverage(leader.caller, query).await;
        assert!(
            matches!(asked, Err(ServiceError::FieldInvalid { .. })),
            "{from} {to}"
        );
    }
}

#[tokio::test]
async fn stickers_are_for_those_who_hang_them_and_signed_by_the_district() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1"])).await;
    let head = district.phone(&[("grid_head", GRID)]).await;
    let leader = district.phone(&[("patrol_leader", GRID)]).await;
    let gridwork = district.gridwork();
    let svg = gridwork.sticker(head.caller, "P1".to_owned()).await;
    assert!(svg.expect("a sticker").contains("点位1"));
    let sheet = gridwork
        .stickers(head.caller, GRID.0, Language::Chinese)
        .await
        .expect("a sheet");
    assert_eq!(sheet.matches("<figure>").count(), 5);
    for (caller, point) in [(leader.caller, "P1"), (head.caller, "P99")] {
        let asked = gridwork.sticker(caller, point.to_owned()).await;
        assert!(matches!(asked, Err(ServiceError::NotFound)));
    }
    let asked = gridwork
        .stickers(head.caller, TOWN.0, Language::Chinese)
        .await;
    assert!(matches!(asked, Err(ServiceError::NotFound)));
}

pub(super) fn keep(district: &TestDistrict, phone: &mut Phone, draft: Draft) {
    district.clock.advance_ms(1_000);
    phone
        .replica
        .make_change(draft, district.now())
        .expect("a valid change");
}

#[tokio::test]
async fn a_member_joins_by_the_leaders_code_and_confirms_before_the_leaders_phone_has_synced() {
    let district = TestDistrict::new().await;
    take(&district, routes(2, &["P1"])).await;
    let mut leader = district.phone(&[("patrol_leader", GRID)]).await;
    let mut member = district.phone(&[("patrol_member", GRID)]).await;
    let mut late = district.phone(&[("patrol_member", GRID)]).await;
    let lead = district.phone(&[("district_lead", DISTRICT)]).await;
    for phone in [&mut leader, &mut member, &mut late] {
        district.sync(phone).await;
    }
    let record = start(&district, &mut leader, "A");
    let code = leader.replica.show_code(record, &district.now());
    let code = code.expect("a code");
    let join = join_draft(&code, GRID).expect("our own code");
    assert_eq!(join_draft("a friend", GRID), None);
    keep(&district, &mut member, join);
    keep(
        &district,
        &mut member,
        confirm_draft(record, GRID, true, None),
    );
    // Twenty minutes later the code is too old, which is for a person to look at and no reason to refuse it.
    district.clock.advance_ms(20 * 60_000);
    keep(
        &district,
        &mut late,
        join_draft(&code, GRID).expect("a code"),
    );
    // The leader ticks the member as well, who has said it themselves by then.
    let tick = tick_draft(
        record,
        GRID,
        district.person(&member),
        district.now().wall_ms,
    );
    keep(&district, &mut leader, tick);
    let own = leader.replica.round(record, &district.now());
    assert_eq!(own.expect("read").expect("a round").people(), 2);

    district.sync(&mut member).await;
    let unseen = member.replica.round(record, &district.now());
    assert_eq!(unseen.expect("read"), None);
    let asked = district.gridwork().round(lead.caller, record.0).await;
    assert!(matches!(asked, Err(ServiceError::NotFound)));
    district.sync(&mut late).await;
    district.sync(&mut leader).await;

    let whole = round(&district, &lead, record).await;
    let words: Vec<_> = whole
        .members
        .iter()
        .map(|member| (member.person, member.ticked, member.own_word))
        .collect();
    assert_eq!(
        words,
        [
            (leader.caller.person, false, None),
            (member.caller.person, false, Some(true)),
            (late.caller.person, false, None)
        ]
    );
    let doubtful: Vec<_> = whole
        .doubts
        .iter()
        .map(|doubt| (doubt.doubt.as_str(), doubt.person))
        .collect();
    assert_eq!(doubtful, [("reused_code", late.caller.person)]);
    // A volunteer's phone shows the same round, out of a scope of patrols and notices alone.
    district.sync(&mut member).await;
    let seen = member.replica.round(record, &district.now());
    assert_eq!(seen.expect("read").expect("a round").people(), 3);
}
