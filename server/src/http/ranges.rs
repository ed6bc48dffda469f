//! `Range`: one range of bytes out of an answer, so that a broken download goes on where it ended.

use api_schema::problem::ProblemCode;
use axum::http::header::{CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderValue};

use super::problem::HttpProblem;

/// What a request's `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Everything.
    Whole,
    /// These bytes, both ends included.
    Part { from: u64, to: u64 },
    /// What is not there.
    Unsatisfiable,
}

/// One range of bytes; whatever else the header says is ignored, as RFC 9110 allows.
pub(super) fn requested_range(headers: &HeaderMap, size: u64) -> Range {
    let text = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) = text.and_then(|text| text.strip_prefix("bytes=")?.split_once('-'))
    else {
        return Range::Whole;
    };
    let Some(from) = digits(from) else {
        return Range::Whole;
    };
    let to = match (to, digits(to)) {
        ("", _) => u64::MAX,
        (_, Some(to)) if to >= from => to,
        _ => return Range::Whole,
    };
    if from >= size {
        return Range::Unsatisfiable;
    }
    Range::Part {
        from,
        to: to.min(size - 1),
    }
}

fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

/// `Content-Range` of a part.
pub(super) fn content_range(from: u64, length: u64, size: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("bytes {from}-{}/{size}", from + length - 1))
        .expect("BUG: digits are plain text")
}

/// The refusal of a range that is not there.
pub(super) fn unsatisfiable(size: u64) -> HttpProblem {
    let value =
        HeaderValue::from_str(&format!("bytes */{size}")).expect("BUG: digits are plain text");
    HttpProblem::new(ProblemCode::RangeNotSatisfiable).header(CONTENT_RANGE, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_file_and_oddities_ignored() {
        for (header, size, range) in [
            ("bytes=0-", 10, Range::Part { from: 0, to: 9 }),
            ("bytes=4-6", 10, Range::Part { from: 4, to: 6 }),
            ("bytes=9-99999999999999999999", 10, Range::Whole),
            ("bytes=9-9999", 10, Range::Part { from: 9, to: 9 }),
            ("bytes=10-", 10, Range::Unsatisfiable),
            ("bytes=0-", 0, Range::Unsatisfiable),
            ("bytes=6-4", 10, Range::Whole),
            ("bytes=-4", 10, Range::Whole),
            ("bytes=0-1,3-4", 10, Range::Whole),
            ("bytes=+1-", 10, Range::Whole),
            ("lines=1-2", 10, Range::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_static(header));
            assert_eq!(requested_range(&headers, size), range, "{header} of {size}");
        }
    }
}
