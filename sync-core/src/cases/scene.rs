//! Cases for tests: of a category, with what was done when.

use crate::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq, UnitId};
use crate::kinds::Kind;
use crate::merge::{Act, Event, RecordState, Stamp};
use crate::payload::Payload;

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-30, a Monday, 08:30 in Shanghai; a working day ends at 17:00 and breaks from 12:00 to 13:30.
pub(super) const MONDAY_MS: i64 = 1_795_998_600_000;

fn payload(json: &str) -> Payload {
    Payload::read(json.as_bytes()).expect("a payload")
}

/// A case of a category, and what was done with it when: hours since Monday morning, the state, the fields.
pub(super) fn case(category: &str, steps: &[(i64, &str, &str)]) -> RecordState {
    let stamp = |pos: u64, hours: i64| Stamp {
        place: LogPlace {
            epoch: Epoch(1),
            pos: Pos(pos),
        },
        first_place: None,
        time_ms: MONDAY_MS + hours * HOUR_MS,
        person: PersonId(1),
        whose: None,
        replica: ReplicaNo(1),
        seq: Seq(pos),
    };
    let event = |pos, hours, act| Event {
        stamp: stamp(pos, hours),
        base: LogPlace {
            epoch: Epoch(1),
            pos: Pos(pos - 1),
        },
        unit: UnitId(7),
        act,
    };
    let created = Act::Create {
        kind: Kind::Report,
        state: Some("SUBMITTED".to_owned()),
        fields: payload(&format!(r#"{{"category":"{category}"}}"#)),
    };
    let mut state = RecordState::advance(None, event(1, 0, created));
    for ((hours, to, json), pos) in steps.iter().zip(2..) {
        let step = Act::Step {
            to: (*to).to_owned(),
            desk: None,
            fields: payload(json),
        };
        state = RecordState::advance(Some(state), event(pos, *hours, step));
    }
    state
}
