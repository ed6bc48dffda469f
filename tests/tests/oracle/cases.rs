//! Hand-worked cases of admission, from the sentences of `docs/protocol.md`; no engine takes part.

use serde_json::json;
use tests::oracle::arrival::{OfferedReceipt, Status};
use tests::oracle::plain::{
    CLOCK_BOUNDED, Change, Clocks, FORKED, Need, Place, REOFFERED, REPEAT, RIGHT_ENDED, Verdict,
    Written,
};
use tests::oracle::{AdmissionOracle, Arrival, Prediction};

pub const WANG: [u8; 16] = [1; 16];
pub const LI: [u8; 16] = [2; 16];
pub const REPORT: [u8; 16] = [9; 16];
const MINUTE_MS: i64 = 60_000;

/// A district (1) with a grid (2), another (3) and a department (4); Wang and Li work in the grid.
pub fn district() -> AdmissionOracle {
    let mut oracle = AdmissionOracle::new();
    for (unit, parent) in [(1, None), (2, Some(1)), (3, Some(1)), (4, Some(1))] {
        oracle.directory(
            &json!({"directory": "unit", "unit": unit, "parent": parent}),
            0,
        );
    }
    for (person, id) in [(1, WANG), (2, LI)] {
        grant(&mut oracle, person, "worker", 2);
        let replica = uuid::Uuid::from_bytes(id).to_string();
        oracle.directory(
            &json!({"directory": "replica", "no": person, "replica": replica, "person": person}),
            0,
        );
    }
    oracle
}

pub fn grant(oracle: &mut AdmissionOracle, person: u32, role: &str, unit: u32) {
    oracle.directory(
        &json!({"directory": "grant", "person": person, "role": role, "unit": unit, "from_ms": 0}),
        0,
    );
}

pub fn change(seq: u64, intent: &str, json: &str, base: Place, at_ms: i64) -> Change {
    Change {
        seq,
        hash: [seq as u8; 32],
        written: Some(Written {
            record: REPORT,
            unit: 2,
            intent: intent.into(),
            schema: 1,
            base,
            at: Clocks {
                wall_ms: at_ms,
                ..Clocks::default()
            },
            whose: None,
            needs: None,
            repairs: None,
            origin: None,
        }),
        open: Some(json.as_bytes().to_vec()),
        unreadable_parts: Vec::new(),
    }
}

pub fn create(seq: u64, at_ms: i64) -> Change {
    change(
        seq,
        "report.create",
        r#"{"category":"SAN-01"}"#,
        (0, 0),
        at_ms,
    )
}

pub fn arrival(replica: [u8; 16], received_ms: i64, changes: Vec<Change>) -> Arrival {
    let last = changes
        .last()
        .map_or((0, [0; 32]), |last| (last.seq, last.hash));
    let first_seq = changes.first().map_or(0, |first| first.seq);
    Arrival {
        replica,
        received_ms,
        epoch: 1,
        head: last,
        first_seq,
        prev_hash: if first_seq > 1 {
            [first_seq as u8 - 1; 32]
        } else {
            [0; 32]
        },
        changes,
        sent_at: Clocks::default(),
        receipts: Vec::new(),
    }
}

pub fn arrive(oracle: &mut AdmissionOracle, arrival: &Arrival) -> Prediction {
    oracle.arrive(arrival).expect("a known replica")
}

pub fn verdicts(prediction: &Prediction) -> Vec<Verdict> {
    prediction
        .answers
        .iter()
        .map(|answered| answered.answer.verdict)
        .collect()
}

pub fn codes(prediction: &Prediction, index: usize) -> Vec<&str> {
    prediction.answers[index]
        .answer
        .problems
        .iter()
        .map(|(code, _)| code.as_str())
        .collect()
}

#[test]
fn a_repeated_batch_gets_the_answer_that_it_got() {
    let mut oracle = district();
    let batch = arrival(WANG, 1_000, vec![create(1, 900)]);
    let first = arrive(&mut oracle, &batch);
    assert_eq!(verdicts(&first), [Verdict::Accepted]);
    let again = arrive(
        &mut oracle,
        &Arrival {
            received_ms: 2_000,
            ..batch
        },
    );
    assert_eq!((again.duplicates, again.mark), (1, 1));
    assert_eq!(again.answers, first.answers);
}

#[test]
fn another_hash_or_a_lower_head_is_a_fork_and_a_gap_is_not_taken() {
    let mut oracle = district();
    let batch = arrival(WANG, 1_000, vec![create(1, 900)]);
    arrive(&mut oracle, &batch);
    let mut other = batch.clone();
    other.changes[0].hash = [77; 32];
    other.head.1 = [77; 32];
    assert_eq!(arrive(&mut oracle, &other).status, Status::Fork);
    let old = arrival(WANG, 1_000, Vec::new());
    assert_eq!(arrive(&mut oracle, &old).status, Status::Fork);
    let above = arrival(WANG, 1_000, vec![create(3, 900)]);
    let told = arrive(&mut oracle, &above);
    assert_eq!((told.status, told.mark), (Status::Ok, 1));
    assert!(told.answers.is_empty());
}

#[test]
fn an_amendment_waits_for_its_report_and_is_released_by_it() {
    let mut oracle = district();
    let early = change(1, "report.amend", r#"{"title":"Heap"}"#, (0, 0), 500);
    let held = arrive(&mut oracle, &arrival(LI, 1_000, vec![early]));
    assert_eq!(verdicts(&held), [Verdict::Held]);
    assert_eq!(codes(&held, 0), ["record_missing"]);
    let made = arrive(&mut oracle, &arrival(WANG, 2_000, vec![create(1, 1_900)]));
    assert_eq!(made.rulings.len(), 1);
    assert_eq!(made.rulings[0].ruling, "released");
    assert_eq!(made.rulings[0].of, held.answers[0].place.1);
    assert_eq!(made.rulings[0].place.1, made.answers[0].place.1 + 1);
    let record = oracle.record(REPORT).expect("a record");
    let title = &record.registers["title"][0].stamp;
    assert_eq!((title.place, title.time_ms), (made.rulings[0].place, 500));
}

#[test]
fn what_it_needs_comes_first() {
    let mut oracle = district();
    let mut needy = change(2, "report.amend", r#"{"title":"Heap"}"#, (0, 0), 950);
    needy.written.as_mut().expect("a header").needs = Some(Need::Change((LI, 1)));
    let held = arrive(
        &mut oracle,
        &arrival(WANG, 1_000, vec![create(1, 900), needy]),
    );
    assert_eq!(verdicts(&held), [Verdict::Accepted, Verdict::Held]);
    assert_eq!(codes(&held, 1), ["needs_missing"]);
    let mut visit = change(1, "visit.log", r#"{"outcome":"done"}"#, (0, 0), 900);
    visit.written.as_mut().expect("a header").record = [8; 16];
    let made = arrive(&mut oracle, &arrival(LI, 2_000, vec![visit]));
    assert_eq!(made.rulings[0].answer.verdict, Verdict::Accepted);
}

#[test]
fn a_repair_keeps_the_time_and_ends_the_quarantine() {
    let mut oracle = district();
    let poison = change(1, "report.create", "{}", (0, 0), 700);
    let told = arrive(&mut oracle, &arrival(WANG, 1_000, vec![poison]));
    assert_eq!(codes(&told, 0), ["required"]);
    let mut repair = create(2, 5_000);
    repair.written.as_mut().expect("a header").repairs = Some((WANG, 1));
    let mended = arrive(&mut oracle, &arrival(WANG, 6_000, vec![repair.clone()]));
    assert_eq!(verdicts(&mended), [Verdict::Accepted]);
    assert_eq!(mended.answers[0].time_ms, 700);
    assert_eq!(mended.rulings[0].ruling, "repaired");
    repair.seq = 3;
    repair.hash = [3; 32];
    let twice = arrive(&mut oracle, &arrival(WANG, 7_000, vec![repair]));
    assert!(codes(&twice, 0).contains(&"nothing_to_repair"));
}

#[test]
fn the_first_step_to_arrive_is_taken() {
    let mut oracle = district();
    grant(&mut oracle, 1, "duty_desk", 2);
    grant(&mut oracle, 2, "duty_desk", 2);
    let made = arrive(&mut oracle, &arrival(WANG, 1_000, vec![create(1, 900)]));
    let base = made.answers[0].place;
    let step = |seq, to: &str| {
        let json = format!(r#"{{"to":"{to}","level":"II","reason":"so"}}"#);
        change(seq, "report.transition", &json, base, 1_500)
    };
    let first = arrive(
        &mut oracle,
        &arrival(LI, 2_000, vec![step(1, "REGISTERED")]),
    );
    assert_eq!(verdicts(&first), [Verdict::Accepted]);
    let second = arrive(
        &mut oracle,
        &arrival(WANG, 2_000, vec![step(2, "REJECTED")]),
    );
    assert_eq!(verdicts(&second), [Verdict::NotApplied]);
    assert_eq!(codes(&second, 0), ["state_moved_on"]);
}

#[test]
fn clocks_are_bounded_and_ended_rights_are_marked() {
    let mut oracle = district();
    let hour_ms = 60 * MINUTE_MS;
    oracle.directory(
        &json!({"directory": "grant_ended", "person": 1, "role": "worker", "unit": 2, "until_ms": hour_ms}),
        hour_ms,
    );
    let ahead = create(1, 1_000 * hour_ms);
    let told = arrive(&mut oracle, &arrival(WANG, 2 * hour_ms, vec![ahead]));
    assert_eq!(told.answers[0].time_ms, 2 * hour_ms);
    assert_eq!(told.answers[0].answer.marks, CLOCK_BOUNDED | RIGHT_ENDED);
    // A change made after that contact cannot have been made while the right held.
    let comment = change(2, "report.comment", r#"{"text":"late"}"#, (0, 0), 0);
    let late = arrive(&mut oracle, &arrival(WANG, 3 * hour_ms, vec![comment]));
    assert_eq!(codes(&late, 0), ["right_missing"]);
    assert_eq!(late.answers[0].time_ms, 2 * hour_ms);
}

#[test]
fn a_restored_server_takes_back_what_a_receipt_covers() {
    let mut oracle = district();
    let copy = oracle.clone();
    let batch = arrival(WANG, 1_000, vec![create(1, 900)]);
    let before = arrive(&mut oracle, &batch);
    oracle.restore(&copy);
    let place = before.answers[0].place;
    let offered = Arrival {
        received_ms: 9_000,
        epoch: 2,
        receipts: vec![OfferedReceipt {
            replica: WANG,
            epoch: 1,
            range: (1, 1),
            chain_hash: [1; 32],
            first_pos: place.1,
            received_ms: 1_000,
            answers: vec![before.answers[0].answer.clone()],
            times_ms: vec![900],
        }],
        ..batch
    };
    let after = arrive(&mut oracle, &offered);
    assert_eq!(after.answers[0].first, Some(place));
    assert_eq!(after.answers[0].place, (2, place.1));
    assert_eq!(after.answers[0].time_ms, 900);
    assert_eq!(after.answers[0].answer.marks, REOFFERED);
}

#[test]
fn a_branch_is_admitted_once() {
    let mut oracle = district();
    let mut repeat = create(1, 900);
    repeat.written.as_mut().expect("a header").origin = Some(((WANG, 4), [4; 32]));
    let first = arrive(&mut oracle, &arrival(LI, 1_000, vec![repeat.clone()]));
    assert_eq!(first.answers[0].answer.marks & (FORKED | REPEAT), FORKED);
    repeat.seq = 2;
    repeat.hash = [2; 32];
    let second = arrive(&mut oracle, &arrival(LI, 1_000, vec![repeat]));
    assert_eq!(
        second.answers[0].answer.marks & (FORKED | REPEAT),
        FORKED | REPEAT
    );
}

#[test]
fn volunteers_see_rounds_and_notices_and_handlers_what_was_sent_to_them() {
    let mut oracle = district();
    grant(&mut oracle, 5, "patrol_member", 2);
    grant(&mut oracle, 6, "department_handler", 4);
    let volunteer = oracle.scope(5, 1_000);
    let kinds = ["report", "visit", "patrol", "task", "claim", "notice"];
    let seen: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| volunteer.contains(kind, 2, Some(2)))
        .collect();
    assert_eq!(seen, ["patrol", "notice"]);
    assert!(!volunteer.contains("patrol", 3, None));
    let handler = oracle.scope(6, 1_000);
    assert!(handler.contains("report", 2, Some(4)));
    assert!(!handler.contains("report", 4, None));
    assert!(!handler.contains("report", 4, Some(3)));
    assert!(!handler.contains("visit", 2, Some(4)));
}

#[test]
fn all_of_a_revoked_replica_is_quarantined() {
    let mut oracle = district();
    oracle.directory(
        &json!({"directory": "replica_revoked", "no": 1, "revoked_ms": 5}),
        5,
    );
    let told = arrive(&mut oracle, &arrival(WANG, 1_000, vec![create(1, 900)]));
    assert_eq!(told.status, Status::Revoked);
    assert_eq!(codes(&told, 0), ["replica_revoked"]);
}

/// Report and amendment are lost by a restore; the report comes back first.
#[test]
fn what_was_held_before_a_restore_is_looked_at_when_it_comes_back() {
    let mut oracle = district();
    let copy = oracle.clone();
    let early = change(1, "report.amend", r#"{"title":"Heap"}"#, (0, 0), 500);
    let early = arrival(LI, 1_000, vec![early]);
    let report = arrival(WANG, 2_000, vec![create(1, 1_900)]);
    let receipts = [
        receipt(&early, &arrive(&mut oracle, &early)),
        receipt(&report, &arrive(&mut oracle, &report)),
    ];
    oracle.restore(&copy);
    for (batch, receipt) in [(report, &receipts[1]), (early, &receipts[0])] {
        let offered = Arrival {
            received_ms: 9_000,
            epoch: 2,
            receipts: vec![receipt.clone()],
            ..batch
        };
        arrive(&mut oracle, &offered);
    }
    let record = oracle.record(REPORT).expect("a record");
    assert!(record.registers.contains_key("title"));
}

fn receipt(batch: &Arrival, said: &Prediction) -> OfferedReceipt {
    OfferedReceipt {
        replica: batch.replica,
        epoch: 1,
        range: (1, 1),
        chain_hash: batch.changes[0].hash,
        first_pos: said.answers[0].place.1,
        received_ms: batch.received_ms,
        answers: vec![said.answers[0].answer.clone()],
        times_ms: vec![said.answers[0].time_ms],
    }
}

/// Somebody without a right amends a report that has not come; when it comes, the amendment is quarantined.
#[test]
fn what_a_release_quarantines_lies_in_the_inbox() {
    let mut oracle = district();
    grant(&mut oracle, 1, "worker", 3);
    let early = change(1, "report.amend", r#"{"title":"Heap"}"#, (0, 0), 500);
    arrive(&mut oracle, &arrival(LI, 1_000, vec![early]));
    let mut elsewhere = create(1, 1_900);
    elsewhere.written.as_mut().expect("a header").unit = 3;
    let said = arrive(&mut oracle, &arrival(WANG, 2_000, vec![elsewhere]));
    assert_eq!(said.rulings[0].answer.verdict, Verdict::Quarantined);
    assert_eq!(oracle.inbox(), [said.rulings[0].of]);
}
