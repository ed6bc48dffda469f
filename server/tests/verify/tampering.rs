//! Every way to change a file behind the engine's back is found, at the place where it was done.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use server::service::gridwork::{OpenOptions, district_path};
use server::service::verify::{DistrictReport, FaultKind, Known};
use server::store::sqlite::control::Control;
use sync_core::hex;
use sync_core::wire::SignedHead;

use crate::cases::{BESIDE, Case, ENTRY, FLIP, RECORD_LAST};
use crate::day::Day;
use crate::world::{CODE, World, copy_data, verify_data};

fn flip(connection: &Connection, target: &str, condition: &str) {
    let (table, column) = target.split_once('.').expect("table.column");
    let key = match table {
        "entry" | "record" | "replica" | "held" | "head" => "rowid",
        "sealed" => "(pos || '/' || class)",
        "receipt" => "(replica || '/' || to_seq)",
        "origin" => "hex(hash)",
        "bucket" => "(kind || '/' || unit || '/' || desk)",
        "meta" => "name",
        other => panic!("no key for {other}"),
    };
    let find =
        format!("SELECT CAST({key} AS TEXT), {column} FROM {table} WHERE {condition} LIMIT 1");
    let (row, mut bytes): (String, Vec<u8>) = connection
        .query_row(&find, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect("a row to flip");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let update = format!("UPDATE {table} SET {column} = ?1 WHERE CAST({key} AS TEXT) = ?2");
    assert_eq!(connection.execute(&update, (bytes, row)).expect("flip"), 1);
}

/// Changes a copy as the case says. Answers with the expected place.
fn tamper(data: &Path, case: &Case) -> Option<u64> {
    let connection = Connection::open(district_path(data, CODE)).expect("open");
    let place = (!case.place.is_empty()).then(|| {
        let found: Option<Option<i64>> = connection
            .query_row(&format!("SELECT {}", case.place), [], |row| row.get(0))
            .optional()
            .expect("a place");
        found
            .flatten()
            .unwrap_or_else(|| panic!("{} has no place", case.edit)) as u64
    });
    // Some say which record they mean although where it shows is not one place.
    let name = match place {
        Some(place) => place.to_string(),
        None => connection
            .query_row(&format!("SELECT {RECORD_LAST}"), [], |row| {
                row.get::<_, i64>(0)
            })
            .expect("a record")
            .to_string(),
    };
    let edit = case.edit.replace("{}", &name);
    match edit.strip_prefix(FLIP) {
        Some(rest) => {
            let (target, condition) = rest.trim().split_once(" WHERE ").expect("a condition");
            flip(&connection, target, condition);
        }
        None => {
            connection.execute_batch(&edit).expect("tamper");
            assert!(connection.total_changes() > 0, "{edit} changed nothing");
        }
    }
    place
}

fn verify_copy(data: &Path) -> DistrictReport {
    let control = Control::open_read(&data.join("control.db")).expect("open");
    let districts = control.list_districts().expect("districts");
    let known = Known {
        noted: districts.first(),
        ..Known::default()
    };
    verify_data(data, known)
}

fn check(cases: &[Case]) {
    let mut day = Day::new();
    day.work();
    let honest = day.world.copy();
    let report = verify_copy(honest.path());
    assert!(report.is_ok(), "{:#?}", report.faults);
    let mut wrong = Vec::new();
    for case in cases {
        let copy = copy_data(honest.path());
        let place = tamper(copy.path(), case);
        let report = verify_copy(copy.path());
        let first = report.faults.first();
        let found = report.faults.iter().any(|fault| fault.table == case.table);
        let placed = place.is_none() || first.is_some_and(|fault| fault.place == place);
        if report.is_ok() || !found || !placed {
            wrong.push(format!(
                "{} at {place:?}: {:#?}",
                case.edit,
                report.faults.get(..2.min(report.faults.len()))
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_change_to_the_log_is_found_at_its_place() {
    check(ENTRY);
}

#[test]
fn every_change_beside_the_log_is_found() {
    check(BESIDE);
}

/// The head as an operator would have kept it.
fn signed_head(world: &World) -> SignedHead {
    let answer = world.admin(server::service::administration::AdminRequest::Head);
    let digits = answer["signed_head"].as_str().expect("a head");
    SignedHead::decode(&hex::decode(digits).expect("digits")).expect("a head")
}

#[test]
fn newest_entries_that_are_gone_with_all_their_traces_are_found_by_the_last_known_head() {
    let mut day = Day::new();
    day.one_case();
    let old = day.world.copy();
    day.waits_and_repairs();
    let head = signed_head(&day.world);
    let known = Known {
        head: Some(&head),
        ..Known::default()
    };
    let whole = verify_data(day.world.data.path(), known);
    assert!(whole.is_ok(), "{:#?}", whole.faults);
    // The log cut back without a trace: nothing in the file tells.
    let cut = verify_data(old.path(), Known::default());
    assert!(cut.is_ok(), "{:#?}", cut.faults);
    let found = verify_data(old.path(), known);
    assert_eq!(found.faults[0].what, FaultKind::KnownHeadBeyond);
    assert_eq!(found.faults[0].place, Some(cut.head.pos + 1));
    // The log cut back and written on in another way, by the engine itself.
    let (clock, entropy) = (day.world.clock.clone(), day.world.entropy.clone());
    let rewritten = World::open(old, clock, entropy, OpenOptions::default());
    while rewritten.verify().head.pos < head.pos.0 {
        rewritten.add_person("己", "worker", day.grid);
    }
    let found = verify_data(rewritten.data.path(), known);
    assert_eq!(found.faults[0].what, FaultKind::KnownHeadDiffers);
    assert_eq!(found.faults[0].place, Some(head.pos.0));
    // A head that nobody signed.
    let mut forged = head.clone();
    forged.signature.0[9] ^= 1;
    let known = Known {
        head: Some(&forged),
        ..Known::default()
    };
    let found = verify_data(day.world.data.path(), known);
    assert_eq!(found.faults[0].what, FaultKind::KnownHeadUnsigned);
}

#[test]
fn what_the_control_file_noted_is_compared() {
    let mut day = Day::new();
    day.one_case();
    let honest = day.world.copy();
    for edit in [
        "UPDATE district SET head_hash = zeroblob(32)",
        "UPDATE district SET head_pos = head_pos + 1",
        "UPDATE district SET id = zeroblob(16)",
        "UPDATE district SET last_epoch = 3",
    ] {
        let copy = copy_data(honest.path());
        let connection = Connection::open(copy.path().join("control.db")).expect("open");
        connection.execute(edit, []).expect("tamper");
        assert!(!verify_copy(copy.path()).is_ok(), "{edit}");
    }
}
