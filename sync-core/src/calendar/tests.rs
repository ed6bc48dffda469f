use super::*;
use proptest::prelude::*;

const DOCUMENT: &str = include_str!("../../documents/calendar.json");
const HOUR_MS: i64 = 3_600_000;

fn calendar() -> Calendar {
    serde_json::from_str(DOCUMENT).expect("the default calendar")
}

fn shanghai() -> Zone {
    Zone::fixed(8 * 60)
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

fn moment(date: &str, time: &str) -> i64 {
    let time = NaiveTime::parse_from_str(time, "%H:%M").expect("a time");
    let local = day(date).and_time(time).and_utc().timestamp_millis();
    local - 8 * HOUR_MS
}

fn working_days(value: u32) -> Duration {
    Duration {
        value,
        unit: DurationUnit::WorkingDay,
    }
}

#[test]
fn holidays_take_days_away_and_moved_days_give_them_back() {
    let calendar = calendar();
    for worked in [
        "2026-01-04",
        "2026-02-14",
        "2026-02-28",
        "2026-10-10",
        "2026-11-30",
    ] {
        assert!(calendar.is_working_day(day(worked)), "{worked}");
    }
    for free in [
        "2026-01-02",
        "2026-02-16",
        "2026-02-23",
        "2026-10-07",
        "2026-11-28",
    ] {
        assert!(!calendar.is_working_day(day(free)), "{free}");
    }
    // 365 days less 104 of weekends, 33 of holidays of which 10 lie on weekends, and 6 moved days: 365 - 104 - 19 + 6.
    let count = (0..365)
        .filter(|at| calendar.is_working_day(day("2026-01-01") + chrono::Days::new(*at)))
        .count();
    assert_eq!(count, 248);
}

#[test]
fn the_desk_is_told_in_december_that_next_year_is_missing() {
    let calendar = calendar();
    assert_eq!(calendar.missing_year(day("2026-11-30")), None);
    assert_eq!(calendar.missing_year(day("2026-12-01")), Some(2027));
    assert_eq!(calendar.missing_year(day("2027-03-01")), Some(2027));
    assert_eq!(calendar.missing_year(day("2025-12-31")), None);
}

#[test]
fn one_working_day_from_friday_afternoon_ends_on_monday() {
    let (calendar, zone) = (calendar(), shanghai());
    let allowed = Allowance::of(working_days(1), &calendar, &zone);
    // Half an hour on Friday, three and a half on Monday morning, three in the afternoon.
    let from = moment("2026-11-27", "16:30");
    assert_eq!(
        allowed.due_ms(from, &[]),
        Some(moment("2026-11-30", "16:30"))
    );
    // On Saturday it begins to count on Monday.
    let from = moment("2026-11-28", "10:00");
    assert_eq!(
        allowed.due_ms(from, &[]),
        Some(moment("2026-11-30", "17:00"))
    );
}

#[test]
fn a_clock_runs_over_the_moved_days_and_not_over_the_holiday() {
    let (calendar, zone) = (calendar(), shanghai());
    let allowed = Allowance::of(working_days(3), &calendar, &zone);
    // Friday before the Spring Festival; Saturday the 14th is worked, then nobody until the 24th.
    let from = moment("2026-02-13", "08:30");
    assert_eq!(
        allowed.due_ms(from, &[]),
        Some(moment("2026-02-24", "17:00"))
    );
}

#[test]
fn an_emergency_runs_day_and_night() {
    let (calendar, zone) = (calendar(), shanghai());
    let day_and_night = Duration {
        value: 24,
        unit: DurationUnit::Hour,
    };
    let allowed = Allowance::of(day_and_night, &calendar, &zone);
    let from = moment("2026-02-15", "23:10");
    assert_eq!(
        allowed.due_ms(from, &[]),
        Some(moment("2026-02-16", "23:10"))
    );
}

#[test]
fn a_pause_moves_the_end_and_one_without_an_end_leaves_it_open() {
    let (calendar, zone) = (calendar(), shanghai());
    let allowed = Allowance::of(working_days(1), &calendar, &zone);
    let from = moment("2026-11-30", "08:30");
    let pause = (
        moment("2026-11-30", "10:30"),
        Some(moment("2026-12-02", "10:30")),
    );
    assert_eq!(
        allowed.due_ms(from, &[pause]),
        Some(moment("2026-12-02", "17:00"))
    );
    assert_eq!(
        allowed.used_ms(from, moment("2026-12-02", "11:30"), &[pause]),
        3 * HOUR_MS
    );
    assert_eq!(allowed.due_ms(from, &[(pause.0, None)]), None);
    // One that begins after the end changes nothing.
    let late = (moment("2026-12-03", "10:30"), None);
    assert_eq!(
        allowed.due_ms(from, &[late]),
        Some(moment("2026-11-30", "17:00"))
    );
}

#[test]
fn the_seasons_follow_each_other_over_the_new_year() {
    let (calendar, zone) = (calendar(), shanghai());
    for (date, afternoon) in [
        ("2026-01-05", "13:30"),
        ("2026-05-06", "14:00"),
        ("2026-09-30", "14:00"),
        ("2026-10-08", "13:30"),
    ] {
        let noon = moment(date, "12:00");
        let one_minute_later = calendar.after_working_ms(&zone, noon, 60_000);
        assert_eq!(one_minute_later, moment(date, afternoon) + 60_000, "{date}");
    }
}

#[test]
fn a_calendar_that_says_two_things_is_refused_with_the_reason() {
    for (from, to, reason) in [
        (
            "\"2026-01-04\"",
            "\"2026-01-02\"",
            "2026-01-02 is a holiday and a working day",
        ),
        (
            "\"2026-01-04\"",
            "\"2027-01-04\"",
            "does not lie within 2026",
        ),
        (
            "[\"saturday\", \"sunday\"]",
            "[\"saturday\", \"someday\"]",
            "someday",
        ),
        (
            "\"08:30\", \"12:00\"",
            "\"12:30\", \"12:00\"",
            "spans of a day",
        ),
        ("\"10-01\"", "\"13-01\"", "no day of the year"),
        (
            "\"working_day_minutes\": 420",
            "\"working_day_minutes\": 0",
            "working_day_minutes",
        ),
        ("\"year\": 2026", "\"year\": 2025", "2025"),
    ] {
        let text = DOCUMENT.replacen(from, to, 1);
        assert_ne!(text, DOCUMENT, "{from}");
        let error = serde_json::from_str::<Calendar>(&text)
            .expect_err(from)
            .to_string();
        assert!(error.contains(reason), "{from}: {error}");
    }
}

proptest! {
    /// What was reckoned forwards is found again when it is counted.
    #[test]
    fn working_time_that_has_gone_by_is_what_was_allowed(
        from in 1_750_000_000_000_i64..1_790_000_000_000,
        minutes in 0_i64..20_000,
    ) {
        let (calendar, zone) = (calendar(), shanghai());
        let length = minutes * 60_000;
        let end = calendar.after_working_ms(&zone, from, length);
        prop_assert!(end >= from);
        prop_assert_eq!(calendar.working_ms(&zone, from, end), length);
    }

    /// A stretch that is cut in two adds up.
    #[test]
    fn working_time_adds_up(
        from in 1_750_000_000_000_i64..1_790_000_000_000,
        first in 0_i64..2_000_000_000,
        second in 0_i64..2_000_000_000,
    ) {
        let (calendar, zone) = (calendar(), shanghai());
        let (middle, end) = (from + first, from + first + second);
        let parts = calendar.working_ms(&zone, from, middle) + calendar.working_ms(&zone, middle, end);
        prop_assert_eq!(calendar.working_ms(&zone, from, end), parts);
    }
}
