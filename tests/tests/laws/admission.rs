//! Admission: no clock leaves the interval, reaches below what was seen or blocks anything; a step is applied only by one
//! who saw the last; the verdict says what the state then shows.

use super::scenario::{acts, begin, form, play, record};
use proptest::prelude::*;
use sync_core::change::Needs;
use sync_core::ids::ReplicaNo;
use sync_core::verdict::{Marks, ProblemCode, Verdict};
use tests::small_log::{Form, record_id};

proptest! {
    #![proptest_config(super::cases(192))]

    #[test]
    fn no_clock_leaves_the_interval(clocks in proptest::collection::vec((1u32..=4, any::<i64>(), 0i64..1_000_000, 0u64..9), 1..12)) {
        let mut log = begin();
        for (replica, wall_ms, wait_ms, lag) in clocks {
            log.wait_ms(wait_ms);
            let mut base = log.head();
            base.pos.0 = base.pos.0.saturating_sub(lag).max(1);
            let seen_ms = log.entries.iter().filter(|entry| entry.place <= base).map(|entry| entry.time_ms).max();
            let earliest_ms = log.entries.iter().filter(|entry| entry.place <= base).map(|entry| entry.received_ms).max();
            let entry = log.write(ReplicaNo(replica), &form("report.amend", r#"{"title":"a"}"#.into(), base, wall_ms));
            prop_assert!(entry.answer.verdict.is_in_force(), "a clock refused a change");
            prop_assert!(entry.time_ms <= entry.received_ms, "a clock won beyond the moment of arrival");
            prop_assert!(Some(entry.time_ms) >= earliest_ms, "a clock reached back before the last contact");
            prop_assert!(Some(entry.time_ms) >= seen_ms, "a clock reached below what its author saw");
            if earliest_ms.is_some_and(|earliest_ms| earliest_ms <= wall_ms) && wall_ms <= entry.received_ms {
                prop_assert!(entry.time_ms >= wall_ms, "a right clock was set back");
            }
            let off_ms = wall_ms.abs_diff(entry.time_ms);
            prop_assert_eq!(entry.answer.marks.has(Marks::CLOCK_BOUNDED), off_ms > 60_000);
        }
    }

    /// A verdict of `conflict` and a field with several values are one thing. Only a change that was released after its own
    /// replica had written on may be told of a conflict that is none: what settled it is gone from the state.
    #[test]
    fn the_verdict_says_whether_others_values_stand_beside(acts in acts(24)) {
        let log = play(&acts);
        for entry in log.entries.iter().filter(|entry| entry.made.header.intent == "report.amend" && entry.event.is_some()) {
            let state = entry.after.as_ref().expect("a state");
            let fields: std::collections::BTreeMap<String, serde_json::Value> = serde_json::from_slice(&entry.made.open).expect("JSON");
            let conflicted = fields.keys().any(|name| state.is_conflicted(name));
            let told = entry.answer.verdict == Verdict::Conflict;
            let late = log.entries.iter().any(|earlier| {
                earlier.place < entry.place
                    && earlier.made.replica == entry.made.replica
                    && earlier.made.header.seq > entry.made.header.seq
            });
            prop_assert!(told == conflicted || (told && late), "{:?}", entry.answer);
        }
    }

    /// The steps that were applied form one path; each was taken by an author who had seen the one before.
    #[test]
    fn steps_form_one_path_that_each_author_had_seen(acts in acts(24)) {
        let log = play(&acts);
        let state = log.state(record()).expect("the report");
        let mut at = "SUBMITTED".to_owned();
        let mut last: Option<sync_core::merge::Stamp> = None;
        for step in state.steps.iter().filter(|step| step.states.is_some()) {
            let (from, to) = step.states.as_ref().expect("filtered");
            prop_assert_eq!(from, &at);
            let entry = log.entries.iter().find(|entry| entry.place == step.stamp.place).expect("an entry");
            let base = entry.made.header.base;
            prop_assert!(last.is_none_or(|last| last.place <= base || last.replica == step.stamp.replica));
            (at, last) = (to.clone(), Some(step.stamp));
        }
        prop_assert_eq!(state.state.as_deref(), Some(at.as_str()));
        let refused = log.entries.iter().filter(|entry| entry.answer.verdict == Verdict::NotApplied);
        let refused: Vec<_> = refused.map(|entry| entry.place).collect();
        let shown: Vec<_> = state.attempts.iter().map(|attempt| attempt.stamp.place).collect();
        prop_assert!(refused.ends_with(&shown) && (shown.len() == refused.len() || shown.len() == 20));
    }
}

/// Found by the law above: the author was told of a conflict with nobody but itself.
#[test]
fn a_change_released_late_is_in_no_conflict_with_its_own_replicas_later_one() {
    let mut log = begin();
    let (base, wall_ms) = (log.head(), log.now_ms());
    let needs = Some(Needs::Record(record_id(0)));
    let waits = Form {
        needs,
        ..form("report.amend", r#"{"title":"early"}"#.into(), base, wall_ms)
    };
    let first = log.make(ReplicaNo(2), &waits);
    let held = log.admit(&first, false).clone();
    let late = form("report.amend", r#"{"title":"late"}"#.into(), base, wall_ms);
    log.write(ReplicaNo(2), &late);
    let released = log.release(&held);
    assert_eq!(released.answer.verdict, Verdict::Accepted);
    let state = released.after.as_ref().expect("a state");
    assert_eq!(state.shown_text("title").as_deref(), Some("late"));
}

/// The list of attempts has a limit; the newest stay.
#[test]
fn the_newest_twenty_attempts_are_shown() {
    let mut log = begin();
    let (base, wall_ms) = (log.head(), log.now_ms());
    for number in 0..22u32 {
        let replica = ReplicaNo(2 + number % 2);
        let json = r#"{"to":"DISPATCHED","desk":3,"level":"II","due_ms":1780300000000}"#.to_owned();
        let entry = log.write(replica, &form("report.transition", json, base, wall_ms));
        assert_eq!(
            entry.answer.problems[0].code,
            ProblemCode::TransitionNotAllowed
        );
    }
    let state = log.state(record()).expect("the report");
    let places: Vec<u64> = state
        .attempts
        .iter()
        .map(|attempt| attempt.stamp.place.pos.0)
        .collect();
    assert_eq!(places, (4..=23).collect::<Vec<_>>());
}
