//! Words for search: what of a record is searched, and how a person's words become a question to the index.
//!
//! Chinese is not written in words, so each character is one, and what a person types is looked for as a phrase.

use crate::store::sqlite::index::IndexWords;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use sync_core::ids::UnitId;
use sync_core::kinds::{self, Form, Kind};
use sync_core::merge::RecordState;
use sync_core::payload::Payload;

/// Characters of one record that are searched: more than any report has, and a bound for one with thousands of comments.
const TEXT_CHARS_MAX: usize = 20_000;
/// Words of one question; more are not looked at.
const QUERY_WORDS_MAX: usize = 16;

/// What is searched of a record: the texts of its visible values, steps and elements, and its facts.
pub fn words_of(state: &RecordState, category: Option<&str>) -> IndexWords {
    let mut text = Text::default();
    for (_, fields) in state.writes() {
        text.add_fields(fields);
    }
    for step in &state.steps {
        text.add_fields(&step.fields);
    }
    for element in &state.elements {
        text.add_fields(&element.fields);
    }
    let mut facts = vec![kind_fact(state.kind), unit_fact(state.unit)];
    facts.extend(state.desk.map(desk_fact));
    facts.extend(state.state.as_deref().map(state_fact));
    facts.extend(category.map(category_fact));
    IndexWords {
        text: text.spaced,
        facts: facts.join(" "),
    }
}

/// What is searched of a record with these texts and facts.
pub fn words_from<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    facts: impl IntoIterator<Item = String>,
) -> IndexWords {
    let mut text = Text::default();
    texts.into_iter().for_each(|each| text.add(each));
    IndexWords {
        text: text.spaced,
        facts: facts.into_iter().collect::<Vec<_>>().join(" "),
    }
}

/// The fact that a record is of a kind.
pub fn kind_fact(kind: Kind) -> String {
    format!("k{}", kind as u8)
}

/// The fact that a record belongs to a unit.
pub fn unit_fact(unit: UnitId) -> String {
    format!("u{unit}")
}

/// The fact that a unit must act on a record.
pub fn desk_fact(desk: UnitId) -> String {
    format!("d{desk}")
}

/// The fact that a record is in a state. Two states may share one; whoever asks looks at the row as well.
pub fn state_fact(state: &str) -> String {
    fact("q", state)
}

/// The fact that a record is of a category. Two may share one; whoever asks looks at the row as well.
pub fn category_fact(category: &str) -> String {
    fact("c", category)
}

fn fact(prefix: &str, code: &str) -> String {
    let plain = code.chars().filter(char::is_ascii_alphanumeric);
    prefix.chars().chain(plain).collect()
}

/// The FTS5 expression for a person's words, all of which a record must hold; `None` when there is no word in them.
pub fn text_expression(text: &str) -> Option<String> {
    let phrases: Vec<String> = text
        .split_whitespace()
        .filter_map(|word| {
            let mut spaced = String::new();
            push_spaced(&mut spaced, word);
            let tokens: Vec<&str> = spaced
                .split(|each: char| !each.is_alphanumeric())
                .filter(|token| !token.is_empty())
                .collect();
            (!tokens.is_empty()).then(|| format!("\"{}\"", tokens.join(" ")))
        })
        .take(QUERY_WORDS_MAX)
        .collect();
    (!phrases.is_empty()).then(|| format!("text : ({})", phrases.join(" AND ")))
}

/// The FTS5 expression for facts of which a record must have one.
pub fn facts_expression(facts: impl IntoIterator<Item = String>) -> String {
    let quoted: Vec<String> = facts
        .into_iter()
        .map(|fact| format!("\"{fact}\""))
        .collect();
    format!("facts : ({})", quoted.join(" OR "))
}

#[derive(Default)]
struct Text {
    spaced: String,
    chars: usize,
}

impl Text {
    fn add_fields(&mut self, fields: &Payload) {
        for (_, value) in fields.iter().filter(|(name, _)| !is_code(name)) {
            // Most values are no text at all, which the first byte tells.
            if value.get().starts_with(['"', '[', '{'])
                && let Ok(value) = serde_json::from_str(value.get())
            {
                self.add_value(&value);
            }
        }
    }

    fn add_value(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.add(text),
            serde_json::Value::Array(values) => values.iter().for_each(|each| self.add_value(each)),
            serde_json::Value::Object(fields) => {
                for (_, value) in fields.iter().filter(|(name, _)| !is_code(name)) {
                    self.add_value(value);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        let left = TEXT_CHARS_MAX.saturating_sub(self.chars);
        let end = text
            .char_indices()
            .nth(left)
            .map_or(text.len(), |(end, _)| end);
        self.chars += text[..end].chars().count();
        push_spaced(&mut self.spaced, &text[..end]);
        // A phrase must not go on from one text into the next: nobody types this word.
        self.spaced.push_str(" zzbreakzz ");
    }
}

/// Whether a field holds codes and not words. Fields that this version does not know may hold words.
fn is_code(name: &str) -> bool {
    static CODES: OnceLock<BTreeSet<&str>> = OnceLock::new();
    let codes = CODES.get_or_init(|| {
        let fields = || kinds::all().flat_map(|intent| intent.fields);
        let texts: BTreeSet<&str> = fields()
            .filter(|field| matches!(field.form, Form::Text(_)))
            .map(|field| field.name)
            .collect();
        fields()
            .map(|field| field.name)
            .filter(|name| !texts.contains(name))
            .collect()
    });
    codes.contains(name)
}

/// Appends a text with every character of a script without words standing alone.
fn push_spaced(out: &mut String, text: &str) {
    for each in text.chars() {
        match each {
            // What lies beyond the tokenizer's own tables is spelled out.
            '\u{20000}'..='\u{3ffff}' => {
                out.push_str(&format!(" x{:x} ", each as u32));
            }
            '\u{3005}'
            | '\u{3007}'
            | '\u{3040}'..='\u{30ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}' => {
                out.push(' ');
                out.push(each);
                out.push(' ');
            }
            _ => out.push(each),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_phrases_that_nobody_can_break_out_of() {
        for (text, expression) in [
            ("垃圾", Some("text : (\"垃 圾\")")),
            ("垃圾 LD-12", Some("text : (\"垃 圾\" AND \"LD 12\")")),
            (
                "a\" OR facts:\"u1",
                Some("text : (\"a\" AND \"OR\" AND \"facts u1\")"),
            ),
            ("NEAR(*)", Some("text : (\"NEAR\")")),
            ("𠮷", Some("text : (\"x20bb7\")")),
            ("！\"'-^:", None),
            ("  ", None),
        ] {
            assert_eq!(text_expression(text).as_deref(), expression, "{text}");
        }
    }

    #[test]
    fn codes_are_not_words() {
        assert!(is_code("category") && is_code("photos") && is_code("urgency"));
        assert!(
            !is_code("description") && !is_code("facility_number") && !is_code("a_later_field")
        );
    }
}
