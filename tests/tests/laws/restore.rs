//! After a restore: what the log lost is handed back in any order between replicas, stands where it first stood, and the
//! records are what they were.

use super::oracle::{visible, visible_in, writes};
use super::scenario::{Act, Deed, acts, form, json_of, play, record};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::VecDeque;
use sync_core::ids::{LogPlace, Pos, ReplicaNo};
use sync_core::merge::RecordState;
use tests::small_log::{Logged, SmallLog};

/// What a reader sees of a record, places aside.
fn shown(state: &RecordState) -> String {
    let values: Vec<_> = visible_in(state).into_iter().collect();
    let elements: Vec<_> = state
        .elements
        .iter()
        .map(|element| (element.stamp.replica, element.stamp.seq, &element.set))
        .collect();
    let steps: Vec<_> = state
        .steps
        .iter()
        .map(|step| {
            (
                step.stamp.replica,
                step.stamp.seq,
                &step.states,
                &step.units,
            )
        })
        .collect();
    let attempts: Vec<_> = state
        .attempts
        .iter()
        .map(|attempt| (attempt.stamp.replica, attempt.stamp.seq, attempt.code))
        .collect();
    format!(
        "{:?} {:?} {:?} {:?} {values:?} {elements:?} {steps:?} {attempts:?}",
        state.kind, state.unit, state.desk, state.state
    )
}

/// Days without rulings: what a ruling released is decided anew after a restore, which is another matter.
fn plain_acts() -> impl Strategy<Value = Vec<Act>> {
    acts(20).prop_map(|acts| {
        acts.into_iter()
            .filter(|act| !matches!(act.deed, Deed::AmendHeld(_) | Deed::Release(_)))
            .collect()
    })
}

/// One queue a replica, which hands back in the order of its chain.
fn queues(lost: Vec<Logged>) -> Vec<VecDeque<Logged>> {
    let mut queues: Vec<VecDeque<Logged>> = vec![VecDeque::new(); 4];
    for entry in lost {
        queues[entry.made.replica.0 as usize - 1].push_back(entry);
    }
    queues
}

fn take_next(queues: &mut [VecDeque<Logged>], pick: Index) -> Option<Logged> {
    let full: Vec<usize> = (0..queues.len())
        .filter(|index| !queues[*index].is_empty())
        .collect();
    let index = *full.get(pick.index(full.len().max(1)))?;
    queues[index].pop_front()
}

fn last_state(log: &SmallLog) -> &RecordState {
    log.state(record()).expect("the report is there")
}

proptest! {
    #![proptest_config(super::cases(192))]

    #[test]
    fn a_restored_log_that_gets_all_back_shows_what_it_showed(
        acts in plain_acts(), keep: Index, picks in proptest::collection::vec(any::<Index>(), 24),
    ) {
        let mut log = play(&acts);
        let before = shown(last_state(&log));
        let lost = log.restore(keep.index(log.entries.len()));
        let mut queues = queues(lost);
        for pick in picks {
            if let Some(entry) = take_next(&mut queues, pick) {
                log.take_back(&entry);
            }
        }
        prop_assert_eq!(shown(last_state(&log)), before);
    }

    /// New work in between, some of it by people who had seen what was lost, some by people who had not.
    #[test]
    fn work_after_a_restore_stands_beside_what_it_had_not_seen(
        acts in plain_acts(), keep: Index,
        picks in proptest::collection::vec((any::<Index>(), any::<bool>(), 1u32..=4, super::scenario::amendment(), any::<Index>()), 24),
    ) {
        let mut log = play(&acts);
        let old_head = log.head();
        let keep = 1 + keep.index(log.entries.len());
        let lost = log.restore(keep.min(log.entries.len()));
        let mut queues = queues(lost);
        for (pick, new, replica, fields, copy) in picks {
            // A replica hands its own lost changes back before it sends anything new.
            let replica = ReplicaNo(replica);
            if new && queues[replica.0 as usize - 1].is_empty() {
                // Its copy is of before the restore or of now.
                let base = if copy.index(2) == 0 {
                    LogPlace { pos: Pos(1 + copy.index(old_head.pos.0 as usize) as u64), ..old_head }
                } else {
                    log.head()
                };
                let wall_ms = log.now_ms();
                // As the server does: a copy of before the restore says nothing about the order of the new epoch.
                log.write(replica, &form("report.amend", json_of(&fields), base, wall_ms));
            } else if let Some(entry) = take_next(&mut queues, pick) {
                log.take_back(&entry);
            }
            let state = last_state(&log);
            let entries = log.entries.iter().filter(|entry| entry.made.header.record == record());
            prop_assert_eq!(visible_in(state), visible(&writes(entries)));
            let mut orders: Vec<_> = state.elements.iter().map(|element| element.stamp.order()).collect();
            prop_assert!(orders.is_sorted(), "elements stand where they first stood");
            orders = state.steps.iter().map(|step| step.stamp.order()).collect();
            prop_assert!(orders.is_sorted(), "steps stand where they first stood");
        }
    }
}
