//! What the engine wrote agrees with what is recomputed, whatever came in.

use rusqlite::Connection;
use server::service::gridwork::district_path;

use crate::day::Day;
use crate::world::CODE;

/// A part of the day.
type Step = fn(&mut Day);

/// The number of log rows for which `condition` holds.
fn count(day: &Day, condition: &str) -> u64 {
    let connection = Connection::open(district_path(day.world.data.path(), CODE)).expect("open");
    let sql = format!("SELECT count(*) FROM entry WHERE {condition}");
    connection
        .query_row(&sql, [], |row| row.get::<_, i64>(0))
        .expect("count") as u64
}

#[test]
fn an_empty_district_verifies() {
    let world = crate::world::World::new();
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
    assert_eq!((report.entries, report.head.pos), (0, 0));
}

#[test]
fn a_day_with_a_bit_of_everything_verifies_step_by_step() {
    let mut day = Day::new();
    let steps: [(&str, Step); 4] = [
        ("one case", Day::one_case),
        ("waits and repairs", Day::waits_and_repairs),
        ("a clone", Day::clone_and_fork),
        ("odd ends", Day::odd_ends),
    ];
    for (name, step) in steps {
        step(&mut day);
        let report = day.world.verify();
        assert!(report.is_ok(), "after {name}: {:#?}", report.faults);
    }
    for verdict in 0..5 {
        let found = count(&day, &format!("kind = 1 AND verdict = {verdict}"));
        assert!(found > 0, "no change of verdict {verdict}");
    }
    for ruling in ["released", "admitted", "rejected", "repaired", "erased"] {
        let pattern = format!("kind = 2 AND CAST(body AS TEXT) LIKE '%\"ruling\":\"{ruling}\"%'");
        assert!(count(&day, &pattern) > 0, "no ruling {ruling}");
    }
    assert!(count(&day, "was_unit IS NOT NULL") > 1, "nothing moved");
    let report = day.world.verify();
    assert_eq!(
        report.entries,
        report.changes + report.rulings + report.directory
    );
    assert_eq!(report.entries, report.head.pos);
    assert_eq!((report.sealed_kept, report.sealed_erased), (2, 4));
}

#[test]
fn a_restored_server_verifies_with_what_it_took_back() {
    let mut day = Day::new();
    day.one_case();
    let day = day.restore();
    assert!(count(&day, "first_epoch = 1") > 0, "nothing was taken back");
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
    assert_eq!(report.head.epoch, 2);
}
