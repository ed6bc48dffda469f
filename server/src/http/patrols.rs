//! `GET /v1/patrols/...`: the calendar of coverage, rounds, doubts, and stickers to print.

use api_schema::patrol::{Coverage, DoubtPage, PatrolRound, StickerQuery};
use api_schema::problem::ProblemCode;
use api_schema::shapes::parse_canonical_uuid;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};

use super::App;
use super::changes::language_of;
use super::problem::HttpProblem;
use super::records::parse_query;
use crate::service::Caller;

const INERT: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";
const INERT_WITH_STYLE: &str =
    "default-src 'none'; frame-ancestors 'none'; style-src 'unsafe-inline'; sandbox";

pub(super) async fn coverage(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Coverage>, HttpProblem> {
    let query = parse_query(&uri)?;
    Ok(Json(app.backend.coverage(caller, query).await?))
}

pub(super) async fn round(
    State(app): State<App>,
    caller: Caller,
    Path(record): Path<String>,
) -> Result<Json<PatrolRound>, HttpProblem> {
    let record =
        parse_canonical_uuid(&record).ok_or_else(|| HttpProblem::new(ProblemCode::NotFound))?;
    Ok(Json(app.backend.round(caller, record).await?))
}

pub(super) async fn list_doubts(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<DoubtPage>, HttpProblem> {
    let query = parse_query(&uri)?;
    Ok(Json(app.backend.list_doubts(caller, query).await?))
}

pub(super) async fn sticker(
    State(app): State<App>,
    caller: Caller,
    Path(point): Path<String>,
) -> Result<Response, HttpProblem> {
    let drawing = app.backend.sticker(caller, point).await?;
    Ok(print(drawing, "image/svg+xml", INERT))
}

pub(super) async fn stickers(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let query: StickerQuery = parse_query(&uri)?;
    let language = language_of(&headers);
    let sheet = app.backend.stickers(caller, query.unit, language).await?;
    Ok(print(sheet, "text/html; charset=utf-8", INERT_WITH_STYLE))
}

/// Names out of documents stand in it: nothing of it may run, whatever they hold.
fn print(text: String, content_type: &'static str, policy: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, text).into_response()
}
