//! Access tokens: every endpoint that asks for one refuses every token that is not exactly ours.

use api_schema::endpoints::{Auth, ENDPOINTS, Endpoint, Method};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use crate::fake::{DISTRICT, Harness, KEY_ID, NOW_MS, REPLICA, Reply};
use crate::samples::{get, good_request, good_token, signing_key};

fn guarded() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(|row| row.auth == Auth::Bearer)
}

fn ask(row: &Endpoint, authorization: &[&str]) -> Request<Body> {
    let mut request = good_request(row);
    request.headers_mut().remove("authorization");
    for value in authorization {
        let value = value.parse().unwrap();
        request.headers_mut().append("authorization", value);
    }
    request
}

/// The problem's code; the answer to HEAD has no content that could tell.
fn code(row: &Endpoint, reply: &Reply, wanted: &str) -> String {
    match row.method {
        Method::Head => wanted.to_owned(),
        _ => reply.problem().code,
    }
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID})
}

fn claims() -> Value {
    let now_s = NOW_MS / 1000;
    json!({
        "iss": format!("gridwork/{DISTRICT}"), "aud": "gridwork", "sub": "17", "dev": REPLICA,
        "jti": "01890a5d-ac96-774b-bcce-b302099a8057", "iat": now_s, "exp": now_s + 900,
    })
}

fn forge(header: &str, claims: &str, key: &SigningKey) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = key.sign(message.as_bytes()).to_bytes();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn with(mut object: Value, name: &str, value: Value) -> String {
    object[name] = value;
    object.to_string()
}

fn without(mut object: Value, name: &str) -> String {
    object.as_object_mut().unwrap().remove(name);
    object.to_string()
}

/// Tokens that are properly signed by our key, and still not ours.
fn signed_but_wrong() -> Vec<(String, String)> {
    let key = signing_key();
    let mut tokens = Vec::new();
    let now_s = NOW_MS / 1000;
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("eddsa")),
        ("typ", json!("JWT")),
        ("typ", json!("rt+jwt")),
        ("kid", json!("k2")),
        ("kid", json!("")),
        ("kid", json!("../k1")),
        ("kid", json!("k1'--")),
        ("kid", json!("k1\u{0}")),
        ("kid", json!("k".repeat(33))),
        ("kid", json!(1)),
        ("jku", json!("https://example.com/keys")),
        ("jwk", json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})),
        ("x5u", json!("https://example.com/key")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
    ] {
        tokens.push((
            format!("header {name}={value}"),
            forge(&with(header(), name, value), &claims().to_string(), &key),
        ));
    }
    for name in ["alg", "typ", "kid"] {
        tokens.push((
            format!("header without {name}"),
            forge(&without(header(), name), &claims().to_string(), &key),
        ));
    }
    for (name, value) in [
        ("iss", json!("gridwork/other")),
        ("aud", json!("other")),
        ("aud", json!(["gridwork"])),
        ("sub", json!("-1")),
        ("sub", json!(17)),
        ("sub", json!("4294967296")),
        ("dev", json!("x")),
        ("dev", json!(REPLICA.to_string().to_uppercase())),
        ("jti", json!("")),
        ("iat", json!(now_s + 31)),
        ("iat", json!(now_s as f64)),
        ("iat", json!(i64::MIN)),
        ("exp", json!(now_s + 901)),
        ("exp", json!(now_s as f64 + 60.5)),
        ("exp", json!((now_s + 60).to_string())),
        ("exp", json!(now_s)),
        ("exp", json!(i64::MAX)),
        ("exp", json!([now_s + 60])),
        ("role", json!("administrator")),
    ] {
        tokens.push((
            format!("claim {name}={value}"),
            forge(&header().to_string(), &with(claims(), name, value), &key),
        ));
    }
    for name in ["iss", "aud", "sub", "dev", "jti", "iat", "exp"] {
        tokens.push((
            format!("without claim {name}"),
            forge(&header().to_string(), &without(claims(), name), &key),
        ));
    }
    tokens
}

/// Tokens whose form or signature is wrong.
fn badly_signed() -> Vec<(String, String)> {
    let good = good_token();
    let message = good.rsplit_once('.').unwrap().0;
    let other = SigningKey::from_bytes(&[8; 32]);
    let with_none = forge(
        &with(header(), "alg", json!("none")),
        &claims().to_string(),
        &other,
    );
    vec![
        (
            "other key".to_owned(),
            forge(&header().to_string(), &claims().to_string(), &other),
        ),
        (
            "alg none without signature".to_owned(),
            format!("{}.", with_none.rsplit_once('.').unwrap().0),
        ),
        ("no signature".to_owned(), format!("{message}.")),
        ("cut".to_owned(), good[..good.len() - 4].to_owned()),
        ("two parts".to_owned(), message.to_owned()),
        ("four parts".to_owned(), format!("{good}.AAAA")),
        ("padded".to_owned(), format!("{good}=")),
        ("empty".to_owned(), String::new()),
        ("dots".to_owned(), "..".to_owned()),
        ("huge".to_owned(), "A".repeat(8000)),
    ]
}

#[tokio::test]
async fn a_good_token_opens_every_guarded_endpoint() {
    let harness = Harness::new();
    let handmade = forge(&header().to_string(), &claims().to_string(), &signing_key());
    for row in guarded().filter(|row| row.operation != "events") {
        for token in [good_token(), handmade.clone()] {
            let reply = harness.ask(ask(row, &[&format!("Bearer {token}")])).await;
            let status = reply.status.as_u16();
            assert!(
                row.answers.iter().any(|answer| answer.status == status),
                "{}: {status}",
                row.operation
            );
        }
    }
}

#[tokio::test]
async fn no_token_opens_nothing() {
    let harness = Harness::new();
    for row in guarded() {
        let reply = harness.ask(ask(row, &[])).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", row.operation);
        assert_eq!(
            code(row, &reply, "token_missing"),
            "token_missing",
            "{}",
            row.operation
        );
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn wrong_tokens_open_nothing() {
    let harness = Harness::new();
    let mut tokens = signed_but_wrong();
    tokens.extend(badly_signed());
    assert!(tokens.len() >= 50, "the forger has ideas enough");
    for row in guarded() {
        for (name, token) in &tokens {
            let reply = harness.ask(ask(row, &[&format!("Bearer {token}")])).await;
            assert_eq!(
                reply.status,
                StatusCode::UNAUTHORIZED,
                "{}: {name}",
                row.operation
            );
            assert_eq!(
                code(row, &reply, "token_refused"),
                "token_refused",
                "{}: {name}",
                row.operation
            );
        }
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn other_schemes_and_two_tokens_open_nothing() {
    let harness = Harness::new();
    let good = format!("Bearer {}", good_token());
    let basic = format!("Basic {}", good_token());
    for values in [
        vec![good.as_str(), &good],
        vec![basic.as_str()],
        vec!["Bearer"],
        vec![""],
    ] {
        let reply = harness.ask(ask(guarded().next().unwrap(), &values)).await;
        assert_eq!(reply.problem().code, "token_refused", "{values:?}");
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_a_small_leeway() {
    let harness = Harness::new();
    for (after_s, status) in [
        (-30, 200),
        (-31, 401),
        (0, 200),
        (900, 200),
        (929, 200),
        (930, 401),
        (86_400, 401),
    ] {
        harness.clock.set_wall_ms(NOW_MS + after_s * 1000);
        let reply = harness.ask(get("/v1/directory")).await;
        assert_eq!(reply.status.as_u16(), status, "{after_s} s after minting");
        if after_s >= 930 {
            assert_eq!(reply.problem().code, "token_expired");
        }
    }
}
