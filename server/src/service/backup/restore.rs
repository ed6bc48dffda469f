//! Putting a backup back: every file checked, the keys opened, a new epoch begun and everything verified before anything of
//! the data directory changes.

use super::files::{check_line, list_names, rename, sync_folder};
use super::manifest::district_file;
use super::{BackupError, CONTROL, DISTRICTS, KEYS, Manifest, Passphrase, keys};
use crate::service::epochs::begin_restored;
use crate::service::gridwork::{district_path, lock_data, restoring_path};
use crate::service::verify::{DistrictReport, Known, Progress, verify};
use crate::store::sqlite::control::{Control, KeyRow, KnownDistrict};
use crate::store::sqlite::{DistrictRead, check_sqlite_version};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use sync_core::ids::{Epoch, Pos};

/// What to put back, and where.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    /// The backup.
    pub from: &'a Path,
    /// The data directory.
    pub data: &'a Path,
    /// What opens the keys.
    pub passphrase: &'a Passphrase,
    /// Whether what the data directory holds is put aside; otherwise it must hold nothing.
    pub replace: bool,
    /// The new epoch is at least this.
    pub epoch_min: Epoch,
    /// The time.
    pub now_ms: i64,
}

/// What was put back.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// The districts.
    pub districts: Vec<RestoredDistrict>,
    /// Where what the data directory held before lies now.
    pub set_aside: Option<PathBuf>,
    /// When the backup began.
    pub backup_began_ms: i64,
}

/// A district that was put back.
#[derive(Clone, Debug, Serialize)]
pub struct RestoredDistrict {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The epoch that began.
    pub epoch: Epoch,
    /// The last place of its log.
    pub pos: Pos,
    /// When the last entry was received; what came later is with the phones.
    pub received_ms: i64,
    /// What `verify` looked at.
    pub verified: DistrictReport,
}

/// What a check of a backup came to.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// Whether the keys were opened; not without a passphrase.
    pub keys_opened: bool,
    /// What `verify` looked at in each district.
    pub districts: Vec<DistrictReport>,
}

/// Checks a backup without putting it back: manifest, every file's hash, every district's log, and the keys when there is a
/// passphrase.
///
/// # Errors
/// See [`BackupError`].
pub fn check(
    from: &Path,
    passphrase: Option<&Passphrase>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Checked, BackupError> {
    check_sqlite_version()?;
    let manifest = Manifest::read(from)?;
    for line in &manifest.files {
        check_line(from, line, None)?;
    }
    if let Some(passphrase) = passphrase {
        open_keys(from, &manifest, passphrase)?;
    }
    let noted = Control::open_read(&from.join(CONTROL))?.list_districts()?;
    let mut districts = Vec::new();
    for line in &manifest.districts {
        let known = noted.iter().find(|known| known.code == line.code);
        let known = known.ok_or(BackupError::ManifestDamaged)?;
        // The control file was copied after the districts, and may have noted a later head.
        let known = KnownDistrict {
            last_epoch: line.epoch,
            head: (line.pos, line.hash),
            ..known.clone()
        };
        let path = from.join(district_file(&line.code));
        districts.push(verify_one(&path, &known, progress)?);
    }
    Ok(Checked {
        manifest,
        keys_opened: passphrase.is_some(),
        districts,
    })
}

/// Puts a backup back into a data directory that nobody serves, under a new epoch.
///
/// # Errors
/// See [`BackupError`]; the data directory is as it was then, unless its disk failed while files were renamed.
pub fn restore(
    request: &RestoreRequest<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Restored, BackupError> {
    check_sqlite_version()?;
    let data = request.data;
    let manifest = Manifest::read(request.from)?;
    let rows = open_keys(request.from, &manifest, request.passphrase)?;
    let _lock = lock_data(data)?;
    let before = list_contents(data)?;
    let gathering = restoring_path(data);
    if !request.replace && (!before.is_empty() || gathering.exists()) {
        return Err(BackupError::NotEmpty(data.to_owned()));
    }
    let was_broken_off = gathering.exists();
    let epochs = known_epochs(data);
    let gathered = gather(request, &manifest, &rows, &epochs, progress);
    let districts = match gathered {
        Ok(districts) => districts,
        Err(error) => {
            // A restore that was broken off half-way must stay known as such.
            if !was_broken_off {
                let _ = fs::remove_dir_all(&gathering);
            }
            return Err(error);
        }
    };
    crate::failpoint::reach("restore_gathered");
    let set_aside = put_in_place(data, &gathering, &before, request.now_ms)?;
    Ok(Restored {
        districts,
        set_aside,
        backup_began_ms: manifest.began_ms,
    })
}

fn open_keys(
    from: &Path,
    manifest: &Manifest,
    passphrase: &Passphrase,
) -> Result<Vec<KeyRow>, BackupError> {
    let line = manifest
        .files
        .iter()
        .find(|line| line.path == KEYS)
        .ok_or(BackupError::ManifestDamaged)?;
    check_line(from, line, None)?;
    let path = from.join(KEYS);
    let sealed = fs::read(&path).map_err(BackupError::file(&path))?;
    keys::open(&sealed, passphrase, &manifest.bound_text())
}

/// Everything in a data directory that a restore would put aside.
fn list_contents(data: &Path) -> Result<Vec<String>, BackupError> {
    // Attachments are no part of a backup: each lies under its own hash, so what is there is right for any log.
    let stays = |name: &String| {
        ["gridwork.lock", "admin.sock", "restoring", "attachments"].contains(&name.as_str())
            || name.starts_with("replaced-")
    };
    let mut names = list_names(data)?;
    names.retain(|name| !stays(name));
    Ok(names)
}

/// The greatest epochs that the data directory knows of; what cannot be read knows none.
fn known_epochs(data: &Path) -> BTreeMap<String, Epoch> {
    let noted =
        Control::open_read(&data.join(CONTROL)).and_then(|control| control.list_districts());
    let mut epochs = BTreeMap::new();
    for known in noted.unwrap_or_default() {
        let in_file =
            DistrictRead::open(&district_path(data, &known.code)).and_then(|read| read.facts());
        let in_file = in_file.map_or(Epoch(0), |facts| facts.epoch().0);
        epochs.insert(known.code, known.last_epoch.max(in_file));
    }
    epochs
}

/// Brings the files together beside those that are there, whole and verified.
fn gather(
    request: &RestoreRequest<'_>,
    manifest: &Manifest,
    rows: &[KeyRow],
    epochs: &BTreeMap<String, Epoch>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<RestoredDistrict>, BackupError> {
    let folder = restoring_path(request.data);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(BackupError::file(&folder))?;
    }
    let inner = folder.join(DISTRICTS);
    fs::create_dir_all(&inner).map_err(BackupError::file(&inner))?;
    for line in manifest.files.iter().filter(|line| line.path != KEYS) {
        check_line(request.from, line, Some(&folder.join(&line.path)))?;
    }
    let control = Control::open(&folder.join(CONTROL))?;
    control.insert_key_rows(rows)?;
    let noted = control.list_districts()?;
    let mut districts = Vec::new();
    for line in &manifest.districts {
        let known = noted.iter().find(|known| known.code == line.code);
        let known = known.ok_or(BackupError::ManifestDamaged)?;
        let seen = epochs.get(&line.code).copied().unwrap_or(Epoch(0));
        let floor = Epoch(request.epoch_min.0.saturating_sub(1));
        let known = KnownDistrict {
            last_epoch: known.last_epoch.max(seen).max(floor),
            ..known.clone()
        };
        let path = district_path(&folder, &line.code);
        let (epoch, pos) = begin_restored(&path, &known, &control, request.now_ms)?;
        let begun = KnownDistrict {
            last_epoch: epoch,
            head: (line.pos, line.hash),
            ..known
        };
        let verified = verify_one(&path, &begun, progress)?;
        districts.push(RestoredDistrict {
            code: line.code.clone(),
            name: line.name.clone(),
            epoch,
            pos,
            received_ms: line.received_ms,
            verified,
        });
    }
    drop(control);
    for place in [&inner, &folder] {
        for name in list_names(place)? {
            let path = place.join(name);
            fs::File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(BackupError::file(&path))?;
        }
        sync_folder(place)?;
    }
    Ok(districts)
}

fn verify_one(
    path: &Path,
    known: &KnownDistrict,
    progress: &mut dyn FnMut(Progress),
) -> Result<DistrictReport, BackupError> {
    let read = DistrictRead::open(path)?;
    let about = Known {
        head: None,
        noted: Some(known),
    };
    let report = verify(&read, &known.code, about, progress)?;
    if report.is_ok() {
        return Ok(report);
    }
    let first = report.faults.first().map(|fault| {
        let place = fault
            .place
            .map_or_else(String::new, |place| format!(" @{place}"));
        format!("{} {}{place}", fault.table, fault.what.as_str())
    });
    Err(BackupError::Faulty {
        code: known.code.clone(),
        faults: report.faults_count,
        first: first.unwrap_or_default(),
    })
}

/// Puts aside what was there and the new files in its place. While the folder `restoring` is there, no server starts: a
/// restore that is broken off in here is found out, and done again.
fn put_in_place(
    data: &Path,
    gathering: &Path,
    before: &[String],
    now_ms: i64,
) -> Result<Option<PathBuf>, BackupError> {
    sync_folder(data)?;
    let set_aside = if before.is_empty() {
        None
    } else {
        let mut aside = data.join(format!("replaced-{now_ms}"));
        while aside.exists() {
            aside.as_mut_os_string().push("-again");
        }
        fs::create_dir(&aside).map_err(BackupError::file(&aside))?;
        for name in before {
            rename(&data.join(name), &aside.join(name))?;
        }
        sync_folder(&aside)?;
        Some(aside)
    };
    crate::failpoint::reach("restore_moving");
    for name in list_names(gathering)? {
        rename(&gathering.join(&name), &data.join(&name))?;
    }
    sync_folder(data)?;
    fs::remove_dir(gathering).map_err(BackupError::file(gathering))?;
    sync_folder(data)?;
    Ok(set_aside)
}
