//! Validation of a payload against its intent's fields: every problem, not the first; the same on the phone and the server.

use crate::ids::RecordId;
use crate::kinds::{Field, Form, Intent, Shape};
use crate::limits;
use crate::payload::Payload;
use crate::verdict::{Problem, ProblemCode};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Every problem of `payload` as the open part of `intent`; empty when it may be sent.
pub fn validate(intent: &Intent, payload: &Payload) -> Vec<Problem> {
    let mut problems = Vec::new();
    if payload.len() > limits::PAYLOAD_FIELDS_MAX {
        problems.push(Problem::whole(ProblemCode::TooManyFields).limit(limits::PAYLOAD_FIELDS_MAX));
    }
    let mut known = 0;
    for field in intent.fields {
        match payload.get(field.name) {
            Some(value) => {
                known += 1;
                check(field.name, field.form, value, &mut problems);
            }
            None if field.required => {
                problems.push(Problem::field(ProblemCode::Required, field.name))
            }
            None => {}
        }
    }
    // Names are unique on both sides: as many known ones as there are leaves none unknown.
    if known < payload.len() {
        for (name, value) in payload.iter() {
            if !intent.fields.iter().any(|field| field.name == name) {
                check_unknown(name, value, &mut problems);
            }
        }
    }
    if intent.shape == Shape::Amend && payload.is_empty() {
        problems.push(Problem::whole(ProblemCode::NothingToChange));
    }
    problems
}

/// Reads an open part and validates it: the payload where it is one, and every problem.
pub fn read_and_validate(intent: &Intent, open: Option<&[u8]>) -> (Option<Payload>, Vec<Problem>) {
    match Payload::read(open.unwrap_or(b"{}")) {
        Ok(payload) => {
            let problems = validate(intent, &payload);
            (Some(payload), problems)
        }
        Err(error) if error.to_string().starts_with("duplicate field") => {
            let text = error.to_string();
            let field = text.split('`').nth(1).unwrap_or_default();
            (
                None,
                vec![Problem::field(ProblemCode::DuplicateField, field)],
            )
        }
        Err(_) => (None, vec![Problem::whole(ProblemCode::Unreadable)]),
    }
}

fn parse<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

/// A value as text; `None` when it is something else. Most texts have no escapes and are taken as they stand.
fn text_of(value: &RawValue) -> Option<Cow<'_, str>> {
    let raw = value.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

fn check(name: &str, form: Form, value: &RawValue, problems: &mut Vec<Problem>) {
    let mut say = |code, limit: String| problems.push(Problem::field(code, name).limit(limit));
    let wrong_type = (ProblemCode::WrongType, String::new());
    let found = match form {
        Form::Text(chars_max) => check_text(value, chars_max),
        Form::Code => match text_of(value) {
            Some(code) if is_code(&code) => None,
            Some(_) => Some((ProblemCode::UnknownChoice, "A-Z 0-9 _ -".into())),
            None => Some(wrong_type),
        },
        Form::Choice(choices) => match text_of(value) {
            Some(choice) if choices.contains(&&*choice) => None,
            Some(_) => Some((ProblemCode::UnknownChoice, choices.join(" "))),
            None => Some(wrong_type),
        },
        Form::Integer(min, max) => check_integer(value, min, max),
        Form::TimeMs => check_integer(value, limits::TIME_MS_MIN, limits::TIME_MS_MAX),
        Form::Flag => parse::<bool>(value).is_none().then_some(wrong_type),
        Form::Person | Form::Unit => check_integer(value, 1, i64::from(u32::MAX)),
        Form::Record => match text_of(value) {
            Some(text) if RecordId::parse_canonical(&text).is_some() => None,
            Some(_) => Some((ProblemCode::NotCanonical, String::new())),
            None => Some(wrong_type),
        },
        Form::Digest => match text_of(value) {
            Some(text) if is_digest(&text) => None,
            Some(_) => Some((ProblemCode::NotCanonical, "SHA-256".into())),
            None => Some(wrong_type),
        },
        Form::Place => return check_place(name, value, problems),
        Form::List(inner) => return check_list(name, *inner, value, problems),
        Form::Object(fields) => return check_object(name, fields, value, problems),
    };
    if let Some((code, limit)) = found {
        say(code, limit);
    }
}

fn check_text(value: &RawValue, chars_max: usize) -> Option<(ProblemCode, String)> {
    let Some(text) = text_of(value) else {
        return Some((ProblemCode::WrongType, String::new()));
    };
    if text.is_empty() {
        return Some((ProblemCode::Required, String::new()));
    }
    if has_forbidden(&text) {
        return Some((ProblemCode::ControlCharacter, String::new()));
    }
    // A character takes at least one byte, so most texts need no counting.
    (text.len() > chars_max && text.chars().count() > chars_max)
        .then(|| (ProblemCode::TooLong, chars_max.to_string()))
}

fn check_integer(value: &RawValue, min: i64, max: i64) -> Option<(ProblemCode, String)> {
    match parse::<i64>(value) {
        Some(number) if (min..=max).contains(&number) => None,
        Some(_) => Some((ProblemCode::OutOfRange, format!("{min}..{max}"))),
        None if parse::<f64>(value).is_some_and(|number| number.abs() >= 9.2e18) => {
            Some((ProblemCode::OutOfRange, format!("{min}..{max}")))
        }
        None => Some((ProblemCode::WrongType, String::new())),
    }
}

/// A place as phones write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainPlace {
    latitude_e7: i64,
    longitude_e7: i64,
    #[serde(default)]
    accuracy_m: i64,
}

fn is_plain_place(value: &RawValue) -> bool {
    // A struct could be read from a list as well; a place could not.
    value.get().starts_with('{')
        && parse::<PlainPlace>(value).is_some_and(|place| {
            place.latitude_e7.unsigned_abs() <= 900_000_000
                && place.longitude_e7.unsigned_abs() <= 1_800_000_000
                && (0..=10_000).contains(&place.accuracy_m)
        })
}

fn check_place(name: &str, value: &RawValue, problems: &mut Vec<Problem>) {
    // The ordinary place is read once; what is wrong with another one is found part by part.
    if is_plain_place(value) {
        return;
    }
    let Ok(place) = Payload::read(value.get().as_bytes()) else {
        problems.push(Problem::field(ProblemCode::WrongType, name));
        return;
    };
    let parts: [(&str, i64, i64, bool); 3] = [
        ("latitude_e7", -900_000_000, 900_000_000, true),
        ("longitude_e7", -1_800_000_000, 1_800_000_000, true),
        ("accuracy_m", 0, 10_000, false),
    ];
    for (part, min, max, needed) in parts {
        let path = format!("{name}.{part}");
        match place.get(part) {
            Some(number) => {
                if let Some((code, limit)) = check_integer(number, min, max) {
                    problems.push(Problem::field(code, path).limit(limit));
                }
            }
            None if needed => problems.push(Problem::field(ProblemCode::Required, path)),
            None => {}
        }
    }
    for (part, number) in place.iter() {
        if !parts.iter().any(|known| known.0 == part) {
            check_unknown(&format!("{name}.{part}"), number, problems);
        }
    }
}

fn check_list(name: &str, inner: Form, value: &RawValue, problems: &mut Vec<Problem>) {
    let Some(items) = parse::<Vec<&RawValue>>(value) else {
        problems.push(Problem::field(ProblemCode::WrongType, name));
        return;
    };
    if items.len() > limits::LIST_MAX {
        problems.push(Problem::field(ProblemCode::TooLong, name).limit(limits::LIST_MAX));
        return;
    }
    for (index, item) in items.into_iter().enumerate() {
        check(&format!("{name}.{index}"), inner, item, problems);
    }
}

fn check_object(name: &str, fields: &[Field], value: &RawValue, problems: &mut Vec<Problem>) {
    let Ok(object) = Payload::read(value.get().as_bytes()) else {
        problems.push(Problem::field(ProblemCode::WrongType, name));
        return;
    };
    for field in fields {
        let path = format!("{name}.{}", field.name);
        match object.get(field.name) {
            Some(value) => check(&path, field.form, value, problems),
            None if field.required => problems.push(Problem::field(ProblemCode::Required, path)),
            None => {}
        }
    }
    for (part, value) in object.iter() {
        if !fields.iter().any(|field| field.name == part) {
            check_unknown(&format!("{name}.{part}"), value, problems);
        }
    }
}

/// A field of a later version: kept as it is, but no control character and no endless nesting, which storage
/// and readers further on could not take.
fn check_unknown(name: &str, value: &RawValue, problems: &mut Vec<Problem>) {
    if name.chars().any(is_forbidden) {
        // The name itself is not repeated in the answer.
        problems.push(Problem::whole(ProblemCode::ControlCharacter));
        return;
    }
    let mut deserializer = serde_json::Deserializer::from_str(value.get());
    let seed = Walk {
        depth: limits::PAYLOAD_DEPTH_MAX,
    };
    match serde::de::DeserializeSeed::deserialize(seed, &mut deserializer) {
        Ok(()) => {}
        Err(error) if error.to_string().starts_with("control") => {
            problems.push(Problem::field(ProblemCode::ControlCharacter, name));
        }
        Err(error) if error.to_string().starts_with("depth") => {
            problems.push(
                Problem::field(ProblemCode::TooManyFields, name).limit(limits::PAYLOAD_DEPTH_MAX),
            );
        }
        Err(_) => problems.push(Problem::field(ProblemCode::WrongType, name)),
    }
}

/// Walks any JSON value without building it.
struct Walk {
    depth: usize,
}

impl<'de> serde::de::DeserializeSeed<'de> for Walk {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.chars().any(is_forbidden) {
            Err(E::custom("control character"))
        } else {
            Ok(())
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while seq.next_element_seed(Self { depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        while map.next_key_seed(Self { depth })?.is_some() {
            map.next_value_seed(Self { depth })?;
        }
        Ok(())
    }
}

impl Walk {
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        self.depth.checked_sub(1).ok_or_else(|| E::custom("depth"))
    }
}

/// Whether a part that is not the open one can at least be kept: JSON, or anything at all in a class nobody knows.
pub fn is_json_object(bytes: &[u8]) -> bool {
    serde_json::from_slice::<std::collections::BTreeMap<String, IgnoredAny>>(bytes).is_ok()
}

/// U+0000 and the C0 and C1 controls other than newline and tab: PostgreSQL refuses the first, screens the others.
/// Whether a text holds a forbidden character. Every control character has one of these bytes in UTF-8, and hardly any
/// text has one: so most texts are not taken apart into characters.
fn has_forbidden(text: &str) -> bool {
    text.bytes()
        .any(|byte| byte < 0x20 || byte == 0x7f || byte == 0xc2)
        && text.chars().any(is_forbidden)
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

fn is_code(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        })
}

fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    fn problems(intent: &str, json: &str) -> Vec<String> {
        let intent = kinds::find(intent).expect("an intent of ours");
        let (_, problems) = read_and_validate(intent, Some(json.as_bytes()));
        problems
            .iter()
            .map(|problem| {
                format!("{} {}", problem.code.as_str(), problem.field)
                    .trim()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn every_problem_is_named_with_its_field() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("report.create", r#"{"category":"SAN-01"}"#, &[]),
            (
                "report.create",
                r#"{"category":"SAN-01","later":{"deep":[1,2.5,null]}}"#,
                &[],
            ),
            ("report.create", "{}", &["required category"]),
            (
                "report.create",
                r#"{"category":"san 1","level":"V","title":"a\u0000b","happened_at_ms":1e3,"place":{"latitude_e7":900000001}}"#,
                &[
                    "unknown_choice category",
                    "unknown_choice level",
                    "control_character title",
                    "out_of_range place.latitude_e7",
                    "required place.longitude_e7",
                    "wrong_type happened_at_ms",
                ],
            ),
            (
                "report.create",
                r#"{"category":"A","category":"B"}"#,
                &["duplicate_field category"],
            ),
            (
                "report.create",
                r#"{"category":"A","x":"\u0001"}"#,
                &["control_character x"],
            ),
            (
                "report.create",
                r#"{"category":"A","happened_at_ms":9007199254740993123456}"#,
                &["out_of_range happened_at_ms"],
            ),
            ("report.create", "[]", &["unreadable"]),
            ("report.create", "{", &["unreadable"]),
            ("report.amend", "{}", &["nothing_to_change"]),
            ("report.comment", r#"{"text":""}"#, &["required text"]),
            (
                "report.transition",
                r#"{"to":"MERGED","merged_into":"018F4C1E-7B7A-7CC3-98C4-DC0C0C07398F"}"#,
                &["not_canonical merged_into"],
            ),
            (
                "attachment.add",
                r#"{"sha256":"AB","size_bytes":0,"media_type":"text/html"}"#,
                &[
                    "not_canonical sha256",
                    "out_of_range size_bytes",
                    "unknown_choice media_type",
                ],
            ),
        ];
        for (intent, json, expected) in cases {
            assert_eq!(problems(intent, json), *expected, "{intent} {json}");
        }
    }

    #[test]
    fn the_short_ways_for_ordinary_values_let_nothing_else_through() {
        let cases: &[(&str, &[&str])] = &[
            (r#"{"category":"\u0041-1","title":"\u4f60 \n\t £"}"#, &[]),
            (
                "{\"category\":\"A\",\"title\":\"a\u{85}b\"}",
                &["control_character title"],
            ),
            (
                "{\"category\":\"A\",\"title\":\"a\u{7f}b\"}",
                &["control_character title"],
            ),
            (r#"{"category":"A","title":7}"#, &["wrong_type title"]),
            (r#"{"category":"A","place":[1,2,3]}"#, &["wrong_type place"]),
            (
                r#"{"category":"A","place":{"latitude_e7":1,"longitude_e7":2,"accuracy_m":null}}"#,
                &["wrong_type place.accuracy_m"],
            ),
            (
                r#"{"category":"A","place":{"latitude_e7":1,"longitude_e7":2,"later":{}}}"#,
                &[],
            ),
            (
                r#"{"category":"A","place":{"latitude_e7":1,"longitude_e7":2,"latitude_e7":3}}"#,
                &["wrong_type place"],
            ),
        ];
        for (json, expected) in cases {
            assert_eq!(&problems("report.create", json), expected, "{json}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters_at_the_border() {
        for (chars, expected) in [(100, 0), (101, 1)] {
            let json = format!(r#"{{"category":"A","title":"{}"}}"#, "格".repeat(chars));
            assert_eq!(problems("report.create", &json).len(), expected, "{chars}");
        }
        for (items, expected) in [(64, 0), (65, 1)] {
            let digest = format!("\"{}\"", "a".repeat(64));
            let json = format!(
                r#"{{"category":"A","photos":[{}]}}"#,
                vec![digest; items].join(",")
            );
            assert_eq!(problems("report.create", &json).len(), expected, "{items}");
        }
        for (depth, expected) in [(16, 0), (17, 1)] {
            let json = format!(
                r#"{{"category":"A","x":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            );
            assert_eq!(problems("report.create", &json).len(), expected, "{depth}");
        }
    }
}
