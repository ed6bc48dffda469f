use super::super::scene::{DAY_MS, HOUR_MS, MONDAY_MS, case};
use super::*;

fn clock(record: &RecordState, hours: i64) -> CaseClock {
    let now_ms = MONDAY_MS + hours * HOUR_MS;
    CaseClock::of(record, &Documents::defaults(), now_ms).expect("a clock")
}

/// Hours since Monday morning at which a clock is over.
fn due(clock: &CaseClock) -> Option<f64> {
    clock
        .due_ms
        .map(|due_ms| (due_ms - MONDAY_MS) as f64 / HOUR_MS as f64)
}

#[test]
fn each_state_has_the_clock_that_the_table_names() {
    // Level III: four working hours until somebody takes it up. The break lies between.
    let submitted = clock(&case("SAN-02", &[]), 1);
    assert_eq!(
        (submitted.kind, due(&submitted)),
        (ClockKind::Acknowledge, Some(5.5))
    );
    assert_eq!(submitted.used_ms, HOUR_MS);
    let registered = case("SAN-02", &[(1, "REGISTERED", r#"{"level":"III"}"#)]);
    let registered = clock(&registered, 1);
    assert_eq!(
        (registered.kind, due(&registered)),
        (ClockKind::Dispatch, Some(25.0))
    );
    let closed = case("SAN-02", &[(1, "REGISTERED", "{}"), (2, "CLOSED", "{}")]);
    assert_eq!(
        CaseClock::of(&closed, &Documents::defaults(), MONDAY_MS),
        None
    );
}

#[test]
fn a_category_may_have_a_time_of_its_own_and_a_level_that_was_set_counts() {
    let sent = [(0, "REGISTERED", "{}"), (0, "DISPATCHED", "{}")];
    // SAN-01 is level III and has four working hours of its own.
    assert_eq!(due(&clock(&case("SAN-01", &sent), 0)), Some(5.5));
    // SAN-02 has the three working days of its level, or the one of the level that the desk gave it.
    assert_eq!(due(&clock(&case("SAN-02", &sent), 0)), Some(56.5));
    let urgent = [
        (0, "REGISTERED", r#"{"level":"II"}"#),
        (0, "DISPATCHED", "{}"),
    ];
    assert_eq!(due(&clock(&case("SAN-02", &urgent), 0)), Some(8.5));
    // An emergency has 24 hours, day and night.
    let emergency = [
        (0, "REGISTERED", r#"{"level":"I"}"#),
        (0, "DISPATCHED", "{}"),
    ];
    let emergency = clock(&case("SAN-02", &emergency), 20);
    assert_eq!((due(&emergency), emergency.is_working), (Some(24.0), false));
    assert_eq!(emergency.used_ms, 20 * HOUR_MS);
}

#[test]
fn a_question_back_and_a_suspension_stop_the_clock() {
    let asked = [(1, "NEEDS_INFO", "{}")];
    let paused = clock(&case("SAN-02", &asked), 20);
    assert_eq!(
        (paused.kind, due(&paused), paused.is_paused),
        (ClockKind::Acknowledge, None, true)
    );
    assert_eq!(paused.used_ms, HOUR_MS);
    let answered = [(1, "NEEDS_INFO", "{}"), (24, "SUBMITTED", "{}")];
    // Three of the four hours are left on Tuesday morning.
    assert_eq!(due(&clock(&case("SAN-02", &answered), 24)), Some(27.0));
    let suspended = [
        (0, "DISPATCHED", r#"{"level":"II"}"#),
        (1, "IN_PROGRESS", "{}"),
        (2, "SUSPENDED", "{}"),
        (24, "IN_PROGRESS", "{}"),
    ];
    let on = clock(&case("SAN-02", &suspended), 24);
    assert_eq!((due(&on), on.is_suspended), (Some(24.0 + 6.5), false));
    let off = clock(&case("SAN-02", &suspended[..3]), 20);
    assert_eq!((off.is_suspended, off.used_ms), (true, 2 * HOUR_MS));
}

#[test]
fn an_end_that_the_desk_set_holds_is_moved_by_a_pause_and_replaced_by_an_extension() {
    let end = MONDAY_MS + DAY_MS;
    let sent = format!(r#"{{"due_ms":{end}}}"#);
    let longer = format!(r#"{{"granted":true,"due_ms":{}}}"#, end + DAY_MS);
    let refused = format!(r#"{{"granted":false,"due_ms":{}}}"#, end + DAY_MS);
    let steps = |answer| {
        [
            (0, "DISPATCHED", &*sent),
            (1, "IN_PROGRESS", "{}"),
            (2, "EXT_ASKED", "{}"),
            (3, "IN_PROGRESS", answer),
        ]
    };
    // The next morning is the end of the day before: no working time lies between.
    assert_eq!(
        due(&clock(&case("SAN-02", &steps("{}")[..1]), 0)),
        Some(8.5)
    );
    let extended = clock(&case("SAN-02", &steps(&longer)), 3);
    assert_eq!((due(&extended), extended.extensions), (Some(32.5), 1));
    let refused = clock(&case("SAN-02", &steps(&refused)), 3);
    assert_eq!((due(&refused), refused.extensions), (Some(8.5), 0));
    let mut suspended = steps(&longer).to_vec();
    suspended.extend([(24, "SUSPENDED", "{}"), (48, "IN_PROGRESS", "{}")]);
    assert_eq!(due(&clock(&case("SAN-02", &suspended), 48)), Some(56.5));
}

#[test]
fn doing_it_again_has_half_of_the_first_time_each_time() {
    let once = [
        (0, "DISPATCHED", r#"{"level":"II"}"#),
        (1, "IN_PROGRESS", "{}"),
        (2, "FEEDBACK", "{}"),
        (24, "REWORK", "{}"),
        (25, "IN_PROGRESS", "{}"),
    ];
    let verified = clock(&case("SAN-02", &once[..3]), 2);
    assert_eq!(
        (verified.kind, due(&verified)),
        (ClockKind::Verify, Some(50.0))
    );
    // Half of seven hours from Tuesday morning.
    let again = clock(&case("SAN-02", &once), 25);
    assert_eq!(
        (again.kind, again.allowed_ms),
        (ClockKind::DisposeHalf, 7 * HOUR_MS / 2)
    );
    assert_eq!(due(&again), Some(27.5));
    let mut twice = once.to_vec();
    twice.extend([(26, "FEEDBACK", "{}"), (48, "REWORK", "{}")]);
    let twice = clock(&case("SAN-02", &twice), 48);
    assert_eq!(
        (twice.allowed_ms, due(&twice)),
        (7 * HOUR_MS / 2, Some(51.5))
    );
}

#[test]
fn handing_on_within_the_unit_goes_on_and_sending_out_anew_begins_again() {
    let handed = [
        (0, "DISPATCHED", r#"{"level":"II"}"#),
        (1, "IN_PROGRESS", "{}"),
        (2, "DISPATCHED", "{}"),
    ];
    assert_eq!(due(&clock(&case("SAN-02", &handed), 2)), Some(8.5));
    let bounced = [
        (0, "DISPATCHED", r#"{"level":"II"}"#),
        (1, "BOUNCED", "{}"),
        (24, "DISPATCHED", "{}"),
    ];
    assert_eq!(due(&clock(&case("SAN-02", &bounced), 24)), Some(32.5));
}

#[test]
fn half_all_and_half_as_much_again_are_the_stages() {
    let sent = case("SAN-02", &[(0, "DISPATCHED", r#"{"level":"I"}"#)]);
    for (hours, stage) in [
        (0, Stage::InTime),
        (11, Stage::InTime),
        (12, Stage::Reminded),
        (23, Stage::Reminded),
        (24, Stage::Overdue),
        (35, Stage::Overdue),
        (36, Stage::LongOverdue),
        (500, Stage::LongOverdue),
    ] {
        assert_eq!(clock(&sent, hours).stage(), stage, "{hours}");
    }
}

#[test]
fn a_step_of_a_wrong_clock_does_not_make_time_go_backwards() {
    let steps = [
        (5, "DISPATCHED", r#"{"level":"I"}"#),
        (1, "SUSPENDED", "{}"),
        (3, "IN_PROGRESS", "{}"),
    ];
    assert_eq!(due(&clock(&case("SAN-02", &steps), 6)), Some(29.0));
}
