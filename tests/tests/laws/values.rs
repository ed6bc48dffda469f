//! Registers: what is visible is exactly what the written rule says, at every place; nothing is lost, nothing that was seen
//! comes back on top.

use super::oracle::{visible, visible_in, writes};
use super::scenario::{acts, amendment, begin, form, json_of, play, record};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use sync_core::change::Needs;
use sync_core::ids::{LogPlace, ReplicaNo};
use sync_core::merge::{RecordState, fold};
use sync_core::verdict::Verdict;
use tests::small_log::{Form, record_id};

proptest! {
    #![proptest_config(super::cases(192))]

    #[test]
    fn every_state_shows_what_the_written_rule_says(acts in acts(24)) {
        let log = play(&acts);
        for (index, entry) in log.entries.iter().enumerate() {
            if entry.made.header.record != record() {
                continue;
            }
            let before = log.entries[..=index].iter().filter(|entry| entry.made.header.record == record());
            let expected = visible(&writes(before));
            let state = entry.after.as_ref().expect("the report is there from the first entry on");
            prop_assert_eq!(visible_in(state), expected, "after entry {}", index + 1);
            for (name, values) in visible_in(state) {
                let shown = state.shown(&name).map(|raw| raw.get().to_owned());
                prop_assert_eq!(shown.as_ref(), values.first().map(|value| &value.4), "{}", name);
                let distinct: BTreeSet<_> = values.iter().map(|value| &value.4).collect();
                prop_assert_eq!(state.is_conflicted(&name), distinct.len() > 1);
            }
        }
    }

    #[test]
    fn what_an_author_saw_never_shows_above_what_it_then_wrote(acts in acts(24)) {
        let log = play(&acts);
        let entries: Vec<_> = log.entries.iter().filter(|entry| entry.made.header.record == record()).collect();
        let written = writes(entries.iter().copied());
        for author in &written {
            let seen: Vec<_> = written.iter().filter(|old| author.saw(old)).collect();
            for entry in entries.iter().filter(|entry| (entry.place.epoch.0, entry.place.pos.0) >= author.place) {
                let state = entry.after.as_ref().expect("a state");
                for name in author.fields.keys() {
                    for (stamp, _) in state.values(name) {
                        let identity = (stamp.replica.0, stamp.seq.0);
                        prop_assert!(
                            !seen.iter().any(|old| (old.replica, old.seq) == identity),
                            "{} shows {:?} again, which {:?} had seen", name, identity, (author.replica, author.seq)
                        );
                    }
                }
            }
            for old in seen {
                prop_assert!(author.time_ms >= old.time_ms, "{:?} is earlier than what it saw, {:?}", author, old);
            }
        }
    }

    /// Of every field, one value at least is readable for ever; a value of a field disappears only through a write of
    /// that very field.
    #[test]
    fn no_edit_of_another_field_is_ever_lost(acts in acts(24)) {
        let log = play(&acts);
        let mut before: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for entry in log.entries.iter().filter(|entry| entry.made.header.record == record()) {
            let after = visible_in(entry.after.as_ref().expect("a state"));
            let in_force = entry.answer.verdict.is_in_force();
            let wrote: BTreeSet<String> = writes([entry]).into_iter().flat_map(|write| write.fields.into_keys()).collect();
            for (name, values) in &before {
                let left = after.get(name);
                prop_assert!(left.is_some_and(|left| !left.is_empty()), "{} has no value any more", name);
                if !wrote.contains(name) {
                    prop_assert_eq!(left, Some(values), "{} changed without being written", name);
                }
            }
            for name in &wrote {
                prop_assert!(in_force && after.contains_key(name), "{} was written in vain", name);
            }
            before = after;
        }
    }

    /// All write the same field having seen the same; a person who saw all of them ends it.
    #[test]
    fn concurrent_writes_stay_readable_until_one_who_saw_them_writes(
        order in Just([1u32, 2, 3, 4]).prop_shuffle(),
        clocks in proptest::array::uniform4(-500i64..500),
        seen in 1u64..=5,
    ) {
        let mut log = begin();
        let base = log.head();
        for (number, clock) in order.iter().zip(clocks) {
            log.wait_ms(1_000);
            let wall_ms = log.now_ms() + clock;
            let json = format!(r#"{{"title":"of {number}"}}"#);
            let entry = log.write(ReplicaNo(*number), &form("report.amend", json, base, wall_ms));
            let expected = if *number == order[0] { Verdict::Accepted } else { Verdict::Conflict };
            prop_assert_eq!(entry.answer.verdict, expected);
        }
        let state = log.state(record()).expect("a state");
        prop_assert_eq!(state.values("title").len(), 4);
        prop_assert!(state.has_conflict());
        // Replica 1 writes having seen the first `seen` entries, its own in any case.
        let mut copy = log.head();
        copy.pos.0 = seen;
        let wall_ms = log.now_ms();
        let entry = log.write(ReplicaNo(1), &form("report.amend", r#"{"title":"settled"}"#.into(), copy, wall_ms));
        let mut unseen: BTreeSet<u32> = order.iter().copied().skip(seen as usize - 1).collect();
        unseen.remove(&1);
        let verdict = if unseen.is_empty() { Verdict::Accepted } else { Verdict::Conflict };
        prop_assert_eq!(entry.answer.verdict, verdict);
        let state = log.state(record()).expect("a state");
        let mut left: BTreeSet<u32> = state.values("title").iter().map(|(stamp, _)| stamp.replica.0).collect();
        left.remove(&1);
        prop_assert_eq!(left, unseen);
    }

    /// A change that waited while its own replica wrote on: what it wrote earlier never comes back, the rest takes
    /// effect, and others' values stand beside it as if it had come in time.
    #[test]
    fn a_change_released_late_does_not_overtake_its_own_replica(
        early in amendment(), late in amendment(), other in proptest::option::of(amendment()),
    ) {
        let mut log = begin();
        let base = log.head();
        let (waits, wall_ms) = (ReplicaNo(2), log.now_ms());
        let needs = Some(Needs::Record(record_id(0)));
        let first = log.make(waits, &Form { needs, ..form("report.amend", json_of(&early), base, wall_ms) });
        let held = log.admit(&first, false).clone();
        prop_assert_eq!(held.answer.verdict, Verdict::Held);
        prop_assert!(held.event.is_none());
        log.write(waits, &form("report.amend", json_of(&late), base, wall_ms));
        if let Some(other) = &other {
            log.write(ReplicaNo(3), &form("report.amend", json_of(other), base, wall_ms));
        }
        let released = log.release(&held).clone();
        prop_assert!(released.answer.verdict.is_in_force());
        let state = released.after.as_ref().expect("a state");
        for (field, _) in &late {
            let name = super::scenario::FIELDS[*field];
            let own: Vec<_> = state.values(name).into_iter().filter(|(stamp, _)| stamp.replica == waits).collect();
            prop_assert_eq!(own.len(), 1, "{}", name);
            prop_assert_eq!(own[0].0.seq.0, 2, "{}", name);
        }
        for (field, value) in early.iter().filter(|(field, _)| !late.iter().any(|(other, _)| other == field)) {
            let name = super::scenario::FIELDS[*field];
            let text = format!("\"value {value}\"");
            prop_assert!(state.values(name).iter().any(|(stamp, raw)| stamp.seq.0 == 1 && stamp.replica == waits && raw.get() == text));
        }
        prop_assert_eq!(visible_in(state), visible(&writes(log.entries.iter())));
    }
}

/// The whole fold is needed for a change that a ruling released: what has overtaken it may be gone from the state.
#[test]
fn a_release_is_folded_whole_because_advancing_would_bring_an_overtaken_value_back() {
    let mut log = begin();
    let (base, wall_ms) = (log.head(), log.now_ms());
    let needs = Some(Needs::Record(record_id(0)));
    let title = |text: &str| format!(r#"{{"title":"{text}"}}"#);
    let first = log.make(
        ReplicaNo(2),
        &Form {
            needs,
            ..form("report.amend", title("early"), base, wall_ms)
        },
    );
    let held = log.admit(&first, false).clone();
    log.write(
        ReplicaNo(2),
        &form("report.amend", title("late"), base, wall_ms),
    );
    let all: LogPlace = log.head();
    log.write(
        ReplicaNo(3),
        &form("report.amend", title("settled"), all, wall_ms),
    );
    let before = log.state(record()).expect("a state").clone();
    let event = log.release(&held).event.clone().expect("an effect");
    let folded = fold(log.events(record())).expect("a state");
    assert_eq!(folded.values("title").len(), 1);
    assert_eq!(folded.shown_text("title").as_deref(), Some("settled"));
    let advanced = RecordState::advance(Some(before), event);
    assert_eq!(advanced.values("title").len(), 2);
}
