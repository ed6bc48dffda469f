//! Backups: a consistent copy of every district beside a running server, and the way back from it.
//!
//! A backup is a folder: `districts/CODE.db`, `control.db` without private keys, `keys.sealed` with them under a passphrase,
//! and `MANIFEST.json`, written last. It is gathered under another name and renamed when it is whole and on the disk.

mod error;
mod files;
mod keys;
mod make;
mod manifest;
mod restore;

pub use error::BackupError;
pub use keys::{PASSPHRASE_CHARACTERS_MIN, Passphrase};
pub use make::make;
pub use manifest::{DistrictLine, FileLine, MANIFEST, Manifest};
pub use restore::{Checked, RestoreRequest, Restored, RestoredDistrict, check, restore};

/// The file of the private keys.
const KEYS: &str = "keys.sealed";
/// The control file.
const CONTROL: &str = "control.db";
/// The folder of the districts' files.
const DISTRICTS: &str = "districts";
