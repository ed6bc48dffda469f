//! Files of a backup: hashed as they are read, on the disk before they get their last name.

use super::{BackupError, FileLine};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use sync_core::hex;

/// A file's line for the manifest.
pub(super) fn line_of(folder: &Path, path: &str) -> Result<FileLine, BackupError> {
    let full = folder.join(path);
    let failed = BackupError::file(&full);
    let file = File::open(&full).map_err(&failed)?;
    let (bytes, sha256) = pour(file, &mut io::sink()).map_err(&failed)?;
    Ok(FileLine {
        path: path.to_owned(),
        bytes,
        sha256,
    })
}

/// Checks a file against its line, and writes it to another place on the way when there is one.
pub(super) fn check_line(
    folder: &Path,
    line: &FileLine,
    to: Option<&Path>,
) -> Result<(), BackupError> {
    let full = folder.join(&line.path);
    let file = match File::open(&full) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::FileMissing(line.path.clone()));
        }
        Err(source) => return Err(BackupError::file(&full)(source)),
    };
    let (bytes, sha256) = match to {
        None => pour(file, &mut io::sink()).map_err(BackupError::file(&full))?,
        Some(to) => {
            let failed = BackupError::file(to);
            let mut copy = File::create_new(to).map_err(&failed)?;
            let poured = pour(file, &mut copy).map_err(&failed)?;
            copy.sync_all().map_err(&failed)?;
            poured
        }
    };
    if (bytes, sha256.as_str()) == (line.bytes, line.sha256.as_str()) {
        Ok(())
    } else {
        Err(BackupError::FileDiffers(line.path.clone()))
    }
}

fn pour(mut from: impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok((total, hex::encode(&hash.finalize())));
        }
        hash.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
        total += count as u64;
    }
}

/// Writes a small file so that it is on the disk.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let failed = BackupError::file(path);
    let mut file = File::create_new(path).map_err(&failed)?;
    file.write_all(bytes).map_err(&failed)?;
    file.sync_all().map_err(&failed)
}

/// Makes sure that the names in a folder are on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(BackupError::file(folder))
}

/// Renames within one file system.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), BackupError> {
    fs::rename(from, to).map_err(BackupError::file(to))
}

/// The names in a folder; none when there is no folder.
pub(super) fn list_names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let failed = BackupError::file(folder);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry
                .map_err(&failed)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort_unstable();
    Ok(names)
}
