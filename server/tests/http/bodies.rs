//! Request bodies: what is malformed, mistyped, too large, wrongly compressed or too slow is refused with the reason, and nothing reaches the engine.

use std::io::Write;
use std::time::Duration;

use api_schema::SYNC_CONTENT_TYPE;
use api_schema::endpoints::{JSON_BODY_BYTES_MAX, SYNC_BODY_BYTES_MAX};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use serde_json::json;
use server::http::limits::HttpLimits;

use crate::fake::{Harness, REPLICA};
use crate::samples::{enrolment, post};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 19).unwrap()
}

fn sync(encoding: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = post("/v1/sync", SYNC_CONTENT_TYPE, body);
    if !encoding.is_empty() {
        request
            .headers_mut()
            .insert("content-encoding", encoding.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn malformed_json_is_told_by_its_place() {
    let harness = Harness::new();
    for body in [
        "",
        "{",
        "{\"token\": }",
        "nul",
        "{\"token\":\"a\",\"name\":\"b\"} x",
        "\u{feff}{}",
        "{\"token\": \"\\ud800\"}",
    ] {
        let reply = harness
            .ask(post("/v1/setups", "application/json", body))
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
        let problem = reply.problem();
        assert_eq!(problem.code, "malformed_json", "{body}");
        assert!(problem.detail.unwrap().starts_with("line "), "{body}");
    }
    let not_text = post(
        "/v1/setups",
        "application/json",
        &b"{\"token\": \"\xff\"}"[..],
    );
    assert_eq!(harness.ask(not_text).await.problem().code, "malformed_json");
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn wrong_fields_are_named() {
    let harness = Harness::new();
    let id = REPLICA.to_string();
    for (field, value) in [
        ("code", json!(1)),
        ("code", json!(null)),
        ("code", json!("")),
        ("code", json!("a\u{0}b")),
        ("code", json!("a\nb")),
        ("code", json!("a".repeat(129))),
        ("replica", json!(id.to_uppercase())),
        ("replica", json!(id.replace('-', ""))),
        ("replica", json!(format!("{{{id}}}"))),
        ("replica", json!(7)),
        ("public_key", json!("A".repeat(42))),
        ("public_key", json!("A".repeat(44))),
        ("proof", json!("=".repeat(86))),
        ("device_label", json!("x".repeat(65))),
        ("device_label", json!({"a": 1})),
        ("continues", json!("x")),
        ("administrator", json!(true)),
    ] {
        let mut body = enrolment();
        body[field] = value.clone();
        let reply = harness
            .ask(post("/v1/enrolments", "application/json", body.to_string()))
            .await;
        assert_eq!(
            reply.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{field} = {value}"
        );
        assert_eq!(reply.problem().errors[0].field, field, "{value}");
    }
    for field in ["code", "replica", "public_key", "proof"] {
        let mut body = enrolment();
        body.as_object_mut().unwrap().remove(field);
        let reply = harness
            .ask(post("/v1/enrolments", "application/json", body.to_string()))
            .await;
        assert!(
            reply.problem().errors[0].message.contains(field),
            "the missing {field} is named"
        );
    }
    let twice = "{\"token\":\"a\",\"token\":\"b\",\"name\":\"c\"}";
    assert_eq!(
        harness
            .ask(post("/v1/setups", "application/json", twice))
            .await
            .problem()
            .code,
        "field_invalid"
    );
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn whatever_is_no_object_is_refused() {
    let harness = Harness::new();
    let deep = format!("{{\"token\":{}", "[".repeat(10_000));
    for body in ["[\"token\",\"name\"]", " [", "7", "\"text\"", "null", &deep] {
        let reply = harness
            .ask(post("/v1/setups", "application/json", body.to_owned()))
            .await;
        assert_eq!(reply.problem().code, "field_invalid", "{body}");
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn optional_fields_may_be_absent_or_null() {
    let harness = Harness::new();
    let mut body = enrolment();
    for value in [None, Some(json!(null))] {
        if let Some(value) = value {
            body["continues"] = value.clone();
            body["device_label"] = value;
        }
        assert_eq!(
            harness
                .ask(post("/v1/enrolments", "application/json", body.to_string()))
                .await
                .status,
            StatusCode::CREATED
        );
    }
}

#[tokio::test]
async fn only_the_described_content_types_are_read() {
    let harness = Harness::new();
    let body = enrolment().to_string();
    for good in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
    ] {
        assert_eq!(
            harness
                .ask(post("/v1/enrolments", good, body.clone()))
                .await
                .status,
            StatusCode::CREATED,
            "{good}"
        );
    }
    let calls = harness.calls();
    for bad in [
        "",
        "text/plain",
        "application/jsonp",
        "application/json; charset=gbk",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let reply = harness.ask(post("/v1/enrolments", bad, body.clone())).await;
        assert_eq!(reply.problem().code, "content_type_unsupported", "{bad}");
    }
    for bad in [
        "application/octet-stream",
        "application/json",
        "application/vnd.gridwork.sync; v=2",
    ] {
        assert_eq!(
            harness.ask(post("/v1/sync", bad, "x")).await.problem().code,
            "content_type_unsupported",
            "{bad}"
        );
    }
    let none = Request::post("/v1/sync").body(Body::from("x")).unwrap();
    assert_eq!(
        harness.ask(none).await.problem().code,
        "content_type_unsupported"
    );
    assert_eq!(harness.calls(), calls);
}

#[tokio::test]
async fn bodies_are_decompressed_once() {
    let harness = Harness::new();
    let plain = b"GWQ1 and more".repeat(1000);
    for (encoding, body) in [
        ("", plain.clone()),
        ("identity", plain.clone()),
        ("gzip", gzip(&plain)),
        ("zstd", zstd(&plain)),
        ("ZSTD", zstd(&plain)),
    ] {
        assert_eq!(
            harness.ask(sync(encoding, body)).await.status,
            StatusCode::OK,
            "{encoding}"
        );
        assert_eq!(
            harness.fake.synced.lock().unwrap().pop().unwrap(),
            plain,
            "{encoding}"
        );
    }
    let calls = harness.calls();
    for encoding in ["br", "deflate", "gzip, gzip", "zstd, gzip", "x", "gzip;q=1"] {
        let reply = harness.ask(sync(encoding, gzip(&plain))).await;
        assert_eq!(
            reply.problem().code,
            "content_encoding_unsupported",
            "{encoding}"
        );
        assert_eq!(reply.header("accept-encoding"), "zstd, gzip");
    }
    assert_eq!(harness.calls(), calls);
}

#[tokio::test]
async fn broken_compression_is_refused() {
    let harness = Harness::new();
    let plain = b"GWQ1 and more".repeat(1000);
    let (gzipped, zstded) = (gzip(&plain), zstd(&plain));
    let mut flipped = gzipped.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let wide_window = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    for (name, encoding, body) in [
        ("not gzip", "gzip", plain.clone()),
        ("not zstd", "zstd", plain.clone()),
        ("cut gzip", "gzip", gzipped[..gzipped.len() - 9].to_vec()),
        ("cut zstd", "zstd", zstded[..zstded.len() - 3].to_vec()),
        ("empty gzip", "gzip", Vec::new()),
        ("wrong checksum", "gzip", flipped),
        (
            "something behind gzip",
            "gzip",
            [gzipped, b"tail".to_vec()].concat(),
        ),
        (
            "something behind zstd",
            "zstd",
            [zstded, b"tail".to_vec()].concat(),
        ),
        ("a window that would take 128 MiB", "zstd", wide_window),
    ] {
        let reply = harness.ask(sync(encoding, body)).await;
        assert_eq!(reply.problem().code, "malformed_body", "{name}");
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn the_limit_counts_decompressed_bytes_exactly() {
    let harness = Harness::new();
    let largest = vec![0; SYNC_BODY_BYTES_MAX];
    for (bytes, good) in [
        (largest.len() - 1, true),
        (largest.len(), true),
        (largest.len() + 1, false),
    ] {
        let plain = vec![0; bytes];
        let unannounced = Body::from_stream(
            stream::iter(
                plain
                    .chunks(8192)
                    .map(Bytes::copy_from_slice)
                    .collect::<Vec<_>>(),
            )
            .map(Ok::<_, std::io::Error>),
        );
        let requests = [
            sync("", plain.clone()),
            sync("", unannounced),
            sync("gzip", gzip(&plain)),
            sync("zstd", zstd(&plain)),
        ];
        for request in requests {
            let encoding = format!("{:?}", request.headers().get("content-encoding"));
            let reply = harness.ask(request).await;
            if good {
                assert_eq!(reply.status, StatusCode::OK, "{bytes} {encoding}");
            } else {
                assert_eq!(
                    reply.status,
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "{bytes} {encoding}"
                );
                let limit = reply.problem().limit.unwrap();
                assert_eq!(
                    (limit.name.as_str(), limit.value),
                    ("body_bytes", SYNC_BODY_BYTES_MAX as u64)
                );
            }
        }
    }
}

#[tokio::test]
async fn bombs_cost_no_more_than_the_limit() {
    let harness = Harness::new();
    let zeros = vec![0; 256 << 20];
    for (encoding, bomb) in [
        ("gzip", gzip(&zeros)),
        ("zstd", zstd::encode_all(&zeros[..], 1).unwrap()),
    ] {
        assert!(
            bomb.len() < SYNC_BODY_BYTES_MAX,
            "the bomb passes every check of its own length"
        );
        let limit = harness
            .ask(sync(encoding, bomb))
            .await
            .problem()
            .limit
            .unwrap();
        assert_eq!(
            (limit.name.as_str(), limit.value),
            ("body_bytes", SYNC_BODY_BYTES_MAX as u64),
            "{encoding}"
        );
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn each_endpoint_has_its_own_limit() {
    let harness = Harness::new();
    let body = format!("{{\"token\": \"{}\"}}", "a".repeat(JSON_BODY_BYTES_MAX));
    let limit = harness
        .ask(post("/v1/setups", "application/json", body))
        .await
        .problem()
        .limit
        .unwrap();
    assert_eq!(limit.value, JSON_BODY_BYTES_MAX as u64);
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_given_up() {
    let limits = HttpLimits {
        body_idle_timeout: Duration::from_millis(50),
        ..HttpLimits::default()
    };
    let harness = Harness::with(limits, None);
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"GWQ1"))]);
    let reply = harness
        .ask(sync("", Body::from_stream(first.chain(stream::pending()))))
        .await;
    assert_eq!(reply.problem().code, "body_timeout");
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn a_body_that_drips_for_ever_is_given_up() {
    let limits = HttpLimits {
        body_total_timeout: Duration::from_millis(100),
        ..HttpLimits::default()
    };
    let harness = Harness::with(limits, None);
    let drip = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
    });
    assert_eq!(
        harness
            .ask(sync("", Body::from_stream(drip)))
            .await
            .problem()
            .code,
        "body_timeout"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let harness = Harness::new();
    let broken = stream::iter([
        Ok(Bytes::from_static(b"GWQ1")),
        Err(std::io::Error::other("reset")),
    ]);
    assert_eq!(
        harness
            .ask(sync("", Body::from_stream(broken)))
            .await
            .problem()
            .code,
        "malformed_body"
    );
    assert_eq!(harness.calls(), 0);
}
