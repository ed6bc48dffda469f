//! The ways to change a file that are tried, each with the place and the table where it must show.

/// An ordinary change that amends a record: something came before it, and no ruling is about it.
const CHANGE: &str = "(SELECT pos FROM entry e WHERE kind = 1 AND verdict = 0 AND prev IS NOT NULL AND answer IS NULL
    AND was_unit IS NULL AND pos NOT IN (SELECT pos FROM sealed) LIMIT 1)";
const ANSWERED: &str = "(SELECT pos FROM entry WHERE kind = 1 AND verdict = 2 LIMIT 1)";
const MOVED: &str =
    "(SELECT pos FROM entry WHERE kind = 1 AND was_unit IS NOT NULL ORDER BY pos DESC LIMIT 1)";
const RULING: &str =
    "(SELECT pos FROM entry WHERE kind = 2 AND CAST(body AS TEXT) LIKE '%\"admitted\"%' LIMIT 1)";
const GRANT: &str =
    "(SELECT pos FROM entry WHERE kind = 3 AND CAST(body AS TEXT) LIKE '%\"worker\"%' LIMIT 1)";
pub const RECORD_LAST: &str =
    "(SELECT last FROM record WHERE image IS NOT NULL AND desk IS NOT NULL LIMIT 1)";
const KEPT: &str = "(SELECT pos FROM sealed WHERE bytes IS NOT NULL LIMIT 1)";
const ERASED: &str = "(SELECT pos FROM sealed WHERE bytes IS NULL LIMIT 1)";
const HELD: &str = "(SELECT pos FROM held WHERE verdict = 3 AND wait_key IS NOT NULL LIMIT 1)";
const QUARANTINED: &str = "(SELECT pos FROM held WHERE verdict = 4 LIMIT 1)";
const RULED: &str = "(SELECT pos FROM ruled LIMIT 1)";
const RULED_BY: &str = "(SELECT ruling FROM ruled LIMIT 1)";
const RECEIPT: &str = "(SELECT min(first_pos) FROM receipt WHERE to_seq > from_seq)";
const LAST: &str = "(SELECT max(pos) FROM entry)";
const HEAD: &str = "(SELECT pos FROM head ORDER BY pos LIMIT 1 OFFSET 20)";
const ANYWHERE: &str = "";

/// Changes one byte of a value in the middle of it.
pub const FLIP: &str = "FLIP";

/// One change behind the engine's back.
pub struct Case {
    /// `FLIP table.column WHERE ...`, or SQL. `{}` is the place.
    pub edit: &'static str,
    /// Where the first fault must show; [`ANYWHERE`] where that is not one place.
    pub place: &'static str,
    /// The table that a fault must name.
    pub table: &'static str,
}

const fn case(edit: &'static str, place: &'static str, table: &'static str) -> Case {
    Case { edit, place, table }
}

/// Changes to the log itself.
pub const ENTRY: &[Case] = &[
    case("DELETE FROM entry WHERE pos = {}", CHANGE, "entry"),
    case("DELETE FROM entry WHERE pos = {}", GRANT, "entry"),
    case("DELETE FROM entry WHERE pos = {}", RULING, "entry"),
    case("DELETE FROM entry WHERE pos = (SELECT max(pos) FROM entry)", ANYWHERE, "head"),
    case("DELETE FROM entry WHERE pos = 1", "1", "entry"),
    case(
        "INSERT INTO entry SELECT pos + 1, kind, replica, person, seq, record, prev, received_ms, time_ms, verdict, answer, hash,
            header, body, was_unit, was_desk, first_epoch, first_pos FROM entry WHERE pos = (SELECT max(pos) FROM entry)",
        "(SELECT max(pos) + 1 FROM entry)",
        "entry",
    ),
    case(
        "INSERT INTO entry (pos, kind, replica, person, seq, received_ms, time_ms, verdict) VALUES (0, 3, 0, 0, 0, 0, 0, 0)",
        ANYWHERE,
        "entry",
    ),
    case(
        "UPDATE entry SET pos = -1 WHERE pos = {}; UPDATE entry SET pos = {} WHERE pos = {} + 1;
            UPDATE entry SET pos = {} + 1 WHERE pos = -1",
        CHANGE,
        "entry",
    ),
    case("UPDATE entry SET kind = 2 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET kind = 7 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET replica = replica + 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET replica = 4294967296 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET person = person + 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET seq = seq + 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET record = record + 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET record = NULL WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET prev = NULL WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET prev = prev - 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET received_ms = received_ms + 1 WHERE pos = {}", CHANGE, "receipt"),
    case("UPDATE entry SET time_ms = time_ms - 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET verdict = 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET verdict = 9 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET verdict = 0 WHERE pos = {}", ANSWERED, "entry"),
    case("UPDATE entry SET verdict = 0, answer = NULL WHERE pos = {}", ANSWERED, "entry"),
    case("FLIP entry.answer WHERE pos = {}", ANSWERED, "entry"),
    case("FLIP entry.hash WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET hash = NULL WHERE pos = {}", CHANGE, "entry"),
    case("FLIP entry.header WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET header = NULL WHERE pos = {}", CHANGE, "entry"),
    case("FLIP entry.body WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET body = NULL WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET was_unit = 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET was_desk = 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET was_unit = was_unit + 1 WHERE pos = {}", MOVED, "entry"),
    case("UPDATE entry SET was_unit = NULL, was_desk = NULL WHERE pos = {}", MOVED, "entry"),
    case("UPDATE entry SET first_epoch = 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET first_epoch = 1, first_pos = 1 WHERE pos = {}", CHANGE, "entry"),
    case("UPDATE entry SET first_epoch = 9, first_pos = 900 WHERE pos = {}", CHANGE, "entry"),
    case("FLIP entry.body WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'admitted', 'rejected') AS BLOB) WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), '\"by\":', '\"by\":9') AS BLOB) WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET received_ms = received_ms + 1 WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET time_ms = time_ms + 1 WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET verdict = 4 WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET record = record + 1 WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET prev = NULL WHERE pos = {}", RULING, "entry"),
    case("UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'worker', 'grid_head') AS BLOB) WHERE pos = {}", GRANT, "head"),
    case("UPDATE entry SET body = X'7b7d' WHERE pos = {}", GRANT, "entry"),
    case("UPDATE entry SET received_ms = received_ms - 1 WHERE pos = {}", GRANT, "head"),
    case("UPDATE entry SET header = X'00' WHERE pos = {}", GRANT, "entry"),
];

/// Changes to the tables beside the log.
pub const BESIDE: &[Case] = &[
    case(
        "UPDATE record SET kind = 2 WHERE no = (SELECT no FROM record WHERE last = {})",
        RECORD_LAST,
        "record",
    ),
    case(
        "UPDATE record SET kind = 99 WHERE last = {}",
        ANYWHERE,
        "record",
    ),
    case(
        "UPDATE record SET unit = unit + 1 WHERE last = {}",
        RECORD_LAST,
        "record",
    ),
    case(
        "UPDATE record SET desk = NULL WHERE last = {}",
        RECORD_LAST,
        "record",
    ),
    case(
        "UPDATE record SET pos = pos - 1 WHERE last = {}",
        RECORD_LAST,
        "record",
    ),
    case(
        "UPDATE record SET last = last + 1 WHERE last = {}",
        RECORD_LAST,
        "record",
    ),
    case(
        "UPDATE record SET last = last - 1 WHERE last = {}",
        ANYWHERE,
        "record",
    ),
    case("FLIP record.image WHERE last = {}", RECORD_LAST, "record"),
    case(
        "UPDATE record SET image = NULL WHERE last = {}",
        RECORD_LAST,
        "record",
    ),
    case("FLIP record.id WHERE last = {}", ANYWHERE, "record"),
    case("DELETE FROM record WHERE last = {}", ANYWHERE, "record"),
    case(
        "INSERT INTO record SELECT no + 1000, zeroblob(16), kind, unit, desk, pos, last, image FROM record LIMIT 1",
        ANYWHERE,
        "record",
    ),
    case("FLIP sealed.commitment WHERE pos = {}", KEPT, "sealed"),
    case("FLIP sealed.salt WHERE pos = {}", KEPT, "sealed"),
    case("FLIP sealed.bytes WHERE pos = {}", KEPT, "sealed"),
    case(
        "UPDATE sealed SET salt = NULL, bytes = NULL WHERE pos = {}",
        KEPT,
        "sealed",
    ),
    case(
        "UPDATE sealed SET bytes = NULL WHERE pos = {}",
        KEPT,
        "sealed",
    ),
    case("DELETE FROM sealed WHERE pos = {}", KEPT, "entry"),
    case(
        "UPDATE sealed SET class = 9 WHERE pos = {} AND class = 2",
        KEPT,
        "entry",
    ),
    case(
        "UPDATE sealed SET pos = pos + 1 WHERE pos = {}",
        KEPT,
        "entry",
    ),
    case(
        "UPDATE sealed SET salt = zeroblob(16), bytes = X'7b7d' WHERE pos = {}",
        ERASED,
        "sealed",
    ),
    case("FLIP sealed.commitment WHERE pos = {}", ERASED, "entry"),
    case(
        "INSERT INTO sealed VALUES (100000, 1, zeroblob(32), NULL, NULL)",
        ANYWHERE,
        "sealed",
    ),
    case(
        "UPDATE replica SET mark = mark + 1 WHERE no = 1",
        ANYWHERE,
        "replica",
    ),
    case("FLIP replica.mark_hash WHERE no = 1", ANYWHERE, "replica"),
    case(
        "UPDATE replica SET contacts = X'0000' WHERE no = 1",
        ANYWHERE,
        "replica",
    ),
    case(
        "UPDATE replica SET contacts = X'ff' WHERE no = 1",
        ANYWHERE,
        "replica",
    ),
    case("DELETE FROM replica WHERE no = 1", ANYWHERE, "replica"),
    case(
        "INSERT INTO replica SELECT 77, mark, mark_hash, contacts, request_no, last_seen_ms, unsent, app, forks FROM replica WHERE no = 1",
        ANYWHERE,
        "replica",
    ),
    case(
        "FLIP receipt.bytes WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    case(
        "UPDATE receipt SET from_seq = from_seq + 1 WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    case(
        "UPDATE receipt SET to_seq = to_seq + 100 WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    case(
        "UPDATE receipt SET first_pos = first_pos + 1 WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    case(
        "UPDATE receipt SET received_ms = received_ms + 1 WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    // Sent much later by the device's own clock, so that the change would be much older.
    case(
        "UPDATE receipt SET sent_at = X'008080808080200100' WHERE first_pos = {}",
        RECEIPT,
        "entry",
    ),
    case(
        "UPDATE receipt SET sent_at = X'' WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    // A contact far in the future would make the change as young as its arrival.
    case(
        "UPDATE receipt SET contacts = X'008080808080808001' WHERE first_pos = {}",
        RECEIPT,
        "entry",
    ),
    case(
        "DELETE FROM receipt WHERE first_pos = {}",
        RECEIPT,
        "receipt",
    ),
    case(
        "INSERT INTO receipt SELECT replica, to_seq + 500, from_seq + 500, first_pos, received_ms, sent_at, contacts, bytes FROM receipt LIMIT 1",
        ANYWHERE,
        "receipt",
    ),
    case("UPDATE scope SET bytes = X'ff'", ANYWHERE, "scope"),
    case("UPDATE scope SET version = version + 5", ANYWHERE, "scope"),
    case("INSERT INTO scope VALUES (900, 1, X'')", ANYWHERE, "scope"),
    case("DELETE FROM held WHERE pos = {}", HELD, "held"),
    case("UPDATE held SET verdict = 4 WHERE pos = {}", HELD, "held"),
    case("UPDATE held SET verdict = 77 WHERE pos = {}", HELD, "held"),
    case("UPDATE held SET since_ms = 0 WHERE pos = {}", HELD, "held"),
    case("FLIP held.wait_key WHERE pos = {}", HELD, "held"),
    case(
        "UPDATE held SET wait_key = NULL WHERE pos = {}",
        HELD,
        "held",
    ),
    case(
        "UPDATE held SET wait_key = X'72' WHERE pos = {}",
        QUARANTINED,
        "held",
    ),
    case("DELETE FROM held WHERE pos = {}", QUARANTINED, "held"),
    case("INSERT INTO held VALUES ({}, 3, 0, NULL)", CHANGE, "held"),
    case(
        "INSERT INTO held VALUES (100000, 3, 0, NULL)",
        ANYWHERE,
        "held",
    ),
    case("DELETE FROM ruled WHERE pos = {}", RULED, "held"),
    case(
        "UPDATE ruled SET ruling = ruling + 1 WHERE ruling = {}",
        RULED_BY,
        "ruled",
    ),
    case("INSERT INTO ruled VALUES (100000, 1)", ANYWHERE, "ruled"),
    case("INSERT INTO ruled SELECT {}, 1", CHANGE, "ruled"),
    case(
        "DELETE FROM origin WHERE pos = {}",
        "(SELECT min(pos) FROM origin)",
        "origin",
    ),
    case(
        "UPDATE origin SET pos = pos + 1 WHERE pos = {}",
        "(SELECT min(pos) FROM origin)",
        "origin",
    ),
    case(
        "FLIP origin.hash WHERE pos = {}",
        "(SELECT min(pos) FROM origin)",
        "origin",
    ),
    case(
        "INSERT INTO origin VALUES (zeroblob(32), 5)",
        ANYWHERE,
        "origin",
    ),
    case(
        "FLIP bucket.digest WHERE digest <> zeroblob(24)",
        ANYWHERE,
        "bucket",
    ),
    case(
        "DELETE FROM bucket WHERE digest <> zeroblob(24)",
        ANYWHERE,
        "bucket",
    ),
    case(
        "INSERT INTO bucket SELECT 2, 900, 0, digest FROM bucket WHERE digest <> zeroblob(24) LIMIT 1",
        ANYWHERE,
        "bucket",
    ),
    case("FLIP head.hash WHERE pos = {}", HEAD, "head"),
    case("DELETE FROM head WHERE pos = {}", LAST, "head"),
    case(
        "INSERT INTO head SELECT max(pos) + 1, hash FROM head",
        "(SELECT max(pos) + 1 FROM head)",
        "head",
    ),
    case("INSERT INTO head VALUES (0, zeroblob(32))", "0", "head"),
    case("UPDATE epoch SET start_pos = 30", ANYWHERE, "epoch"),
    case("INSERT INTO epoch VALUES (2, 30, 0)", ANYWHERE, "epoch"),
    case("INSERT INTO epoch VALUES (2, 100000, 0)", ANYWHERE, "epoch"),
    case("DELETE FROM epoch", ANYWHERE, "epoch"),
    case("FLIP meta.value WHERE name = 'district'", ANYWHERE, "meta"),
    case("FLIP meta.value WHERE name = 'code'", ANYWHERE, "meta"),
    case("FLIP meta.value WHERE name = 'time_zone'", ANYWHERE, "meta"),
    case(
        "UPDATE meta SET value = CAST('别处' AS BLOB) WHERE name = 'name'",
        ANYWHERE,
        "meta",
    ),
    case("DELETE FROM meta WHERE name = 'district'", ANYWHERE, "meta"),
    case(
        "INSERT INTO person VALUES (900, '无名', NULL)",
        ANYWHERE,
        "person",
    ),
    case(
        "INSERT INTO boundary VALUES (900, '{}')",
        ANYWHERE,
        "boundary",
    ),
    case(
        "UPDATE document SET text = text || ' '",
        ANYWHERE,
        "document",
    ),
    case(
        "DELETE FROM document WHERE name = (SELECT min(name) FROM document)",
        ANYWHERE,
        "document",
    ),
    case(
        "INSERT INTO document VALUES ('roles', 7, '{}')",
        ANYWHERE,
        "document",
    ),
];
