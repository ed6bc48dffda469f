//! Storage. Talks SQL, knows no rule; `sqlite` is the embedded default.

pub mod sqlite;

/// Why storage did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full. Reads go on; writes resume when there is room.
    #[error("the disk is full")]
    Full,
    /// The database says no.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// A file could not be read or written.
    #[error("{path} could not be read or written")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A row breaks our own rules; never served.
    #[error("{table} row {row}: {what}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        row: String,
        /// What is wrong.
        what: String,
    },
    /// The database was written by a newer version.
    #[error(
        "{what} was written by a newer version of gridwork (format {found}, this one knows {known})"
    )]
    Newer {
        /// Which database.
        what: String,
        /// Its format.
        found: i64,
        /// The newest that this version knows.
        known: i64,
    },
    /// What was expected is not there.
    #[error("{0}")]
    Missing(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// A row that breaks our own rules.
    pub fn corrupt(table: &'static str, row: impl ToString, what: impl ToString) -> Self {
        Self::Corrupt {
            table,
            row: row.to_string(),
            what: what.to_string(),
        }
    }
}

/// Makes sure that a file's name in its folder is on the disk.
///
/// # Errors
/// The file system's own.
pub fn sync_folder_of(path: &std::path::Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => std::path::Path::new("."),
        Some(folder) => folder,
        None => path,
    };
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| StoreError::File {
            path: folder.display().to_string(),
            source,
        })
}
