//! `GET /v1/openapi.json`: the document that clients are generated from.

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| api_schema::openapi::document_json().into());

pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
