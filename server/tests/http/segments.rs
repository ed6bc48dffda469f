//! Snapshot segments: sent as they lie on disk, in a compression the client reads, resumable by range.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::fake::{Harness, Reply, SEGMENT};
use crate::samples::get;

async fn fetch(harness: &Harness, path: &str, headers: &[(&'static str, &str)]) -> Reply {
    let mut request: Request<Body> = get(path);
    request
        .headers_mut()
        .insert("accept-encoding", "zstd".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    harness.ask(request).await
}

#[tokio::test]
async fn a_segment_comes_as_it_lies_on_disk() {
    let harness = Harness::new();
    for (accept, coding) in [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, zstd", "zstd"),
        ("*", "zstd"),
        ("zstd;q=0, gzip", "gzip"),
    ] {
        let reply = fetch(
            &harness,
            "/v1/snapshots/u7/0",
            &[("accept-encoding", accept)],
        )
        .await;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(
            (reply.header("content-encoding"), &reply.body[..]),
            (coding, SEGMENT),
            "{accept}: not compressed twice"
        );
        assert_eq!(reply.header("content-length"), SEGMENT.len().to_string());
    }
    for accept in ["", "br", "identity", "zstd;q=0", "gzip; q=0.0"] {
        let reply = fetch(
            &harness,
            "/v1/snapshots/u7/0",
            &[("accept-encoding", accept)],
        )
        .await;
        assert_eq!(reply.problem().code, "encoding_not_acceptable", "{accept}");
    }
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_stopped() {
    let harness = Harness::new();
    let first = fetch(&harness, "/v1/snapshots/u7/0", &[("range", "bytes=0-9")]).await;
    assert_eq!(
        (first.status, first.header("content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 0-9/32")
    );
    let etag = first.header("etag").to_owned();
    let rest = fetch(
        &harness,
        "/v1/snapshots/u7/0",
        &[("range", "bytes=10-"), ("if-range", &etag)],
    )
    .await;
    assert_eq!([&first.body[..], &rest.body[..]].concat(), SEGMENT);

    let changed = fetch(
        &harness,
        "/v1/snapshots/u7/0",
        &[("range", "bytes=10-"), ("if-range", "\"other\"")],
    )
    .await;
    assert_eq!(
        (changed.status, &changed.body[..]),
        (StatusCode::OK, SEGMENT),
        "another file comes whole"
    );
    let beyond = fetch(&harness, "/v1/snapshots/u7/0", &[("range", "bytes=32-")]).await;
    assert_eq!(
        (
            beyond.problem().code.as_str(),
            beyond.header("content-range")
        ),
        ("range_not_satisfiable", "bytes */32")
    );
}

#[tokio::test]
async fn paths_that_name_no_segment_reach_nothing() {
    let harness = Harness::new();
    for path in [
        "..%2Fcontrol.db/0",
        ".hidden/0",
        "u7/-1",
        "u7/x",
        "u7/4294967296",
        "u7/1",
        "a%00/0",
        "%E7%BD%91/0",
    ] {
        let reply = fetch(&harness, &format!("/v1/snapshots/{path}"), &[]).await;
        assert_eq!(reply.problem().code, "not_found", "{path}");
    }
    assert_eq!(harness.calls(), 0);
}
