//! Just enough HTTP/1.1 for a load generator that costs next to nothing: requests as bytes, answers from a keep-alive socket.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::under_test::OutgoingRequest;

/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The longest body of an answer: far above any page or segment.
const BODY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A `POST` with a body. `headers` are whole lines without line ends.
pub fn post(path: &str, headers: &[&str], body: &[u8]) -> OutgoingRequest {
    let mut bytes = Vec::with_capacity(body.len() + 256);
    bytes.extend_from_slice(format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n").as_bytes());
    for line in headers {
        bytes.extend_from_slice(line.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    OutgoingRequest {
        bytes,
        body_bytes: body.len(),
    }
}

/// A `GET`. `headers` are whole lines without line ends.
pub fn get(path: &str, headers: &[&str]) -> OutgoingRequest {
    let mut text = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n");
    for line in headers {
        text.push_str(line);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    OutgoingRequest {
        bytes: text.into_bytes(),
        body_bytes: 0,
    }
}

/// One keep-alive connection. Its buffer is reused, so that an answer costs no allocation.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

/// An answer whose body lies in the connection's buffer until the next request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body as sent, still encoded if the server encoded it.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(64 * 1024),
            body: Vec::new(),
        })
    }

    /// Sends a request and reads the whole answer. Errs when the server closes, or speaks other than it should.
    pub async fn exchange(&mut self, request: &OutgoingRequest) -> Result<Answer<'_>, Error> {
        self.stream.write_all(&request.bytes).await?;
        self.buffer.clear();
        self.body.clear();
        let head_end = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(invalid("the head of an answer is too long"));
            }
            self.read_more().await?;
        };
        let head = Head::parse(&self.buffer[..head_end])?;
        match head.length {
            BodyLength::Known(length) => {
                while self.buffer.len() < head_end + length {
                    self.read_more().await?;
                }
                Ok(Answer {
                    status: head.status,
                    body: &self.buffer[head_end..head_end + length],
                })
            }
            BodyLength::Chunked => {
                self.read_chunks(head_end).await?;
                Ok(Answer {
                    status: head.status,
                    body: &self.body,
                })
            }
        }
    }

    async fn read_chunks(&mut self, mut at: usize) -> Result<(), Error> {
        loop {
            let line_end = loop {
                if let Some(end) = find(&self.buffer[at..], b"\r\n") {
                    break at + end;
                }
                self.read_more().await?;
            };
            let line = std::str::from_utf8(&self.buffer[at..line_end])
                .map_err(|_| invalid("a chunk's size is not text"))?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .ok()
                .filter(|size| *size <= BODY_BYTES_MAX)
                .ok_or_else(|| invalid("a chunk's size is no number, or too large"))?;
            // No trailers are asked for, so that the last chunk is followed by an empty line.
            let end = line_end + 2 + size;
            while self.buffer.len() < end + 2 {
                self.read_more().await?;
            }
            self.body.extend_from_slice(&self.buffer[line_end + 2..end]);
            if size == 0 {
                return Ok(());
            }
            at = end + 2;
        }
    }

    async fn read_more(&mut self) -> Result<(), Error> {
        if self.buffer.capacity() - self.buffer.len() < 16 * 1024 {
            self.buffer.reserve(256 * 1024);
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "the server closed the connection inside an answer",
            ));
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum BodyLength {
    Known(usize),
    Chunked,
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    length: BodyLength,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("a head is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|line| line.get(..3))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| invalid("an answer does not begin with a status line"))?;
        let mut length = BodyLength::Known(0);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                let bytes = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|bytes| *bytes <= BODY_BYTES_MAX)
                    .ok_or_else(|| invalid("a content-length is no number, or too large"))?;
                length = BodyLength::Known(bytes);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                length = BodyLength::Chunked;
            }
        }
        Ok(Self { status, length })
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn invalid(text: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answers_of(sent: &'static [u8]) -> Result<(u16, Vec<u8>), Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 256];
            let read = stream.read(&mut request).await?;
            // One byte at a time: the reader must cope with every boundary.
            for byte in sent {
                stream.write_all(&[*byte]).await?;
            }
            Ok::<usize, Error>(read)
        });
        let mut connection = Connection::open(address).await?;
        let answer = connection
            .exchange(&get("/", &[]))
            .await
            .map(|answer| (answer.status, answer.body.to_vec()));
        assert!(server.await.expect("BUG: the peer panicked")? > 0);
        answer
    }

    #[tokio::test]
    async fn bodies_of_known_length_and_in_chunks_are_read_whole() {
        let known = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(
            answers_of(known).await.expect("known"),
            (200, b"hello".to_vec())
        );
        let chunked = b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        assert_eq!(
            answers_of(chunked).await.expect("chunked"),
            (201, b"hello".to_vec())
        );
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(answers_of(empty).await.expect("empty"), (204, Vec::new()));
    }

    #[tokio::test]
    async fn broken_answers_are_errors() {
        for broken in [
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello".as_slice(),
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"SPDY 200\r\n\r\n",
        ] {
            assert!(answers_of(broken).await.is_err());
        }
    }
}
