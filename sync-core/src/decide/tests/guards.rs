//! Each guard of the tables asked alone: what it lets through beside what it refuses.

use super::question::{Question, needed, not_allowed};
use super::scene::{
    AUTHOR, DISTRICT, GRID, OTHER, OTHER_TOWN, TOWN, created, event, event_for, moved, record,
    report, step,
};
use crate::decide::guards::is_known;
use crate::ids::PersonId;
use crate::kinds::Kind;
use crate::merge::{Event, RecordState};
use crate::verdict::{Problem, ProblemCode};

const DAY_MS: i64 = 24 * 3_600_000;
const NOBODY_ELSE: PersonId = PersonId(99);

fn report_of(category: &str) -> RecordState {
    let json = format!(r#"{{"category":"{category}"}}"#);
    record([event(1, OTHER, created(Kind::Report, "SUBMITTED", &json))])
}

/// A report of nobody in particular, with the steps that these people took.
fn worked_on(steps: &[(PersonId, &str, &str)]) -> RecordState {
    let made = event(
        1,
        OTHER,
        created(Kind::Report, "SUBMITTED", r#"{"category":"SAN-01"}"#),
    );
    let steps = steps.iter().zip(2..);
    record(
        [made]
            .into_iter()
            .chain(steps.map(|((person, to, json), pos)| event(pos, *person, step(to, json)))),
    )
}

#[test]
fn needed_fields_come_before_guards_and_guards_in_their_order() {
    let asked = Question::about(report())
        .to("DONE")
        .with(r#"{"level":"II"}"#);
    assert_eq!(asked.asks(&["level"], &[]), None);
    assert_eq!(
        asked.asks(&["level", "desk", "due_ms"], &["own_claim"]),
        needed("desk", "DONE")
    );
    assert_eq!(
        asked.asks(&["level"], &["own_claim", "own_desk"]),
        not_allowed("own_claim")
    );
    assert_eq!(
        asked.asks(&[], &["once", "own_desk", "own_claim"]),
        not_allowed("own_desk")
    );
}

#[test]
fn a_guard_that_nobody_knows_is_none() {
    assert!(is_known("proof") && is_known("own_claim") && is_known("retention_over"));
    assert!(!is_known("") && !is_known("proofs"));
}

/// 2026-11-27, a Friday, 16:30 in Shanghai.
const FRIDAY_MS: i64 = 1_795_768_200_000;
const HOUR_MS: i64 = 3_600_000;

fn at(pos: u64, time_ms: i64, to: &str, json: &str) -> Event {
    let mut event = event(pos, OTHER, step(to, json));
    event.stamp.time_ms = time_ms;
    event
}

fn made_at(time_ms: i64) -> Event {
    let made = created(Kind::Report, "SUBMITTED", r#"{"category":"SAN-01"}"#);
    let mut made = event(1, OTHER, made);
    made.stamp.time_ms = time_ms;
    made
}

#[test]
fn a_unit_sends_back_within_a_working_day_of_getting_it() {
    let record = record([
        made_at(FRIDAY_MS - HOUR_MS),
        at(2, FRIDAY_MS, "DISPATCHED", "{}"),
    ]);
    // Half an hour is left on Friday; the day is over on Monday at 16:30.
    let monday_ms = FRIDAY_MS + 3 * DAY_MS;
    for (time_ms, passes) in [
        (FRIDAY_MS, true),
        (FRIDAY_MS + 2 * DAY_MS, true),
        (monday_ms, true),
        (monday_ms + 1, false),
    ] {
        let asked = Question {
            time_ms,
            ..Question::about(record.clone())
        };
        assert_eq!(asked.passes("within_1_working_day"), passes, "{time_ms}");
    }
}

#[test]
fn an_extension_ends_within_fifteen_working_days_of_sending_out_without_suspension() {
    let sent = [
        made_at(FRIDAY_MS - HOUR_MS),
        at(2, FRIDAY_MS, "DISPATCHED", "{}"),
    ];
    let handled = [at(3, FRIDAY_MS + HOUR_MS, "IN_PROGRESS", "{}")];
    let suspended = [
        at(4, FRIDAY_MS + 3 * DAY_MS, "SUSPENDED", "{}"),
        at(5, FRIDAY_MS + 10 * DAY_MS, "IN_PROGRESS", "{}"),
    ];
    let short: Vec<Event> = sent.iter().chain(&handled).cloned().collect();
    let long: Vec<Event> = short.iter().chain(&suspended).cloned().collect();
    // Three weeks later, and a week more for the week of suspension; an answer that refuses asks for no end.
    let last_ms = FRIDAY_MS + 21 * DAY_MS;
    for (events, due_ms, granted, passes) in [
        (&short, last_ms, true, true),
        (&short, last_ms + 1, true, false),
        (&short, last_ms + 1, false, true),
        (&long, last_ms + 7 * DAY_MS, true, true),
        (&long, last_ms + 7 * DAY_MS + 1, true, false),
    ] {
        let json = format!(r#"{{"granted":{granted},"due_ms":{due_ms}}}"#);
        let asked = Question::about(record(events.iter().cloned())).with(json.leak());
        let found = asked.passes("extension_within_15_working_days");
        assert_eq!(found, passes, "{due_ms} {granted}");
    }
}

#[test]
fn what_is_kept_open_to_questions_is_archived_after_a_year() {
    let closed = record([
        made_at(FRIDAY_MS),
        at(2, FRIDAY_MS + HOUR_MS, "CLOSED", "{}"),
    ]);
    for (days, passes) in [(0, false), (364, false), (366, true)] {
        let asked = Question {
            time_ms: FRIDAY_MS + HOUR_MS + days * DAY_MS,
            ..Question::about(closed.clone())
        };
        assert_eq!(asked.passes("retention_over"), passes, "{days}");
    }
}

#[test]
fn words_prove_only_where_the_category_says_so_and_nothing_that_was_solved_on_the_spot() {
    let photo = r#"{"proof":["x"],"note":"done"}"#;
    let cases = [
        ("SAN-01", "FEEDBACK", photo, true),
        ("FAC-02", "FEEDBACK", photo, true),
        ("SAN-01", "SELF_DONE", photo, true),
        ("SAN-01", "FEEDBACK", r#"{"note":"done"}"#, true),
        ("SAN-01", "FEEDBACK", r#"{"proof":[],"note":"done"}"#, true),
        ("NOWHERE", "FEEDBACK", r#"{"note":"done"}"#, true),
        ("FAC-02", "FEEDBACK", r#"{"note":"done"}"#, false),
        ("SAN-01", "SELF_DONE", r#"{"note":"done"}"#, false),
        ("SAN-01", "FEEDBACK", r#"{"proof":[]}"#, false),
        ("SAN-01", "FEEDBACK", r#"{"proof":"x"}"#, false),
        ("SAN-01", "FEEDBACK", "{}", false),
    ];
    for (category, to, json, passes) in cases {
        let asked = Question::about(report_of(category)).to(to).with(json);
        let expected = if passes { None } else { needed("proof", to) };
        assert_eq!(
            asked.asks(&[], &["proof"]),
            expected,
            "{category} {to} {json}"
        );
    }
}

#[test]
fn a_category_says_whether_it_may_be_solved_on_the_spot() {
    let guard = "category_allows_self_handling";
    assert!(Question::about(report_of("SAN-01")).passes(guard));
    assert!(Question::about(report_of("NOWHERE")).passes(guard));
    let refused = Question::about(report_of("SAN-02")).asks(&[], &[guard]);
    assert_eq!(refused, not_allowed(guard));
}

/// Who is what to a record: made by the author, made for the author, made by another.
#[test]
fn the_reporter_is_who_made_it_or_for_whom_it_was_made() {
    let act = || created(Kind::Report, "SUBMITTED", r#"{"category":"SAN-01"}"#);
    let own = record([event(1, AUTHOR, act())]);
    let entered = record([event_for(1, OTHER, AUTHOR, act())]);
    let others = record([event_for(1, OTHER, NOBODY_ELSE, act())]);
    let unmade = record([event(1, AUTHOR, super::scene::comment())]);
    for (state, is_reporter) in [
        (own, true),
        (entered, true),
        (others, false),
        (unmade, false),
    ] {
        let asked = |role: &str| Question::about(state.clone()).holding(&[(role, DISTRICT)]);
        let expected = |guard, passes| if passes { None } else { not_allowed(guard) };
        for (guard, role, passes) in [
            ("own_report", "worker", is_reporter),
            ("own_report", "verifier", is_reporter),
            ("own_report", "duty_desk", true),
            ("reporter_verifier_or_desk", "worker", is_reporter),
            ("reporter_verifier_or_desk", "verifier", true),
            ("reporter_verifier_or_desk", "duty_desk", true),
            ("own_claim", "worker", is_reporter),
            ("own_claim", "duty_desk", is_reporter),
            ("reviewer_is_not_claimant", "points_reviewer", !is_reporter),
        ] {
            assert_eq!(
                asked(role).asks(&[], &[guard]),
                expected(guard, passes),
                "{guard} {role}"
            );
        }
        let author = asked("verifier").asks(&[], &["verifier_is_not_author"]);
        let handled = Problem::whole(ProblemCode::HandlerMayNotVerify);
        assert_eq!(author, is_reporter.then_some(handled));
    }
}

#[test]
fn who_is_bound_to_the_desk_acts_for_the_unit_that_holds_the_case() {
    let at_town = worked_on(&[(OTHER, "DISPATCHED", r#"{"desk":2}"#)]);
    let at_grid = worked_on(&[(OTHER, "DISPATCHED", r#"{"desk":21}"#)]);
    let nowhere = report();
    for role in ["department_handler", "worker", "grid_head"] {
        for (state, unit, passes) in [
            (&at_town, TOWN, true),
            (&at_town, DISTRICT, true),
            (&at_town, GRID, false),
            (&at_town, OTHER_TOWN, false),
            (&at_grid, TOWN, true),
            (&nowhere, TOWN, false),
        ] {
            let asked = Question::about(state.clone()).holding(&[(role, unit)]);
            let expected = if passes {
                None
            } else {
                not_allowed("own_desk")
            };
            assert_eq!(asked.asks(&[], &["own_desk"]), expected, "{role} on {unit}");
        }
    }
    let both = [("worker", OTHER_TOWN), ("duty_desk", OTHER_TOWN)];
    assert!(
        Question::about(nowhere.clone())
            .holding(&both)
            .passes("own_desk")
    );
    assert!(!Question::about(nowhere).holding(&[]).passes("own_desk"));
}

#[test]
fn a_report_is_not_merged_into_itself() {
    let guard = "merge_target_is_another_report";
    let own = Question::about(report())
        .to("MERGED")
        .with(r#"{"merged_into":"04040404-0404-0404-0404-040404040404"}"#);
    assert_eq!(own.asks(&[], &[guard]), needed("merged_into", "MERGED"));
    assert!(
        Question::about(report())
            .with(r#"{"merged_into":"018f4c1e-7b7a-7cc3-98c4-dc0c0c07398f"}"#)
            .passes(guard)
    );
    assert!(Question::about(report()).passes(guard));
}

#[test]
fn what_may_be_done_once_was_not_done_before() {
    let bounced = worked_on(&[(OTHER, "BOUNCED", "{}"), (OTHER, "DISPATCHED", "{}")]);
    let once = Some(Problem::whole(ProblemCode::OnlyOnce).limit("BOUNCED"));
    assert_eq!(
        Question::about(bounced.clone())
            .to("BOUNCED")
            .asks(&[], &["once"]),
        once
    );
    assert!(Question::about(bounced).to("REGISTERED").passes("once"));
    let moved = record([
        event(1, OTHER, created(Kind::Report, "SUBMITTED", "{}")),
        event(2, OTHER, moved(GRID)),
    ]);
    assert!(Question::about(moved).to("BOUNCED").passes("once"));
}

#[test]
fn ten_days_count_from_the_last_closing() {
    let closed = worked_on(&[
        (OTHER, "CLOSED", "{}"),
        (OTHER, "REOPENED", "{}"),
        (OTHER, "CLOSED", "{}"),
        (OTHER, "EVALUATED", "{}"),
    ]);
    let closed_ms = closed.steps[2].stamp.time_ms;
    assert!(closed.steps[0].stamp.time_ms < closed_ms);
    for (time_ms, passes) in [
        (closed_ms, true),
        (closed_ms + 10 * DAY_MS, true),
        (closed_ms + 10 * DAY_MS + 1, false),
    ] {
        let asked = Question {
            time_ms,
            ..Question::about(closed.clone())
        };
        let expected = if passes {
            None
        } else {
            not_allowed("within_10_days")
        };
        assert_eq!(
            asked.asks(&[], &["within_10_days"]),
            expected,
            "{}",
            time_ms - closed_ms
        );
    }
    assert!(
        !Question::about(report()).passes("within_10_days"),
        "what was never closed"
    );
}

#[test]
fn an_answer_to_a_request_names_its_date_or_its_reason() {
    let cases = [
        (r#"{"granted":true,"due_ms":1}"#, None),
        (r#"{"granted":true,"reason":"late"}"#, Some("due_ms")),
        (r#"{"granted":false,"reason":"late"}"#, None),
        (r#"{"granted":false,"due_ms":1}"#, Some("reason")),
        (r#"{"due_ms":1}"#, Some("reason")),
    ];
    for (json, missing) in cases {
        let found = Question::about(report())
            .to("IN_PROGRESS")
            .with(json)
            .asks(&[], &["answer_is_whole"]);
        assert_eq!(
            found,
            missing.and_then(|field| needed(field, "IN_PROGRESS")),
            "{json}"
        );
    }
}

#[test]
fn a_second_extension_is_the_districts_to_grant() {
    let guard = "second_extension_by_district";
    let asked = (OTHER, "EXT_ASKED", "{}");
    let granted = (OTHER, "IN_PROGRESS", r#"{"granted":true}"#);
    let refused = (OTHER, "IN_PROGRESS", r#"{"granted":false}"#);
    let yes = r#"{"granted":true}"#;
    let no = r#"{"granted":false}"#;
    let first = worked_on(&[asked]);
    let second = worked_on(&[asked, granted, asked]);
    let after_refusal = worked_on(&[asked, refused, asked]);
    let of_another_step = worked_on(&[(OTHER, "SUSPEND_ASKED", "{}"), granted, asked]);
    for (state, json, role, passes) in [
        (&first, yes, "duty_desk", true),
        (&second, yes, "duty_desk", false),
        (&second, yes, "district_lead", true),
        (&second, no, "duty_desk", true),
        (&second, "{}", "duty_desk", true),
        (&after_refusal, yes, "duty_desk", true),
        (&of_another_step, yes, "duty_desk", true),
    ] {
        let question = Question::about(state.clone())
            .holding(&[(role, DISTRICT)])
            .with(json);
        let expected = if passes { None } else { not_allowed(guard) };
        assert_eq!(
            question.asks(&[], &[guard]),
            expected,
            "{role} {json} {:?}",
            state.steps.len()
        );
    }
}

/// Whoever did the work, or for whom it was entered, does not judge it.
#[test]
fn four_eyes_look_at_each_step_that_is_judged() {
    let handled = Problem::whole(ProblemCode::HandlerMayNotVerify);
    let cases = [
        (
            "verifier_is_not_handler",
            &["IN_PROGRESS", "FEEDBACK", "SELF_DONE"][..],
            Some(handled.clone()),
        ),
        (
            "verifier_is_not_registrar",
            &["REGISTERED"],
            Some(handled.clone()),
        ),
        ("confirmer_is_not_doer", &["DONE"], Some(handled)),
        (
            "not_the_earlier_reviewer",
            &["REFUSED", "GRANTED"],
            not_allowed("not_the_earlier_reviewer"),
        ),
    ];
    for (guard, states, refusal) in cases {
        for to in states {
            let made = || event(1, OTHER, created(Kind::Report, "SUBMITTED", "{}"));
            let own = record([
                made(),
                event(2, AUTHOR, step(to, "{}")),
                event(3, OTHER, step("CLOSED", "{}")),
            ]);
            let entered = record([made(), event_for(2, OTHER, AUTHOR, step(to, "{}"))]);
            let others = record([made(), event_for(2, OTHER, NOBODY_ELSE, step(to, "{}"))]);
            let elsewhere = record([made(), event(2, AUTHOR, step("BOUNCED", "{}"))]);
            assert_eq!(
                Question::about(own).asks(&[], &[guard]),
                refusal,
                "{guard} {to}"
            );
            assert_eq!(
                Question::about(entered).asks(&[], &[guard]),
                refusal,
                "{guard} {to}"
            );
            assert!(Question::about(others).passes(guard), "{guard} {to}");
            assert!(Question::about(elsewhere).passes(guard), "{guard} {to}");
        }
    }
}
