//! Attachments: bytes that changes name by their SHA-256 and that come later, piece by piece. No decision looks at them.
//!
//! `uploads` and `append` take bytes in, `finish` checks them and puts them away, `objects` is where they lie, `reading`
//! hands them out, `names` follows which records name what, `sweep` takes away what nobody needs.

mod append;
mod backend;
mod fault;
mod finish;
mod locks;
mod names;
mod objects;
mod part_file;
mod reading;
mod sweep;
#[cfg(test)]
mod tests;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use sync_core::change::Hash;
use tokio::sync::{RwLock, Semaphore};
use uuid::Uuid;

use super::district::District;
use super::worker::{Bell, Worker};
use super::{Answer, Caller, ServiceError};
use crate::clock::Clock;
use crate::ids::Entropy;
use crate::media::{MediaLimits, MediaType};
use crate::store::StoreError;
use crate::store::sqlite::attachments::AttachmentStore;
use locks::UploadLocks;
use objects::Objects;

pub use fault::{AttachmentFault, BodyFault};
pub(super) use reading::named_in;

/// How much of everything; an operator may set these.
#[derive(Clone, Copy, Debug)]
pub struct AttachmentLimits {
    /// What an image may be.
    pub media: MediaLimits,
    /// How many uploads a phone may begin in a day.
    pub day_files_max: u64,
    /// How many bytes they may have together.
    pub day_bytes_max: u64,
    /// How long an upload may take from its creation. A phone may be out of reach for days.
    pub upload_lives_ms: i64,
    /// How long whole bytes are kept that no record names. As long as a phone keeps its own changes: after a restore the
    /// change that names them may come back that late.
    pub orphan_lives_ms: i64,
}

impl Default for AttachmentLimits {
    fn default() -> Self {
        Self {
            media: MediaLimits::default(),
            day_files_max: 500,
            day_bytes_max: 1 << 30,
            upload_lives_ms: 7 * 24 * 3_600_000,
            orphan_lives_ms: sync_core::limits::OWN_KEPT_MS,
        }
    }
}

/// How many attachments are checked at a time: each may take some 300 MB of memory for a moment.
const FINISHING_MAX: usize = 2;

/// What a client says of an upload before its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRequest {
    /// How many bytes there will be.
    pub size_bytes: u64,
    /// What a change names, or will.
    pub sha256: Hash,
    /// What the bytes are.
    pub media_type: MediaType,
    /// The metadata as written, to be told again.
    pub metadata: String,
}

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadState {
    /// Its id.
    pub id: Uuid,
    /// How many bytes there will be.
    pub size_bytes: u64,
    /// How many are on the disk.
    pub offset_bytes: u64,
    /// Until when it may go on, in milliseconds since 1970.
    pub expires_ms: i64,
    /// The metadata as the client wrote them.
    pub metadata: String,
}

/// A piece's bytes as they come; an error ends them.
pub type PieceBytes = BoxStream<'static, Result<Bytes, BodyFault>>;

/// A check sum that a piece comes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// 20 bytes.
    Sha1(Vec<u8>),
    /// 32 bytes.
    Sha256(Vec<u8>),
}

/// A piece of an upload.
pub struct Piece {
    /// How many bytes it has, when the client said so.
    pub announced_bytes: Option<u64>,
    /// What they add up to, when the client said so.
    pub checksum: Option<Checksum>,
    /// They.
    pub bytes: PieceBytes,
}

/// Which of an attachment's forms is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendition {
    /// As sent, without metadata.
    Whole,
    /// A small JPEG.
    Thumbnail,
}

/// Bytes on their way out.
pub type OutBytes = BoxStream<'static, std::io::Result<Bytes>>;

/// Opens a part of an attachment: from a byte on, so many.
pub type Opener = Box<dyn FnOnce(u64, u64) -> Answer<'static, OutBytes> + Send>;

/// An attachment that the caller may read.
pub struct AttachmentFile {
    /// What it is.
    pub media_type: MediaType,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// Their hash.
    pub sha256: Hash,
    /// Gives the bytes, checked.
    pub open: Opener,
}

/// What HTTP needs for attachments.
pub trait Attachments: Send + Sync {
    /// Begins an upload, with its first piece if there is one. What the caller could read anyway is whole at once.
    fn create_upload(
        &self,
        caller: Caller,
        request: UploadRequest,
        piece: Option<Piece>,
    ) -> Answer<'_, UploadState>;

    /// Where an upload of the caller's stands; whoever still sends to it is cut off first.
    fn find_upload(&self, caller: Caller, upload: Uuid) -> Answer<'_, UploadState>;

    /// Takes a piece that begins at this offset.
    fn append_upload(
        &self,
        caller: Caller,
        upload: Uuid,
        offset_bytes: u64,
        piece: Piece,
    ) -> Answer<'_, UploadState>;

    /// Ends an upload and takes away its bytes; what it had finished stays.
    fn end_upload(&self, caller: Caller, upload: Uuid) -> Answer<'_, ()>;

    /// An attachment by a record that names it, when the caller may read that record.
    fn attachment(
        &self,
        caller: Caller,
        record: Uuid,
        sha256: Hash,
        rendition: Rendition,
    ) -> Answer<'_, AttachmentFile>;
}

/// The attachments of one district.
pub struct Shelf {
    district: Arc<District>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    limits: AttachmentLimits,
    store: Mutex<AttachmentStore>,
    objects: Objects,
    parts: PathBuf,
    locks: UploadLocks,
    finishing: Semaphore,
    /// Held for reading while bytes are put away and noted, for writing while some are taken away.
    putting: RwLock<()>,
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shelf")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

/// The attachments of one district, with the thread that sweeps them.
#[derive(Debug)]
pub struct AttachmentService {
    shelf: Arc<Shelf>,
    _worker: Worker,
}

impl AttachmentService {
    /// Opens them under `data` and starts the thread.
    ///
    /// # Errors
    /// The database's or the file system's, or that the system gives no thread.
    pub fn start(
        data: &Path,
        district: Arc<District>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: AttachmentLimits,
    ) -> Result<Self, StoreError> {
        let shelf = Arc::new(Shelf::open(data, district, clock, entropy, limits)?);
        let bell = Arc::new(Bell::default());
        let (of_thread, rung) = (Arc::clone(&shelf), Arc::clone(&bell));
        let worker = Worker::start("attachments", bell, move || sweep::keep(&of_thread, &rung))?;
        Ok(Self {
            shelf,
            _worker: worker,
        })
    }

    /// What does the work.
    pub(super) fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }
}

/// The folder of a district's attachments.
pub fn attachments_path(data: &Path, code: &str) -> PathBuf {
    data.join("attachments").join(code)
}

impl Shelf {
    fn open(
        data: &Path,
        district: Arc<District>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        limits: AttachmentLimits,
    ) -> Result<Self, StoreError> {
        let folder = attachments_path(data, district.code());
        let parts = folder.join("uploads");
        let objects = folder.join("objects");
        for each in [&parts, &objects] {
            std::fs::create_dir_all(each).map_err(|source| StoreError::File {
                path: each.display().to_string(),
                source,
            })?;
            crate::store::sync_folder_of(each)?;
        }
        Ok(Self {
            district,
            clock,
            entropy,
            limits,
            store: Mutex::new(AttachmentStore::open(&folder.join("attachments.db"))?),
            objects: Objects::in_folder(&objects)?,
            parts,
            locks: UploadLocks::default(),
            finishing: Semaphore::new(FINISHING_MAX),
            putting: RwLock::new(()),
        })
    }

    /// Runs something on the database off the async threads.
    async fn with_store<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&AttachmentStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let shelf = Arc::clone(self);
        blocking(move || {
            let store = shelf.store.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(work(&store)?)
        })
        .await
    }

    fn part_path(&self, upload: Uuid) -> PathBuf {
        self.parts.join(format!("{}.part", upload.simple()))
    }
}

/// Runs something that waits for a disk off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| ServiceError::Internal {
            what: "work on attachments panicked",
            source: Box::new(source),
        })?
}

/// A failure of the file system, told apart by whether the disk is full.
fn disk_failed(path: &Path, source: std::io::Error) -> StoreError {
    if source.kind() == std::io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::File {
        path: path.display().to_string(),
        source,
    }
}
