//! A TCP stream that does not wait for ever: for the first bytes of a connection, nor for a client that stops reading.
//!
//! hyper's own header time-out starts only once it knows the HTTP version, and it has none for writing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// See the module.
pub(super) struct GuardedStream {
    stream: TcpStream,
    /// Runs until the version is known: the preface is whole, or a byte differs from it.
    version_deadline: Option<Pin<Box<Sleep>>>,
    preface_bytes: usize,
    write_timeout: Duration,
    /// Runs while the client takes nothing.
    write_deadline: Option<Pin<Box<Sleep>>>,
}

impl GuardedStream {
    pub(super) fn new(
        stream: TcpStream,
        version_timeout: Duration,
        write_timeout: Duration,
    ) -> Self {
        let version_deadline = Some(Box::pin(sleep(version_timeout)));
        Self {
            stream,
            version_deadline,
            preface_bytes: 0,
            write_timeout,
            write_deadline: None,
        }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.version_deadline.is_none() {
                return;
            }
            if HTTP2_PREFACE.get(self.preface_bytes) == Some(byte) {
                self.preface_bytes += 1;
            } else {
                self.preface_bytes = HTTP2_PREFACE.len();
            }
            if self.preface_bytes == HTTP2_PREFACE.len() {
                self.version_deadline = None;
            }
        }
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.write_deadline = None;
            return result;
        }
        let timeout = self.write_timeout;
        let deadline = self
            .write_deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + timeout)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.look_at(&buffer.filled()[before..]);
            return Poll::Ready(result);
        }
        if let Some(deadline) = &mut self.version_deadline {
            ready!(deadline.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
