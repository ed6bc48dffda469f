//! `GET /v1/directory`: units, categories and documents in scope, sent only when they changed.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::HttpProblem;
use crate::service::Caller;

pub(super) async fn directory(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let directory = app.backend.directory(caller).await?;
    let etag = format!("\"{}-{}\"", directory.scope_version, directory.pos);
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|held| names(held.as_bytes(), etag.as_bytes()))
    {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(([(ETAG, etag)], Json(directory)).into_response())
}

/// Whether a list of entity tags names this one; weak comparison, as RFC 9110 asks of `If-None-Match`.
fn names(held: &[u8], etag: &[u8]) -> bool {
    held.split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}
