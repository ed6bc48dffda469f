//! What crosses the wire: request and response types, the endpoint table, the problem registry, OpenAPI. It decides nothing.

pub mod attachment;
pub mod change;
pub mod desk;
pub mod directory;
pub mod document;
pub mod endpoints;
pub mod enrolment;
pub mod event;
pub mod fork;
pub mod health;
pub mod inbox;
mod links;
pub mod openapi;
pub mod pack;
pub mod patrol;
pub mod problem;
pub mod record;
pub mod setup;
pub mod shapes;
pub mod snapshot;

/// The content type of both halves of `POST /v1/sync`.
pub const SYNC_CONTENT_TYPE: &str = "application/vnd.gridwork.sync";
/// The content type of a snapshot segment: length-framed images, compressed as its `Content-Encoding` says.
pub const SNAPSHOT_CONTENT_TYPE: &str = "application/vnd.gridwork.snapshot";
