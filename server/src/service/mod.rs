//! The seam between HTTP and the engine: what a handler may ask for, and what may go wrong. No axum, no SQL.

pub mod access_token;
pub mod administration;
mod alerts;
pub mod attachments;
mod backend;
pub mod background;
pub mod backup;
pub mod context;
mod desk;
mod detail;
#[cfg(test)]
mod detail_tests;
mod directory_read;
pub mod district;
pub mod document_imports;
pub mod documents;
pub mod enrolment;
pub mod epochs;
mod error;
pub mod gridwork;
mod imports;
mod keys;
mod known_intents;
pub mod log_writer;
pub mod office;
pub mod packs;
pub mod page;
pub mod patrols;
pub mod projection;
mod readmission;
pub mod reconcile;
mod records;
#[cfg(test)]
mod records_tests;
mod release;
pub mod rulings;
pub mod search_text;
pub mod snapshots;
pub mod steward;
#[cfg(test)]
mod testing;
pub mod verify;
mod worker;
pub mod writer;

use std::fs::File;

use api_schema::desk::{DeadlinePage, DeadlineQuery, DuplicateList, DuplicateQuery};
use api_schema::directory::Directory;
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::fork::ForkRequest;
use api_schema::health::Ready;
use api_schema::record::{RecordDetail, RecordPage, RecordQuery};
use api_schema::setup::{SetupAnswer, SetupRequest};
use api_schema::snapshot::SnapshotList;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use uuid::Uuid;

use crate::language::Language;

pub use error::ServiceError;

/// What a service call comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ServiceError>>;

/// Who asks, as the access token says. The engine still looks whether the replica was revoked since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The district that minted the token.
    pub district: Uuid,
    /// The person's number in the district.
    pub person: u32,
    /// The replica that the token was given to.
    pub replica: Uuid,
    /// When the token ends, in milliseconds since 1970.
    pub token_expires_ms: i64,
}

/// A compression that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The name in `Content-Encoding`.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }
}

/// Which compressions the caller can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedCodings {
    /// zstd.
    pub zstd: bool,
    /// gzip.
    pub gzip: bool,
}

/// A prepared segment on disk; it never changes under its name.
#[derive(Debug)]
pub struct SegmentFile {
    /// The open file, read from its start.
    pub file: File,
    /// Its size as stored, in bytes.
    pub size_bytes: u64,
    /// How it is compressed.
    pub coding: Coding,
}

/// What HTTP needs of the engine. `Gridwork` is the real one; tests of HTTP bring their own.
///
/// A future that is dropped (the client went away) must leave nothing half-written.
pub trait Backend:
    attachments::Attachments + office::Office + packs::Packs + patrols::Patrols + Send + Sync + 'static
{
    /// The key that an access token names, out of the engine's own table; `None` when there is no such key.
    fn token_key(&self, key_id: &str) -> Option<access_token::TokenKey>;

    /// Takes a decompressed sync request and gives the sync answer, uncompressed.
    fn sync(&self, body: Bytes) -> Answer<'_, Vec<u8>>;

    /// Enrols a replica with a one-time code.
    fn enrol(&self, request: EnrolmentRequest) -> Answer<'_, EnrolmentAnswer>;

    /// Makes the first administrator of an empty district.
    fn set_up(&self, request: SetupRequest) -> Answer<'_, SetupAnswer>;

    /// Continues a forked replica as a new one.
    fn fork(&self, request: ForkRequest) -> Answer<'_, EnrolmentAnswer>;

    /// Lists records in the caller's scope.
    fn list_records(&self, caller: Caller, query: RecordQuery) -> Answer<'_, RecordPage>;

    /// Records in scope by when their clock is over.
    fn list_deadlines(&self, caller: Caller, query: DeadlineQuery) -> Answer<'_, DeadlinePage>;

    /// Open reports in scope that may be the same as one that is about to be made.
    fn find_duplicates(&self, caller: Caller, query: DuplicateQuery) -> Answer<'_, DuplicateList>;

    /// Reads one record; [`ServiceError::NotFound`] also when it is out of scope.
    fn get_record(
        &self,
        caller: Caller,
        record: Uuid,
        language: Language,
    ) -> Answer<'_, RecordDetail>;

    /// Reads the directory in the caller's scope.
    fn directory(&self, caller: Caller) -> Answer<'_, Directory>;

    /// Lists the prepared files that cover the caller's scope.
    fn list_snapshots(&self, caller: Caller) -> Answer<'_, SnapshotList>;

    /// Opens one segment in a compression that the caller can read.
    fn snapshot_segment(
        &self,
        caller: Caller,
        name: String,
        segment: u32,
        accepted: AcceptedCodings,
    ) -> Answer<'_, SegmentFile>;

    /// One item whenever there is something new in the caller's scope; ends when the replica is revoked.
    fn subscribe(&self, caller: Caller) -> Answer<'_, BoxStream<'static, ()>>;

    /// Whether work may be given: the store writes, the disk has room, the clock is sane.
    fn ready(&self) -> Answer<'_, Ready>;
}
