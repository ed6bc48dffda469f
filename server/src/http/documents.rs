//! `GET /v1/documents`, `GET /v1/documents/{document}/{version}` and `POST /v1/documents`.

use api_schema::document::{DocumentImport, DocumentImportAnswer, DocumentList};
use api_schema::problem::ProblemCode;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use super::body::JsonBody;
use super::changes::language_of;
use super::problem::HttpProblem;
use crate::service::Caller;

pub(super) async fn list_documents(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<DocumentList>, HttpProblem> {
    Ok(Json(app.backend.list_documents(caller).await?))
}

pub(super) async fn get_document(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<Response, HttpProblem> {
    // A number in another spelling names nothing.
    let number = version.parse::<u32>().ok();
    let number = number.filter(|number| number.to_string() == version);
    let number = number.ok_or_else(|| HttpProblem::new(ProblemCode::NotFound))?;
    let text = app.backend.get_document(caller, name, number).await?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

pub(super) async fn import_documents(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(import): JsonBody<DocumentImport>,
) -> Result<Json<DocumentImportAnswer>, HttpProblem> {
    let language = language_of(&headers);
    let taken = app.backend.import_documents(caller, import, language);
    Ok(Json(taken.await?))
}
