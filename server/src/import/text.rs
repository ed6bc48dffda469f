//! Checks on a piece of text from a file: present, short enough, visible, and not a formula.

use super::finding::{Finding, Findings, Place, Reason};

/// Whether a character takes no part in what people see: controls, marks that turn the direction of
/// writing, zero-width characters, and the sign of an earlier failed decoding.
pub(super) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffd}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a spreadsheet that opens an export would take the text for a formula. The wide forms count too:
/// East Asian spreadsheets fold them.
pub(super) fn is_formula_like(text: &str) -> bool {
    text.starts_with([
        '=', '+', '-', '@', '\t', '\r', '|', '%', '＝', '＋', '－', '＠', '−',
    ])
}

/// Takes a text without the spaces around it. `None`, with a finding, when it is empty, too long, holds
/// invisible characters or looks like a formula. The text itself is never repeated: it may be a name.
pub(super) fn take_text(
    text: &str,
    place: Place,
    field: &'static str,
    chars_max: usize,
    findings: &mut Findings,
) -> Option<String> {
    let text = text.trim();
    let reason = if text.is_empty() {
        Reason::Required
    } else if text.chars().count() > chars_max {
        Reason::TooLong
    } else if text.chars().any(is_invisible) {
        Reason::ControlCharacter
    } else if is_formula_like(text) {
        Reason::FormulaLike
    } else {
        return Some(text.to_owned());
    };
    let finding = Finding::error(place, reason).field(field);
    findings.push(if reason == Reason::TooLong {
        finding.limit(chars_max)
    } else {
        finding
    });
    None
}

/// The text of a file without its byte order mark; `Err` names the line of the first byte that is not UTF-8.
pub(super) fn decode_utf8(bytes: &[u8]) -> Result<&str, u64> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| line_at(bytes, error.valid_up_to()))
}

/// The line, from 1, of a place in a file.
pub(super) fn line_at(bytes: &[u8], offset: usize) -> u64 {
    1 + bytes
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason_of(text: &str) -> Option<Reason> {
        let mut findings = Findings::default();
        let taken = take_text(text, Place::File, "name", 8, &mut findings);
        let reason = findings
            .into_parsed(Vec::<()>::new())
            .findings
            .first()
            .map(|finding| finding.reason);
        assert_eq!(taken.is_none(), reason.is_some());
        reason
    }

    #[test]
    fn hostile_names_are_refused_and_ordinary_ones_taken() {
        for (text, reason) in [
            ("王小明", None),
            ("阿依古丽·买买", None),
            ("O'Neil", None),
            ("\u{3000}王小明 ", None),
            ("", Some(Reason::Required)),
            (" \u{3000}\t", Some(Reason::Required)),
            ("一二三四五六七八九", Some(Reason::TooLong)),
            ("王\0明", Some(Reason::ControlCharacter)),
            ("王\u{202e}明", Some(Reason::ControlCharacter)),
            ("王\u{200b}明", Some(Reason::ControlCharacter)),
            ("王\u{fffd}", Some(Reason::ControlCharacter)),
            ("=1+1", Some(Reason::FormulaLike)),
            ("＝1+1", Some(Reason::FormulaLike)),
            ("@SUM(A1)", Some(Reason::FormulaLike)),
            ("-2", Some(Reason::FormulaLike)),
        ] {
            assert_eq!(reason_of(text), reason, "{text:?}");
        }
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_told_by_its_line() {
        assert_eq!(decode_utf8(b"\xef\xbb\xbfa\nb"), Ok("a\nb"));
        assert_eq!(decode_utf8(b"a\nb\n\xcd\xf5"), Err(3));
    }
}
