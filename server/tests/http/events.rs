//! Events: a nudge without data about anyone; streams end with their token, with the server, and when there are too many.

use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use http_body_util::BodyExt;
use server::http::limits::HttpLimits;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::fake::{Harness, NOW_MS, PATIENCE};
use crate::samples::get;

async fn open(harness: &Harness) -> Response<Body> {
    harness
        .router
        .clone()
        .oneshot(get("/v1/events"))
        .await
        .unwrap()
}

async fn next(stream: &mut Response<Body>) -> Option<String> {
    let frame = timeout(PATIENCE, stream.body_mut().frame())
        .await
        .expect("the stream says something or ends")?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_nudge_says_that_there_is_something_and_not_what() {
    let harness = Harness::new();
    let mut stream = open(&harness).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(
        stream.headers()["cache-control"],
        "no-store",
        "no proxy keeps it"
    );
    harness.fake.nudges.send(()).unwrap();
    assert_eq!(
        next(&mut stream).await.unwrap(),
        "event: nudge\ndata: new\n\n"
    );
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let limits = HttpLimits {
        event_keep_alive: Duration::from_millis(20),
        ..HttpLimits::default()
    };
    let harness = Harness::with(limits, None);
    let mut stream = open(&harness).await;
    assert_eq!(next(&mut stream).await.unwrap(), ":\n\n");
}

#[tokio::test]
async fn streams_end_when_the_server_drains() {
    let harness = Harness::new();
    let mut stream = open(&harness).await;
    harness.shutdown.send_replace(true);
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn streams_end_with_their_token() {
    let harness = Harness::new();
    harness.clock.set_wall_ms(NOW_MS + 900_000 - 20);
    let mut stream = open(&harness).await;
    assert_eq!(
        next(&mut stream).await,
        None,
        "20 ms later the token is over"
    );
}

#[tokio::test]
async fn there_is_a_most_of_streams_and_a_closed_one_makes_room() {
    let limits = HttpLimits {
        event_streams_max: 1,
        ..HttpLimits::default()
    };
    let harness = Harness::with(limits, None);
    let first = open(&harness).await;
    assert_eq!(
        harness.ask(get("/v1/events")).await.problem().code,
        "overloaded"
    );
    drop(first);
    assert_eq!(open(&harness).await.status(), 200);
}
