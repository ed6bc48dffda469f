//! Records for tests, told as a story: who did what when, by the intents of the tables.

use crate::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq, UnitId};
use crate::kinds;
use crate::merge::{Act, Event, RecordState, Stamp};
use crate::payload::Payload;
use crate::validate;

/// A record under way. Each step is by a person on the replica of the same number, unless it says otherwise.
pub struct Story {
    state: Option<RecordState>,
    pos: u64,
    time_ms: i64,
    whose: Option<u32>,
    replica: Option<u32>,
}

impl Story {
    /// Nothing has happened yet; the clock stands here.
    pub fn at(time_ms: i64) -> Self {
        Self {
            state: None,
            pos: 0,
            time_ms,
            whose: None,
            replica: None,
        }
    }

    /// Time passes.
    pub fn after(mut self, ms: i64) -> Self {
        self.time_ms += ms;
        self
    }

    /// The next step is done for this person.
    pub fn whose(mut self, person: u32) -> Self {
        self.whose = Some(person);
        self
    }

    /// The next step is done on this replica.
    pub fn on(mut self, replica: u32) -> Self {
        self.replica = Some(replica);
        self
    }

    /// Somebody does something.
    pub fn does(mut self, person: u32, intent: &str, json: &str) -> Self {
        let intent = kinds::find(intent).expect("an intent");
        let payload = Payload::read(json.as_bytes()).expect("a payload");
        let problems = validate::validate(intent, &payload);
        assert!(problems.is_empty(), "{json}: {problems:?}");
        self.pos += 1;
        let place = |pos| LogPlace {
            epoch: Epoch(1),
            pos: Pos(pos),
        };
        let event = Event {
            stamp: Stamp {
                place: place(self.pos),
                first_place: None,
                time_ms: self.time_ms,
                person: PersonId(person),
                whose: self.whose.take().map(PersonId),
                replica: ReplicaNo(self.replica.take().unwrap_or(person)),
                seq: Seq(self.pos),
            },
            base: place(self.pos - 1),
            unit: UnitId(7),
            act: Act::of(intent, payload).expect("an act"),
        };
        self.state = Some(RecordState::advance(self.state.take(), event));
        self
    }

    /// The record.
    pub fn record(self) -> RecordState {
        self.state.expect("something happened")
    }
}
