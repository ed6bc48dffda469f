//! `GET /v1/events`: nudges that say "there is something new in your scope", and never what.

use std::convert::Infallible;
use std::time::Duration;

use api_schema::event::{NUDGE_DATA, NUDGE_EVENT};
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::{FutureExt, StreamExt, future};

use super::App;
use super::problem::HttpProblem;
use crate::service::{Caller, ServiceError};

pub(super) async fn events(
    State(app): State<App>,
    caller: Caller,
) -> Result<impl IntoResponse, HttpProblem> {
    let slot = app
        .event_streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| ServiceError::Overloaded)?;
    let nudges = app.backend.subscribe(caller).await?;
    // The stream ends with its token: whoever was shut out since does not listen on.
    let left_ms = u64::try_from(caller.token_expires_ms - app.clock.wall_ms()).unwrap_or(0);
    let expired = tokio::time::sleep(Duration::from_millis(left_ms));
    let mut shutdown = app.shutdown.clone();
    let draining = async move {
        // An error means that the server itself is gone.
        let _ = shutdown.wait_for(|draining| *draining).await;
    };
    let end = future::select(expired.boxed(), draining.boxed());
    let events = nudges.take_until(end).map(move |()| {
        let _held = &slot;
        Ok::<_, Infallible>(Event::default().event(NUDGE_EVENT).data(NUDGE_DATA))
    });
    let alive = KeepAlive::new().interval(app.limits.event_keep_alive);
    Ok((
        [(CACHE_CONTROL, "no-store")],
        Sse::new(events).keep_alive(alive),
    ))
}
