//! The accept loop: time-outs that really run, a bound on connections, and a shutdown that drains.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::guarded_stream::GuardedStream;
use super::limits::{HEAD_BYTES_MAX, HTTP2_STREAMS_MAX, HttpLimits};

/// How long to wait after a failed accept; out of file descriptors, only time helps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every connection came to its end.
    Whole,
    /// The drain time ran out; this many connections were cut.
    Cut(usize),
}

/// Serves until `stop` comes, then takes no more connections and lets those in flight end, for at most the drain time.
///
/// The caller turns the shutdown signal of [`super::App`] on together with `stop`, so that waiting streams end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: &HttpLimits,
    stop: impl Future<Output = ()>,
) -> Drained {
    let builder = builder(limits);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (slot, stream) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small answers must not wait for the acknowledgement of the ones before.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let io = TokioIo::new(GuardedStream::new(
            stream,
            limits.header_timeout,
            limits.write_timeout,
        ));
        let connection = builder
            .serve_connection(io, TowerToHyperService::new(router.clone()))
            .into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    drain(graceful, connections, limits.drain_timeout).await
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(tokio::sync::OwnedSemaphorePermit, tokio::net::TcpStream)> {
    let slot = slots
        .clone()
        .acquire_owned()
        .await
        .expect("BUG: nobody closes this semaphore");
    let (stream, _peer) = listener.accept().await?;
    Ok((slot, stream))
}

async fn drain(
    graceful: GracefulShutdown,
    mut connections: JoinSet<()>,
    drain_timeout: Duration,
) -> Drained {
    let in_flight = graceful.count();
    tracing::info!(in_flight, "draining");
    match tokio::time::timeout(drain_timeout, graceful.shutdown()).await {
        Ok(()) => Drained::Whole,
        Err(_) => {
            while connections.try_join_next().is_some() {}
            let cut = connections.len();
            tracing::warn!(cut, "the drain time is over; connections are cut");
            connections.shutdown().await;
            Drained::Cut(cut)
        }
    }
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.event_keep_alive)
        .keep_alive_timeout(limits.body_idle_timeout)
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .max_concurrent_streams(HTTP2_STREAMS_MAX);
    builder
}
