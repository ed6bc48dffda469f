//! `GET /livez` and `GET /readyz`: is the process alive, and may it be given work.

use api_schema::health::{Live, Ready};
use axum::Json;
use axum::extract::State;

use super::App;
use super::problem::HttpProblem;
use crate::service::ServiceError;

pub(super) async fn live() -> Json<Live> {
    Json(Live { live: true })
}

pub(super) async fn ready(State(app): State<App>) -> Result<Json<Ready>, HttpProblem> {
    // A server that drains takes no new work, however well the engine is.
    if *app.shutdown.borrow() {
        return Err(ServiceError::NotReady {
            failed: vec!["draining".to_owned()],
        }
        .into());
    }
    Ok(Json(app.backend.ready().await?))
}
