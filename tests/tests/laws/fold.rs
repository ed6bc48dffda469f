//! The fold is pure and total: the same entries in any order, batching or repetition give the same bytes, what comes later
//! never changes an earlier state, and an image is the state, bit by bit.

use super::oracle::{visible, visible_in, writes_of};
use super::scenario::{acts, play, record};
use proptest::prelude::*;
use proptest::sample::Index;
use sync_core::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq, UnitId};
use sync_core::kinds::Kind;
use sync_core::merge::{Act, Event, RecordState, Stamp, fold};
use sync_core::payload::Payload;
use sync_core::verdict::ProblemCode;

fn image(events: Vec<Event>) -> Option<Vec<u8>> {
    fold(events).map(|state| state.to_image())
}

/// The events in another order, some of them more than once.
fn stirred(events: &[Event], picks: &[Index]) -> Vec<Event> {
    let mut stirred: Vec<Event> = picks.iter().map(|pick| pick.get(events).clone()).collect();
    let mut rest = events.to_vec();
    for pick in picks {
        if rest.is_empty() {
            break;
        }
        stirred.push(rest.swap_remove(pick.index(rest.len())));
    }
    rest.reverse();
    stirred.extend(rest);
    stirred
}

fn payload() -> impl Strategy<Value = Payload> {
    // Spellings that a re-serialising reader would change.
    let value = prop_oneof![
        Just(r#""text""#.to_owned()),
        Just(r#""\u4f60\u597d""#.to_owned()),
        Just("1.50".to_owned()),
        Just("1e3".to_owned()),
        Just("9007199254740993123456".to_owned()),
        Just("-0".to_owned()),
        Just(r#"{"b": [1,  null],"a":{}}"#.to_owned()),
        "[a-c]{1,4}".prop_map(|text| format!("\"{text}\"")),
    ];
    proptest::collection::btree_map("[a-d]", value, 0..4).prop_map(|fields| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        Payload::read(format!("{{{}}}", fields.join(",")).as_bytes()).expect("an object")
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let kind = prop_oneof![Just(Kind::Report), Just(Kind::Visit)];
    prop_oneof![
        (kind.clone(), proptest::option::of("[A-C]"), payload()).prop_map(
            |(kind, state, fields)| Act::Create {
                kind,
                state,
                fields
            }
        ),
        payload().prop_map(Act::Write),
        payload().prop_map(Act::Write),
        ("[m-o]", proptest::option::of(kind), payload())
            .prop_map(|(set, kind, fields)| Act::Element { set, kind, fields }),
        ("[A-C]", proptest::option::of(1u32..4), payload()).prop_map(|(to, desk, fields)| {
            Act::Step {
                to,
                desk: desk.map(UnitId),
                fields,
            }
        }),
        (1u32..4, payload()).prop_map(|(to, fields)| Act::Move {
            to: UnitId(to),
            fields
        }),
        "[A-C]".prop_map(|to| Act::Attempt {
            to,
            code: ProblemCode::StateMovedOn
        }),
    ]
}

/// Events of any content whatsoever, such as no honest log holds: several makers, none, copies that claim to have seen the
/// future, replicas out of their order. Only places are each used once.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let one = (
        any_act(),
        (0u32..3, 0u64..40),
        1u32..4,
        1u64..9,
        any::<i64>(),
        0u32..9,
        any::<bool>(),
    );
    proptest::collection::vec(one, 1..30).prop_map(|all| {
        let place = |epoch, pos| LogPlace {
            epoch: Epoch(epoch),
            pos: Pos(pos),
        };
        all.into_iter()
            .enumerate()
            .map(
                |(index, (act, base, replica, seq, time_ms, whose, again))| Event {
                    stamp: Stamp {
                        place: place(1 + u32::from(again), index as u64 + 1),
                        first_place: again.then(|| place(1, 1_000 - index as u64)),
                        time_ms,
                        person: PersonId(replica),
                        whose: (whose > 5).then_some(PersonId(whose)),
                        replica: ReplicaNo(replica),
                        seq: Seq(seq),
                    },
                    base: place(base.0, base.1),
                    unit: UnitId(1 + index as u32 % 3),
                    act,
                },
            )
            .collect()
    })
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn any_order_and_repetition_gives_the_same_bytes(acts in acts(24), picks: [Index; 12]) {
        let events = play(&acts).events(record());
        prop_assert_eq!(image(stirred(&events, &picks)), image(events));
    }

    #[test]
    fn even_entries_that_make_no_sense_fold_to_the_same_bytes(events in any_events(), picks: [Index; 12]) {
        let straight = image(events.clone());
        prop_assert_eq!(&image(stirred(&events, &picks)), &straight);
        let bytes = straight.expect("there is an event");
        let state = RecordState::from_image(&bytes).expect("own image");
        prop_assert_eq!(state.to_image(), bytes, "an image is the state, bit by bit");
        prop_assert_eq!(visible_in(&state), visible(&writes_of(&events)));
        prop_assert_eq!(Some(state), fold(events));
    }

    /// The same for batches: fold some, keep the image, take the rest one by one.
    #[test]
    fn a_state_kept_as_an_image_goes_on_as_if_it_had_never_been_away(acts in acts(24), cut: Index) {
        let log = play(&acts);
        let released = |event: &Event| log.entries.iter().any(|entry| {
            entry.event.is_none() && entry.made.replica == event.stamp.replica && entry.made.header.seq == event.stamp.seq
        });
        // A release needs the whole fold; see values.rs.
        let events: Vec<_> = log.events(record()).into_iter().filter(|event| !released(event)).collect();
        let cut = cut.index(events.len());
        let kept = image(events[..cut].to_vec());
        let mut state = kept.map(|bytes| RecordState::from_image(&bytes).expect("own image"));
        for event in &events[cut..] {
            state = Some(RecordState::advance(state, event.clone()));
        }
        prop_assert_eq!(state.map(|state| state.to_image()), image(events));
    }

    #[test]
    fn what_comes_later_never_changes_a_state(acts in acts(24)) {
        let log = play(&acts);
        for entry in log.entries.iter().filter(|entry| entry.made.header.record == record()) {
            let upto: Vec<_> = log.events(record()).into_iter().filter(|event| event.stamp.place <= entry.place).collect();
            let then = entry.after.as_ref().map(RecordState::to_image);
            prop_assert_eq!(image(upto), then, "the state at {:?}", entry.place);
        }
    }

    #[test]
    fn sets_only_grow_and_keep_every_element(acts in acts(24)) {
        let log = play(&acts);
        let mut before = Vec::new();
        for entry in log.entries.iter().filter(|entry| entry.made.header.record == record()) {
            let elements = &entry.after.as_ref().expect("a state").elements;
            prop_assert!(elements.starts_with(&before), "an element is gone or moved");
            let is_element = ["report.comment", "attachment.add"].contains(&entry.made.header.intent.as_str());
            prop_assert_eq!(elements.len(), before.len() + usize::from(is_element));
            before.clone_from(elements);
        }
    }
}
