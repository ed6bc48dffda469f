//! The smallest cases of where the engine once departed from the rules: what the rules say.

use super::cases::{LI, WANG, arrival, arrive, change, codes, create, district, grant};
use serde_json::json;
use tests::oracle::plain::{CLOCK_BOUNDED, Change, Need, Verdict};
use tests::oracle::{AdmissionOracle, Prediction};

/// What a case comes to.
fn by_the_rule<T>(case: impl Fn(AdmissionOracle) -> T) -> T {
    case(district())
}

fn step(seq: u64, to: &str, more: &str, base: u64, at_ms: i64) -> Change {
    let json = format!(r#"{{"to":"{to}"{more}}}"#);
    change(seq, "report.transition", &json, (1, base), at_ms)
}

fn verdict(said: &Prediction) -> Verdict {
    said.answers[0].answer.verdict
}

/// Dispatched to the department; Li, a worker and grid head of the grid, begins the work.
#[test]
fn a_grid_head_is_bound_to_the_desk() {
    let rule = by_the_rule(|mut oracle| {
        grant(&mut oracle, 1, "duty_desk", 2);
        grant(&mut oracle, 2, "grid_head", 2);
        let dispatched = r#","desk":4,"level":"II","due_ms":1795600000000"#;
        let batch = vec![
            create(1, 900),
            step(2, "REGISTERED", r#","level":"II""#, 0, 910),
            step(3, "DISPATCHED", dispatched, 0, 920),
        ];
        arrive(&mut oracle, &arrival(WANG, 1_000, batch));
        let begun = step(1, "IN_PROGRESS", "", oracle.head(), 1_100);
        verdict(&arrive(&mut oracle, &arrival(LI, 1_200, vec![begun])))
    });
    assert_eq!(rule, Verdict::NotApplied);
}

/// A case of `FAC-02`, whose category requires proof: words alone are given as proof.
#[test]
fn words_are_no_proof_where_the_category_requires_one() {
    let rule = by_the_rule(|mut oracle| {
        grant(&mut oracle, 1, "duty_desk", 2);
        let dispatched = r#","desk":2,"level":"II","due_ms":1795600000000"#;
        let category = r#"{"category":"FAC-02"}"#;
        let batch = vec![
            change(1, "report.create", category, (0, 0), 900),
            step(2, "REGISTERED", r#","level":"II""#, 0, 910),
            step(3, "DISPATCHED", dispatched, 0, 920),
            step(4, "IN_PROGRESS", "", 0, 930),
        ];
        arrive(&mut oracle, &arrival(WANG, 1_000, batch));
        let words = step(5, "FEEDBACK", r#","proof":[],"note":"mended""#, 0, 1_100);
        verdict(&arrive(&mut oracle, &arrival(WANG, 1_200, vec![words])))
    });
    assert_eq!(rule, Verdict::NotApplied);
}

/// The desk's first step waits for a visit; it takes another one; then the visit comes.
#[test]
fn a_step_has_not_seen_what_its_author_did_later() {
    let rule = by_the_rule(|mut oracle| {
        grant(&mut oracle, 1, "duty_desk", 2);
        let mut waits = step(2, "REGISTERED", r#","level":"II""#, 0, 910);
        waits.written.as_mut().expect("a header").needs = Some(Need::Change((LI, 1)));
        let later = step(3, "NEEDS_INFO", r#","reason":"so""#, 0, 920);
        arrive(
            &mut oracle,
            &arrival(WANG, 1_000, vec![create(1, 900), waits, later]),
        );
        let comment = change(1, "report.comment", r#"{"text":"seen"}"#, (0, 0), 1_100);
        let said = arrive(&mut oracle, &arrival(LI, 1_200, vec![comment]));
        said.rulings[0].answer.verdict
    });
    assert_eq!(rule, Verdict::NotApplied);
}

/// An early amendment is handed in, the phone is revoked, then the report comes.
#[test]
fn a_revocation_does_not_reach_back() {
    let rule = by_the_rule(|mut oracle| {
        let early = change(1, "report.amend", r#"{"title":"Heap"}"#, (0, 0), 500);
        arrive(&mut oracle, &arrival(LI, 1_000, vec![early]));
        oracle.directory(
            &json!({"directory": "replica_revoked", "no": 2, "revoked_ms": 1_500}),
            1_500,
        );
        let said = arrive(&mut oracle, &arrival(WANG, 2_000, vec![create(1, 1_900)]));
        said.rulings[0].answer.verdict
    });
    assert_eq!(rule, Verdict::Accepted);
}

/// A branch repeats what was made long before the fork.
#[test]
fn a_fork_does_not_make_work_younger() {
    let rule = by_the_rule(|mut oracle| {
        let replica = uuid::Uuid::from_bytes([5; 16]).to_string();
        let day_ms = 24 * 3_600_000;
        oracle.directory(
            &json!({"directory": "replica", "no": 5, "replica": replica, "person": 1, "continues": [1, 0]}),
            3 * day_ms,
        );
        let mut repeat = create(1, 1_000);
        repeat.written.as_mut().expect("a header").origin = Some(((WANG, 1), [1; 32]));
        let said = arrive(&mut oracle, &arrival([5; 16], 4 * day_ms, vec![repeat]));
        let answered = &said.answers[0];
        (answered.time_ms, answered.answer.marks & CLOCK_BOUNDED)
    });
    assert_eq!(rule, (1_000, 0));
}

/// Two repairs of one change in one batch.
#[test]
fn a_change_is_repaired_once() {
    let rule = by_the_rule(|mut oracle| {
        let poison = change(1, "report.comment", "{}", (0, 0), 700);
        let repair = |seq| {
            let mut repair = change(seq, "report.comment", r#"{"text":"so"}"#, (0, 0), 800);
            repair.written.as_mut().expect("a header").repairs = Some((WANG, 1));
            repair
        };
        let batch = vec![poison, repair(2), repair(3)];
        let said = arrive(&mut oracle, &arrival(WANG, 1_000, batch));
        codes(&said, 2).len()
    });
    assert_eq!(rule, 1);
}

/// Wang's first title waits, the second does not; Li has seen the second and writes a third; then the first is released.
#[test]
fn a_release_is_no_conflict_when_one_value_stands() {
    let rule = by_the_rule(|mut oracle| {
        let title = |seq, title: &str, base, at_ms| {
            let json = format!(r#"{{"title":"{title}"}}"#);
            change(seq, "report.amend", &json, (1, base), at_ms)
        };
        let mut waits = title(2, "first", 0, 910);
        waits.written.as_mut().expect("a header").needs = Some(Need::Change((LI, 2)));
        let batch = vec![create(1, 900), waits, title(3, "second", 0, 920)];
        arrive(&mut oracle, &arrival(WANG, 1_000, batch));
        let third = title(1, "third", oracle.head(), 1_100);
        let comment = change(2, "report.comment", r#"{"text":"so"}"#, (0, 0), 1_110);
        let said = arrive(&mut oracle, &arrival(LI, 1_200, vec![third, comment]));
        said.rulings[0].answer.verdict
    });
    assert_eq!(rule, Verdict::Accepted);
}
