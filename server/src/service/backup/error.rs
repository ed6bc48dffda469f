//! Why a backup could not be made, or not be put back; each with a text in both languages.

use crate::service::ServiceError;
use crate::store::StoreError;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use sync_core::messages::{Catalogue, Language};

/// Why it was not done. Nothing that was there before has changed then.
#[derive(Debug)]
pub enum BackupError {
    /// Something lies where the backup should go.
    Exists(PathBuf),
    /// Another backup to this place is under way.
    Busy(PathBuf),
    /// The data directory has no control file or no district.
    NoData(PathBuf),
    /// No passphrase was given.
    PassphraseMissing,
    /// The passphrase is too short.
    PassphraseShort,
    /// The passphrase does not open the keys, or the manifest is not the one they were sealed with.
    PassphraseWrong,
    /// There is no manifest: the backup was broken off, or it is none.
    NoManifest(PathBuf),
    /// The manifest cannot be read, or its check does not fit.
    ManifestDamaged,
    /// The manifest is of a newer version.
    ManifestNewer(u32),
    /// A file that the manifest names is missing.
    FileMissing(String),
    /// A file differs from what the manifest says.
    FileDiffers(String),
    /// The data directory is not empty.
    NotEmpty(PathBuf),
    /// What was restored does not pass `verify`.
    Faulty {
        /// The district.
        code: String,
        /// How many faults.
        faults: u64,
        /// The first of them.
        first: String,
    },
    /// The disk is full.
    Full,
    /// The file system said no.
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database or the engine said no.
    Service(ServiceError),
}

impl BackupError {
    /// The file system's error about a path.
    pub(super) fn file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::File {
                path: path.to_owned(),
                source,
            },
        }
    }

    /// The key of its text.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Exists(_) => "backup.error.exists",
            Self::Busy(_) => "backup.error.busy",
            Self::NoData(_) => "backup.error.no_data",
            Self::PassphraseMissing => "backup.error.passphrase_missing",
            Self::PassphraseShort => "backup.error.passphrase_short",
            Self::PassphraseWrong => "backup.error.passphrase_wrong",
            Self::NoManifest(_) => "backup.error.no_manifest",
            Self::ManifestDamaged => "backup.error.manifest_damaged",
            Self::ManifestNewer(_) => "backup.error.manifest_newer",
            Self::FileMissing(_) => "backup.error.file_missing",
            Self::FileDiffers(_) => "backup.error.file_differs",
            Self::NotEmpty(_) => "backup.error.not_empty",
            Self::Faulty { .. } => "backup.error.faulty",
            Self::Full => "backup.error.full",
            Self::File { .. } | Self::Service(_) => "backup.error.failed",
        }
    }

    /// Its text.
    pub fn text(&self, language: Language) -> String {
        let values: Vec<(&str, String)> = match self {
            Self::Exists(path)
            | Self::Busy(path)
            | Self::NoData(path)
            | Self::NoManifest(path)
            | Self::NotEmpty(path) => {
                vec![("path", path.display().to_string())]
            }
            Self::PassphraseShort => vec![("limit", super::PASSPHRASE_CHARACTERS_MIN.to_string())],
            Self::ManifestNewer(format) => vec![("format", format.to_string())],
            Self::FileMissing(file) | Self::FileDiffers(file) => vec![("path", file.clone())],
            Self::Faulty {
                code,
                faults,
                first,
            } => {
                vec![
                    ("code", code.clone()),
                    ("faults", faults.to_string()),
                    ("first", first.clone()),
                ]
            }
            Self::File { path, source } => {
                vec![("reason", format!("{}: {source}", path.display()))]
            }
            Self::Service(error) => vec![("reason", causes(error))],
            Self::PassphraseMissing
            | Self::PassphraseWrong
            | Self::ManifestDamaged
            | Self::Full => Vec::new(),
        };
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        Catalogue::of(language).text(self.key(), &values)
    }
}

fn causes(error: &ServiceError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Language::English))
    }
}

impl Error for BackupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Service(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ServiceError> for BackupError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::StorageFull => Self::Full,
            other => Self::Service(other),
        }
    }
}

impl From<StoreError> for BackupError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::File { path, source } => Self::file(Path::new(&path))(source),
            other => ServiceError::from(other).into(),
        }
    }
}

impl From<BackupError> for ServiceError {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Full => Self::StorageFull,
            BackupError::Service(error) => error,
            other => Self::Internal {
                what: "backup or restore",
                source: Box::new(other),
            },
        }
    }
}
