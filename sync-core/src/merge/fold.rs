//! The fold: from entries in any order to a record's state, the same bytes on every machine.

use super::{Act, Event, RecordState};
use crate::ids::{ReplicaNo, Seq};
use std::collections::BTreeMap;

/// The state of one record from its events, in whatever order and however often each is handed in.
/// `None` when there are none.
pub fn fold(mut events: Vec<Event>) -> Option<RecordState> {
    events.sort_by_key(|event| (event.stamp.order(), event.stamp.replica, event.stamp.seq));
    events.dedup_by_key(|event| (event.stamp.order(), event.stamp.replica, event.stamp.seq));
    drop_overtaken_values(&mut events);
    let mut state = None;
    for event in events {
        state = Some(RecordState::advance(state, event));
    }
    state
}

/// A change that a ruling released late must not bring back values that its own replica has overwritten since:
/// of one replica the later change has always seen the earlier one. In the log's ordinary course there are none.
fn drop_overtaken_values(events: &mut [Event]) {
    let mut last: BTreeMap<ReplicaNo, Seq> = BTreeMap::new();
    for index in 0..events.len() {
        let (replica, seq) = (events[index].stamp.replica, events[index].stamp.seq);
        let newest = last.entry(replica).or_insert(seq);
        if *newest <= seq {
            *newest = seq;
            continue;
        }
        let (before, rest) = events.split_at_mut(index);
        let overtaking = before
            .iter()
            .filter(|event| event.stamp.replica == replica && event.stamp.seq > seq);
        let Some(fields) = written(&mut rest[0].act) else {
            continue;
        };
        for event in overtaking {
            let (Act::Create { fields: later, .. } | Act::Write(later)) = &event.act else {
                continue;
            };
            fields.retain(|name| !later.has(name));
        }
    }
}

fn written(act: &mut Act) -> Option<&mut crate::payload::Payload> {
    match act {
        Act::Create { fields, .. } | Act::Write(fields) => Some(fields),
        Act::Element { .. } | Act::Step { .. } | Act::Move { .. } | Act::Attempt { .. } => None,
    }
}
