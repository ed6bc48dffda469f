//! Copies of a node's files, bit rot, and what lies outside of every node.

use super::workload::{DATABASE, examine, make_schema, node, open, open_wal, run, transact};
use rusqlite::{Connection, ErrorCode};
use std::time::Instant;
use tests::sim::disk::{DamageRates, Disk};

#[test]
fn a_clone_goes_its_own_way_and_an_old_copy_comes_back() {
    let first = node("first");
    let connection = open_wal(&first, "FULL").expect("open");
    make_schema(&connection).expect("schema");
    for number in 1..=3 {
        transact(&connection, number).expect("committed");
    }
    // With the connection open: what is in the log only is in the copy too.
    let copy = first.snapshot();
    let second = node("second");
    second.restore(&copy);
    transact(&connection, 4).expect("committed");
    assert_eq!(examine(&second).expect("sound").transactions, 3);
    let other = open_wal(&second, "FULL").expect("open");
    for number in 4..=9 {
        transact(&other, number).expect("committed");
    }
    drop(other);
    assert_eq!(examine(&second).expect("sound").transactions, 9);
    assert_eq!(examine(&first).expect("sound").transactions, 4);

    first.restore(&copy);
    transact(&connection, 5).expect_err("that connection is of another life");
    drop(connection);
    assert!(
        first.snapshot() == copy,
        "an old connection changes nothing"
    );
    assert_eq!(examine(&first).expect("sound").transactions, 3);
    first.remove();
    second.remove();
}

#[test]
fn a_flipped_bit_is_found() {
    let node = node("rot");
    run(&node, "FULL");
    let whole = examine(&node).expect("sound");
    let files = node.snapshot();
    let mut found = 0;
    for seed in 0..200 {
        node.restore(&files);
        let flip = node.flip_bit(seed).expect("there are bytes");
        assert_eq!(flip.file, DATABASE);
        let before = files.get(DATABASE).expect("there");
        let after = node.snapshot().get(DATABASE).expect("there");
        let changed: Vec<usize> = (0..before.len())
            .filter(|at| before[*at] != after[*at])
            .collect();
        assert_eq!(changed, [flip.offset]);
        assert_eq!(before[flip.offset] ^ after[flip.offset], 1 << flip.bit);
        // A bit in space that no row uses harms nobody and is found by nobody.
        found += usize::from(examine(&node) != Ok(whole));
    }
    println!("{found} of 200 flipped bits were found");
    assert!(found >= 120, "{found} of 200");
    node.remove();
}

#[test]
fn paths_outside_of_every_node_are_refused_and_files_without_a_name_work() {
    let node = node("outside");
    for path in [
        "/tmp/a.db",
        "/sim/nobody.here/a.db",
        "/sim/outside/",
        "a.db",
    ] {
        let refused = Connection::open(path).map(|_| ()).expect_err(path);
        assert_eq!(
            refused.sqlite_error_code(),
            Some(ErrorCode::CannotOpen),
            "{path}"
        );
    }
    let connection = open(&node).expect("open");
    connection
        .execute_batch(
            "PRAGMA temp_store = FILE; PRAGMA temp.cache_size = 4;
             CREATE TEMP TABLE large AS
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                 SELECT i, hex(zeroblob(200)) AS text FROM n;",
        )
        .expect("a table in a temporary file");
    let sum: i64 = connection
        .query_row(
            "SELECT sum(i) FROM large WHERE length(text) = 400",
            [],
            |row| row.get(0),
        )
        .expect("read");
    assert_eq!(sum, 2_001_000);
    assert_eq!(node.size_bytes(), 0);
    drop(connection);
    node.remove();
    open(&node).expect_err("a removed node stays away");
}

/// For the eye: what one world costs.
#[test]
fn a_prepared_node_is_put_back_quickly() {
    let node = node("template");
    run(&node, "FULL");
    let files = node.snapshot();
    let began = Instant::now();
    const ROUNDS: u32 = 2_000;
    for _ in 0..ROUNDS {
        node.restore(&files);
    }
    let restored = began.elapsed() / ROUNDS;
    let began = Instant::now();
    let connection = open_wal(&node, "FULL").expect("open");
    let before = (node.calls(), node.reads());
    for number in 21..=2_020 {
        transact(&connection, number).expect("committed");
    }
    let transacted = began.elapsed() / 2_000;
    println!(
        "{} bytes put back in {restored:?}; a transaction of 4 rows {transacted:?}, {} writing calls, {} reads",
        files.size_bytes(),
        (node.calls() - before.0) / 2_000,
        (node.reads() - before.1) / 2_000,
    );
    drop(connection);
    node.crash(1, &DamageRates::none());
    assert_eq!(examine(&node).expect("sound").transactions, 2_020);
    node.remove();
    assert_eq!(Disk::install().node("template").files(), []);
}
