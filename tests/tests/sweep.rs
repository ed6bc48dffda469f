//! The crash sweep in its short form, and that it finds what it is there to find.

use rusqlite::Connection;
use tests::sim::disk::{Files, Node};
use tests::sim::sweep::{Case, Expected, Machine, Options, Side, cases, run, sweep_case};

const THOROUGH: Options = Options {
    damages: 16,
    stride: 1,
};
const SHORT: Options = Options {
    damages: 4,
    stride: 5,
};
const DATABASE: &str = "some.db";

fn sweep_all(side: Side, options: &Options) {
    let all = cases(side);
    let summary = run(&all, options, 2, &|_| ());
    println!(
        "{} operations, {} crashes, {} images, {} runs in {:.1} s",
        summary.operations, summary.crashes, summary.distinct_images, summary.runs, summary.seconds
    );
    assert!(
        summary.violations.is_empty(),
        "{}",
        summary.violations.join("\n")
    );
    assert!(summary.crashes > 3 * summary.operations);
}

#[test]
fn the_server_survives_a_crash_anywhere() {
    sweep_all(Side::Server, &SHORT);
}

#[test]
fn a_phone_survives_a_crash_anywhere() {
    sweep_all(Side::Phone, &SHORT);
}

fn one(side: Side, name: &str) {
    let all = cases(side);
    let case = all.iter().find(|case| case.name == name);
    let report = sweep_case(case.expect("such a case"), &THOROUGH);
    assert!(report.crashes > 0);
    assert!(report.violations.is_empty(), "{:?}", report.violations);
}

/// Found by the sweep: the founding left a file that no later founding could get past, or a district without keys.
#[test]
fn a_district_whose_founding_was_cut_off_can_be_founded_again() {
    one(Side::Server, "server: founds a district");
}

/// Found by the sweep: the token was used up before the administrator was there.
#[test]
fn a_set_up_that_was_cut_off_can_be_asked_for_again() {
    one(Side::Server, "set-up");
}

/// Found by the sweep: a code was used up, or a change shown, from a commit that no sync had reached.
#[test]
fn what_a_restarted_process_has_read_is_on_the_disk() {
    one(Side::Server, "enrolment");
    one(Side::Phone, "phone: makes report.create");
}

fn open(node: &Node, synchronous: &str) -> Result<Connection, String> {
    let opened = Connection::open(node.path(DATABASE)).and_then(|connection| {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.execute_batch("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY)")?;
        Ok(connection)
    });
    opened.map_err(|error| error.to_string())
}

/// A database that runs `sql`; its start takes in what the log holds when `is_careful`.
fn database_case(sql: &'static str, synchronous: &'static str, is_careful: bool) -> Case {
    Case {
        name: "some statements",
        side: Side::Server,
        commits: 1,
        expected: Expected::Works,
        databases: vec![DATABASE],
        passed_over: None,
        files: Files::default(),
        start: Box::new(move |node| {
            let connection = open(node, synchronous)?;
            if is_careful {
                let moved = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                moved.map_err(|error| error.to_string())?;
            }
            Ok(Machine::Database(connection))
        }),
        act: Box::new(move |_, machine| {
            let Machine::Database(connection) = machine else {
                return Err("no database".to_owned());
            };
            let done = connection.execute_batch(sql);
            done.map(|()| Vec::new()).map_err(|error| error.to_string())
        }),
    }
}

fn violations(sql: &'static str, synchronous: &'static str, is_careful: bool) -> String {
    let case = database_case(sql, synchronous, is_careful);
    sweep_case(&case, &THOROUGH).violations.join("\n")
}

const TWO_ROWS: &str = "INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES";
const TWO_ROWS_AT_ONCE: &str =
    "BEGIN; INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES; COMMIT";

#[test]
fn a_careful_database_passes() {
    assert_eq!(violations(TWO_ROWS_AT_ONCE, "FULL", true), "");
}

#[test]
fn two_commits_where_one_was_promised_are_found() {
    let found = violations(TWO_ROWS, "FULL", true);
    assert!(found.contains("neither before"), "{found}");
}

#[test]
fn an_answer_before_the_disk_has_it_is_found() {
    // The second statement gives a crash a place behind the answered first one.
    let then_more = "BEGIN; INSERT INTO t DEFAULT VALUES; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)";
    let found = violations(then_more, "OFF", true);
    assert!(found.contains("is gone"), "{found}");
}

#[test]
fn a_start_that_reads_what_no_sync_has_reached_is_found() {
    let found = violations(TWO_ROWS_AT_ONCE, "FULL", false);
    assert!(
        found.contains("what the restarted process had read is gone"),
        "{found}"
    );
}
