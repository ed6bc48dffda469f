//! Request bodies: strict content type, one content encoding, a limit on decompressed bytes, and time-outs that hold while reading.

use std::io::{self, Write};

use api_schema::endpoints::Endpoint;
use api_schema::problem::ProblemCode;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use zstd::stream::raw;
use zstd::stream::zio;

use super::App;
use super::limits::{HttpLimits, ZSTD_WINDOW_LOG_MAX};
use super::problem::HttpProblem;

/// The request's bytes, decompressed and within the endpoint's limit.
pub struct RawBody(pub Bytes);

/// The request's JSON.
pub struct JsonBody<T>(pub T);

impl FromRequest<App> for RawBody {
    type Rejection = HttpProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        let row = *request
            .extensions()
            .get::<&'static Endpoint>()
            .expect("BUG: the router names the row of every route");
        let (parts, body) = request.into_parts();
        check_content_type(&parts.headers, row)?;
        let sink = Sink::new(content_encoding(&parts.headers)?, row.body_bytes_max);
        check_announced_length(&parts.headers, row)?;
        read(body, sink, row, &app.limits).await.map(RawBody)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for JsonBody<T> {
    type Rejection = HttpProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Self::Rejection> {
        let RawBody(bytes) = RawBody::from_request(request, app).await?;
        parse_json(&bytes).map(JsonBody)
    }
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, HttpProblem> {
    // serde would also fill a struct from a bare array, by position; our requests are objects.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(HttpProblem::field(".", "not an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        json_problem(path, error.inner())
    })?;
    deserializer
        .end()
        .map_err(|error| json_problem(String::new(), &error))?;
    Ok(value)
}

fn json_problem(path: String, error: &serde_json::Error) -> HttpProblem {
    match error.classify() {
        serde_json::error::Category::Data => HttpProblem::field(path, error.to_string()),
        _ => HttpProblem::with_detail(
            ProblemCode::MalformedJson,
            format!("line {}, column {}", error.line(), error.column()),
        ),
    }
}

/// Refuses a body of another type than the row has.
pub(super) fn check_content_type(headers: &HeaderMap, row: &Endpoint) -> Result<(), HttpProblem> {
    let wanted = row
        .request
        .content_type()
        .expect("BUG: only rows with a body read one");
    let given = single(headers, CONTENT_TYPE.as_str()).map(str::to_ascii_lowercase);
    let matches = given.as_deref().is_some_and(|given| {
        let (essence, parameters) = given.split_once(';').unwrap_or((given, ""));
        let parameters = parameters.trim();
        let plain = parameters.is_empty()
            || (wanted == "application/json" && parameters.trim_matches('"') == "charset=utf-8");
        essence.trim() == wanted && plain
    });
    if matches {
        Ok(())
    } else {
        Err(HttpProblem::with_detail(
            ProblemCode::ContentTypeUnsupported,
            wanted,
        ))
    }
}

enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

fn content_encoding(headers: &HeaderMap) -> Result<Encoding, HttpProblem> {
    if !headers.contains_key(CONTENT_ENCODING) {
        return Ok(Encoding::Identity);
    }
    match single(headers, CONTENT_ENCODING.as_str())
        .map(|value| value.trim().to_ascii_lowercase())
        .as_deref()
    {
        Some("identity") => Ok(Encoding::Identity),
        Some("gzip") => Ok(Encoding::Gzip),
        Some("zstd") => Ok(Encoding::Zstd),
        _ => {
            let known = HeaderValue::from_static("zstd, gzip");
            Err(HttpProblem::new(ProblemCode::ContentEncodingUnsupported)
                .header(ACCEPT_ENCODING, known))
        }
    }
}

/// Refuses a body that is compressed, where its bytes are counted as they are.
pub(super) fn check_identity(headers: &HeaderMap) -> Result<(), HttpProblem> {
    match content_encoding(headers)? {
        Encoding::Identity => Ok(()),
        _ => Err(HttpProblem::new(ProblemCode::ContentEncodingUnsupported)),
    }
}

/// A header's value when the header stands exactly once and is text.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        None
    } else {
        value.to_str().ok()
    }
}

/// Refuses by the announced length, before a byte is read; compressed bytes must keep the same limit.
fn check_announced_length(headers: &HeaderMap, row: &Endpoint) -> Result<(), HttpProblem> {
    let announced =
        single(headers, CONTENT_LENGTH.as_str()).and_then(|value| value.parse::<u64>().ok());
    match announced {
        Some(length) if length > row.body_bytes_max as u64 => Err(too_large(row)),
        _ => Ok(()),
    }
}

fn too_large(row: &Endpoint) -> HttpProblem {
    HttpProblem::limit("body_bytes", row.body_bytes_max as u64)
}

async fn read(
    mut body: Body,
    mut sink: Sink,
    row: &Endpoint,
    limits: &HttpLimits,
) -> Result<Bytes, HttpProblem> {
    let malformed = || HttpProblem::new(ProblemCode::MalformedBody);
    let refused = |error: io::Error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            too_large(row)
        } else {
            malformed()
        }
    };
    let end = Instant::now() + limits.body_total_timeout;
    loop {
        let until = end.min(Instant::now() + limits.body_idle_timeout);
        let frame = timeout_at(until, body.frame())
            .await
            .map_err(|_| HttpProblem::new(ProblemCode::BodyTimeout))?;
        let Some(frame) = frame else { break };
        if let Ok(data) = frame.map_err(|_| malformed())?.into_data() {
            sink.write_all(&data).map_err(refused)?;
        }
    }
    sink.finish().map_err(refused)
}

/// Takes bytes as they come and keeps them decompressed, up to a limit: a bomb costs no more than the limit.
enum Sink {
    Identity(Bounded),
    Gzip(flate2::write::GzDecoder<Bounded>),
    Zstd(Result<zio::Writer<Bounded, raw::Decoder<'static>>, io::Error>),
}

impl Sink {
    fn new(encoding: Encoding, bytes_max: usize) -> Self {
        let bounded = Bounded {
            bytes: Vec::new(),
            bytes_max,
        };
        match encoding {
            Encoding::Identity => Sink::Identity(bounded),
            Encoding::Gzip => Sink::Gzip(flate2::write::GzDecoder::new(bounded)),
            Encoding::Zstd => {
                Sink::Zstd(zstd_decoder().map(|decoder| zio::Writer::new(bounded, decoder)))
            }
        }
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Sink::Identity(bounded) => bounded.write_all(data),
            Sink::Gzip(decoder) => decoder.write_all(data),
            Sink::Zstd(Ok(decoder)) => decoder.write_all(data),
            Sink::Zstd(Err(_)) => Err(io::Error::other("no zstd decoder")),
        }
    }

    /// The bytes, when the compressed stream is whole.
    fn finish(self) -> io::Result<Bytes> {
        let bounded = match self {
            Sink::Identity(bounded) => bounded,
            Sink::Gzip(decoder) => decoder.finish()?,
            Sink::Zstd(decoder) => {
                let mut decoder = decoder?;
                decoder.finish()?;
                decoder.into_inner().0
            }
        };
        Ok(bounded.bytes.into())
    }
}

fn zstd_decoder() -> io::Result<raw::Decoder<'static>> {
    let mut decoder = raw::Decoder::new()?;
    decoder.set_parameter(raw::DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.len() > self.bytes_max - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
