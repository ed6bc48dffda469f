//! The file of an upload under way. Its length may exceed what is noted, after a crash; it is cut then, never trusted.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::disk_failed;
use crate::store::{StoreError, sync_folder_of};

/// The file, open at its end.
#[derive(Debug)]
pub(super) struct PartFile {
    path: PathBuf,
    file: File,
    written: u64,
}

impl PartFile {
    /// Makes an empty one, whose name is on the disk.
    pub(super) fn create(path: &Path) -> Result<(), StoreError> {
        File::create_new(path).map_err(|source| disk_failed(path, source))?;
        sync_folder_of(path)
    }

    /// Opens one that is good up to `offset` and cuts the rest off.
    pub(super) fn open(path: &Path, offset: u64) -> Result<Self, StoreError> {
        let opened = || -> io::Result<File> {
            let mut file = File::options().read(true).write(true).open(path)?;
            if file.metadata()?.len() < offset {
                return Err(io::Error::other("shorter than was noted"));
            }
            file.set_len(offset)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        };
        Ok(Self {
            file: opened().map_err(|source| disk_failed(path, source))?,
            path: path.to_owned(),
            written: offset,
        })
    }

    /// Where it ends.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes; they are on the disk only after [`PartFile::sync`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file
            .write_all(bytes)
            .map_err(|source| disk_failed(&self.path, source))?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Returns when everything written is on the disk.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .map_err(|source| disk_failed(&self.path, source))
    }
}

/// Takes a part file away; one that is gone already is no fault.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(disk_failed(path, source)),
        _ => Ok(()),
    }
}
