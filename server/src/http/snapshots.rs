//! `GET /v1/snapshots` and its segments: prepared files for a first sync, sent as they lie on disk, resumable by range.

use api_schema::SNAPSHOT_CONTENT_TYPE;
use api_schema::problem::ProblemCode;
use api_schema::snapshot::SnapshotList;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, IF_RANGE, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::file_body::file_body;
use super::problem::HttpProblem;
use super::ranges::{Range, content_range, requested_range, unsatisfiable};
use crate::service::{AcceptedCodings, Caller, SegmentFile};

/// The longest name of a snapshot.
const NAME_BYTES_MAX: usize = 64;

pub(super) async fn list_snapshots(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<SnapshotList>, HttpProblem> {
    Ok(Json(app.backend.list_snapshots(caller).await?))
}

pub(super) async fn snapshot_segment(
    State(app): State<App>,
    caller: Caller,
    Path((name, segment)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let not_found = || HttpProblem::new(ProblemCode::NotFound);
    let segment: u32 = segment.parse().map_err(|_| not_found())?;
    if !is_name(&name) {
        return Err(not_found());
    }
    let accepted = accepted_codings(&headers);
    if !accepted.zstd && !accepted.gzip {
        return Err(HttpProblem::new(ProblemCode::EncodingNotAcceptable));
    }
    let file = app
        .backend
        .snapshot_segment(caller, name.clone(), segment, accepted)
        .await?;
    let etag = format!("\"{name}-{segment}-{}\"", file.coding.as_str());
    respond(file, &etag, &headers)
}

fn respond(segment: SegmentFile, etag: &str, headers: &HeaderMap) -> Result<Response, HttpProblem> {
    let size = segment.size_bytes;
    let current = headers
        .get(IF_RANGE)
        .is_none_or(|held| held.as_bytes() == etag.as_bytes());
    let range = if current {
        requested_range(headers, size)
    } else {
        Range::Whole
    };
    let (status, from, length) = match range {
        Range::Whole => (StatusCode::OK, 0, size),
        Range::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to - from + 1),
        Range::Unsatisfiable => return Err(unsatisfiable(size)),
    };
    let headers = [
        (CONTENT_TYPE, SNAPSHOT_CONTENT_TYPE.to_owned()),
        (CONTENT_ENCODING, segment.coding.as_str().to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (VARY, ACCEPT_ENCODING.to_string()),
        (ETAG, etag.to_owned()),
    ];
    let mut response = (status, headers, file_body(segment.file, from, length)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let value = content_range(from, length, size);
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Names come from our own list; anything that could leave the snapshots' folder is none.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('.')
}

fn accepted_codings(headers: &HeaderMap) -> AcceptedCodings {
    let mut accepted = AcceptedCodings {
        zstd: false,
        gzip: false,
    };
    for value in headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
    {
        for item in value.split(',') {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight: String = weight
                .chars()
                .filter(|letter| !letter.is_whitespace())
                .collect();
            if matches!(
                weight.as_str(),
                "q=0" | "q=0." | "q=0.0" | "q=0.00" | "q=0.000"
            ) {
                continue;
            }
            match coding.trim().to_ascii_lowercase().as_str() {
                "zstd" => accepted.zstd = true,
                "gzip" | "x-gzip" => accepted.gzip = true,
                "*" => {
                    accepted = AcceptedCodings {
                        zstd: true,
                        gzip: true,
                    }
                }
                _ => {}
            }
        }
    }
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_the_folder() {
        assert!(is_name("u7-000123.images"));
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a\\b",
            "a\0",
            "a b",
            "网格",
            &"a".repeat(65),
        ] {
            assert!(!is_name(bad), "{bad:?} must be refused");
        }
    }
}
