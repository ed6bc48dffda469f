//! `GET /v1/packs` and `GET /v1/packs/{label}`.

use api_schema::pack::PackList;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::HttpProblem;
use crate::service::Caller;

pub(super) async fn list_packs(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<PackList>, HttpProblem> {
    Ok(Json(app.backend.list_packs(caller).await?))
}

pub(super) async fn get_pack(
    State(app): State<App>,
    caller: Caller,
    Path(label): Path<String>,
) -> Result<Response, HttpProblem> {
    let text = app.backend.get_pack(caller, label).await?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}
