//! `POST /v1/setups`: the one-time set-up token makes the first administrator.

use api_schema::setup::{SetupAnswer, SetupRequest};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::body::JsonBody;
use super::problem::HttpProblem;

pub(super) async fn set_up(
    State(app): State<App>,
    JsonBody(request): JsonBody<SetupRequest>,
) -> Result<(StatusCode, Json<SetupAnswer>), HttpProblem> {
    let answer = app.backend.set_up(request).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}
