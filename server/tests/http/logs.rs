//! The log: one line a request, and nothing in it about anyone.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use server::service::ServiceError;
use tracing_subscriber::fmt::MakeWriter;

use crate::fake::{Harness, REPLICA};
use crate::samples::{get, good_token, post};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

#[tokio::test]
async fn requests_leave_a_line_that_names_no_one() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(captured.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let harness = Harness::new();
    let source = "disk I/O error".into();
    *harness.fake.refusal.lock().unwrap() = Some(ServiceError::Internal {
        what: "could not read the log",
        source,
    });
    let failed = harness
        .ask(get("/v1/records?text=canary-query&unit=7"))
        .await
        .problem();
    harness.ask(get(&format!("/v1/records/{REPLICA}"))).await;
    harness.ask(get("/canary-path")).await;
    harness
        .ask(post(
            "/v1/setups",
            "application/json",
            "{\"token\":\"canary-code\",\"name\":\"canary-name\"}",
        ))
        .await;
    harness
        .ask(post(
            "/v1/setups",
            "application/json",
            "{\"token\":[\"canary-code\"]}",
        ))
        .await;
    let forged = Request::get("/v1/directory")
        .header("authorization", "Bearer canary-token")
        .body(Body::empty())
        .unwrap();
    harness.ask(forged).await;
    let method = Request::builder()
        .method("CANARY")
        .uri("/livez")
        .body(Body::empty())
        .unwrap();
    harness.ask(method).await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert_eq!(
        log.matches("\"answered\"").count(),
        7,
        "one line a request: {log}"
    );
    assert!(
        log.contains("/v1/records/{record}"),
        "the route is logged as the table writes it"
    );
    assert!(
        log.contains("could not read the log: disk I/O error"),
        "causes are logged in full"
    );
    assert!(
        log.contains(&failed.request_id),
        "a problem leads to its lines"
    );
    assert!(log.contains("authn_fail"));
    for secret in ["canary", "CANARY", &REPLICA.to_string(), &good_token()] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
