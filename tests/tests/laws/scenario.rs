//! Random days of up to four replicas on one report: amendments, comments, steps, moves, late copies, odd clocks, held
//! changes and their releases.

use proptest::prelude::*;
use sync_core::change::Needs;
use sync_core::ids::{LogPlace, Pos, RecordId, ReplicaNo};
use sync_core::verdict::Verdict;
use tests::small_log::{Form, SmallLog, UNITS, record_id};

/// The report that everybody works on.
pub const RECORD: u8 = 1;
/// The fields that are written.
pub const FIELDS: [&str; 4] = ["title", "description", "address", "floor"];
/// How many replicas there are.
pub const REPLICAS: u32 = 4;

/// What somebody does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Writes values into fields.
    Amend(Vec<(usize, u8)>),
    /// Writes values, but the change waits for something that is not in force.
    AmendHeld(Vec<(usize, u8)>),
    /// Adds a comment.
    Comment,
    /// Adds an attachment.
    Attach,
    /// Tries a step of the case.
    Step(usize),
    /// Moves the report to another unit.
    Move(usize),
    /// Makes another report, so that places have gaps.
    Elsewhere,
    /// A held change is released, the one with this number among those that wait.
    Release(usize),
}

/// One deed of one replica.
#[derive(Clone, Debug)]
pub struct Act {
    /// Whose.
    pub replica: ReplicaNo,
    /// What.
    pub deed: Deed,
    /// How many places the author's copy lay behind the head when the form was opened. A form may have been open while
    /// the copy moved on, so that a later change can name an earlier place.
    pub lag: u64,
    /// What the author's clock shows, off the log's first moment.
    pub wall_ms: i64,
}

pub fn amendment() -> impl Strategy<Value = Vec<(usize, u8)>> {
    proptest::collection::btree_map(0..FIELDS.len(), 0u8..4, 1..3)
        .prop_map(|map| map.into_iter().collect())
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => amendment().prop_map(Deed::Amend),
        1 => amendment().prop_map(Deed::AmendHeld),
        1 => Just(Deed::Comment),
        1 => Just(Deed::Attach),
        1 => (0usize..4).prop_map(Deed::Step),
        1 => (0..UNITS.len()).prop_map(Deed::Move),
        1 => Just(Deed::Elsewhere),
        1 => (0usize..3).prop_map(Deed::Release),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    // Most clocks are right to a minute; some are years off.
    let wall_ms = prop_oneof![
        8 => -20i64..60,
        1 => Just(-31_536_000_000),
        1 => Just(31_536_000_000),
    ];
    (1..=REPLICAS, deed(), 0u64..12, wall_ms).prop_map(|(replica, deed, lag, wall_ms)| Act {
        replica: ReplicaNo(replica),
        deed,
        lag,
        wall_ms,
    })
}

pub fn acts(most: usize) -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec(act(), 1..most)
}

pub fn record() -> RecordId {
    record_id(RECORD)
}

/// The open part of an amendment.
pub fn json_of(fields: &[(usize, u8)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(field, value)| format!(r#""{}":"value {value}""#, FIELDS[*field]))
        .collect();
    format!("{{{}}}", fields.join(","))
}

pub fn form(intent: &'static str, json: String, base: LogPlace, wall_ms: i64) -> Form {
    Form {
        record: record(),
        unit: UNITS[1],
        intent,
        json,
        base,
        wall_ms,
        needs: None,
    }
}

pub const STEPS: [&str; 4] = [
    r#"{"to":"REGISTERED","level":"II"}"#,
    r#"{"to":"NEEDS_INFO","reason":"where is it"}"#,
    r#"{"to":"REJECTED","reason":"not ours"}"#,
    r#"{"to":"DISPATCHED","desk":3,"level":"II","due_ms":1780300000000}"#,
];

/// A log that begins with the report, made by replica 1.
pub fn begin() -> SmallLog {
    let mut log = SmallLog::new(REPLICAS);
    let base = LogPlace::default();
    let json = r#"{"category":"SAN-01","title":"value 0","floor":"value 0"}"#.to_owned();
    let wall_ms = log.now_ms();
    log.write(ReplicaNo(1), &form("report.create", json, base, wall_ms));
    log
}

/// Plays a day.
pub fn play(acts: &[Act]) -> SmallLog {
    let mut log = begin();
    let mut elsewhere = RECORD;
    for act in acts {
        let mut base = log.head();
        base.pos = Pos(base.pos.0.saturating_sub(act.lag).max(1));
        let wall_ms = log.now_ms() + act.wall_ms;
        let mut write = |intent, json| {
            log.write(act.replica, &form(intent, json, base, wall_ms));
        };
        match &act.deed {
            Deed::Amend(fields) => write("report.amend", json_of(fields)),
            Deed::Comment => write("report.comment", r#"{"text":"seen"}"#.into()),
            Deed::Attach => write(
                "attachment.add",
                format!(
                    r#"{{"sha256":"{}","size_bytes":9,"media_type":"image/png"}}"#,
                    "ab".repeat(32)
                ),
            ),
            Deed::Step(step) => write("report.transition", STEPS[*step].into()),
            Deed::Move(unit) => write("report.move", format!(r#"{{"unit":{}}}"#, UNITS[*unit])),
            Deed::AmendHeld(fields) => {
                let form = Form {
                    needs: Some(Needs::Record(record_id(0))),
                    ..form("report.amend", json_of(fields), base, wall_ms)
                };
                let made = log.make(act.replica, &form);
                log.admit(&made, false);
            }
            Deed::Elsewhere => {
                elsewhere += 1;
                let form = Form {
                    record: record_id(elsewhere),
                    ..form(
                        "report.create",
                        r#"{"category":"SAN-01"}"#.into(),
                        base,
                        wall_ms,
                    )
                };
                log.write(act.replica, &form);
            }
            Deed::Release(number) => {
                let waiting: Vec<_> = waiting(&log);
                if !waiting.is_empty() {
                    let held = log.entries[waiting[number % waiting.len()]].clone();
                    log.release(&held);
                }
            }
        }
    }
    log
}

/// The entries that are held and were not released, by index.
fn waiting(log: &SmallLog) -> Vec<usize> {
    let is_released = |index: usize| {
        let held = &log.entries[index].made;
        log.entries[index + 1..].iter().any(|later| {
            later.made.replica == held.replica && later.made.header.seq == held.header.seq
        })
    };
    (0..log.entries.len())
        .filter(|index| log.entries[*index].answer.verdict == Verdict::Held)
        .filter(|index| !is_released(*index))
        .collect()
}
