//! Steps, moves and writes against what their author saw, and the time that a change gets.

use super::scene::{
    ACCEPTED, AMEND, AUTHOR, CREATE, DISPATCH, GRID, NOW_MS, OTHER, OTHER_TOWN, REGISTER, Scene,
    TOWN, comment, created, desk, event, fields, header, moved, place, record, step, told, whole,
};
use crate::ids::Seq;
use crate::kinds::Kind;
use crate::merge::Act;
use crate::verdict::{Marks, Problem, ProblemCode, Verdict};

/// A step asks: was the last one seen, is it in the table, may this role, is all there. The first that fails is the problem.
#[test]
fn a_step_is_refused_for_the_first_thing_that_is_wrong() {
    let registered = || {
        record([
            event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE)),
            event(2, OTHER, step("REGISTERED", r#"{"level":"II"}"#)),
            event(3, OTHER, comment()),
        ])
    };
    let moved_on = Problem::whole(ProblemCode::StateMovedOn).limit("REGISTERED");
    let no_step = Problem::field(ProblemCode::TransitionNotAllowed, "to").limit("REGISTERED");
    let no_role = Problem::whole(ProblemCode::RightMissing).limit("DISPATCHED");
    let no_level =
        Problem::field(ProblemCode::FieldNeededForTransition, "level").limit("DISPATCHED");
    let bare = r#"{"to":"DISPATCHED","desk":2}"#;
    for (role, base, json, problem) in [
        ("worker", 1, r#"{"to":"CLOSED"}"#, Some(&moved_on)),
        ("worker", 2, r#"{"to":"CLOSED"}"#, Some(&no_step)),
        ("worker", 2, bare, Some(&no_role)),
        ("duty_desk", 2, bare, Some(&no_level)),
        ("duty_desk", 2, DISPATCH, None),
    ] {
        let decision = Scene::new(&[role], Some(registered()))
            .decide(&header("report.transition", base), json);
        let expected = if problem.is_some() {
            Verdict::NotApplied
        } else {
            Verdict::Accepted
        };
        assert_eq!(
            told(&decision),
            (expected, problem.cloned()),
            "{role} {base} {json}"
        );
        let after = decision.after.expect("a step or an attempt");
        let tried: Vec<_> = after
            .attempts
            .iter()
            .map(|attempt| (attempt.to.as_str(), attempt.code))
            .collect();
        let wanted = if json.contains("CLOSED") {
            "CLOSED"
        } else {
            "DISPATCHED"
        };
        assert_eq!(
            tried,
            problem
                .map(|problem| (wanted, problem.code))
                .into_iter()
                .collect::<Vec<_>>()
        );
        assert_eq!(after.desk, problem.is_none().then_some(TOWN));
    }
}

#[test]
fn a_replica_has_seen_its_own_earlier_steps_and_no_later_ones() {
    let by = |person, seq: u64| {
        let mut second = event(2, person, step("REGISTERED", "{}"));
        second.stamp.seq = Seq(seq);
        record([
            event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE)),
            second,
        ])
    };
    let decide = |record| {
        desk(Some(record))
            .decide(&header("report.transition", 1), DISPATCH)
            .answer
            .verdict
    };
    assert_eq!(decide(by(AUTHOR, 29)), Verdict::Accepted);
    assert_eq!(decide(by(AUTHOR, 30)), Verdict::NotApplied, "itself");
    assert_eq!(decide(by(AUTHOR, 31)), Verdict::NotApplied);
    assert_eq!(decide(by(OTHER, 29)), Verdict::NotApplied);
}

#[test]
fn a_move_goes_to_a_unit_that_exists_by_one_who_saw_the_last_move() {
    let moved_once = record([
        event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE)),
        event(2, OTHER, moved(GRID)),
        event(3, OTHER, step("REGISTERED", "{}")),
    ]);
    let decide =
        |base, json| desk(Some(moved_once.clone())).decide(&header("report.move", base), json);
    let done = decide(2, r#"{"unit":3}"#);
    assert_eq!(told(&done), ACCEPTED);
    assert_eq!(done.after.expect("moved").unit, OTHER_TOWN);
    assert_eq!(
        told(&decide(1, r#"{"unit":404}"#)),
        whole(Verdict::NotApplied, ProblemCode::StateMovedOn)
    );
    let nowhere = Problem::field(ProblemCode::UnknownChoice, "unit");
    let tried = decide(2, r#"{"unit":404}"#);
    assert_eq!(told(&tried), (Verdict::NotApplied, Some(nowhere)));
    let after = tried.after.expect("an attempt");
    assert_eq!((after.unit, after.attempts[0].to.as_str()), (GRID, ""));
}

#[test]
fn the_time_is_not_below_what_the_author_saw_or_its_own_replica_did() {
    let at = |person, time_ms| {
        let mut second = event(2, person, comment());
        second.stamp.time_ms = time_ms;
        second.stamp.seq = Seq(40);
        let mut first = event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE));
        first.stamp.time_ms = NOW_MS - 9_000;
        Some(record([first, second]))
    };
    let time_ms = |record, base| {
        desk(record)
            .decide(&header("report.amend", base), AMEND)
            .time_ms
    };
    assert_eq!(time_ms(at(OTHER, NOW_MS - 500), 2), NOW_MS - 500, "seen");
    assert_eq!(
        time_ms(at(OTHER, NOW_MS - 500), 1),
        NOW_MS - 1_000,
        "not seen"
    );
    assert_eq!(
        time_ms(at(AUTHOR, NOW_MS - 500), 1),
        NOW_MS - 500,
        "its own"
    );
    let mut fixed = desk(at(OTHER, NOW_MS - 500));
    fixed.time_ms = Some(12);
    let mut late = header("report.amend", 2);
    late.at.wall_ms = 0;
    let decision = fixed.decide(&late, AMEND);
    assert_eq!(
        (decision.time_ms, decision.answer.marks),
        (12, Marks::default())
    );
    fixed.time_ms = None;
    assert_eq!(
        fixed.decide(&late, AMEND).answer.marks,
        Marks::CLOCK_BOUNDED
    );
}

#[test]
fn a_conflict_is_told_to_who_wrote_the_field_and_to_nobody_else() {
    let conflicted = record([
        event(
            1,
            OTHER,
            created(
                Kind::Report,
                "SUBMITTED",
                r#"{"category":"SAN-01","floor":"1"}"#,
            ),
        ),
        event(2, OTHER, Act::Write(fields(r#"{"floor":"2","title":"b"}"#))),
    ]);
    let decide = |base, intent, json| {
        let mut header = header(intent, base);
        header.record = super::scene::record_id();
        desk(Some(conflicted.clone()))
            .decide(&header, json)
            .answer
            .verdict
    };
    assert_eq!(
        decide(1, "report.amend", r#"{"title":"a"}"#),
        Verdict::Conflict
    );
    assert_eq!(
        decide(1, "report.amend", r#"{"title":"b"}"#),
        Verdict::Accepted,
        "the same text"
    );
    assert_eq!(
        decide(2, "report.amend", r#"{"title":"a"}"#),
        Verdict::Accepted,
        "seen"
    );
    assert_eq!(
        decide(1, "report.amend", r#"{"address":"a"}"#),
        Verdict::Accepted,
        "another field"
    );
    // A comment and a step have fields of their own, whatever these are called.
    let titled = record([
        event(
            1,
            OTHER,
            created(
                Kind::Report,
                "SUBMITTED",
                r#"{"category":"SAN-01","level":"I"}"#,
            ),
        ),
        event(2, AUTHOR, Act::Write(fields(r#"{"level":"III"}"#))),
    ]);
    let mut apart = event(2, AUTHOR, Act::Write(fields(r#"{"level":"III"}"#)));
    apart.base = place(0);
    let apart = record([
        event(
            1,
            OTHER,
            created(
                Kind::Report,
                "SUBMITTED",
                r#"{"category":"SAN-01","level":"I"}"#,
            ),
        ),
        apart,
    ]);
    assert!(!titled.has_conflict() && apart.has_conflict());
    let step = desk(Some(apart)).decide(&header("report.transition", 2), REGISTER);
    assert_eq!(told(&step), ACCEPTED);
}

/// What the author's replica wrote later is gone from what is shown, because another has replaced it; the entries still tell.
#[test]
fn a_late_release_is_judged_by_the_whole_fold() {
    let mut later = event(2, AUTHOR, Act::Write(fields(r#"{"title":"late"}"#)));
    later.stamp.seq = Seq(31);
    let entries = vec![
        event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE)),
        later,
        event(3, OTHER, Act::Write(fields(r#"{"title":"settled"}"#))),
    ];
    let mut scene = desk(Some(record(entries.clone())));
    let change = header("report.amend", 1);
    let shown = scene.decide(&change, r#"{"title":"early"}"#);
    assert_eq!(shown.answer.verdict, Verdict::Conflict, "by what is shown");
    scene.entries = Some(entries);
    let whole = scene.decide(&change, r#"{"title":"early"}"#);
    assert_eq!(told(&whole), ACCEPTED);
    let after = whole.after.expect("a report");
    assert_eq!(after.shown_text("title").as_deref(), Some("settled"));
    assert_eq!(after.values("title").len(), 1);
}
