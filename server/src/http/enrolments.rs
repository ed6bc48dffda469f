//! `POST /v1/enrolments`: a one-time code and a proof of the key make a replica known.

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::body::JsonBody;
use super::problem::HttpProblem;

pub(super) async fn enrol(
    State(app): State<App>,
    JsonBody(request): JsonBody<EnrolmentRequest>,
) -> Result<(StatusCode, Json<EnrolmentAnswer>), HttpProblem> {
    let answer = app.backend.enrol(request).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}
