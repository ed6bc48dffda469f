//! The manifest: what a backup holds. A backup without a whole one is none.

use super::{BackupError, CONTROL, DISTRICTS, KEYS};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::Path;
use sync_core::change::Hash;
use sync_core::ids::{Epoch, Pos};

/// The manifest's name in the backup.
pub const MANIFEST: &str = "MANIFEST.json";
/// The form that this version writes.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The manifest's form.
    pub format: u32,
    /// When the backup began, in milliseconds since 1970. What was acknowledged before is in it.
    pub began_ms: i64,
    /// The version of gridwork that made it.
    pub gridwork: String,
    /// The version of SQLite that made it.
    pub sqlite: String,
    /// The districts.
    pub districts: Vec<DistrictLine>,
    /// The files.
    pub files: Vec<FileLine>,
    /// SHA-256 of all of the above, so that a damaged manifest is told from a whole one.
    pub check: String,
}

/// A district of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DistrictLine {
    /// Its id.
    pub id: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The epoch.
    pub epoch: Epoch,
    /// The last place of its log.
    pub pos: Pos,
    /// The log's hash there, in hexadecimal digits.
    #[serde(with = "hash_digits")]
    pub hash: Hash,
    /// When the last entry was received; 0 without one.
    pub received_ms: i64,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLine {
    /// Its path in the backup.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(began_ms: i64, districts: Vec<DistrictLine>, files: Vec<FileLine>) -> Self {
        Self {
            format: FORMAT,
            began_ms,
            gridwork: env!("CARGO_PKG_VERSION").to_owned(),
            sqlite: rusqlite::version().to_owned(),
            districts,
            files,
            check: String::new(),
        }
    }

    /// All that the keys are bound to: everything but their own file and the check.
    pub(super) fn bound_text(&self) -> String {
        self.lines(|file| file.path != KEYS)
    }

    fn lines(&self, which: impl Fn(&FileLine) -> bool) -> String {
        let mut text = format!(
            "gridwork/backup/{}\n{}\n{}\n{}\n",
            self.format, self.began_ms, self.gridwork, self.sqlite
        );
        for each in &self.districts {
            let _ = writeln!(
                text,
                "district {} {} {:?} {} {} {} {}",
                each.id, each.code, each.name, each.epoch, each.pos, each.hash, each.received_ms
            );
        }
        for each in self.files.iter().filter(|file| which(file)) {
            let _ = writeln!(text, "file {:?} {} {}", each.path, each.bytes, each.sha256);
        }
        text
    }

    pub(super) fn seal(&mut self) {
        self.check = Hash::of(&[self.lines(|_| true).as_bytes()]).to_string();
    }

    /// Reads and checks the manifest of a backup.
    ///
    /// # Errors
    /// That there is none, or that it is damaged, newer, or names what no backup holds.
    pub fn read(backup: &Path) -> Result<Self, BackupError> {
        let path = backup.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source)
                if matches!(
                    source.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(BackupError::NoManifest(backup.to_owned()));
            }
            Err(source) if source.kind() == std::io::ErrorKind::InvalidData => {
                return Err(BackupError::ManifestDamaged);
            }
            Err(source) => return Err(BackupError::file(&path)(source)),
        };
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let form: Form = serde_json::from_str(&text).map_err(|_| BackupError::ManifestDamaged)?;
        if form.format > FORMAT {
            return Err(BackupError::ManifestNewer(form.format));
        }
        let manifest: Self =
            serde_json::from_str(&text).map_err(|_| BackupError::ManifestDamaged)?;
        let check = Hash::of(&[manifest.lines(|_| true).as_bytes()]).to_string();
        if check != manifest.check || !manifest.names_fit() {
            return Err(BackupError::ManifestDamaged);
        }
        Ok(manifest)
    }

    /// Whether it names the files of a backup, each once, and no other: its paths are used.
    fn names_fit(&self) -> bool {
        let mut named: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        named.sort_unstable();
        let mut wanted = vec![CONTROL.to_owned(), KEYS.to_owned()];
        for each in &self.districts {
            if !(1..=32).contains(&each.code.len())
                || !each.code.bytes().all(|byte| byte.is_ascii_digit())
            {
                return false;
            }
            wanted.push(district_file(&each.code));
        }
        wanted.sort_unstable();
        !self.districts.is_empty() && named == wanted
    }
}

mod hash_digits {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use sync_core::change::Hash;
    use sync_core::hex;

    pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let digits = String::deserialize(deserializer)?;
        hex::decode(&digits)
            .and_then(|bytes| Hash::from_slice(&bytes))
            .ok_or_else(|| D::Error::custom("not a hash"))
    }
}

/// The path of a district's file in a backup.
pub(super) fn district_file(code: &str) -> String {
    format!("{DISTRICTS}/{code}.db")
}
