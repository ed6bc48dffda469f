//! `POST /v1/forks`: a cloned or restored phone goes on as a new replica.

use api_schema::enrolment::EnrolmentAnswer;
use api_schema::fork::ForkRequest;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::body::JsonBody;
use super::problem::HttpProblem;

pub(super) async fn fork(
    State(app): State<App>,
    JsonBody(request): JsonBody<ForkRequest>,
) -> Result<(StatusCode, Json<EnrolmentAnswer>), HttpProblem> {
    let answer = app.backend.fork(request).await?;
    Ok((StatusCode::CREATED, Json(answer)))
}
