//! `GET /v1/records/{record}/attachments/{sha256}` and its thumbnail: inert bytes, to whoever may read the record.

use api_schema::problem::ProblemCode;
use api_schema::shapes::parse_canonical_uuid;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sync_core::change::Hash;
use sync_core::hex;

use super::App;
use super::problem::HttpProblem;
use super::ranges::{Range, content_range, requested_range, unsatisfiable};
use crate::service::Caller;
use crate::service::attachments::{AttachmentFile, Rendition};

/// Nothing in it runs, wherever it is opened.
const INERT: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

pub(super) async fn attachment(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    serve(&app, caller, path, Rendition::Whole, &headers).await
}

pub(super) async fn thumbnail(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    serve(&app, caller, path, Rendition::Thumbnail, &headers).await
}

async fn serve(
    app: &App,
    caller: Caller,
    (record, sha256): (String, String),
    rendition: Rendition,
    headers: &HeaderMap,
) -> Result<Response, HttpProblem> {
    let not_found = || HttpProblem::new(ProblemCode::NotFound);
    // One spelling each: another names nothing.
    let record = parse_canonical_uuid(&record).ok_or_else(not_found)?;
    let digest = hex::decode(&sha256).and_then(|bytes| Hash::from_slice(&bytes));
    let digest = digest.ok_or_else(not_found)?;
    let file = app
        .backend
        .attachment(caller, record, digest, rendition)
        .await?;
    respond(file, &sha256, headers).await
}

async fn respond(
    file: AttachmentFile,
    named: &str,
    headers: &HeaderMap,
) -> Result<Response, HttpProblem> {
    let size = file.size_bytes;
    let etag = format!("\"{}\"", file.sha256);
    let is_current = headers
        .get(IF_RANGE)
        .is_none_or(|held| held.as_bytes() == etag.as_bytes());
    let range = if is_current {
        requested_range(headers, size)
    } else {
        Range::Whole
    };
    let (status, from, length) = match range {
        Range::Whole => (StatusCode::OK, 0, size),
        Range::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to - from + 1),
        Range::Unsatisfiable => return Err(unsatisfiable(size)),
    };
    // The name says nothing of anybody, and the browser keeps it apart from pages.
    let name = format!("{}.{}", &named[..16], file.media_type.extension());
    let headers = [
        (CONTENT_TYPE, file.media_type.as_str().to_owned()),
        (CONTENT_LENGTH, length.to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (CONTENT_SECURITY_POLICY, INERT.to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (ETAG, etag),
    ];
    let bytes = (file.open)(from, length).await?;
    let mut response = (status, headers, Body::from_stream(bytes)).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let value = content_range(from, length, size);
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    Ok(response)
}
