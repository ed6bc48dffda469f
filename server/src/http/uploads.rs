//! `/v1/uploads`: resumable uploads by tus 1.0.0 (https://tus.io/protocols/resumable-upload). Headers in, one service call,
//! headers out.

use api_schema::attachment::{TUS_CHECKSUMS, TUS_EXTENSIONS, TUS_VERSION};
use api_schema::endpoints::{ATTACHMENT_BYTES_MAX, Endpoint};
use api_schema::problem::ProblemCode;
use api_schema::shapes::parse_canonical_uuid;
use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::DateTime;
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use sync_core::change::Hash;
use sync_core::hex;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::App;
use super::body::{check_content_type, check_identity, single};
use super::limits::HttpLimits;
use super::problem::HttpProblem;
use crate::media::MediaType;
use crate::service::Caller;
use crate::service::attachments::{
    BodyFault, Checksum, Piece, PieceBytes, UploadRequest, UploadState,
};

/// Where uploads live.
pub(super) const PATH: &str = "/v1/uploads";
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSIONS: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// The most bytes of metadata; ours are some 120.
const METADATA_BYTES_MAX: usize = 4 << 10;

/// Puts the version on every answer of these paths, refusals too.
pub(super) async fn protocol(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let version = HeaderValue::from_static(TUS_VERSION);
    response.headers_mut().insert(TUS_RESUMABLE, version);
    response
}

/// A client that speaks our version.
pub(super) struct Tus;

impl<S: Sync> FromRequestParts<S> for Tus {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        if single(&parts.headers, TUS_RESUMABLE.as_str()) == Some(TUS_VERSION) {
            return Ok(Self);
        }
        let ours = HeaderValue::from_static(TUS_VERSION);
        Err(HttpProblem::new(ProblemCode::TusVersionUnsupported).header(TUS_VERSIONS, ours))
    }
}

pub(super) async fn upload_options() -> impl IntoResponse {
    let headers = [
        (TUS_VERSIONS, HeaderValue::from_static(TUS_VERSION)),
        (
            HeaderName::from_static("tus-extension"),
            HeaderValue::from_static(TUS_EXTENSIONS),
        ),
        (
            HeaderName::from_static("tus-max-size"),
            HeaderValue::from(ATTACHMENT_BYTES_MAX),
        ),
        (
            HeaderName::from_static("tus-checksum-algorithm"),
            HeaderValue::from_static(TUS_CHECKSUMS),
        ),
    ];
    (StatusCode::NO_CONTENT, headers)
}

pub(super) async fn create_upload(
    State(app): State<App>,
    Extension(row): Extension<&'static Endpoint>,
    caller: Caller,
    _tus: Tus,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let request = upload_request(&headers)?;
    let is_empty = axum::body::HttpBody::is_end_stream(&body);
    let piece = if is_empty && !headers.contains_key(CONTENT_TYPE) {
        None
    } else {
        Some(piece(&headers, body, row, &app.limits)?)
    };
    let state = app.backend.create_upload(caller, request, piece).await?;
    let location = format!("{PATH}/{}", state.id);
    let location = HeaderValue::from_str(&location).expect("BUG: an id is plain text");
    let mut response = (StatusCode::CREATED, progress(&state)).into_response();
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

pub(super) async fn find_upload(
    State(app): State<App>,
    caller: Caller,
    _tus: Tus,
    Path(upload): Path<String>,
) -> Result<Response, HttpProblem> {
    let state = app.backend.find_upload(caller, upload_id(&upload)?).await?;
    let mut response = (StatusCode::OK, progress(&state)).into_response();
    let headers = response.headers_mut();
    headers.insert(UPLOAD_LENGTH, HeaderValue::from(state.size_bytes));
    let metadata = HeaderValue::from_str(&state.metadata);
    headers.insert(
        UPLOAD_METADATA,
        metadata.expect("BUG: metadata came in a header"),
    );
    Ok(response)
}

pub(super) async fn append_upload(
    State(app): State<App>,
    Extension(row): Extension<&'static Endpoint>,
    caller: Caller,
    _tus: Tus,
    Path(upload): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpProblem> {
    let upload = upload_id(&upload)?;
    let offset = number(&headers, &UPLOAD_OFFSET)?;
    let piece = piece(&headers, body, row, &app.limits)?;
    let state = app
        .backend
        .append_upload(caller, upload, offset, piece)
        .await?;
    Ok((StatusCode::NO_CONTENT, progress(&state)).into_response())
}

pub(super) async fn end_upload(
    State(app): State<App>,
    caller: Caller,
    _tus: Tus,
    Path(upload): Path<String>,
) -> Result<StatusCode, HttpProblem> {
    app.backend.end_upload(caller, upload_id(&upload)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An id in another spelling names nothing.
fn upload_id(text: &str) -> Result<Uuid, HttpProblem> {
    parse_canonical_uuid(text).ok_or_else(|| HttpProblem::new(ProblemCode::NotFound))
}

fn progress(state: &UploadState) -> [(HeaderName, HeaderValue); 2] {
    let expires = DateTime::from_timestamp_millis(state.expires_ms).unwrap_or_default();
    let expires = expires.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    [
        (UPLOAD_OFFSET, HeaderValue::from(state.offset_bytes)),
        (
            UPLOAD_EXPIRES,
            HeaderValue::from_str(&expires).expect("BUG: a date is plain text"),
        ),
    ]
}

/// The 409 of an upload that stands elsewhere says where.
pub(super) fn offset_differs(offset_bytes: u64) -> HttpProblem {
    HttpProblem::new(ProblemCode::UploadOffsetDiffers)
        .header(UPLOAD_OFFSET, HeaderValue::from(offset_bytes))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, HttpProblem> {
    let text = single(headers, name.as_str()).unwrap_or("");
    let is_plain = (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|_| is_plain)
        .ok_or_else(|| HttpProblem::field(name.as_str(), "not a number of bytes"))
}

fn upload_request(headers: &HeaderMap) -> Result<UploadRequest, HttpProblem> {
    let size_bytes = number(headers, &UPLOAD_LENGTH)?;
    if size_bytes == 0 {
        return Err(HttpProblem::field(UPLOAD_LENGTH.as_str(), "no bytes"));
    }
    let metadata = single(headers, UPLOAD_METADATA.as_str()).unwrap_or("");
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(HttpProblem::limit(
            "metadata_bytes",
            METADATA_BYTES_MAX as u64,
        ));
    }
    let wrong =
        |key: &str, message: &str| HttpProblem::field(format!("{UPLOAD_METADATA}.{key}"), message);
    let sha256 = metadata_value(metadata, "sha256")
        .and_then(|text| Hash::from_slice(&hex::decode(&text)?))
        .ok_or_else(|| wrong("sha256", "not 64 lower-case hexadecimal digits"))?;
    let media_type = metadata_value(metadata, "filetype")
        .and_then(|text| MediaType::from_text(&text))
        .ok_or_else(|| wrong("filetype", "not a type that is taken"))?;
    Ok(UploadRequest {
        size_bytes,
        sha256,
        media_type,
        metadata: metadata.to_owned(),
    })
}

/// The value under a key that stands once.
fn metadata_value(metadata: &str, key: &str) -> Option<String> {
    let mut values = metadata.split(',').filter_map(|pair| {
        let (name, value) = pair.trim().split_once(' ')?;
        (name == key).then_some(value)
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    String::from_utf8(STANDARD.decode(value).ok()?).ok()
}

fn piece(
    headers: &HeaderMap,
    body: Body,
    row: &Endpoint,
    limits: &HttpLimits,
) -> Result<Piece, HttpProblem> {
    check_content_type(headers, row)?;
    check_identity(headers)?;
    let announced = single(headers, CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok());
    Ok(Piece {
        announced_bytes: announced,
        checksum: checksum(headers)?,
        bytes: piece_bytes(body, limits),
    })
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, HttpProblem> {
    const NAME: &str = "upload-checksum";
    if !headers.contains_key(NAME) {
        return Ok(None);
    }
    let unsupported = || HttpProblem::with_detail(ProblemCode::ChecksumUnsupported, TUS_CHECKSUMS);
    let text = single(headers, NAME).ok_or_else(unsupported)?;
    let (algorithm, sum) = text.split_once(' ').ok_or_else(unsupported)?;
    let length = match algorithm {
        "sha1" => 20,
        "sha256" => 32,
        _ => return Err(unsupported()),
    };
    let sum = STANDARD
        .decode(sum)
        .ok()
        .filter(|sum| sum.len() == length)
        .ok_or_else(|| HttpProblem::field(NAME, "not the base64 of such a sum"))?;
    Ok(Some(match algorithm {
        "sha1" => Checksum::Sha1(sum),
        _ => Checksum::Sha256(sum),
    }))
}

/// The body as it comes, with time-outs that hold while reading.
fn piece_bytes(body: Body, limits: &HttpLimits) -> PieceBytes {
    let end = Instant::now() + limits.upload_total_timeout;
    let idle = limits.body_idle_timeout;
    let frames = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        loop {
            let until = end.min(Instant::now() + idle);
            let item: Result<Bytes, BodyFault> = match timeout_at(until, body.frame()).await {
                Err(_) => Err(BodyFault::TimedOut),
                Ok(None) => return None,
                Ok(Some(Err(_))) => Err(BodyFault::Broken),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Ok(data),
                    // Trailers hold nothing that we know.
                    Err(_) => continue,
                },
            };
            let rest = item.is_ok().then_some(body);
            return Some((item, rest));
        }
    });
    frames.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_schema::attachment::PIECE_CONTENT_TYPE;

    #[test]
    fn metadata_are_read_by_key_and_refused_when_a_key_stands_twice() {
        let text = "filename d29ybGQ=, sha256 YWJj,is_draft";
        assert_eq!(metadata_value(text, "sha256").as_deref(), Some("abc"));
        for (text, key) in [
            ("", "sha256"),
            ("sha256", "sha256"),
            ("sha256 ", "sha256 "),
            ("sha256 %%%", "sha256"),
            ("sha256 YWJj,sha256 YWJj", "sha256"),
            ("sha256 //79", "sha256"),
            ("SHA256 YWJj", "sha256"),
        ] {
            assert_eq!(metadata_value(text, key), None, "{text}");
        }
    }

    #[test]
    fn a_piece_s_own_content_type_is_the_table_s() {
        let row = api_schema::endpoints::endpoint("append_upload");
        assert_eq!(row.request.content_type(), Some(PIECE_CONTENT_TYPE));
    }
}
