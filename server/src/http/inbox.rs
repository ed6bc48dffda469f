//! `GET /v1/inbox` and `POST /v1/rulings`: what waits for a person, and what a person rules.

use api_schema::inbox::{InboxPage, InboxQuery, RulingAnswer, RulingRequest};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};

use super::App;
use super::body::JsonBody;
use super::changes::language_of;
use super::problem::HttpProblem;
use super::records::parse_query;
use crate::service::Caller;

pub(super) async fn list_inbox(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<InboxPage>, HttpProblem> {
    let query: InboxQuery = parse_query(&uri)?;
    let language = language_of(&headers);
    Ok(Json(app.backend.list_inbox(caller, query, language).await?))
}

pub(super) async fn rule(
    State(app): State<App>,
    caller: Caller,
    JsonBody(request): JsonBody<RulingRequest>,
) -> Result<Json<RulingAnswer>, HttpProblem> {
    Ok(Json(app.backend.rule(caller, request).await?))
}
