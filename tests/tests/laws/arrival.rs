//! Order of arrival: it matters only where transitions of one record compete. Replicas that worked apart meet the server in
//! every order; what people read is the same.

use super::scenario::{FIELDS, STEPS, amendment, begin, form, json_of, record};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use sync_core::ids::ReplicaNo;
use sync_core::merge::RecordState;
use sync_core::verdict::{ProblemCode, Verdict};
use tests::small_log::{Made, START_MS, SmallLog};

/// What one replica does while it is offline.
#[derive(Clone, Debug)]
enum Offline {
    Amend(Vec<(usize, u8)>),
    Comment,
    Attach,
    Step(usize),
}

fn offline(steps: bool) -> impl Strategy<Value = Vec<Vec<(u32, Offline)>>> {
    let deed = prop_oneof![
        4 => amendment().prop_map(Offline::Amend),
        1 => Just(Offline::Comment),
        1 => Just(Offline::Attach),
        if steps { 2 } else { 0 } => (0..STEPS.len() - 1).prop_map(Offline::Step),
    ];
    // Stretches offline; after each, everybody has met the server and has seen everything.
    proptest::collection::vec(proptest::collection::vec((1u32..=4, deed), 0..8), 1..4)
}

/// Makes the changes of a stretch, each with a moment of its own and a clock that is right.
fn make(log: &mut SmallLog, stretch: &[(u32, Offline)], number: usize) -> Vec<VecDeque<Made>> {
    let base = log.head();
    let mut queues = vec![VecDeque::new(); 4];
    for (index, (replica, deed)) in stretch.iter().enumerate() {
        let wall_ms = START_MS + 1_000_000 * (number as i64 + 1) + 1_000 * index as i64;
        let (intent, json) = match deed {
            Offline::Amend(fields) => ("report.amend", json_of(fields)),
            Offline::Comment => (
                "report.comment",
                format!(r#"{{"text":"{number} {index}"}}"#),
            ),
            Offline::Attach => (
                "attachment.add",
                format!(
                    r#"{{"sha256":"{:064x}","size_bytes":1,"media_type":"image/png"}}"#,
                    number * 100 + index
                ),
            ),
            Offline::Step(step) => ("report.transition", STEPS[*step].to_owned()),
        };
        let made = log.make(ReplicaNo(*replica), &form(intent, json, base, wall_ms));
        queues[*replica as usize - 1].push_back(made);
    }
    queues
}

/// Plays the stretches; within each, replicas are served in the order that the picks give, each in its own order.
fn arrive(stretches: &[Vec<(u32, Offline)>], picks: &[Index]) -> SmallLog {
    let mut log = begin();
    let mut picks = picks.iter().cycle();
    for (number, stretch) in stretches.iter().enumerate() {
        let mut queues = make(&mut log, stretch, number);
        log.wait_ms(START_MS + 1_000_000 * (number as i64 + 2) - log.now_ms());
        loop {
            let full: Vec<usize> = (0..4).filter(|index| !queues[*index].is_empty()).collect();
            if full.is_empty() {
                break;
            }
            let pick = picks.next().expect("a cycle").index(full.len());
            let made = queues[full[pick]].pop_front().expect("not empty");
            log.admit(&made, true);
        }
    }
    log
}

type Values = BTreeMap<String, Vec<(i64, u32, u64, String)>>;

/// Every visible value, the shown one first, and the sets: all that people read, positions aside.
fn read(state: &RecordState) -> (Values, BTreeSet<String>) {
    let values = state
        .field_names()
        .into_iter()
        .map(|name| {
            let values = state.values(name).into_iter();
            let values = values.map(|(stamp, raw)| {
                (
                    stamp.time_ms,
                    stamp.replica.0,
                    stamp.seq.0,
                    raw.get().to_owned(),
                )
            });
            (name.to_owned(), values.collect())
        })
        .collect();
    let elements = state.elements.iter().map(|element| {
        format!(
            "{} {} {} {} {:?}",
            element.set,
            element.stamp.replica,
            element.stamp.seq,
            element.stamp.time_ms,
            element.fields
        )
    });
    (values, elements.collect())
}

proptest! {
    #![proptest_config(super::cases(192))]

    #[test]
    fn amendments_and_elements_read_the_same_whatever_arrives_first(
        stretches in offline(false), one: [Index; 16], two: [Index; 16],
    ) {
        let (one, two) = (arrive(&stretches, &one), arrive(&stretches, &two));
        let state = |log: &SmallLog| log.state(record()).expect("the report").clone();
        prop_assert_eq!(read(&state(&one)), read(&state(&two)));
        prop_assert!(one.entries.iter().all(|entry| entry.answer.verdict.is_in_force()));
    }

    #[test]
    fn competing_steps_leave_all_else_alone(stretches in offline(true), one: [Index; 16], two: [Index; 16]) {
        let (one, two) = (arrive(&stretches, &one), arrive(&stretches, &two));
        let state = |log: &SmallLog| log.state(record()).expect("the report").clone();
        // Only the time that a step lends to a later change of its author could differ, and clocks are right here.
        prop_assert_eq!(read(&state(&one)), read(&state(&two)));
        let tried = stretches.iter().flatten().filter(|(_, deed)| matches!(deed, Offline::Step(_))).count();
        for log in [one, two] {
            let state = state(&log);
            prop_assert_eq!(state.steps.len() + state.attempts.len(), tried, "a step is neither applied nor shown as tried");
        }
    }

    /// Everybody tries a step from the same state. The first to arrive takes it, every other is there to be read.
    #[test]
    fn of_competing_steps_one_is_applied_and_the_others_are_visible(
        order in Just([1u32, 2, 3, 4]).prop_shuffle(), steps in proptest::array::uniform4(0..STEPS.len() - 1),
    ) {
        let mut log = begin();
        let (base, wall_ms) = (log.head(), log.now_ms());
        for (place, number) in order.iter().enumerate() {
            let json = STEPS[steps[*number as usize - 1]].to_owned();
            let entry = log.write(ReplicaNo(*number), &form("report.transition", json, base, wall_ms));
            if place == 0 {
                prop_assert_eq!(entry.answer.verdict, Verdict::Accepted);
            } else {
                prop_assert_eq!(entry.answer.verdict, Verdict::NotApplied);
                prop_assert_eq!(entry.answer.problems[0].code, ProblemCode::StateMovedOn);
            }
        }
        let state = log.state(record()).expect("the report");
        prop_assert_eq!(state.steps.len(), 1);
        prop_assert_eq!(state.steps[0].stamp.replica.0, order[0]);
        let tried: Vec<u32> = state.attempts.iter().map(|attempt| attempt.stamp.replica.0).collect();
        prop_assert_eq!(&tried, &order[1..]);
        let won = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(STEPS[steps[order[0] as usize - 1]]).expect("JSON");
        prop_assert_eq!(state.state.as_deref(), won["to"].as_str());
        for name in FIELDS {
            prop_assert!(!state.is_conflicted(name));
        }
    }
}
