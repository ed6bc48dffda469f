//! Where in a JSON text a value stands, so that a finding about it can name the line.

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

/// The lines of a JSON text that is known to be valid.
pub(super) struct Lines<'a> {
    text: &'a str,
    root: Option<Value<'a>>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let parsed = parse_to_ast(text, &CollectOptions::default(), &ParseOptions::default());
        Self {
            text,
            root: parsed.ok().and_then(|parsed| parsed.value),
        }
    }

    /// The line, from 1, of the value that a JSON pointer (RFC 6901) names; of the last one on its way that is there.
    pub(super) fn line(&self, pointer: &str) -> u64 {
        let Some(mut value) = self.root.as_ref() else {
            return 1;
        };
        for part in pointer.split('/').skip(1) {
            let part = part.replace("~1", "/").replace("~0", "~");
            let inner = match value {
                Value::Object(object) => object.get(&part).map(|property| &property.value),
                Value::Array(array) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| array.elements.get(index)),
                _ => None,
            };
            match inner {
                Some(inner) => value = inner,
                None => break,
            }
        }
        let before = &self.text.as_bytes()[..value.start().min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_to_a_line() {
        let text = "{\n  \"a\": [\n    1,\n    {\"b/c\": true}\n  ],\n\"d\": \"一\"}";
        let lines = Lines::of(text);
        for (pointer, line) in [
            ("", 1),
            ("/a", 2),
            ("/a/0", 3),
            ("/a/1/b~1c", 4),
            ("/a/9", 2),
            ("/d", 6),
            ("/nowhere", 1),
        ] {
            assert_eq!(lines.line(pointer), line, "{pointer}");
        }
    }
}
