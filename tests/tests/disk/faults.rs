//! Each fault, as SQLite reports it, and what goes on afterwards.

use super::workload::{
    DATABASE, Told, examine, examine_open, make_schema, node, open, open_wal, transact,
};
use rusqlite::{Connection, ErrorCode, ffi};
use tests::sim::disk::{Call, DamageRates, Fault, Fired, Node};

/// A node with three transactions in its log, and the connection that wrote them.
fn three_transactions(name: &str) -> (Node, Connection) {
    let node = node(name);
    let connection = open_wal(&node, "FULL").expect("open");
    make_schema(&connection).expect("schema");
    for number in 1..=3 {
        transact(&connection, number).expect("committed");
    }
    (node, connection)
}

fn transactions(connection: &Connection) -> u32 {
    examine_open(connection).expect("sound").transactions
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    error
        .sqlite_error()
        .expect("an error of SQLite")
        .extended_code
}

#[test]
fn a_full_disk_refuses_writes_and_goes_on_reading() {
    let (node, connection) = three_transactions("full");
    node.arm(Fault::Full { calls: None }, 1, 0);
    for _ in 0..3 {
        let refused = transact(&connection, 4).expect_err("full");
        assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!(transactions(&connection), 3);
    }
    let fired = node.fired().expect("it struck");
    assert_eq!(fired.file, format!("{DATABASE}-wal"));
    assert_eq!(fired.on, Call::Write);
    node.heal();
    transact(&connection, 4).expect("there is room again");
    node.arm(Fault::Full { calls: Some(2) }, 1, 0);
    transact(&connection, 5).expect_err("the first");
    transact(&connection, 5).expect_err("the second");
    transact(&connection, 5).expect("room again by itself");
    drop(connection);
    assert_eq!(examine(&node).expect("sound").transactions, 5);
    node.remove();
}

#[test]
fn a_failed_sync_surfaces_and_nothing_promised_is_lost() {
    for seed in 0..50 {
        let (node, connection) = three_transactions("sync");
        let calls = node.calls();
        let fault = Fault::IoError {
            on: Call::Sync,
            once: true,
        };
        node.arm(fault, 1, seed);
        let failed = transact(&connection, 4).expect_err("not synced");
        assert_eq!(extended_code(&failed), ffi::SQLITE_IOERR_FSYNC);
        let fired = node.fired().expect("it struck");
        assert_eq!((fired.fault, fired.on), (fault, Call::Sync));
        assert!(fired.call > calls && fired.call <= node.calls());
        assert!(node.unsynced() > 0 || seed > 0);
        let told = if seed % 2 == 0 {
            transact(&connection, 4).expect("the disk works again");
            4
        } else {
            3
        };
        node.die();
        drop(connection);
        node.crash(seed, &DamageRates::power());
        let found = examine(&node).expect("sound").transactions;
        assert!(
            (told..=4).contains(&found),
            "seed {seed}: {found} of {told}"
        );
        node.remove();
    }
}

#[test]
fn failed_writes_and_reads_surface_once_or_until_healed() {
    let (node, connection) = three_transactions("errors");
    node.arm(
        Fault::IoError {
            on: Call::Write,
            once: true,
        },
        2,
        0,
    );
    let failed = transact(&connection, 4).expect_err("a failed write");
    assert_eq!(extended_code(&failed), ffi::SQLITE_IOERR_WRITE);
    transact(&connection, 4).expect("once is once");

    node.arm(
        Fault::IoError {
            on: Call::Read,
            once: false,
        },
        1,
        0,
    );
    for _ in 0..2 {
        let cold = open(&node).and_then(|cold| cold.execute_batch("SELECT * FROM row"));
        let failed = cold.expect_err("a failed read");
        assert_eq!(extended_code(&failed), ffi::SQLITE_IOERR_READ);
    }
    node.heal();
    assert_eq!(transactions(&open(&node).expect("open")), 4);

    node.arm(Fault::ShortWrite, 1, 9);
    let failed = transact(&connection, 5).expect_err("a short write");
    assert_eq!(extended_code(&failed), ffi::SQLITE_IOERR_WRITE);
    assert_eq!(
        node.fired().map(|fired| fired.fault),
        Some(Fault::ShortWrite)
    );
    transact(&connection, 5).expect("the next one is whole");

    node.arm(Fault::Crash, 1, 0);
    node.disarm();
    transact(&connection, 6).expect("nothing is armed");
    assert_eq!(transactions(&connection), 6);
    node.remove();
}

#[test]
fn connections_of_before_a_crash_stay_dead_and_hold_nothing() {
    let (node, old) = three_transactions("stale");
    old.execute_batch("BEGIN IMMEDIATE; UPDATE total SET transactions = 77")
        .expect("open");
    node.arm(Fault::Crash, 1, 0);
    old.execute_batch("COMMIT").expect_err("the node died");
    assert!(node.is_dead());
    assert!(matches!(
        node.fired(),
        Some(Fired {
            fault: Fault::Crash,
            ..
        })
    ));
    let calls = node.calls();
    open(&node).map(|_| ()).expect_err("dead for new ones too");
    examine_open(&old).expect_err("dead for reads");
    assert_eq!(node.calls(), calls, "the dead do not count");

    node.crash(1, &DamageRates::power());
    assert!(!node.is_dead());
    let fresh = open_wal(&node, "FULL").expect("alive");
    transact(&fresh, 4).expect("the old one's locks are gone");
    old.execute_batch("SELECT * FROM total")
        .expect_err("dead for ever");
    old.execute_batch("INSERT INTO total VALUES (1)")
        .expect_err("dead for ever");
    let files = node.snapshot();
    drop(old);
    assert!(node.snapshot() == files, "closing it changes nothing");
    transact(&fresh, 5).expect("nor does it take a lock along");
    drop(fresh);
    assert_eq!(examine(&node).expect("sound").transactions, 5);
    node.remove();
}

#[test]
fn a_killed_process_leaves_its_unsynced_writes_to_the_next_power_cut() {
    let node = node("killed");
    let connection = open_wal(&node, "FULL").expect("open");
    make_schema(&connection).expect("schema");
    connection
        .pragma_update(None, "synchronous", "OFF")
        .expect("pragma");
    for number in 1..=3 {
        transact(&connection, number).expect("committed");
    }
    let unsynced = node.unsynced();
    assert!(unsynced > 0);
    node.kill();
    drop(connection);
    assert_eq!(
        node.unsynced(),
        unsynced,
        "closing the old one synced nothing"
    );
    let lost = DamageRates {
        all_lost: 100,
        ..DamageRates::power()
    };
    let image = node.crash_image(0, &lost);
    let all = Told {
        schema: true,
        transactions: 3,
    };
    assert_eq!(examine(&node), Ok(all), "the next process sees all of it");
    node.restore(&image);
    let none = Told {
        schema: true,
        transactions: 0,
    };
    assert_eq!(examine(&node), Ok(none), "the next power cut takes it");
    node.remove();
}
