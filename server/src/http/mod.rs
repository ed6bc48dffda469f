//! HTTP: request in, one service call, answer out. The only place that knows status codes; no SQL, no rules.

mod attachments;
pub mod bearer;
pub mod body;
mod changes;
mod directory;
mod documents;
mod enrolments;
mod events;
mod file_body;
mod forks;
mod guarded_stream;
mod health;
mod inbox;
pub mod limits;
pub mod listener;
mod observe;
mod openapi;
mod packs;
mod patrols;
pub mod problem;
mod ranges;
mod records;
mod router;
mod setups;
mod snapshots;
mod sync;
mod uploads;
pub mod web;

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::ids::Entropy;
use crate::service::Backend;
use limits::HttpLimits;
use web::Web;

pub use router::router;

/// What every handler is given.
#[derive(Clone)]
pub struct App {
    /// The engine.
    pub backend: Arc<dyn Backend>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where request ids come from.
    pub entropy: Arc<dyn Entropy>,
    /// How much of everything.
    pub limits: Arc<HttpLimits>,
    web: Arc<Web>,
    event_streams: Arc<Semaphore>,
    shutdown: watch::Receiver<bool>,
}

impl App {
    /// Puts the parts together. `shutdown` turns true when the server drains: waiting streams end then.
    pub fn new(
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: HttpLimits,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let event_streams = Arc::new(Semaphore::new(limits.event_streams_max));
        Self {
            backend,
            clock,
            entropy,
            limits: Arc::new(limits),
            web: Arc::default(),
            event_streams,
            shutdown,
        }
    }

    /// The same with the page for browsers; without this, there is none.
    pub fn with_web(self, web: Web) -> Self {
        Self {
            web: Arc::new(web),
            ..self
        }
    }
}
