//! What the written rule says a register shows, worked out with lists and maps and nothing of the core's merge.
//!
//! The rule (design section 3, `sync_core::merge`): a value is visible unless an entry in force wrote the field
//! having seen it, or is a later one of the same replica. Having seen it means: it stood at or below the place up to which
//! the author's copy was complete, under its place in the log or, in the epoch of the author's copy, its first one. Of
//! several, the greatest (time, place) is shown; an entry taken back in after a restore counts at its first place.

use std::collections::BTreeMap;
use sync_core::ids::LogPlace;
use sync_core::merge::{Act, Event, RecordState};
use tests::small_log::Logged;

/// A place as epoch and position.
pub type Place = (u32, u64);

/// One write of one entry in force.
#[derive(Clone, Debug)]
pub struct Written {
    pub place: Place,
    pub first: Option<Place>,
    pub base: Place,
    pub replica: u32,
    pub seq: u64,
    pub time_ms: i64,
    pub fields: BTreeMap<String, String>,
}

/// One visible value: time, place, replica, seq, text. Compares the way values are shown.
pub type Seen = (i64, Place, u32, u64, String);

fn place(place: LogPlace) -> Place {
    (place.epoch.0, place.pos.0)
}

/// The writes among entries, from their bytes and verdicts.
pub fn writes<'a>(entries: impl IntoIterator<Item = &'a Logged>) -> Vec<Written> {
    entries
        .into_iter()
        .filter(|entry| {
            ["report.create", "report.amend"].contains(&entry.made.header.intent.as_str())
        })
        .filter(|entry| matches!(entry.answer.verdict as u8, 0 | 1))
        .map(|entry| {
            let json: BTreeMap<String, serde_json::Value> =
                serde_json::from_slice(&entry.made.open).expect("JSON");
            Written {
                place: place(entry.place),
                first: entry.first_place.map(place),
                base: place(entry.made.header.base),
                replica: entry.made.replica.0,
                seq: entry.made.header.seq.0,
                time_ms: entry.time_ms,
                fields: json
                    .into_iter()
                    .map(|(name, value)| (name, value.to_string()))
                    .collect(),
            }
        })
        .collect()
}

/// The writes among events, however they came about.
pub fn writes_of(events: &[Event]) -> Vec<Written> {
    events
        .iter()
        .filter_map(|event| match &event.act {
            Act::Create { fields, .. } | Act::Write(fields) => Some((event, fields)),
            _ => None,
        })
        .map(|(event, fields)| Written {
            place: place(event.stamp.place),
            first: event.stamp.first_place.map(place),
            base: place(event.base),
            replica: event.stamp.replica.0,
            seq: event.stamp.seq.0,
            time_ms: event.stamp.time_ms,
            fields: fields
                .iter()
                .map(|(name, raw)| (name.to_owned(), raw.get().to_owned()))
                .collect(),
        })
        .collect()
}

impl Written {
    /// Where it stands in the order of entries.
    pub fn order(&self) -> Place {
        self.first.unwrap_or(self.place)
    }

    /// Whether the author of `self` had `other` before them.
    pub fn saw(&self, other: &Self) -> bool {
        let now = other.place.0 <= self.base.0 && other.place.1 <= self.base.1;
        let then = other
            .first
            .is_some_and(|first| first.0 == self.base.0 && first.1 <= self.base.1);
        now || then
    }

    /// Whether `self` takes `other`'s values away where both write.
    fn replaces(&self, other: &Self) -> bool {
        // Of one replica the later one stays, whatever the base of the other claims.
        if self.replica == other.replica {
            return self.seq > other.seq;
        }
        self.saw(other) && self.order() > other.order()
    }
}

/// Every visible value of every field, the shown one first.
pub fn visible(all: &[Written]) -> BTreeMap<String, Vec<Seen>> {
    let mut fields: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for write in all {
        for (name, text) in &write.fields {
            let gone = all
                .iter()
                .any(|other| other.fields.contains_key(name) && other.replaces(write));
            if !gone {
                fields.entry(name.clone()).or_default().push((
                    write.time_ms,
                    write.order(),
                    write.replica,
                    write.seq,
                    text.clone(),
                ));
            }
        }
    }
    for values in fields.values_mut() {
        values.sort_by(|left, right| right.cmp(left));
    }
    fields
}

/// The same of a state.
pub fn visible_in(state: &RecordState) -> BTreeMap<String, Vec<Seen>> {
    state
        .field_names()
        .into_iter()
        .map(|name| {
            let values = state
                .values(name)
                .into_iter()
                .map(|(stamp, raw)| {
                    (
                        stamp.time_ms,
                        place(stamp.first_place.unwrap_or(stamp.place)),
                        stamp.replica.0,
                        stamp.seq.0,
                        raw.get().to_owned(),
                    )
                })
                .collect();
            (name.to_owned(), values)
        })
        .collect()
}
