//! Payloads: their fields as the author spelled them, and what is wrong with them by the table of fields.

use super::plain::{Fields, Problem};
use super::written::{Form, Intent, Shape, limit};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// The members of a JSON object, in the order in which they stand.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, raw.get().to_owned()));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The fields of an open part, or the problem that it has as a whole.
///
/// # Errors
/// Why it has no fields.
pub fn read(open: Option<&[u8]>) -> Result<Fields, Problem> {
    let unreadable = || ("unreadable".to_owned(), String::new());
    // A change without an open part has an empty payload.
    let members: Members =
        serde_json::from_slice(open.unwrap_or(b"{}")).map_err(|_| unreadable())?;
    let mut fields = Fields::new();
    for (name, raw) in members.0 {
        if fields.insert(name.clone(), raw).is_some() {
            return Err(("duplicate_field".to_owned(), name));
        }
    }
    Ok(fields)
}

/// Every problem of a payload.
pub fn problems(intent: &Intent, fields: &Fields) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |code: &str, field: &str| problems.push((code.to_owned(), field.to_owned()));
    if fields.len() > as_size(limit("top-level fields of a payload")) {
        note("too_many_fields", "");
    }
    if intent.shape == Shape::Writes && fields.is_empty() {
        note("nothing_to_change", "");
    }
    for field in &intent.fields {
        match fields.get(&field.name) {
            None if field.is_needed => note("required", &field.name),
            None => {}
            Some(raw) => {
                let value: Value = serde_json::from_str(raw).unwrap_or(Value::Null);
                for (code, path) in wrong(&field.form, &value, &field.name) {
                    note(&code, &path);
                }
            }
        }
    }
    for (name, raw) in fields {
        if intent.fields.iter().all(|field| field.name != *name) {
            let value: Value = serde_json::from_str(raw).unwrap_or(Value::Null);
            if holds_control(&value) {
                note("control_character", name);
            }
            if depth(&value) > as_size(limit("depth of an unknown field")) {
                note("too_many_fields", name);
            }
        }
    }
    problems
}

fn as_size(number: i64) -> usize {
    usize::try_from(number).expect("BUG: a limit is a size")
}

/// Control characters other than newline and tab.
fn has_control(text: &str) -> bool {
    text.chars()
        .any(|letter| letter.is_control() && letter != '\n' && letter != '\t')
}

fn holds_control(value: &Value) -> bool {
    match value {
        Value::String(text) => has_control(text),
        Value::Array(list) => list.iter().any(holds_control),
        Value::Object(map) => map
            .iter()
            .any(|(name, value)| has_control(name) || holds_control(value)),
        _ => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_code(text: &str) -> bool {
    let is_letter = |byte: u8| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-'
    };
    (1..=32).contains(&text.len()) && text.bytes().all(is_letter)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_canonical_id(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok_and(|id| id.hyphenated().to_string() == text)
}

/// What is wrong with a value that should have a form.
fn wrong(form: &Form, value: &Value, path: &str) -> Vec<Problem> {
    let problem = |code: &str| vec![(code.to_owned(), path.to_owned())];
    let of_text = |is_good: fn(&str) -> bool, code: &str| match value.as_str() {
        None => problem("wrong_type"),
        Some(text) if is_good(text) => Vec::new(),
        Some(_) => problem(code),
    };
    let of_integer = |low: i64, high: i64| {
        if !(value.is_i64() || value.is_u64()) {
            return problem("wrong_type");
        }
        match value.as_i64() {
            Some(number) if (low..=high).contains(&number) => Vec::new(),
            _ => problem("out_of_range"),
        }
    };
    match form {
        Form::Text(most) => match value.as_str() {
            None => problem("wrong_type"),
            Some("") => problem("required"),
            Some(text) if has_control(text) => problem("control_character"),
            Some(text) if text.chars().count() > *most => problem("too_long"),
            Some(_) => Vec::new(),
        },
        Form::Code => of_text(is_code, "unknown_choice"),
        Form::Digest => of_text(is_digest, "not_canonical"),
        Form::Record => of_text(is_canonical_id, "not_canonical"),
        Form::Choice(choices) => match value.as_str() {
            None => problem("wrong_type"),
            Some(text) if choices.iter().any(|choice| choice == text) => Vec::new(),
            Some(_) => problem("unknown_choice"),
        },
        Form::Integer(low, high) => of_integer(*low, *high),
        Form::Time => of_integer(
            limit("earliest time in a payload, ms"),
            limit("latest time in a payload, ms"),
        ),
        Form::Person | Form::Unit => of_integer(1, i64::from(u32::MAX)),
        Form::Flag if value.is_boolean() => Vec::new(),
        Form::Flag => problem("wrong_type"),
        Form::Place => wrong_place(value, path),
        Form::List(inner) => match value.as_array() {
            None => problem("wrong_type"),
            Some(list) if list.len() > as_size(limit("entries of a list field")) => {
                problem("too_long")
            }
            Some(list) => list
                .iter()
                .enumerate()
                .flat_map(|(index, value)| wrong(inner, value, &format!("{path}.{index}")))
                .collect(),
        },
        Form::Object(parts) => wrong_object(parts, value, path),
    }
}

/// An object has its parts, each of its form; others are kept.
fn wrong_object(parts: &[(String, bool, Form)], value: &Value, path: &str) -> Vec<Problem> {
    let Some(map) = value.as_object() else {
        return vec![("wrong_type".to_owned(), path.to_owned())];
    };
    let mut found = Vec::new();
    for (name, is_needed, form) in parts {
        let inner = format!("{path}.{name}");
        match map.get(name) {
            None if *is_needed => found.push(("required".to_owned(), inner)),
            None => {}
            Some(value) => found.extend(wrong(form, value, &inner)),
        }
    }
    found
}

/// A place is `{"latitude_e7", "longitude_e7", "accuracy_m"}`; the accuracy may be missing.
fn wrong_place(value: &Value, path: &str) -> Vec<Problem> {
    let Some(map) = value.as_object() else {
        return vec![("wrong_type".to_owned(), path.to_owned())];
    };
    let bounds = [
        ("latitude_e7", 900_000_000, true),
        ("longitude_e7", 1_800_000_000, true),
        ("accuracy_m", 10_000, false),
    ];
    let mut found = Vec::new();
    for (name, most, is_needed) in bounds {
        let least = if is_needed { -most } else { 0 };
        let inner = format!("{path}.{name}");
        match map.get(name) {
            None if is_needed => found.push(("required".to_owned(), inner)),
            None => {}
            Some(number) => found.extend(wrong(&Form::Integer(least, most), number, &inner)),
        }
    }
    found
}
