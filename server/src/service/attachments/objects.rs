//! Where whole bytes lie, each under its own SHA-256: a folder by default, behind the interface of `object_store`, so that
//! another kind of store can take its place. What is read is held against its name before it is given out.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use sha2::{Digest, Sha256};
use sync_core::change::Hash;
use sync_core::hex;

use super::{OutBytes, blocking};
use crate::media::CleanBytes;
use crate::service::ServiceError;
use crate::store::StoreError;

/// How much of a film is read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Up to this size bytes are checked in memory and given out from there; beyond it they are read twice.
const MEMORY_BYTES_MAX: u64 = 8 << 20;
/// How many pieces may wait for the disk.
const PIECES_WAITING_MAX: usize = 4;

/// The store.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    folder: PathBuf,
}

/// An object in the store, for the sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Under which hash; `None` for something that is not ours.
    pub hash: Option<Hash>,
    /// Where.
    pub path: ObjectPath,
    /// When it was last written, in milliseconds since 1970.
    pub modified_ms: i64,
}

/// What lies under a hash is not what it was.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// It is gone or spoilt: it must be sent again.
    Damaged,
    /// The store failed.
    Failed(ServiceError),
}

impl Objects {
    /// A store in a folder that is there.
    pub(super) fn in_folder(folder: &Path) -> Result<Self, StoreError> {
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| store_failed(folder, error))?
            // What is answered is on the disk, as everywhere else.
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            folder: folder.to_owned(),
        })
    }

    /// Puts bytes under their hash: all of them or none, and on the disk when this returns.
    pub(super) async fn put(&self, hash: Hash, bytes: CleanBytes) -> Result<(), ServiceError> {
        let path = path_of(hash);
        match bytes {
            CleanBytes::Memory(bytes) => {
                let put = self.store.put(&path, PutPayload::from_bytes(bytes)).await;
                put.map_err(|error| self.failed(error))?;
                Ok(())
            }
            CleanBytes::Patched { .. } => self.put_large(&path, bytes).await,
        }
    }

    async fn put_large(&self, path: &ObjectPath, bytes: CleanBytes) -> Result<(), ServiceError> {
        let upload = self.store.put_multipart(path).await;
        let mut upload = WriteMultipart::new(upload.map_err(|error| self.failed(error))?);
        let folder = self.folder.clone();
        let opened = bytes.open();
        let mut reader = opened.map_err(|source| super::disk_failed(&folder, source))?;
        loop {
            let folder = self.folder.clone();
            let (back, piece) = blocking(move || {
                let mut piece = Vec::with_capacity(PIECE_BYTES);
                let read = reader
                    .by_ref()
                    .take(PIECE_BYTES as u64)
                    .read_to_end(&mut piece);
                read.map_err(|source| super::disk_failed(&folder, source))?;
                Ok((reader, piece))
            })
            .await?;
            reader = back;
            if piece.is_empty() {
                break;
            }
            let waited = upload.wait_for_capacity(PIECES_WAITING_MAX).await;
            waited.map_err(|error| self.failed(error))?;
            upload.put(piece.into());
        }
        upload.finish().await.map_err(|error| self.failed(error))?;
        Ok(())
    }

    /// Gives out a part of what lies under a hash, once the whole was found to be what it was.
    pub(super) async fn read(
        &self,
        hash: Hash,
        size_bytes: u64,
        from: u64,
        length: u64,
    ) -> Result<OutBytes, ReadFault> {
        let path = path_of(hash);
        if size_bytes <= MEMORY_BYTES_MAX {
            let found = self.get(&path, None).await?;
            let whole = found
                .bytes()
                .await
                .map_err(|error| self.read_failed(error))?;
            if Hash::of(&[&whole]) != hash {
                return Err(ReadFault::Damaged);
            }
            let end = (from + length).min(whole.len() as u64);
            let part = whole.slice(from.min(end) as usize..end as usize);
            return Ok(stream::once(async { Ok(part) }).boxed());
        }
        let mut whole = self.get(&path, None).await?.into_stream();
        let mut sum = Sha256::new();
        while let Some(piece) = whole
            .try_next()
            .await
            .map_err(|error| self.read_failed(error))?
        {
            sum.update(&piece);
        }
        if sum.finalize()[..] != hash.0 {
            return Err(ReadFault::Damaged);
        }
        let part = self.get(&path, Some(from..from + length)).await?;
        let bytes = part.into_stream().map_err(std::io::Error::other);
        Ok(bytes.boxed())
    }

    async fn get(
        &self,
        path: &ObjectPath,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<object_store::GetResult, ReadFault> {
        let options = GetOptions {
            range: range.map(Into::into),
            ..GetOptions::default()
        };
        let found = self.store.get_opts(path, options).await;
        found.map_err(|error| self.read_failed(error))
    }

    /// Takes away what lies at a path; what is gone already is no fault.
    pub(super) async fn delete(&self, path: &ObjectPath) -> Result<(), ServiceError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Puts what is spoilt aside, where nobody is given it and somebody can look at it.
    pub(super) async fn set_aside(&self, hash: Hash) -> Result<(), ServiceError> {
        let aside = ObjectPath::from(format!("damaged/{hash}"));
        match self.store.rename(&path_of(hash), &aside).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Everything in the store but what was put aside.
    pub(super) async fn list(&self) -> Result<Vec<Stored>, ServiceError> {
        let all = self.store.list(None).map_ok(|found| Stored {
            hash: hash_of(&found.location),
            modified_ms: found.last_modified.timestamp_millis(),
            path: found.location,
        });
        let kept = all.try_filter(|found| {
            let is_aside = found.path.as_ref().starts_with("damaged/");
            std::future::ready(!is_aside)
        });
        kept.try_collect().await.map_err(|error| self.failed(error))
    }

    /// Takes away what writes that were broken off have left, which the store itself does not list.
    pub(super) fn clear_unfinished(&self, older_than_ms: i64) -> Result<(), StoreError> {
        let failed = |source| super::disk_failed(&self.folder, source);
        for group in std::fs::read_dir(&self.folder).map_err(failed)?.flatten() {
            let Ok(entries) = std::fs::read_dir(group.path()) else {
                continue;
            };
            for entry in entries.flatten() {
                // The store's own mark of a file that has not got its name yet.
                let is_unfinished = entry.file_name().to_string_lossy().contains('#');
                let modified_ms = super::sweep::modified_ms(&entry.path());
                let is_old = modified_ms.is_some_and(|modified_ms| modified_ms < older_than_ms);
                if is_unfinished && is_old {
                    std::fs::remove_file(entry.path()).map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    fn failed(&self, error: object_store::Error) -> ServiceError {
        store_failed(&self.folder, error).into()
    }

    fn read_failed(&self, error: object_store::Error) -> ReadFault {
        match error {
            object_store::Error::NotFound { .. } => ReadFault::Damaged,
            error => ReadFault::Failed(self.failed(error)),
        }
    }
}

/// Where bytes of a hash lie: in 256 folders, so that none grows too long to list.
pub(super) fn path_of(hash: Hash) -> ObjectPath {
    let digits = hash.to_string();
    ObjectPath::from(format!("{}/{digits}", &digits[..2]))
}

fn hash_of(path: &ObjectPath) -> Option<Hash> {
    let hash = Hash::from_slice(&hex::decode(path.filename()?)?)?;
    (path_of(hash) == *path).then_some(hash)
}

fn store_failed(folder: &Path, error: object_store::Error) -> StoreError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        let found = inner.downcast_ref::<std::io::Error>();
        if found.is_some_and(|io| io.kind() == std::io::ErrorKind::StorageFull) {
            return StoreError::Full;
        }
        cause = inner.source();
    }
    StoreError::File {
        path: folder.display().to_string(),
        source: std::io::Error::other(error),
    }
}
