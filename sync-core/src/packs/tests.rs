//! Packs of a week told as stories.

use super::*;
use crate::calendar::Zone;
use crate::directory::{DirectoryChange, Unit};
use crate::testing::Story;

/// Monday, 9:00 in Shanghai, of the week 2026-W48.
pub(super) const MONDAY_MS: i64 = 1_795_395_600_000;
pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;
const CREATED: &str = r#"{"category":"SAN-01","title":"垃圾"}"#;

fn documents() -> Documents {
    Documents::read(crate::documents::DEFAULTS.iter().copied(), Zone::fixed(480))
        .expect("they ship")
}

pub(super) fn directory() -> Directory {
    let mut directory = Directory::default();
    let unit = Unit {
        unit: UnitId(7),
        parent: None,
        code: "440305".into(),
        name: "区".into(),
        kind: "district".into(),
    };
    directory.apply(Pos(1), DirectoryChange::Unit(unit));
    directory
}

pub(super) fn id(number: u8) -> RecordId {
    crate::duties::derived_id(MONDAY_MS, &["test", &number.to_string()])
}

/// The text of a pack of these records.
fn pack(label: &str, records: &[RecordState]) -> Value {
    let (documents, directory) = (documents(), directory());
    let period = Period::parse(label).expect("a label");
    let observed = Observed::default();
    let mut tally = Tally::new(Scene {
        period: &period,
        pos: Pos(99),
        until_ms: i64::MAX,
        directory: &directory,
        documents: &documents,
        days_under: &[],
        observed: &observed,
    });
    for (number, record) in records.iter().enumerate() {
        tally.add(id(number as u8), record, 0);
    }
    serde_json::from_str(&tally.finish()).expect("JSON")
}

fn dispatched() -> Story {
    Story::at(MONDAY_MS)
        .does(1, "report.create", CREATED)
        .after(HOUR_MS)
        .does(
            2,
            "report.transition",
            r#"{"to":"REGISTERED","level":"III"}"#,
        )
        .after(HOUR_MS)
        .does(2, "report.transition", r#"{"to":"DISPATCHED","desk":9}"#)
}

fn closed() -> RecordState {
    dispatched()
        .after(HOUR_MS)
        .does(3, "report.transition", r#"{"to":"IN_PROGRESS"}"#)
        .after(HOUR_MS)
        .does(3, "report.transition", r#"{"to":"FEEDBACK"}"#)
        .after(HOUR_MS)
        .does(4, "report.transition", r#"{"to":"CLOSED"}"#)
        .record()
}

#[test]
fn labels_are_read_in_one_spelling_and_tell_whole_days() {
    for (label, first, last) in [
        ("2026-W48", "2026-11-23", "2026-11-29"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026-W53", "2026-12-28", "2027-01-03"),
        ("2026-11", "2026-11-01", "2026-11-30"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
    ] {
        let period = Period::parse(label).expect(label);
        assert_eq!(period.label(), label);
        assert_eq!(
            (period.first.to_string(), period.last.to_string()),
            (first.to_owned(), last.to_owned())
        );
    }
    for bad in [
        "2026-W54", "2026-W5", "2026-13", "2026-Q5", "2026-Q04", "26-11", "2026", "+2026-11",
    ] {
        assert_eq!(Period::parse(bad), None, "{bad}");
    }
    let day = "2026-01-01".parse().expect("a day");
    let before = |every| Period::before(every, day).expect("there is one").label();
    assert_eq!(before(Every::Week), "2025-W52");
    assert_eq!(before(Every::Month), "2025-12");
    assert_eq!(before(Every::Quarter), "2025-Q4");
}

#[test]
fn a_case_is_counted_where_its_steps_lie() {
    let pack_of_week = pack(
        "2026-W48",
        &[
            closed(),
            dispatched()
                .whose(5)
                .does(2, "report.amend", r#"{"floor":"3"}"#)
                .record(),
        ],
    );
    let total = &pack_of_week["total"];
    for (name, count) in [
        ("reported", 2),
        ("registered", 2),
        ("acknowledged", 2),
        ("closed", 1),
        ("on_time", 1),
        ("open", 1),
        ("overdue", 1),
        ("for_others", 1),
        ("returned", 0),
    ] {
        assert_eq!(total[name], count, "{name}");
    }
    let overdue = &pack_of_week["overdue"][0];
    assert_eq!(
        (&overdue["record"], &overdue["clock"]),
        (&json!(id(1).to_string()), &json!("dispose"))
    );
    assert_eq!(pack_of_week["units"][0]["code"], "440305");
    // The week after nothing happened to them any more, and the one is late still.
    let after = pack("2026-W49", &[closed(), dispatched().record()]);
    assert_eq!(
        (&after["total"]["closed"], &after["total"]["overdue"]),
        (&json!(0), &json!(1))
    );
    let before = pack("2026-W47", &[closed(), dispatched().record()]);
    assert!(
        before["total"]
            .as_object()
            .expect("counts")
            .values()
            .all(|count| *count == 0)
    );
}

#[test]
fn what_comes_after_the_end_does_not_alter_how_it_stood() {
    let late = dispatched()
        .after(10 * DAY_MS)
        .does(3, "report.transition", r#"{"to":"IN_PROGRESS"}"#)
        .record();
    let open = pack("2026-W48", &[dispatched().record()]);
    assert_eq!(pack("2026-W48", &[late]), open);
}

#[test]
fn late_work_again_and_reworked_work_tell_in_the_indicators_of_the_month() {
    let reworked = dispatched()
        .after(9 * DAY_MS)
        .does(3, "report.transition", r#"{"to":"FEEDBACK"}"#)
        .after(HOUR_MS)
        .does(4, "report.transition", r#"{"to":"REWORK","reason":"还在"}"#)
        .after(HOUR_MS)
        .does(3, "report.transition", r#"{"to":"FEEDBACK"}"#)
        .after(HOUR_MS)
        .does(4, "report.transition", r#"{"to":"CLOSED"}"#)
        .record();
    let quarter = pack("2026-Q4", &[closed(), reworked.clone()]);
    assert_eq!(quarter["total"]["closed"], 2);
    assert_eq!(quarter["total"]["on_time"], 1);
    let share = |code: &str| {
        let rows = quarter["indicators"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["code"] == code).expect(code);
        (
            row["numerator"].as_u64(),
            row["denominator"].as_u64(),
            row["permille"].as_u64(),
        )
    };
    assert_eq!(quarter["indicators"].as_array().map(Vec::len), Some(12));
    assert_eq!(share("ON-TIME"), (Some(2), Some(3), Some(666)));
    assert_eq!(share("ACK"), (Some(2), Some(2), Some(1_000)));
    assert_eq!(share("FIRST-PASS"), (Some(1), Some(2), Some(500)));
    assert_eq!(share("REWORK"), (Some(1), Some(3), Some(333)));
    assert_eq!(share("EFFECTIVE"), (Some(2), Some(2), Some(1_000)));
    assert_eq!(share("VISIT"), (Some(0), Some(0), None));
}

#[test]
fn the_order_of_records_is_of_no_matter_and_the_sample_is_drawn_by_hash() {
    let (documents, directory) = (documents(), directory());
    let period = Period::parse("2026-11").expect("a label");
    let observed = Observed::default();
    let text = |order: &mut dyn Iterator<Item = u8>| {
        let mut tally = Tally::new(Scene {
            period: &period,
            pos: Pos(99),
            until_ms: i64::MAX,
            directory: &directory,
            documents: &documents,
            days_under: &[],
            observed: &observed,
        });
        for number in order {
            tally.add(id(number), &closed(), 0);
        }
        tally.finish()
    };
    let forth = text(&mut (0..41));
    assert_eq!(forth, text(&mut (0..41).rev()));
    let pack: Value = serde_json::from_str(&forth).expect("JSON");
    assert_eq!(pack["sample"]["records"].as_array().map(Vec::len), Some(3));
    assert_eq!(pack["sample"]["of"], 41);
}
