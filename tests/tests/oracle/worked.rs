//! The worked conflicts of `docs/merge.md`, read from the page: the fold model shows what the page says.

use std::collections::BTreeMap;
use std::fmt::Write;
use tests::oracle::fold::fold;
use tests::oracle::plain::{Effect, Entry, Place, Stamp};
use tests::oracle::{OracleRecord, image, payload};

const PAGE: &str = include_str!("../../../docs/merge.md");
const NAMES: [&str; 3] = ["Wang", "Li", "desk"];
const CASES: [&str; 8] = [
    "same-field",
    "other-fields",
    "settled",
    "elements",
    "competing-steps",
    "released-late",
    "restored",
    "wrong-clock",
];

fn block(name: &str) -> &'static str {
    let (begin, end) = (
        format!("<!-- begin {name} -->"),
        format!("<!-- end {name} -->"),
    );
    PAGE.split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end))
        .unwrap_or_else(|| panic!("no block {name}"))
        .0
}

fn place(text: &str) -> Place {
    let (epoch, pos) = text.split_once('/').expect("a place");
    (epoch.parse().expect("epoch"), pos.parse().expect("pos"))
}

/// One line of a worked conflict, and the verdict that it ends with.
fn entry(line: &str) -> (Entry, String) {
    let (left, verdict) = line.split_once("  -> ").expect("a verdict");
    let (words, json) = left.split_once('{').expect("a payload");
    let words: Vec<&str> = words.split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name).expect(name);
        words[at + 1]
    };
    let first = words
        .iter()
        .position(|word| *word == "(first")
        .map(|at| place(words[at + 1].trim_end_matches(')')));
    let author = NAMES
        .iter()
        .position(|name| words.contains(name))
        .expect("an author") as u32
        + 1;
    let (hour, minute) = after("at").split_once(':').expect("a time");
    let minutes: i64 =
        hour.parse::<i64>().expect("hour") * 60 + minute.parse::<i64>().expect("minute");
    let effect = match verdict.split_once(": ") {
        Some(("not_applied", code)) => Effect::NotApplied(code.to_owned()),
        Some(_) => Effect::None,
        None => Effect::InForce,
    };
    let json = format!("{{{}", json.trim_end());
    let entry = Entry {
        stamp: Stamp {
            place: place(words[0]),
            first,
            time_ms: minutes,
            person: author,
            whose: None,
            replica: author,
            seq: after("seq").parse().expect("seq"),
        },
        record: [1; 16],
        unit: 2,
        intent: (*words.last().expect("an intent")).to_owned(),
        base: place(after("base")),
        fields: Some(payload::read(Some(json.as_bytes())).expect("a payload")),
        effect,
    };
    (entry, verdict.to_owned())
}

fn shows(record: &OracleRecord) -> String {
    let name = |stamp: &Stamp| NAMES[stamp.replica as usize - 1];
    let clock = |stamp: &Stamp| format!("{:02}:{:02}", stamp.time_ms / 60, stamp.time_ms % 60);
    let mut text = String::new();
    for (field, values) in &record.registers {
        let mark = if record.is_conflicted(field) {
            "CONFLICT "
        } else {
            ""
        };
        let values: Vec<String> = values
            .iter()
            .map(|value| {
                format!(
                    "{} ({}, {})",
                    value.raw,
                    name(&value.stamp),
                    clock(&value.stamp)
                )
            })
            .collect();
        writeln!(text, "  {mark}{field} = {}", values.join(" | also ")).expect("text");
    }
    writeln!(
        text,
        "  state = {}",
        record.state.as_deref().unwrap_or_default()
    )
    .expect("text");
    for step in &record.steps {
        let (from, to) = step.states.clone().expect("a step of the workflow");
        writeln!(text, "  step {from} -> {to} ({})", name(&step.stamp)).expect("text");
    }
    for attempt in &record.attempts {
        let who = name(&attempt.stamp);
        writeln!(text, "  tried {} ({who}): {}", attempt.wanted, attempt.code).expect("text");
    }
    for element in &record.elements {
        let fields: Vec<String> = element
            .fields
            .iter()
            .map(|(field, raw)| format!("{field:?}:{raw}"))
            .collect();
        let who = name(&element.stamp);
        writeln!(text, "  {}: {{{}}} ({who})", element.set, fields.join(",")).expect("text");
    }
    text
}

/// The entries of a case and what the page says it shows; verdicts of writes are checked on the way.
fn read_case(name: &str) -> (Vec<Entry>, String) {
    let text = block(name).replace("```text", "").replace("```", "");
    let (log, expected) = text.split_once("shows:\n").expect("what it shows");
    let mut entries: Vec<Entry> = Vec::new();
    for line in log.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("--") {
            if let Some((_, end)) = line.split_once("a copy that ends at ") {
                let end = place(end.split(';').next().expect("a place"));
                entries.retain(|entry| entry.stamp.place <= end);
            }
            continue;
        }
        let (entry, verdict) = entry(line);
        let fields = entry.fields.clone().unwrap_or_default();
        let is_in_force = entry.effect == Effect::InForce;
        entries.push(entry);
        if is_in_force {
            let all: Vec<&Entry> = entries.iter().collect();
            let record = fold(&all).expect("a record");
            let conflicts = fields.keys().any(|field| record.is_conflicted(field));
            assert_eq!(conflicts, verdict == "conflict", "{name}: {line}");
        }
    }
    (entries, format!("{}\n", expected.trim_end()))
}

#[test]
fn the_fold_model_shows_what_the_page_says() {
    for name in CASES {
        let (mut entries, expected) = read_case(name);
        // In any order, and with repetition.
        for _ in 0..entries.len() {
            entries.rotate_left(1);
            let all: Vec<&Entry> = entries.iter().chain(entries.iter().take(2)).collect();
            let record = fold(&all).expect("a record");
            assert_eq!(shows(&record), expected, "{name}");
        }
    }
}

/// A test that cannot fail shows nothing: whatever is altered in the log of a conflict is seen in what it shows.
#[test]
fn an_altered_entry_is_seen() {
    let (entries, expected) = read_case("same-field");
    let alterations: [fn(&mut Entry); 5] = [
        |entry| entry.stamp.time_ms += 30,
        |entry| entry.base = (1, 2),
        |entry| entry.effect = Effect::None,
        |entry| entry.stamp.replica = 2,
        |entry| {
            entry
                .fields
                .get_or_insert_default()
                .insert("title".into(), "\"Other\"".into());
        },
    ];
    for alter in alterations {
        let mut entries = entries.clone();
        alter(entries.last_mut().expect("an entry"));
        let all: Vec<&Entry> = entries.iter().collect();
        assert_ne!(shows(&fold(&all).expect("a record")), expected);
    }
}

#[test]
fn the_image_of_the_page_is_read() {
    let text = block("image").replace("```text", "").replace("```", "");
    let record = image::read(text.trim().as_bytes()).expect("an image");
    assert_eq!((record.kind.as_str(), record.unit), ("report", 12));
    assert_eq!((record.desk, record.own_pos), (Some(900), 16));
    assert_eq!(record.last, (1, 16));
    let titles: Vec<(&str, u32)> = record.registers["title"]
        .iter()
        .map(|value| (value.raw.as_str(), value.stamp.person))
        .collect();
    assert_eq!(titles, [("\"垃圾\"", 8), ("\"垃圾堆积在门口\"", 7)]);
    assert_eq!(record.registers["later"][0].raw, r#"{"kept":  1.50}"#);
    assert_eq!(record.steps[1].units, Some((13, 12)));
    assert_eq!(record.attempts[0].code, "state_moved_on");
    let sets: BTreeMap<&str, usize> = BTreeMap::from([("comments", record.elements.len())]);
    assert_eq!(sets[record.elements[0].set.as_str()], 1);
}

/// The first change of a replica waits, its second writes the same field; the first, which claims to have seen the
/// second, is released. The second's value stands.
#[test]
fn a_late_release_blanks_no_field() {
    let line = |place: &str, seq: u64, base: &str, intent: &str, title: &str| {
        let text = format!(
            "{place}  Wang seq {seq} base {base} at 08:00  {intent} {{\"title\":\"{title}\"}}  -> accepted"
        );
        entry(&text).0
    };
    let entries = [
        line("1/2", 2, "0/0", "report.create", "second"),
        line("1/3", 1, "1/9", "report.amend", "first"),
    ];
    let all: Vec<&Entry> = entries.iter().collect();
    let record = fold(&all).expect("a record");
    assert_eq!(record.shown_text("title").as_deref(), Some("second"));
}
