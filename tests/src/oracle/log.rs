//! A server's log read into plain rows, and those into the entries that the fold model adds up.

use super::payload;
use super::plain::{Answer, Change, Clocks, Effect, Entry, Need, Place, Stamp, Verdict, Written};
use serde_json::Value;
use server::store::StoreError;
use server::store::sqlite::{DistrictRead, EntryRow};
use std::collections::BTreeMap;
use sync_core::change::{Header, Needs};
use sync_core::entry::EntryKind;
use sync_core::ids::Pos;

/// One row of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A change with its admission.
    Change(Box<ChangeRow>),
    /// A ruling.
    Ruling(RulingRow),
    /// A directory entry: its position, when it came, its JSON.
    Directory(u64, i64, Value),
}

impl Row {
    /// Its position.
    pub fn pos(&self) -> u64 {
        match self {
            Self::Change(change) => change.place.1,
            Self::Ruling(ruling) => ruling.place.1,
            Self::Directory(pos, ..) => *pos,
        }
    }
}

/// A change with its admission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// Its place.
    pub place: Place,
    /// Its first place, when it was taken back in after a restore.
    pub first: Option<Place>,
    /// The author's replica, by its short number.
    pub replica: u32,
    /// The author.
    pub person: u32,
    /// When it arrived.
    pub received_ms: i64,
    /// When it was done.
    pub time_ms: i64,
    /// The first answer.
    pub answer: Answer,
    /// The change.
    pub change: Change,
}

/// A ruling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulingRow {
    /// Its place.
    pub place: Place,
    /// `released`, `admitted`, `rejected`, `repaired` or `erased`.
    pub ruling: String,
    /// The position of the change that it is about.
    pub of: u64,
    /// What holds from here on.
    pub answer: Answer,
}

/// An answer of the core as a plain one.
pub fn plain_answer(answer: &sync_core::verdict::Answer) -> Answer {
    let mut problems: Vec<_> = answer
        .problems
        .iter()
        .map(|problem| (problem.code.as_str().to_owned(), problem.field.clone()))
        .collect();
    problems.sort();
    Answer {
        verdict: Verdict::from_number(answer.verdict as u64),
        marks: answer.marks.0,
        problems,
    }
}

/// A header as a plain one.
pub fn plain_header(header: &Header) -> Written {
    let change = |id: sync_core::change::ChangeId| (*id.replica.as_bytes(), id.seq.0);
    Written {
        record: *header.record.as_bytes(),
        unit: header.unit.0,
        intent: header.intent.clone(),
        schema: header.schema,
        base: (header.base.epoch.0, header.base.pos.0),
        at: Clocks {
            wall_ms: header.at.wall_ms,
            monotonic_ms: header.at.monotonic_ms,
            boot: header.at.boot,
            skew_ms: header.at.skew_ms,
        },
        whose: header.for_person.map(|whose| whose.person.0),
        needs: header.needs.map(|needs| match needs {
            Needs::Change(id) => Need::Change(change(id)),
            Needs::Record(record) => Need::Record(*record.as_bytes()),
        }),
        repairs: header.repairs.map(change),
        origin: header
            .origin
            .as_ref()
            .map(|origin| (change(origin.change), origin.hash.0)),
    }
}

/// Every row above a position.
///
/// # Errors
/// Storage's own.
pub fn rows(read: &DistrictRead, after: u64) -> Result<Vec<Row>, StoreError> {
    let facts = read.facts()?;
    let mut rows = Vec::new();
    read.scan_entries(Pos(after), usize::MAX >> 1, |entry| {
        let place = facts.place(entry.pos);
        rows.push(row(&entry, (place.epoch.0, place.pos.0)));
        Ok::<_, StoreError>(true)
    })?;
    Ok(rows)
}

fn row(entry: &EntryRow, place: Place) -> Row {
    let body = || -> Value {
        serde_json::from_slice(entry.body.as_deref().unwrap_or_default())
            .expect("BUG: the server wrote no JSON")
    };
    match entry.kind {
        EntryKind::Directory => Row::Directory(place.1, entry.received_ms, body()),
        EntryKind::Ruling => Row::Ruling(ruling(&body(), place)),
        EntryKind::Change => Row::Change(Box::new(ChangeRow {
            place,
            first: entry.first_place.map(|first| (first.epoch.0, first.pos.0)),
            replica: entry.replica.0,
            person: entry.person.0,
            received_ms: entry.received_ms,
            time_ms: entry.time_ms,
            answer: plain_answer(&entry.answer),
            change: Change {
                seq: entry.seq.0,
                hash: entry.hash.0,
                written: Header::decode(&entry.header)
                    .ok()
                    .filter(|header| header.seq == entry.seq)
                    .map(|header| plain_header(&header)),
                open: entry.body.clone(),
                unreadable_parts: Vec::new(),
            },
        })),
    }
}

fn ruling(body: &Value, place: Place) -> RulingRow {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut problems: Vec<_> = body["problems"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|problem| (text(&problem["code"]), text(&problem["field"])))
        .collect();
    problems.sort();
    RulingRow {
        place,
        ruling: text(&body["ruling"]),
        of: body["of"].as_u64().unwrap_or_default(),
        answer: Answer {
            verdict: match body["verdict"].as_str().unwrap_or_default() {
                "accepted" => Verdict::Accepted,
                "conflict" => Verdict::Conflict,
                "not_applied" => Verdict::NotApplied,
                "held" => Verdict::Held,
                _ => Verdict::Quarantined,
            },
            marks: u32::try_from(body["marks"].as_u64().unwrap_or(0)).unwrap_or(0),
            problems,
        },
    }
}

/// What an answer lets a change do to its record.
pub fn effect_of(answer: &Answer) -> Effect {
    let is_repeat = answer.marks & super::plain::REPEAT != 0;
    match answer.verdict {
        _ if is_repeat => Effect::None,
        Verdict::Accepted | Verdict::Conflict => Effect::InForce,
        Verdict::NotApplied => Effect::NotApplied(
            answer
                .problems
                .first()
                .map_or(String::new(), |(code, _)| code.clone()),
        ),
        Verdict::Held | Verdict::Quarantined => Effect::None,
    }
}

/// The entry that a change makes at a place under an answer; nothing for one whose header cannot be read.
pub fn entry(
    row: &ChangeRow,
    place: Place,
    first: Option<Place>,
    answer: &Answer,
) -> Option<Entry> {
    let written = row.change.written.as_ref()?;
    Some(Entry {
        stamp: Stamp {
            place,
            first,
            time_ms: row.time_ms,
            person: row.person,
            whose: written.whose,
            replica: row.replica,
            seq: row.change.seq,
        },
        record: written.record,
        unit: written.unit,
        intent: written.intent.clone(),
        base: written.base,
        fields: payload::read(row.change.open.as_deref()).ok(),
        effect: effect_of(answer),
    })
}

/// The entries of a log: each change at its place, and once more at the place of a ruling that put it into force.
pub fn entries(rows: &[Row]) -> Vec<Entry> {
    let changes: BTreeMap<u64, &ChangeRow> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Change(change) => Some((change.place.1, &**change)),
            _ => None,
        })
        .collect();
    rows.iter()
        .filter_map(|row| match row {
            Row::Change(change) => entry(change, change.place, change.first, &change.answer),
            Row::Ruling(ruling) if ["released", "admitted"].contains(&ruling.ruling.as_str()) => {
                entry(changes.get(&ruling.of)?, ruling.place, None, &ruling.answer)
            }
            _ => None,
        })
        .collect()
}
