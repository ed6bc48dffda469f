//! What a state tells of itself: its conflicts, whatever their number, and its greatest order.

use super::{Act, Event, RecordState, Stamp};
use crate::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq, UnitId};
use crate::kinds::Kind;
use crate::payload::Payload;

fn place(pos: u64) -> LogPlace {
    LogPlace {
        epoch: Epoch(1),
        pos: Pos(pos),
    }
}

/// A record whose replicas, one after the other, wrote these fields without having seen each other.
fn apart(writes: &[&str]) -> RecordState {
    let mut state = None;
    for (json, number) in writes.iter().zip(1u32..) {
        let fields = Payload::read(json.as_bytes()).expect("an object");
        let act = match number {
            1 => Act::Create {
                kind: Kind::Report,
                state: None,
                fields,
            },
            _ => Act::Write(fields),
        };
        let stamp = Stamp {
            place: place(u64::from(number)),
            first_place: None,
            time_ms: i64::from(number),
            person: PersonId(number),
            whose: None,
            replica: ReplicaNo(number),
            seq: Seq(1),
        };
        let event = Event {
            stamp,
            base: LogPlace::default(),
            unit: UnitId(1),
            act,
        };
        state = Some(RecordState::advance(state, event));
    }
    state.expect("at least one write")
}

#[test]
fn a_conflict_is_two_texts_in_one_field() {
    let cases: &[(&[&str], &[&str])] = &[
        (&[r#"{"a":1,"b":1}"#], &[]),
        (&[r#"{"a":1}"#, r#"{"a":2}"#], &["a"]),
        (&[r#"{"a":1}"#, r#"{"a":1}"#], &[]),
        (&[r#"{"a":1}"#, r#"{"b":2}"#], &[]),
        (&[r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1.0}"#], &["a"]),
        (
            &[r#"{"a":1,"b":1}"#, r#"{"a":2}"#, r#"{"b":2,"c":1}"#],
            &["a", "b"],
        ),
    ];
    for (writes, expected) in cases {
        let state = apart(writes);
        let found: Vec<_> = state.conflicts().iter().map(|one| one.field).collect();
        assert_eq!(found, *expected, "{writes:?}");
        assert_eq!(state.has_conflict(), !expected.is_empty(), "{writes:?}");
        for field in ["a", "b", "c"] {
            let is_conflicted = expected.contains(&field);
            assert_eq!(
                state.is_conflicted(field),
                is_conflicted,
                "{field} {writes:?}"
            );
        }
    }
    let state = apart(&[r#"{"a":1}"#, r#"{"a":2}"#]);
    let conflicts = state.conflicts();
    let texts: Vec<_> = conflicts[0]
        .values
        .iter()
        .map(|value| value.1.get())
        .collect();
    assert_eq!(texts, ["2", "1"], "the shown one first");
}

#[test]
fn the_greatest_order_is_that_of_the_last_event() {
    assert_eq!(apart(&["{}"]).latest(), place(1));
    assert_eq!(apart(&["{}", "{}", "{}"]).latest(), place(3));
}
