use super::super::scene::{DAY_MS, HOUR_MS, MONDAY_MS, case};
use super::*;
use proptest::prelude::*;

/// The state that follows by itself, and when, in hours since Monday 08:30.
fn next(record: &RecordState) -> Option<(String, i64)> {
    let documents = Documents::defaults();
    let next = next_automatic(record, &documents)?;
    Some((next.step.to.clone(), next.due_ms - MONDAY_MS))
}

#[test]
fn who_does_not_answer_within_five_working_days_is_not_taken_up() {
    let asked = case("SAN-01", &[(2, "NEEDS_INFO", r#"{"reason":"照片不清"}"#)]);
    // Monday 10:30, and five working days of the calendar later, the weekend between: the next Monday 10:30.
    let week_ms = 7 * DAY_MS;
    let due = next(&asked).expect("a step");
    assert_eq!(due, ("REJECTED".to_owned(), 2 * HOUR_MS + week_ms + 1));
    let documents = Documents::defaults();
    let at = |ms: i64| automatic(&asked, &documents, MONDAY_MS + ms).is_some();
    assert!(!at(2 * HOUR_MS + week_ms) && at(2 * HOUR_MS + week_ms + 1));
}

#[test]
fn what_is_suspended_goes_on_at_the_end_that_its_last_step_names() {
    let until_ms = MONDAY_MS + 30 * DAY_MS;
    let asked = format!(r#"{{"reason":"雨季","until_ms":{}}}"#, until_ms - DAY_MS);
    let granted = format!(r#"{{"reason":"雨季","reply":"同意","until_ms":{until_ms}}}"#);
    let steps = [
        (1, "REGISTERED", "{}"),
        (2, "DISPATCHED", "{}"),
        (3, "IN_PROGRESS", "{}"),
        (4, "SUSPEND_ASKED", asked.as_str()),
        (5, "SUSPENDED", granted.as_str()),
    ];
    let due = next(&case("SAN-01", &steps));
    assert_eq!(due, Some(("IN_PROGRESS".to_owned(), 30 * DAY_MS)));
    assert_eq!(next(&case("SAN-01", &steps[..4])), None, "only asked for");
}

#[test]
fn what_was_rated_is_archived_when_its_retention_is_over() {
    let steps = [
        (1, "SELF_DONE", "{}"),
        (5, "CLOSED", "{}"),
        (9, "EVALUATED", r#"{"rating":5}"#),
    ];
    let due = next(&case("SAN-01", &steps));
    let year_ms = 365 * DAY_MS;
    assert_eq!(
        due,
        Some(("ARCHIVED".to_owned(), 9 * HOUR_MS + year_ms + 1))
    );
    assert_eq!(next(&case("SAN-01", &steps[..2])), None);
    assert_eq!(next(&case("SAN-01", &[])), None);
}

#[test]
fn every_step_that_comes_by_itself_names_the_system_and_no_field_that_it_cannot_give() {
    let documents = Documents::defaults();
    let table = documents.workflow(Kind::Report).expect("the table");
    let automatic = table
        .transitions
        .iter()
        .filter(|step| step.automatic_after.is_some() || step.automatic_at.is_some());
    for step in automatic {
        assert!(
            step.roles.iter().any(|role| role == SYSTEM_ROLE),
            "{step:?}"
        );
        assert!(
            step.requires.iter().all(|field| field == "reason"),
            "{step:?}"
        );
    }
    let role = documents.role(SYSTEM_ROLE).expect("the role");
    assert!(role.reads.is_empty());
    let (intent, names_state) = intent_into(Kind::Report, "REJECTED").expect("an intent");
    assert_eq!((intent.name, names_state), ("report.transition", true));
    assert!(role.intents.iter().any(|name| name == intent.name));
}

proptest! {
    #[test]
    fn what_is_due_stays_due_and_nothing_is_due_before_its_time(hours in 0i64..5_000, later in 0i64..1_000_000_000_000) {
        let asked = case("SAN-01", &[(hours, "NEEDS_INFO", r#"{"reason":"x"}"#)]);
        let documents = Documents::defaults();
        let due_ms = next_automatic(&asked, &documents).expect("a step").due_ms;
        // Five working days are at least five days of the calendar, and with holidays at most three weeks.
        let entered_ms = MONDAY_MS + hours * HOUR_MS;
        prop_assert!(due_ms > entered_ms + 4 * DAY_MS && due_ms < entered_ms + 21 * DAY_MS);
        prop_assert!(automatic(&asked, &documents, due_ms - 1).is_none());
        prop_assert!(automatic(&asked, &documents, due_ms.saturating_add(later)).is_some());
    }
}
