//! Images of records: just made, worked on, taken back in after a restore, of no known kind.

use super::chain::{NOON_MS, REPORT, header, place};
use sync_core::ids::{PersonId, ReplicaNo, Seq};
use sync_core::kinds;
use sync_core::merge::{Event, Stamp, fold};
use sync_core::payload::Payload;
use sync_core::verdict::{Answer, Marks, Problem, ProblemCode, Verdict};

pub fn event(
    pos: u64,
    base: u64,
    replica: u32,
    intent: &str,
    json: &str,
    answer: &Answer,
) -> Event {
    let mut header = header(pos, REPORT, intent);
    header.base = place(1, base);
    let stamp = Stamp {
        place: place(1, pos),
        first_place: None,
        time_ms: NOON_MS + pos as i64 * 1_000,
        person: PersonId(replica + 6),
        whose: None,
        replica: ReplicaNo(replica),
        seq: Seq(pos),
    };
    let intent = kinds::find(intent).expect("an intent of ours");
    let payload = Payload::read(json.as_bytes()).expect("an object");
    Event::of(intent, &header, payload, answer, stamp).expect("an effect")
}

pub fn image(events: Vec<Event>) -> Vec<u8> {
    fold(events).expect("a state").to_image()
}

pub fn created() -> Event {
    event(
        10,
        0,
        1,
        "report.create",
        r#"{"category":"SAN-01","title":"垃圾堆积"}"#,
        &Answer::accepted(),
    )
}

/// One write, and nothing else: the most frequent image.
pub fn image_created() -> Vec<u8> {
    image(vec![created()])
}

/// Two values of one field, a comment, a step, a move and a step that was not applied.
pub fn image_worked_on() -> Vec<u8> {
    let good = Answer::accepted();
    let refused = Answer {
        verdict: Verdict::NotApplied,
        marks: Marks::default(),
        problems: vec![Problem::whole(ProblemCode::StateMovedOn).limit("REGISTERED")],
    };
    image(vec![
        created(),
        event(
            11,
            10,
            1,
            "report.amend",
            r#"{"title":"垃圾堆积在门口","later": {"kept":  1.50}}"#,
            &good,
        ),
        event(12, 10, 2, "report.amend", r#"{"title":"垃圾"}"#, &good),
        event(13, 12, 2, "report.comment", r#"{"text":"是两处"}"#, &good),
        event(
            14,
            13,
            2,
            "report.transition",
            r#"{"to":"REGISTERED","level":"III","desk":900}"#,
            &good,
        ),
        event(
            15,
            12,
            3,
            "report.transition",
            r#"{"to":"REJECTED","reason":"no"}"#,
            &refused,
        ),
        event(16, 14, 2, "report.move", r#"{"unit":12}"#, &good),
    ])
}

/// Taken back in after a restore, entered for somebody else.
pub fn image_restored() -> Vec<u8> {
    let mut event = created();
    event.stamp.place = place(2, 30);
    event.stamp.first_place = Some(place(1, 10));
    event.stamp.whose = Some(PersonId(8));
    image(vec![event])
}

/// An attachment came before its record.
pub fn image_unknown() -> Vec<u8> {
    let json = format!(
        r#"{{"sha256":"{}","size_bytes":1024,"media_type":"image/jpeg"}}"#,
        "ab".repeat(32)
    );
    image(vec![event(
        10,
        0,
        1,
        "attachment.add",
        &json,
        &Answer::accepted(),
    )])
}
