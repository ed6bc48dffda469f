//! The command itself: exit codes, one JSON object, the last known head, damaged files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::Value;
use server::service::administration::AdminRequest;
use server::service::gridwork::district_path;

use crate::day::Day;
use crate::world::{CODE, copy_data};

fn gridwork(data: &Path, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gridwork"))
        .arg("verify")
        .arg("--data")
        .arg(data)
        .args(options)
        .output()
        .expect("gridwork runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("exactly one JSON object")
}

#[test]
fn the_exit_code_and_one_object_say_how_it_went() {
    let mut day = Day::new();
    day.work();
    // The engine has the data open meanwhile: a reader needs no lock.
    let output = gridwork(day.world.data.path(), &["--json"]);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["ok"], &report["faults"]),
        (&Value::Bool(true), &Value::from(0))
    );
    assert_eq!(report["districts"][0]["code"], CODE);
    assert!(report["seconds"].is_number() && output.stderr.is_empty());

    let copy = day.world.copy();
    let connection = Connection::open(district_path(copy.path(), CODE)).expect("open");
    connection
        .execute("UPDATE entry SET time_ms = 1 WHERE pos = 30", [])
        .expect("tamper");
    drop(connection);
    let output = gridwork(copy.path(), &["--json"]);
    let report = json(&output);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["ok"], Value::Bool(false));
    let first = &report["districts"][0]["faults"][0];
    assert_eq!(first["place"], 30, "{first:#}");
    for key in ["table", "row", "what"] {
        assert!(first[key].is_string(), "{first:#}");
    }
    let told = String::from_utf8(gridwork(copy.path(), &[]).stdout).expect("text");
    let (chinese, english) = (
        told.find("位置 30").expect("Chinese"),
        told.find("Place 30").expect("English"),
    );
    assert!(chinese < english);
    assert!(!told.contains("verify."), "a text is missing: {told}");
}

#[test]
fn what_cannot_be_looked_at_is_no_fault_and_what_is_damaged_is() {
    let day = Day::new();
    let empty = tempfile::tempdir().expect("a directory");
    assert_eq!(gridwork(empty.path(), &["--json"]).status.code(), Some(2));
    let none = empty.path().join("nothing");
    let output = gridwork(&none, &["--json"]);
    assert_eq!(
        (output.status.code(), none.exists()),
        (Some(2), false),
        "it makes nothing"
    );
    let copy = day.world.copy();
    assert_eq!(
        gridwork(copy.path(), &["--district", "1"]).status.code(),
        Some(2)
    );
    let path = district_path(copy.path(), CODE);

    let newer = copy_data(copy.path());
    let connection = Connection::open(district_path(newer.path(), CODE)).expect("open");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("pragma");
    drop(connection);
    assert_eq!(gridwork(newer.path(), &[]).status.code(), Some(2));

    // The root of the log's tree: nothing can be read around it.
    let (root, page_bytes): (u32, u32) = Connection::open(&path)
        .and_then(|connection| {
            connection.query_row(
                "SELECT rootpage, page_size FROM sqlite_schema, pragma_page_size WHERE name = 'entry'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
        .expect("the table");
    let mut bytes = fs::read(&path).expect("read");
    let start = ((root - 1) * page_bytes) as usize;
    bytes[start..start + 600].fill(0xa5);
    fs::write(&path, &bytes).expect("write");
    assert_eq!(gridwork(copy.path(), &["--json"]).status.code(), Some(1));
    fs::write(
        &path,
        b"this is no database, whatever its name says; it is long enough to be looked at as one",
    )
    .expect("write");
    assert_eq!(gridwork(copy.path(), &["--json"]).status.code(), Some(1));
    fs::remove_file(&path).expect("remove");
    assert_eq!(gridwork(copy.path(), &["--json"]).status.code(), Some(1));
}

#[test]
fn a_last_known_head_is_taken_as_an_operator_kept_it() {
    let mut day = Day::new();
    let old = day.world.copy();
    day.one_case();
    let kept = tempfile::tempdir().expect("a directory");
    let head = day.world.admin(AdminRequest::Head);
    let (object, digits) = (kept.path().join("head.json"), kept.path().join("head.txt"));
    fs::write(&object, head.to_string()).expect("write");
    fs::write(
        &digits,
        format!("{}\n", head["signed_head"].as_str().expect("digits")),
    )
    .expect("write");
    for file in [&object, &digits] {
        let options = [
            "--json",
            "--district",
            CODE,
            "--head",
            file.to_str().expect("a path"),
        ];
        assert_eq!(
            gridwork(day.world.data.path(), &options).status.code(),
            Some(0)
        );
        let output = gridwork(old.path(), &options);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            json(&output)["districts"][0]["faults"][0]["what"],
            "known_head_beyond"
        );
    }
    fs::write(&digits, "no head").expect("write");
    let options = [
        "--district",
        CODE,
        "--head",
        digits.to_str().expect("a path"),
    ];
    assert_eq!(
        gridwork(day.world.data.path(), &options).status.code(),
        Some(2)
    );
}
