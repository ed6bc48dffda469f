//! The fold: from entries in any order to a record's state, the same bytes on every machine.

use super::{Act, Event, RecordState};
use crate::ids::{ReplicaNo, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// The state of one record from its events, in whatever order and however often each is handed in.
/// `None` when there are none.
pub fn fold(mut events: Vec<Event>) -> Option<RecordState> {
    events.sort_by_key(|event| (event.stamp.order(), event.stamp.replica, event.stamp.seq));
    events.dedup_by_key(|event| (event.stamp.order(), event.stamp.replica, event.stamp.seq));
    let overtaken = find_overtaken_values(&events);
    let mut state: Option<RecordState> = None;
    for (index, event) in events.into_iter().enumerate() {
        let mut next = state.unwrap_or_else(|| RecordState::empty(event.unit));
        match overtaken.get(&index) {
            Some(names) => next.apply_overtaken(event, names),
            None => next.apply(event),
        }
        state = Some(next);
    }
    state
}

/// A change that a ruling released late must not bring back values that its own replica has overwritten since:
/// of one replica the later change has always seen the earlier one. In the log's ordinary course there are none.
///
/// By index of the late event: the fields in which it was overtaken.
fn find_overtaken_values(events: &[Event]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut last: BTreeMap<ReplicaNo, Seq> = BTreeMap::new();
    let mut overtaken = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        let (replica, seq) = (event.stamp.replica, event.stamp.seq);
        let newest = last.entry(replica).or_insert(seq);
        if *newest <= seq {
            *newest = seq;
            continue;
        }
        let names: BTreeSet<String> = events[..index]
            .iter()
            .filter(|event| event.stamp.replica == replica && event.stamp.seq > seq)
            .filter_map(|event| match &event.act {
                Act::Create { fields, .. } | Act::Write(fields) => Some(fields),
                Act::Element { .. } | Act::Step { .. } | Act::Move { .. } | Act::Attempt { .. } => {
                    None
                }
            })
            .flat_map(|fields| fields.iter().map(|(name, _)| name.to_owned()))
            .collect();
        if !names.is_empty() {
            overtaken.insert(index, names);
        }
    }
    overtaken
}

#[cfg(test)]
mod tests {
    use super::super::Stamp;
    use super::*;
    use crate::ids::{Epoch, LogPlace, PersonId, Pos, UnitId};
    use crate::kinds::Kind;
    use crate::payload::Payload;

    fn place(pos: u64) -> LogPlace {
        LogPlace {
            epoch: Epoch(1),
            pos: Pos(pos),
        }
    }

    fn event(pos: u64, base: u64, replica: u32, seq: u64, act: Act) -> Event {
        Event {
            stamp: Stamp {
                place: place(pos),
                first_place: None,
                time_ms: 0,
                person: PersonId(replica),
                whose: None,
                replica: ReplicaNo(replica),
                seq: Seq(seq),
            },
            base: place(base),
            unit: UnitId(1),
            act,
        }
    }

    fn fields(json: &str) -> Payload {
        Payload::read(json.as_bytes()).expect("an object")
    }

    fn create(json: &str) -> Act {
        Act::Create {
            kind: Kind::Report,
            state: None,
            fields: fields(json),
        }
    }

    fn numbers(state: &RecordState, field: &str) -> Vec<(u32, u64)> {
        let values = state.values(field).into_iter();
        values
            .map(|(stamp, _)| (stamp.replica.0, stamp.seq.0))
            .collect()
    }

    #[test]
    fn a_second_maker_does_not_take_over_the_first_ones_values() {
        let state = fold(vec![
            event(1, 0, 1, 1, create(r#"{"a":1}"#)),
            event(2, 0, 2, 1, create(r#"{"b":2}"#)),
        ])
        .expect("a state");
        assert_eq!(state.created.map(|stamp| stamp.replica), Some(ReplicaNo(1)));
        assert_eq!(numbers(&state, "a"), [(1, 1)]);
        assert_eq!(numbers(&state, "b"), [(2, 1)]);
    }

    #[test]
    fn an_overtaken_change_still_replaces_what_its_author_saw() {
        // Replica 2 saw the value at 1 when it wrote its first change, which was released at 4; not so its second one,
        // from a form that had been open for longer.
        let first = Act::Write(fields(r#"{"a":2}"#));
        let second = Act::Write(fields(r#"{"a":3}"#));
        let state = fold(vec![
            event(1, 0, 1, 1, create(r#"{"a":1}"#)),
            event(3, 0, 2, 2, second),
            event(4, 1, 2, 1, first),
        ])
        .expect("a state");
        assert_eq!(numbers(&state, "a"), [(2, 2)]);
    }

    #[test]
    fn a_false_base_does_not_empty_a_field_of_its_own_replica() {
        // The first change, released at 4, claims to have seen the second one, which its replica wrote after it.
        let state = fold(vec![
            event(1, 0, 1, 1, create(r#"{"b":1}"#)),
            event(3, 0, 2, 2, Act::Write(fields(r#"{"a":3}"#))),
            event(4, 3, 2, 1, Act::Write(fields(r#"{"a":2}"#))),
        ])
        .expect("a state");
        assert_eq!(numbers(&state, "a"), [(2, 2)]);
    }

    #[test]
    fn an_image_whose_write_names_no_author_is_refused() {
        let image = br#"{"k":"report","u":1,"p":1,"l":[1,1],"w":[{"f":{"a":1}}]}"#;
        assert!(RecordState::from_image(image).is_err());
    }
}
