//! A small HTTP/1.1 client for phones that this program plays: one keep-alive connection, zstd both ways, one time-out.
//!
//! Knows nothing of what is in the bodies but what enrolments and forks say in JSON.

use std::fmt;
use std::io::Read;
use std::str::FromStr;
use std::time::Duration;

use api_schema::SYNC_CONTENT_TYPE;
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::fork::ForkRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, RETRY_AFTER,
};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sync_core::replica::ForkAnswer;
use sync_core::session::Failure;
use tokio::net::TcpStream;

/// The longest answer that is taken, decompressed: far above any page or segment.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bodies below this do not shrink enough to be worth a header.
const COMPRESSED_BYTES_MIN: usize = 200;
/// The level of zstd at which phones compress: beyond it, time grows and size hardly falls.
const ZSTD_LEVEL: i32 = 3;

/// Where a server is: `http://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    authority: String,
    address: String,
}

impl ServerUrl {
    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| format!("not a URL: {text}"))?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let authority = uri.authority().filter(|_| plain && uri.query().is_none());
        let authority = authority.ok_or_else(|| {
            format!(
                "not an address of the form http://HOST:PORT: {text} (TLS ends before gridwork)"
            )
        })?;
        Ok(Self {
            authority: authority.to_string(),
            address: format!(
                "{}:{}",
                authority.host(),
                authority.port_u16().unwrap_or(80)
            ),
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}", self.authority)
    }
}

/// Why a request brought nothing usable.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection, or one that broke.
    #[error("no answer from the server")]
    Network(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// An answer, but not the one that was asked for.
    #[error("the server answered {status}: {text}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// When to come again, if the server said so.
        retry_after_ms: Option<u64>,
        /// The start of the body.
        text: String,
    },
    /// An answer that is not what the interface promises.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// What this says of a fork that the server was told of; `None` when it says nothing.
    pub fn as_fork_answer(&self) -> Option<ForkAnswer> {
        match self {
            Self::Refused { status, .. } if *status == StatusCode::CONFLICT => {
                Some(ForkAnswer::NotShared)
            }
            _ if self.as_failure().0 == Failure::UnknownReplica => Some(ForkAnswer::UnknownReplica),
            _ => None,
        }
    }

    /// What this is to a session, and when the server asked to come again.
    pub fn as_failure(&self) -> (Failure, Option<u64>) {
        match self {
            Self::Network(_) | Self::TimedOut(_) => (Failure::Network, None),
            Self::Unreadable(_) => (Failure::Refused, None),
            Self::Refused {
                status,
                retry_after_ms,
                text,
            } => match *status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    (Failure::Busy, *retry_after_ms)
                }
                StatusCode::UNAUTHORIZED if text.contains("\"replica_unknown\"") => {
                    (Failure::UnknownReplica, None)
                }
                _ => (Failure::Refused, *retry_after_ms),
            },
        }
    }
}

/// An answer with status 2xx.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Bytes of the request's body as sent.
    pub up_bytes: u64,
    /// Bytes of the answer's body as received.
    pub down_bytes: u64,
}

/// One connection to a server, opened when it is needed and kept.
#[derive(Debug)]
pub struct Client {
    server: ServerUrl,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client that waits at most `timeout` for each answer. Connects with the first request.
    pub fn new(server: ServerUrl, timeout: Duration) -> Self {
        Self {
            server,
            timeout,
            connection: None,
        }
    }

    /// Sends the body of a sync request, compressed where that helps.
    ///
    /// # Errors
    /// See [`ClientError`]; the same body may be sent again, the server answers it as before.
    pub async fn sync(&mut self, body: &[u8]) -> Result<Answer, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/sync")
            .header(CONTENT_TYPE, SYNC_CONTENT_TYPE);
        let (request, body) = match compress(body) {
            Some(compressed) => (request.header(CONTENT_ENCODING, "zstd"), compressed),
            None => (request, body.to_vec()),
        };
        self.exchange(request, body).await
    }

    /// Enrols a replica.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn enrol(
        &mut self,
        asked: &EnrolmentRequest,
    ) -> Result<EnrolmentAnswer, ClientError> {
        self.ask("/v1/enrolments", asked).await
    }

    /// Asks for a new name after a fork.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fork(&mut self, asked: &ForkRequest) -> Result<EnrolmentAnswer, ClientError> {
        self.ask("/v1/forks", asked).await
    }

    async fn ask(
        &mut self,
        path: &str,
        asked: &impl Serialize,
    ) -> Result<EnrolmentAnswer, ClientError> {
        let body = serde_json::to_vec(asked).expect("BUG: a request has no JSON");
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(CONTENT_TYPE, "application/json");
        let answer = self.exchange(request, body).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| ClientError::Unreadable(error.to_string()))
    }

    /// Gets what an access token opens.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get(&mut self, path: &str, token: &str) -> Result<Answer, ClientError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {token}"));
        self.exchange(request, Vec::new()).await
    }

    async fn exchange(
        &mut self,
        request: hyper::http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Answer, ClientError> {
        let up_bytes = body.len() as u64;
        let request = request
            .header(HOST, &self.server.authority)
            .header(ACCEPT_ENCODING, "zstd")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientError::Unreadable(error.to_string()))?;
        let timeout = self.timeout;
        let answered = match tokio::time::timeout(timeout, self.send(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(ClientError::TimedOut(timeout)),
        };
        if matches!(
            answered,
            Err(ClientError::Network(_) | ClientError::TimedOut(_))
        ) {
            self.connection = None;
        }
        let (body, down_bytes) = answered?;
        Ok(Answer {
            body,
            up_bytes,
            down_bytes,
        })
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(Vec<u8>, u64), ClientError> {
        let connection = match self.connection.take() {
            // A server closes connections that were idle for long.
            Some(connection) if !connection.is_closed() => self.connection.insert(connection),
            _ => self.connection.insert(connect(&self.server.address).await?),
        };
        connection.ready().await.map_err(network)?;
        let answer = connection.send_request(request).await.map_err(network)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(ClientError::Network)?
            .to_bytes();
        let down_bytes = body.len() as u64;
        let body = match head
            .headers
            .get(CONTENT_ENCODING)
            .map(|name| name.as_bytes())
        {
            None => body.to_vec(),
            Some(b"zstd") => decompress(&body)?,
            Some(_) => return Err(ClientError::Unreadable("a coding not asked for".into())),
        };
        if head.status.is_success() {
            return Ok((body, down_bytes));
        }
        let seconds = head
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        Err(ClientError::Refused {
            status: head.status,
            retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1_000)),
            text: String::from_utf8_lossy(&body).chars().take(300).collect(),
        })
    }
}

/// The body as phones send it: compressed by zstd when that makes it smaller.
pub fn compress(body: &[u8]) -> Option<Vec<u8>> {
    if body.len() < COMPRESSED_BYTES_MIN {
        return None;
    }
    let compressed = zstd::bulk::compress(body, ZSTD_LEVEL).expect("BUG: zstd refused memory");
    (compressed.len() < body.len()).then_some(compressed)
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, ClientError> {
    let unreadable = |error: std::io::Error| ClientError::Unreadable(error.to_string());
    let decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(unreadable)?;
    let mut bytes = Vec::new();
    decoder
        .take(ANSWER_BYTES_MAX as u64)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

fn network(error: hyper::Error) -> ClientError {
    ClientError::Network(Box::new(error))
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let failed = |error: std::io::Error| ClientError::Network(Box::new(error));
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(network)?;
    tokio::spawn(async move {
        // Whoever waits for an answer is told why the connection broke.
        let _ = driver.await;
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_servers() {
        let url: ServerUrl = "http://127.0.0.1:8484".parse().unwrap();
        assert_eq!(url.address, "127.0.0.1:8484");
        assert_eq!(
            "http://gridwork/".parse::<ServerUrl>().unwrap().address,
            "gridwork:80"
        );
        for wrong in [
            "https://gridwork",
            "gridwork:80",
            "http://gridwork/v1",
            "http://gridwork/?x",
            "",
        ] {
            assert!(wrong.parse::<ServerUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn bodies_are_compressed_only_where_that_helps() {
        assert_eq!(compress(&[0; COMPRESSED_BYTES_MIN - 1]), None);
        let compressed = compress(&[0; 1_000]).unwrap();
        assert_eq!(decompress(&compressed).unwrap(), [0; 1_000]);
        assert!(decompress(b"no zstd").is_err());
    }
}
