//! Defects of the engine that `verify` brought to light, each with the case that shows it.

use rusqlite::Connection;
use server::service::gridwork::district_path;
use sync_core::entry::RulingKind;
use sync_core::ids::Seq;

use crate::day::{Day, send_raw, unknown_intent};
use crate::phone::{amendment, needing, repairing};
use crate::world::CODE;

fn number(day: &Day, sql: &str) -> i64 {
    let connection = Connection::open(district_path(day.world.data.path(), CODE)).expect("open");
    connection
        .query_row(sql, [], |row| row.get(0))
        .expect("a number")
}

fn rulings(day: &Day, kind: &str) -> i64 {
    let sql = "SELECT count(*) FROM entry WHERE kind = 2 AND CAST(body AS TEXT) LIKE '%\"ruling\":\"KIND\"%'";
    number(day, &sql.replace("KIND", kind))
}

fn assert_verifies(day: &Day) {
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn erasing_sealed_parts_does_not_repeat_the_change_when_its_record_is_folded_again() {
    let mut day = Day::new();
    // One comment whose sealed parts are erased; a ruling folds its record again afterwards.
    day.one_case();
    let image = "SELECT CAST(image AS TEXT) AS image FROM record WHERE no = 1";
    let comments = format!(
        "SELECT (length(image) - length(replace(image, '\"n\":\"comments\"', ''))) / length('\"n\":\"comments\"') FROM ({image})"
    );
    assert_eq!(number(&day, &comments), 1);
    assert_verifies(&day);
}

#[test]
fn what_waits_for_a_released_change_is_released_with_it() {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    let (late, known) = (world.new_record(), world.new_record());
    day.bo.create(world, known, grid, "路灯不亮");
    let first = day.bo.amend(world, late, grid, "先到的修改");
    day.bo
        .make(world, needing(amendment(known, grid, "等另一条"), first));
    day.bo.sync(world);
    assert_eq!(number(&day, "SELECT count(*) FROM held"), 2);
    day.anna.create(&day.world, late, grid, "晚到的上报");
    day.anna.sync(&day.world);
    assert_eq!(number(&day, "SELECT count(*) FROM held"), 0);
    assert_eq!(rulings(&day, "released"), 2);
    assert_verifies(&day);
}

#[test]
fn a_change_that_needs_an_earlier_one_of_its_own_request_does_not_wait() {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    let record = world.new_record();
    let made = day.bo.create(world, record, grid, "同批");
    day.bo
        .make(world, needing(amendment(record, grid, "同批修改"), made));
    day.bo.sync(world);
    assert_eq!(
        number(
            &day,
            "SELECT count(*) FROM entry WHERE kind = 1 AND verdict = 0"
        ),
        2
    );
    assert_eq!(rulings(&day, "released"), 0);
    assert_verifies(&day);
}

#[test]
fn a_repair_that_waits_ends_what_it_repairs_only_when_it_comes_into_force() {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    let later = world.new_record();
    let wrong = day
        .bo
        .create(world, world.new_record(), day.other_grid, "报错网格");
    day.bo.sync(world);
    day.bo.make(
        world,
        repairing(amendment(later, grid, "改到另一条"), wrong),
    );
    day.bo.sync(world);
    assert_eq!(
        (
            number(&day, "SELECT count(*) FROM held"),
            rulings(&day, "repaired")
        ),
        (2, 0)
    );
    day.bo.create(&day.world, later, grid, "另一条");
    day.bo.sync(&day.world);
    assert_eq!(
        (
            number(&day, "SELECT count(*) FROM held"),
            rulings(&day, "repaired")
        ),
        (0, 1)
    );
    let released = "SELECT count(*) FROM entry WHERE kind = 2 AND CAST(body AS TEXT) LIKE '%\"ruling\":\"released\"%'
        AND CAST(body AS TEXT) NOT LIKE '%\"verdict\":\"quarantined\"%'";
    assert_eq!(number(&day, released), 1);
    assert_verifies(&day);
}

#[test]
fn nobody_ends_the_waiting_of_another_persons_change() {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    let theirs = day
        .stranger
        .create(world, world.new_record(), grid, "外人上报");
    day.stranger.sync(world);
    let mut header = unknown_intent(world, grid, Seq(1));
    header.repairs = Some(theirs);
    let enrolment = world.enrol(day.bo.replica.person());
    send_raw(world, &enrolment, &[&header.encode()]);
    assert_eq!(
        (
            number(&day, "SELECT count(*) FROM held"),
            rulings(&day, "repaired")
        ),
        (2, 0)
    );
    assert_verifies(&day);
}

#[test]
fn a_person_cannot_rule_what_only_the_server_rules() {
    let mut day = Day::new();
    day.stranger
        .create(&day.world, day.world.new_record(), day.grid, "外人上报");
    day.stranger.sync(&day.world);
    let pos = day.world.last_pos(day.stranger.no());
    for ruling in [RulingKind::Released, RulingKind::Repaired] {
        assert!(day.world.rule(pos, ruling, day.desk).is_err(), "{ruling:?}");
    }
    assert_verifies(&day);
}
