//! Requests that the server takes, one of each row of the endpoint table, and the token that they carry.

use api_schema::endpoints::{Auth, Content, Endpoint};
use axum::body::Body;
use axum::http::Request;
use ed25519_dalek::SigningKey;
use server::service::access_token::mint;
use uuid::Uuid;

use crate::fake::{DISTRICT, KEY_ID, NOW_MS, REPLICA};

pub fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn good_token() -> String {
    mint(
        KEY_ID,
        &signing_key(),
        DISTRICT,
        17,
        REPLICA,
        Uuid::from_u128(5),
        NOW_MS,
    )
    .unwrap()
}

/// A request with a good token and nothing else.
pub fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("authorization", format!("Bearer {}", good_token()))
        .body(Body::empty())
        .unwrap()
}

pub fn post(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}

/// A path that the row's route matches.
pub fn sample_path(row: &Endpoint) -> String {
    let query = match row.operation {
        "patrol_coverage" => "?from=2026-11-01&to=2026-11-30",
        "point_stickers" => "?unit=7",
        "find_duplicates" => "?category=SAN-01&latitude_e7=225000000&longitude_e7=1140000000",
        _ => "",
    };
    let path = row
        .path
        .replace("{record}", &REPLICA.to_string())
        .replace("{name}", "u7")
        .replace("{document}", "roles")
        .replace("{version}", "1")
        .replace("{segment}", "0")
        .replace("{sha256}", &"ab".repeat(32))
        .replace("{point}", "P-001")
        .replace("{upload}", &REPLICA.to_string());
    path + query
}

/// A request that the row takes.
pub fn good_request(row: &Endpoint) -> Request<Body> {
    let mut request = Request::builder()
        .method(row.method.as_str())
        .uri(sample_path(row))
        .header("accept-encoding", "zstd");
    if row.auth == Auth::Bearer {
        request = request.header("authorization", format!("Bearer {}", good_token()));
    }
    if let Some(content_type) = row.request.content_type() {
        request = request.header("content-type", content_type);
    }
    if row.path.starts_with("/v1/uploads") {
        request = request
            .header("tus-resumable", "1.0.0")
            .header("upload-length", "9")
            .header("upload-metadata", METADATA)
            .header("upload-offset", "5");
    }
    request.body(good_body(row)).unwrap()
}

/// `sha256` and `filetype` of a photo.
pub const METADATA: &str = "sha256 YWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYg==,filetype aW1hZ2UvanBlZw==";

fn good_body(row: &Endpoint) -> Body {
    match row.operation {
        "enrol" => enrolment().to_string().into(),
        "set_up" => serde_json::json!({"token": "t", "name": "王芳"})
            .to_string()
            .into(),
        "make_change" => change().to_string().into(),
        "import_documents" => serde_json::json!({"files": [{"file": "roles.json", "text": "{}"}]})
            .to_string()
            .into(),
        "rule" => {
            serde_json::json!({"replica": REPLICA, "seq": 3, "ruling": "admit", "reason": "核实"})
                .to_string()
                .into()
        }
        "fork" => fork().to_string().into(),
        _ if matches!(row.request, Content::Binary(_)) => "GWQ1".into(),
        _ => Body::empty(),
    }
}

pub fn enrolment() -> serde_json::Value {
    serde_json::json!({"code": "abc", "replica": REPLICA, "public_key": "A".repeat(43), "proof": "A".repeat(86)})
}

fn change() -> serde_json::Value {
    serde_json::json!({
        "id": REPLICA, "record": DISTRICT, "unit": 7, "intent": "report.comment", "payload": {"text": "x"},
    })
}

fn fork() -> serde_json::Value {
    serde_json::json!({
        "old_replica": REPLICA, "replica": DISTRICT, "public_key": "A".repeat(43),
        "last_common_seq": 3, "last_common_hash": "A".repeat(43), "old_proof": "A".repeat(86), "proof": "A".repeat(86),
    })
}
