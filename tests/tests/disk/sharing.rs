//! Several connections on one file, in one thread and in several.

use super::workload::{DATABASE, examine, make_schema, node, open, open_wal, transact};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tests::sim::disk::Node;

fn open_reader(node: &Node) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(node.path(DATABASE), flags).expect("a reader");
    reader.busy_timeout(Duration::ZERO).expect("timeout");
    reader
}

fn count(connection: &Connection) -> i64 {
    connection
        .query_row("SELECT transactions FROM total", [], |row| row.get(0))
        .expect("the total")
}

#[test]
fn readers_keep_their_moment_while_the_writer_goes_on() {
    let node = node("moment");
    let writer = open_wal(&node, "FULL").expect("the writer");
    make_schema(&writer).expect("schema");
    transact(&writer, 1).expect("committed");
    let (early, late) = (open_reader(&node), open_reader(&node));
    early.execute_batch("BEGIN").expect("begin");
    assert_eq!(count(&early), 1);
    transact(&writer, 2).expect("readers are not in the way");
    assert_eq!(count(&early), 1);
    assert_eq!(count(&late), 2);
    let names: Vec<String> = node.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [DATABASE.to_owned(), format!("{DATABASE}-wal")]);

    let checkpoint = |connection: &Connection| -> (i64, i64, i64) {
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .expect("a checkpoint")
    };
    let (busy, in_log, moved) = checkpoint(&writer);
    assert_eq!(busy, 1, "the early reader still needs the log");
    assert!(moved < in_log, "{moved} of {in_log} pages moved");
    early.execute_batch("COMMIT").expect("commit");
    assert_eq!(checkpoint(&writer), (0, 0, 0));
    assert_eq!((count(&early), count(&late)), (2, 2));

    let second = open(&node).expect("a second writer");
    writer.execute_batch("BEGIN IMMEDIATE").expect("begin");
    let refused = second
        .execute_batch("BEGIN IMMEDIATE")
        .expect_err("one writer");
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    writer.execute_batch("COMMIT").expect("commit");
    second
        .execute_batch("BEGIN IMMEDIATE; COMMIT")
        .expect("free");
    drop((early, late, second, writer));
    let names: Vec<String> = node.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [DATABASE], "the last one out takes the log along");
    node.remove();
}

#[test]
fn threads_read_whole_transactions_while_one_writes() {
    let node = node("threads");
    let writer = open_wal(&node, "FULL").expect("the writer");
    make_schema(&writer).expect("schema");
    let done = AtomicBool::new(false);
    let seen: Vec<i64> = thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let reader = open_reader(&node);
                    let mut last = 0;
                    while !done.load(Ordering::Acquire) {
                        // Both in one statement, so in one moment.
                        let (total, rows): (i64, i64) = reader
                            .query_row(
                                "SELECT transactions, (SELECT count(*) FROM row) FROM total",
                                [],
                                |row| Ok((row.get(0)?, row.get(1)?)),
                            )
                            .expect("read");
                        assert_eq!(rows, 3 * total);
                        assert!(total >= last);
                        last = total;
                    }
                    last
                })
            })
            .collect();
        for number in 1..=300 {
            transact(&writer, number).expect("written");
        }
        done.store(true, Ordering::Release);
        let joined = readers.into_iter().map(|reader| reader.join());
        joined.map(|last| last.expect("a reader")).collect()
    });
    assert_eq!(count(&writer), 300);
    println!("readers last saw {seen:?}");
    drop(writer);
    assert_eq!(examine(&node).expect("sound").transactions, 300);
    node.remove();
}

#[test]
fn without_a_log_the_writer_and_readers_shut_each_other_out() {
    let node = node("rollback");
    let writer = open(&node).expect("the writer");
    make_schema(&writer).expect("schema");
    let reader = open(&node).expect("a reader");
    reader.execute_batch("BEGIN").expect("begin");
    assert_eq!(count(&reader), 0);
    writer
        .execute_batch("BEGIN IMMEDIATE; UPDATE total SET transactions = 5")
        .expect("reserved");
    let refused = writer
        .execute_batch("COMMIT")
        .expect_err("a reader is in the way");
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    let third = open(&node).expect("a third");
    let refused = third
        .execute_batch("SELECT * FROM total")
        .expect_err("the writer waits");
    assert_eq!(refused.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    reader.execute_batch("COMMIT").expect("commit");
    writer.execute_batch("COMMIT").expect("now it may");
    assert_eq!(count(&third), 5);
    node.remove();
}
