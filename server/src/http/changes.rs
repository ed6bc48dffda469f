//! `POST /v1/changes`: somebody acts online.

use api_schema::change::{ChangeAnswer, ChangeRequest};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

use super::App;
use super::body::JsonBody;
use super::problem::HttpProblem;
use crate::language::Language;
use crate::service::Caller;

pub(super) async fn make_change(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(request): JsonBody<ChangeRequest>,
) -> Result<Json<ChangeAnswer>, HttpProblem> {
    let language = language_of(&headers);
    Ok(Json(
        app.backend.make_change(caller, request, language).await?,
    ))
}

/// The language that the caller prefers.
pub(super) fn language_of(headers: &HeaderMap) -> Language {
    let accept_language = headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    accept_language.map_or_else(Language::default, Language::preferred)
}
