//! The catalogue of prepared files: which there are, of what, from which place of the log; and their names.

use crate::store::StoreError;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use sync_core::digest::SetDigest;
use sync_core::hex;
use sync_core::ids::{DistrictId, Epoch, Pos, UnitId};
use sync_core::kinds::Kind;

/// The form of the catalogue. One of another form is not read; the files are made again.
const VERSION: u32 = 1;
/// The catalogue's file, beside the folders that it names.
const FILE: &str = "catalogue.json";

/// The name of a snapshot, which says what it is of: the only names that are ever looked for on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotName {
    /// The epoch of the log.
    pub epoch: Epoch,
    /// The kind of the records.
    pub kind: Kind,
    /// Their unit.
    pub unit: UnitId,
    /// The place of the log that the pass over the records began at.
    pub pos: Pos,
}

impl SnapshotName {
    /// The text.
    pub fn to_text(self) -> String {
        format!(
            "e{}-k{}-u{}-p{}",
            self.epoch, self.kind as u8, self.unit, self.pos
        )
    }

    /// Reads a name in its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |letter| parts.next()?.strip_prefix(letter)?.parse::<u64>().ok();
        let name = Self {
            epoch: Epoch(u32::try_from(number('e')?).ok()?),
            kind: Kind::from_code(number('k')?)?,
            unit: UnitId(u32::try_from(number('u')?).ok()?),
            pos: Pos(number('p')?),
        };
        (name.to_text() == text).then_some(name)
    }
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its records.
    pub records: u32,
    /// Its size before compression.
    pub size_bytes: u64,
    /// SHA-256 before compression, in hexadecimal digits.
    pub sha256: String,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Its name, see [`SnapshotName`].
    pub name: String,
    /// The kind of its records.
    pub kind: Kind,
    /// Their unit.
    pub unit: UnitId,
    /// How many there are.
    pub records: u64,
    /// The digest of the records in it at their places, in hexadecimal digits. While the log's own digest of the unit
    /// and kind is the same, the file is as good as new.
    pub digest: String,
    /// Its segments.
    pub segments: Vec<Segment>,
}

/// A snapshot that a newer one took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since_ms: i64,
}

/// All prepared files of a district.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    version: u32,
    /// Of which district.
    pub district: DistrictId,
    /// Of which epoch.
    pub epoch: Epoch,
    /// The files together hold every record of every unit and kind as it was here or later; whatever is not in them
    /// comes with the entries above.
    pub pos: Pos,
    /// The files in force.
    pub files: Vec<Prepared>,
    /// Those before, until nobody can still be reading them.
    pub retired: Vec<Retired>,
}

impl Catalogue {
    /// A catalogue without files.
    pub fn new(district: DistrictId, epoch: Epoch, pos: Pos) -> Self {
        Self {
            version: VERSION,
            district,
            epoch,
            pos,
            files: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// Reads the catalogue of a folder; `None` when there is none that this version understands, of this log.
    pub fn load(folder: &Path, district: DistrictId, epoch: Epoch, head: Pos) -> Option<Self> {
        let text = std::fs::read(folder.join(FILE)).ok()?;
        let found: Self = serde_json::from_slice(&text).ok()?;
        let ours = (found.version, found.district, found.epoch) == (VERSION, district, epoch);
        let whole = found
            .files
            .iter()
            .all(|file| folder.join(&file.name).is_dir());
        (ours && whole && found.pos <= head).then_some(found)
    }

    /// Puts the catalogue into its folder, whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, folder: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_vec(self).expect("BUG: a catalogue is always JSON");
        let fresh = folder.join("catalogue.json.new");
        write_durably(&fresh, &text)?;
        rename(&fresh, &folder.join(FILE))
    }

    /// Whether a name is of a snapshot in force or lately retired.
    pub fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
            || self.retired.iter().any(|file| file.name == name)
    }

    /// Records in all files.
    pub fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }
}

/// A digest as the catalogue spells it.
pub fn digest_text(digest: SetDigest) -> String {
    hex::encode(&digest.to_bytes())
}

/// Turns an error of the file system into ours.
pub fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::File { path, source },
    }
}

/// Writes a file that is on the disk when this returns.
///
/// # Errors
/// The file system's.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(failed(path))
}

/// Renames a file or folder; the new name is on the disk when this returns.
///
/// # Errors
/// The file system's.
pub fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    let folder = to.parent().expect("BUG: a file lies in a folder");
    std::fs::rename(from, to)
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(failed(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling_and_leads_nowhere_else() {
        let name = SnapshotName {
            epoch: Epoch(2),
            kind: Kind::Visit,
            unit: UnitId(30),
            pos: Pos(400),
        };
        assert_eq!(name.to_text(), "e2-k2-u30-p400");
        assert_eq!(SnapshotName::parse("e2-k2-u30-p400"), Some(name));
        for bad in [
            "",
            "e2-k2-u30",
            "e2-k2-u30-p400-",
            "e2-k2-u30-p400/..",
            "e02-k2-u30-p400",
            "e2-k99-u30-p400",
            "e2-k2-u30-p+4",
            "E2-k2-u30-p400",
            "k2-e2-u30-p400",
            "..",
            "e2-k2-u4294967296-p1",
            "e2-k2-u30-p18446744073709551616",
        ] {
            assert_eq!(SnapshotName::parse(bad), None, "{bad}");
        }
    }
}
