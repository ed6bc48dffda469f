//! How much and how long: every limit of the HTTP side, with its reason.

use std::time::Duration;

/// The limits that an operator may set; those of bodies stand in the endpoint table.
#[derive(Clone, Debug)]
pub struct HttpLimits {
    /// How long a client may take for a request's head, and how long a kept-alive connection may idle. Slow clients hold a slot.
    pub header_timeout: Duration,
    /// How long a body may pause. Longer than the worst round trip that a 2G link shows (8 s).
    pub body_idle_timeout: Duration,
    /// How long a body may take in all. A full batch at 2 kbit/s is cut into smaller ones by the client long before.
    pub body_total_timeout: Duration,
    /// How long one piece of an upload may take in all. A photo over a 2G link takes half an hour; what came is kept.
    pub upload_total_timeout: Duration,
    /// How long an answer may find no taker before its connection is closed.
    pub write_timeout: Duration,
    /// How many connections are served at a time; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// How many event streams are open at a time; they hold a connection for minutes, so they may not take all.
    pub event_streams_max: usize,
    /// How often a silent event stream shows that it lives; below the idle time-outs of common proxies (60 s).
    pub event_keep_alive: Duration,
    /// How long requests in flight may go on after the order to stop.
    pub drain_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_idle_timeout: Duration::from_secs(20),
            body_total_timeout: Duration::from_secs(300),
            upload_total_timeout: Duration::from_secs(3_600),
            write_timeout: Duration::from_secs(30),
            connections_max: 4096,
            event_streams_max: 2048,
            event_keep_alive: Duration::from_secs(25),
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// The most bytes of a request's head; tokens and our headers need about 1 KiB.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// The most bytes that one step of a zstd frame may look back on; bounds the decompressor's memory to 8 MiB.
pub const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// The most requests in flight on one HTTP/2 connection.
pub const HTTP2_STREAMS_MAX: u32 = 64;
