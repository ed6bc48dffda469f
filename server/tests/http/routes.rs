//! The table and what it promises: routes, methods, headers, languages, refusals, and a panic that stays alone.

use api_schema::endpoints::{ENDPOINTS, Method};
use api_schema::problem::FieldProblem;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use server::service::ServiceError;

use crate::fake::{Harness, PANICKING_RECORD, REPLICA};
use crate::samples::{get, good_request, sample_path};

#[tokio::test]
async fn every_row_answers_as_it_says() {
    for row in ENDPOINTS.iter().filter(|row| row.operation != "events") {
        let reply = Harness::new().ask(good_request(row)).await;
        let answer = row
            .answers
            .iter()
            .find(|answer| answer.status == reply.status.as_u16());
        let answer = answer
            .unwrap_or_else(|| panic!("{}: {} {:?}", row.operation, reply.status, reply.body));
        let stated = answer.content.content_types();
        let had = reply.header("content-type");
        assert!(
            stated.contains(&had) || (stated.is_empty() && had.is_empty()),
            "{}: {had} is none of {stated:?}",
            row.operation
        );
    }
}

#[tokio::test]
async fn every_answer_is_private_and_inert() {
    let harness = Harness::new();
    let mut requests: Vec<_> = ENDPOINTS
        .iter()
        .filter(|row| row.operation != "events")
        .map(good_request)
        .collect();
    requests.extend(["/", "/v1", "/nowhere"].map(get));
    for request in requests {
        let path = request.uri().path().to_owned();
        let reply = harness.ask(request).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            let found = reply.header(name);
            // Attachments and what is printed are kept in a box beside all that; a sheet brings its own looks.
            let found = found.strip_suffix("; sandbox").unwrap_or(found);
            let found = match path.as_str() {
                "/v1/patrols/stickers" => found.replace("; style-src 'unsafe-inline'", ""),
                _ => found.to_owned(),
            };
            assert_eq!(found, value, "{path}: {name}");
        }
        assert_eq!(reply.header("x-request-id").len(), 16, "{path}");
        assert_eq!(reply.header("server"), "", "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_are_problems() {
    let harness = Harness::new();
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v1/sync/",
        "/v1//sync",
        "/V1/sync",
        "/v1/records/a/b",
        "/v1/%2e%2e/livez",
        "/index.html",
    ] {
        let reply = harness.ask(get(path)).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.problem().code, "not_found");
    }
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let harness = Harness::new();
    for row in ENDPOINTS {
        let mut allowed = Vec::new();
        for other in ENDPOINTS.iter().filter(|other| other.path == row.path) {
            allowed.push(other.method.as_str());
            if other.method == Method::Get {
                allowed.push("HEAD");
            }
        }
        let methods = [
            "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW",
        ];
        for method in methods.iter().filter(|method| !allowed.contains(method)) {
            let request = Request::builder()
                .method(*method)
                .uri(sample_path(row))
                .body(Body::empty())
                .unwrap();
            let reply = harness.ask(request).await;
            assert_eq!(
                reply.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {}",
                row.path
            );
            let allow = allowed.join(", ");
            assert_eq!(reply.header("allow"), allow, "{method} {}", row.path);
            // The answer to HEAD has no content.
            assert!(*method == "HEAD" || reply.problem().code == "method_not_allowed");
        }
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn problems_speak_chinese_unless_english_is_preferred() {
    let harness = Harness::new();
    for (accept, tag, title) in [
        ("", "zh", "未找到"),
        ("en-GB,zh;q=0.5", "en", "Not found"),
        ("zh-CN,en;q=0.5", "zh", "未找到"),
    ] {
        let request = Request::get("/nowhere")
            .header("accept-language", accept)
            .body(Body::empty())
            .unwrap();
        let reply = harness.ask(request).await;
        assert_eq!(
            (
                reply.header("content-language"),
                reply.problem().title.as_str()
            ),
            (tag, title)
        );
    }
}

#[tokio::test]
async fn every_meaning_has_its_status() {
    let harness = Harness::new();
    let errors = vec![FieldProblem {
        field: "name".to_owned(),
        message: "taken".to_owned(),
    }];
    for (refusal, status, code, retry_after) in [
        (ServiceError::NotFound, 404, "not_found", ""),
        (ServiceError::Forbidden, 403, "forbidden", ""),
        (ServiceError::Revoked, 403, "revoked", ""),
        (ServiceError::CodeRefused, 403, "code_refused", ""),
        (ServiceError::SignatureRefused, 401, "signature_refused", ""),
        (ServiceError::ReplicaUnknown, 401, "replica_unknown", ""),
        (ServiceError::PersonUnknown, 403, "person_unknown", ""),
        (
            ServiceError::MalformedFrame {
                reason: "short".to_owned(),
            },
            400,
            "malformed_frame",
            "",
        ),
        (
            ServiceError::FieldInvalid { errors },
            422,
            "field_invalid",
            "",
        ),
        (
            ServiceError::LimitExceeded {
                limit: "batch_changes",
                value: 500,
            },
            413,
            "limit_exceeded",
            "",
        ),
        (
            ServiceError::Conflict { reason: "taken" },
            409,
            "conflict",
            "",
        ),
        (ServiceError::UpgradeRequired, 426, "upgrade_required", ""),
        (
            ServiceError::EncodingNotAcceptable,
            406,
            "encoding_not_acceptable",
            "",
        ),
        (
            ServiceError::TooManyRequests,
            429,
            "too_many_requests",
            "30",
        ),
        (ServiceError::StorageFull, 503, "storage_full", "60"),
        (ServiceError::Overloaded, 503, "overloaded", "5"),
        (ServiceError::ClockUnsafe, 503, "clock_unsafe", "300"),
        (
            ServiceError::NotReady {
                failed: vec!["disk".to_owned()],
            },
            503,
            "not_ready",
            "5",
        ),
    ] {
        *harness.fake.refusal.lock().unwrap() = Some(refusal);
        let reply = harness.ask(get("/v1/directory")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().code.as_str()),
            (status, code)
        );
        assert_eq!(reply.header("retry-after"), retry_after, "{code}");
    }
}

#[tokio::test]
async fn a_limit_is_named_with_its_value() {
    let harness = Harness::new();
    *harness.fake.refusal.lock().unwrap() = Some(ServiceError::LimitExceeded {
        limit: "batch_changes",
        value: 500,
    });
    let limit = harness
        .ask(get("/v1/directory"))
        .await
        .problem()
        .limit
        .expect("the limit is named");
    assert_eq!((limit.name.as_str(), limit.value), ("batch_changes", 500));
}

#[tokio::test]
async fn internal_causes_stay_inside() {
    let harness = Harness::new();
    let source = "disk I/O error at /var/secret".into();
    *harness.fake.refusal.lock().unwrap() = Some(ServiceError::Internal {
        what: "could not read the log",
        source,
    });
    let reply = harness.ask(get("/v1/directory")).await;
    assert_eq!(reply.problem().code, "internal");
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(!text.contains("secret") && !text.contains("log"), "{text}");
}

#[tokio::test]
async fn a_panic_in_one_handler_leaves_the_others_alone() {
    let harness = Harness::new();
    let reply = harness
        .ask(get(&format!("/v1/records/{PANICKING_RECORD}")))
        .await;
    assert_eq!(reply.problem().code, "internal");
    assert!(!String::from_utf8_lossy(&reply.body).contains("secret"));
    assert_eq!(
        harness
            .ask(get(&format!("/v1/records/{REPLICA}")))
            .await
            .status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_record_has_one_spelling() {
    let harness = Harness::new();
    let id = REPLICA.to_string();
    for alias in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("%7B{id}%7D"),
        format!("urn:uuid:{id}"),
        "0".to_owned(),
        "%00".to_owned(),
    ] {
        assert_eq!(
            harness
                .ask(get(&format!("/v1/records/{alias}")))
                .await
                .status,
            StatusCode::NOT_FOUND,
            "{alias}"
        );
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn filters_are_read_and_wrong_ones_named() {
    let harness = Harness::new();
    let reply = harness
        .ask(get(
            "/v1/records?unit=7&kind=report&from_ms=-5&text=%E4%BA%95%E7%9B%96&limit=500",
        ))
        .await;
    assert_eq!(reply.status, StatusCode::OK);
    let query = harness.fake.queries.lock().unwrap().pop().unwrap();
    assert_eq!(
        (query.unit, query.kind.as_deref(), query.from_ms),
        (Some(7), Some("report"), Some(-5))
    );
    assert_eq!(
        (query.text.as_deref(), query.limit),
        (Some("井盖"), Some(500))
    );

    for (query, field) in [
        ("unit=x", "unit"),
        ("unit=-1", "unit"),
        ("unit=4294967296", "unit"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("from_ms=1.5", "from_ms"),
        ("from_ms=9223372036854775808", "from_ms"),
        ("text=", "text"),
        ("text=a%00b", "text"),
        ("kind=a%0Ab", "kind"),
    ] {
        let reply = harness.ask(get(&format!("/v1/records?{query}"))).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        assert_eq!(reply.problem().errors[0].field, field, "{query}");
    }
    for query in ["unknown=1", "unit=1&unit=2"] {
        assert_eq!(
            harness
                .ask(get(&format!("/v1/records?{query}")))
                .await
                .problem()
                .code,
            "field_invalid",
            "{query}"
        );
    }
}

#[tokio::test]
async fn an_unchanged_directory_is_not_sent_again() {
    let harness = Harness::new();
    let etag = harness
        .ask(get("/v1/directory"))
        .await
        .header("etag")
        .to_owned();
    for (held, status) in [
        (etag.as_str(), StatusCode::NOT_MODIFIED),
        (&format!("\"x\", W/{etag}"), StatusCode::NOT_MODIFIED),
        ("*", StatusCode::NOT_MODIFIED),
        ("\"2-9\"", StatusCode::OK),
        ("", StatusCode::OK),
    ] {
        let mut request = get("/v1/directory");
        request
            .headers_mut()
            .insert("if-none-match", held.parse().unwrap());
        let reply = harness.ask(request).await;
        assert_eq!(reply.status, status, "{held}");
        assert_eq!(reply.body.is_empty(), status == StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_asks() {
    let harness = Harness::new();
    for (accept, encoding) in [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip;q=0.5, zstd", "zstd"),
        ("br", ""),
        ("", ""),
    ] {
        let request = Request::get("/v1/openapi.json")
            .header("accept-encoding", accept)
            .body(Body::empty())
            .unwrap();
        let reply = harness.ask(request).await;
        assert_eq!(reply.header("content-encoding"), encoding, "{accept}");
        let plain = match encoding {
            "zstd" => zstd::decode_all(&reply.body[..]).unwrap(),
            "gzip" => std::io::read_to_string(flate2::read::GzDecoder::new(&reply.body[..]))
                .unwrap()
                .into_bytes(),
            _ => reply.body.to_vec(),
        };
        assert_eq!(
            plain,
            api_schema::openapi::document_json().as_bytes(),
            "{accept}"
        );
    }
}

#[tokio::test]
async fn a_draining_server_is_alive_and_not_ready() {
    let harness = Harness::new();
    assert_eq!(harness.ask(get("/readyz")).await.status, StatusCode::OK);
    harness.shutdown.send_replace(true);
    assert_eq!(
        harness.ask(get("/readyz")).await.problem().code,
        "not_ready"
    );
    assert_eq!(harness.ask(get("/livez")).await.status, StatusCode::OK);
}
