//! `POST /v1/sync`: bytes in, bytes out; the engine reads them.

use api_schema::SYNC_CONTENT_TYPE;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::App;
use super::body::RawBody;
use super::problem::HttpProblem;

pub(super) async fn sync(
    State(app): State<App>,
    RawBody(body): RawBody,
) -> Result<impl IntoResponse, HttpProblem> {
    let answer = app.backend.sync(body).await?;
    Ok(([(CONTENT_TYPE, SYNC_CONTENT_TYPE)], answer))
}
