//! Making a backup: beside the server, from reading connections of its own.

use super::files::{line_of, list_names, rename, sync_folder, write_file};
use super::manifest::district_file;
use super::{
    BackupError, CONTROL, DISTRICTS, DistrictLine, KEYS, MANIFEST, Manifest, Passphrase, keys,
};
use crate::ids::Entropy;
use crate::service::gridwork::district_path;
use crate::store::sqlite::control::{Control, KnownDistrict};
use crate::store::sqlite::{DistrictRead, check_sqlite_version};
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Makes a backup of a data directory in the folder `to`, which must not exist or be empty. Whoever serves the directory goes
/// on meanwhile; each district's copy is of one moment after `began_ms`.
///
/// # Errors
/// See [`BackupError`]; nothing lies at `to` then.
pub fn make(
    data: &Path,
    to: &Path,
    passphrase: &Passphrase,
    began_ms: i64,
    entropy: &dyn Entropy,
) -> Result<Manifest, BackupError> {
    check_sqlite_version()?;
    let source = data.join(CONTROL);
    if !source.exists() {
        return Err(BackupError::NoData(data.to_owned()));
    }
    if !list_names(to)?.is_empty() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let control = Control::open_read(&source)?;
    let districts = control.list_districts()?;
    if districts.is_empty() {
        return Err(BackupError::NoData(data.to_owned()));
    }
    let to = std::path::absolute(to).map_err(BackupError::file(to))?;
    let gathering = Gathering::begin(&to)?;
    let manifest = gather(
        data, &control, &districts, &gathering, passphrase, began_ms, entropy,
    )?;
    crate::failpoint::reach("backup_gathered");
    gathering.finish(&to)?;
    Ok(manifest)
}

fn gather(
    data: &Path,
    control: &Control,
    districts: &[KnownDistrict],
    gathering: &Gathering,
    passphrase: &Passphrase,
    began_ms: i64,
    entropy: &dyn Entropy,
) -> Result<Manifest, BackupError> {
    let folder = &gathering.folder;
    let inner = folder.join(DISTRICTS);
    fs::create_dir(&inner).map_err(BackupError::file(&inner))?;
    let (mut lines, mut files) = (Vec::new(), Vec::new());
    for known in districts {
        let path = district_file(&known.code);
        let copy = folder.join(&path);
        DistrictRead::open(&district_path(data, &known.code))?.copy_to(&copy)?;
        lines.push(describe(known, &copy)?);
        files.push(line_of(folder, &path)?);
        crate::failpoint::reach("backup_copied");
    }
    control.copy_without_keys(&folder.join(CONTROL))?;
    files.push(line_of(folder, CONTROL)?);
    let mut manifest = Manifest::new(began_ms, lines, files);
    let rows = control.list_key_rows()?;
    let sealed = keys::seal(&rows, passphrase, &manifest.bound_text(), entropy);
    write_file(&folder.join(KEYS), &sealed)?;
    manifest.files.push(line_of(folder, KEYS)?);
    manifest.seal();
    sync_folder(&inner)?;
    sync_folder(folder)?;
    crate::failpoint::reach("backup_before_manifest");
    let text = serde_json::to_vec_pretty(&manifest).expect("BUG: a manifest is always JSON");
    write_file(&folder.join(MANIFEST), &text)?;
    Ok(manifest)
}

fn describe(known: &KnownDistrict, copy: &Path) -> Result<DistrictLine, BackupError> {
    let read = DistrictRead::open(copy)?;
    let facts = read.facts()?;
    let (pos, hash) = read.head()?;
    Ok(DistrictLine {
        id: known.id.to_string(),
        code: known.code.clone(),
        name: known.name.clone(),
        epoch: facts.epoch().0,
        pos,
        hash,
        received_ms: read.last_received_ms()?.max(0),
    })
}

/// The folder in which a backup is gathered: `DIR.partial` beside `DIR`. Taken away again when the backup fails.
struct Gathering {
    folder: PathBuf,
    lock: Option<File>,
}

const LOCK: &str = ".lock";

impl Gathering {
    fn begin(to: &Path) -> Result<Self, BackupError> {
        let mut name = to.as_os_str().to_owned();
        name.push(".partial");
        let folder = PathBuf::from(name);
        fs::create_dir_all(&folder).map_err(BackupError::file(&folder))?;
        // It holds people's names and what they reported.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .map_err(BackupError::file(&folder))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(BackupError::file(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(to.to_owned())),
            Err(TryLockError::Error(source)) => return Err(BackupError::file(&path)(source)),
        }
        clear(&folder)?;
        Ok(Self {
            folder,
            lock: Some(lock),
        })
    }

    /// Gives the folder its name, once everything in it is on the disk.
    fn finish(mut self, to: &Path) -> Result<(), BackupError> {
        sync_folder(&self.folder)?;
        if to.exists() {
            fs::remove_dir(to).map_err(BackupError::file(to))?;
        }
        rename(&self.folder, to)?;
        self.lock = None;
        // The lock held until the folder had its name, so that no other backup could gather in it.
        let lock = to.join(LOCK);
        fs::remove_file(&lock).map_err(BackupError::file(&lock))?;
        crate::store::sync_folder_of(to)?;
        Ok(())
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be taken away now, the next backup to this place takes away.
            let _ = clear(&self.folder);
            let _ = fs::remove_file(self.folder.join(LOCK));
            let _ = fs::remove_dir(&self.folder);
        }
    }
}

/// Takes away what a backup that was broken off has left; refuses to when there is anything else.
fn clear(folder: &Path) -> Result<(), BackupError> {
    let inner = folder.join(DISTRICTS);
    let ours = |name: &str| {
        [CONTROL, KEYS, MANIFEST, DISTRICTS, LOCK].contains(&name) || name.ends_with("-journal")
    };
    if !list_names(folder)?.iter().all(|name| ours(name)) {
        return Err(BackupError::Exists(folder.to_owned()));
    }
    for name in list_names(&inner)? {
        let path = inner.join(name);
        fs::remove_file(&path).map_err(BackupError::file(&path))?;
    }
    for name in list_names(folder)? {
        let path = folder.join(&name);
        let removed = match name.as_str() {
            LOCK => Ok(()),
            DISTRICTS => fs::remove_dir(&path),
            _ => fs::remove_file(&path),
        };
        removed.map_err(BackupError::file(&path))?;
    }
    Ok(())
}
