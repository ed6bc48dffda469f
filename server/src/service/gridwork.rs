//! The engine behind the HTTP side: a data directory with its districts, open and locked.

use super::district::{District, DistrictSetup};
use super::epochs::check_restored;
use super::office::Hand;
use super::{Caller, ServiceError};
use crate::clock::Clock;
use crate::ids::{Entropy, new_uuid};
use crate::store::StoreError;
use crate::store::sqlite::control::{Control, KnownDistrict};
use crate::store::sqlite::{DistrictFacts, DistrictWrite, check_sqlite_version};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use sync_core::change::Hash;
use sync_core::directory::DirectoryChange;
use sync_core::ids::{DistrictId, Epoch, PersonId, Pos, ReplicaId, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::scope::Scope;

/// A data directory, open and locked.
pub struct Gridwork {
    pub(super) control: Arc<Mutex<Control>>,
    pub(super) districts: BTreeMap<DistrictId, Arc<District>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) code_attempts: super::enrolment::Attempts,
    /// Ends before the lock is given back.
    pub(super) background: BTreeMap<DistrictId, Arc<super::background::Background>>,
    _lock: Option<DataLock>,
}

/// How to open a data directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Start although the clock lies before the last entry: an operator agrees.
    pub clock_agreed: bool,
    /// Start a new epoch: the files were put back from a copy.
    pub restored: bool,
    /// Do everything on the caller's thread, with nothing beside it: no lists, no snapshots, no lock on the directory.
    /// For a simulator, whose file system only SQLite sees.
    pub here: bool,
    /// The intents to know; fewer, to stand for an older server.
    pub known: KnownIntents,
    /// How much of attachments is taken.
    pub attachments: super::attachments::AttachmentLimits,
}

/// The lock on a data directory, until it is dropped.
#[derive(Debug)]
pub struct DataLock(File);

impl Drop for DataLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a child that was forked meanwhile holds the same lock until it runs its program.
        let _ = self.0.unlock();
    }
}

/// Takes the lock that makes one process the only one on a data directory.
///
/// # Errors
/// That another process holds it, or the file system's own.
pub fn lock_data(data: &Path) -> Result<DataLock, ServiceError> {
    let path = data.join("gridwork.lock");
    let failed = |source| StoreError::File {
        path: path.display().to_string(),
        source,
    };
    std::fs::create_dir_all(data).map_err(failed)?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(DataLock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::Missing(format!(
            "another gridwork serves {}; stop it first, or use another directory",
            data.display()
        ))
        .into()),
        Err(TryLockError::Error(source)) => Err(failed(source).into()),
    }
}

impl Gridwork {
    /// Opens every district of a data directory.
    ///
    /// # Errors
    /// Another process on the directory, a file of a newer version, a district's file that is older than what this
    /// server had answered, a clock that lies before the last entry, storage's own.
    pub fn open(
        data: &Path,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: OpenOptions,
    ) -> Result<Self, ServiceError> {
        check_sqlite_version()?;
        let lock = if options.here {
            None
        } else {
            let lock = lock_data(data)?;
            check_whole(data)?;
            Some(lock)
        };
        let control = Control::open(&data.join("control.db"))?;
        let mut districts = BTreeMap::new();
        for known in control.list_districts()? {
            let path = district_path(data, &known.code);
            check_restored(&path, &known, &control, &*clock, options.restored)?;
            let district = District::open(DistrictSetup {
                path,
                head_keys: control.list_keys(&known.code, "head")?,
                token_keys: control.list_keys(&known.code, "token")?,
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                clock_agreed: options.clock_agreed,
                here: options.here,
                known: options.known,
            })?;
            let state = district.state();
            control.note_head(&known.code, state.facts.epoch().0, state.head)?;
            districts.insert(known.id, Arc::new(district));
        }
        let control = Arc::new(Mutex::new(control));
        let hand = Hand::new(
            Arc::clone(&control),
            Arc::clone(&clock),
            Arc::clone(&entropy),
        );
        let background = if options.here {
            BTreeMap::new()
        } else {
            super::background::Background::start(data, &districts, &hand, options.attachments)?
        };
        Ok(Self {
            control,
            districts,
            clock,
            entropy,
            code_attempts: super::enrolment::Attempts::default(),
            background,
            _lock: lock,
        })
    }

    /// Makes an empty district: its file, its keys, its first unit. The directory must not be served meanwhile.
    ///
    /// # Errors
    /// A code or time zone that is none, a district that exists, storage's own.
    pub fn init(
        data: &Path,
        code: &str,
        name: &str,
        time_zone: &str,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<DistrictId, ServiceError> {
        check_sqlite_version()?;
        let _lock = lock_data(data)?;
        let path = district_path(data, code);
        if let Some(parent) = path.parent() {
            let failed = |source| StoreError::File {
                path: parent.display().to_string(),
                source,
            };
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        Self::found(data, code, name, time_zone, clock, entropy)
    }

    /// The same in a directory that is there and that nobody else uses.
    ///
    /// # Errors
    /// As for [`Gridwork::init`].
    pub fn found(
        data: &Path,
        code: &str,
        name: &str,
        time_zone: &str,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<DistrictId, ServiceError> {
        check_init(code, name, time_zone)?;
        let control = Control::open(&data.join("control.db"))?;
        if control
            .list_districts()?
            .iter()
            .any(|known| known.code == code)
        {
            return Err(ServiceError::Conflict {
                reason: "the district exists",
            });
        }
        let path = district_path(data, code);
        let id = DistrictId(new_uuid(clock, entropy));
        let write = DistrictWrite::open(&path)?;
        let facts = DistrictFacts {
            id,
            code: code.to_owned(),
            name: name.to_owned(),
            time_zone: time_zone.to_owned(),
            epochs: vec![(Epoch(1), Pos(0))],
            safe_pos: Pos(0),
            known: Vec::new(),
            anew: Epoch(0),
        };
        write.create(&facts, clock.wall_ms())?;
        drop(write);
        let known = KnownDistrict {
            code: code.to_owned(),
            id,
            name: name.to_owned(),
            last_epoch: Epoch(1),
            head: (Pos(0), Hash::ZERO),
        };
        let keys = ["head", "token"].map(|purpose| {
            let mut seed = [0; 32];
            entropy.fill(&mut seed);
            (purpose, seed)
        });
        // Last and at once: until then the district is not there, and making it can be tried again.
        control.insert_district(&known, &keys, clock.wall_ms())?;
        Ok(id)
    }

    /// Writes the first entries of a district that has none: its key and its own unit.
    ///
    /// # Errors
    /// Storage's own.
    pub async fn write_first_entries(&self, district: &Arc<District>) -> Result<(), ServiceError> {
        if district.state().head.0 > Pos(0) {
            return Ok(());
        }
        let head = district.keys().head();
        let (id, key) = (head.0.clone(), head.1.verifying_key());
        let facts = district.state().facts.clone();
        let hashes = sync_core::documents::DEFAULTS
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Hash::of(&[text.as_bytes()]).to_string()))
            .collect();
        district
            .writer()
            .run(move |log, now_ms| {
                let first = DirectoryChange::ServerKey {
                    id,
                    key,
                    signature: String::new(),
                };
                log.change_directory(first, now_ms)?;
                log.change_directory(DirectoryChange::Documents { version: 1, hashes }, now_ms)?;
                for (name, text) in sync_core::documents::DEFAULTS {
                    log.put_document(name, 1, text)?;
                }
                let unit = sync_core::directory::Unit {
                    unit: UnitId(1),
                    parent: None,
                    code: facts.code,
                    name: facts.name,
                    kind: "district".into(),
                };
                log.change_directory(DirectoryChange::Unit(unit), now_ms)
                    .map(|_| ())
            })
            .await
    }

    /// The districts that are open.
    pub fn districts(&self) -> impl Iterator<Item = &Arc<District>> {
        self.districts.values()
    }

    /// A district by its code; the only one when no code is given.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`].
    pub fn district(&self, code: Option<&str>) -> Result<&Arc<District>, ServiceError> {
        match code {
            Some(code) => self
                .districts
                .values()
                .find(|district| district.code() == code),
            None if self.districts.len() == 1 => self.districts.values().next(),
            None => None,
        }
        .ok_or(ServiceError::NotFound)
    }

    /// What acts online here.
    pub(super) fn hand(&self) -> Hand {
        Hand::new(
            Arc::clone(&self.control),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        )
    }

    pub(super) fn lock_control(&self) -> std::sync::MutexGuard<'_, Control> {
        self.control
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn district_of(&self, caller: &Caller) -> Result<&Arc<District>, ServiceError> {
        let district = self
            .districts
            .get(&DistrictId(caller.district))
            .ok_or(ServiceError::NotFound)?;
        let state = district.state();
        let replica = state
            .directory
            .replica_by_id(ReplicaId(caller.replica))
            .ok_or(ServiceError::Forbidden)?;
        if replica.revoked_ms.is_some() {
            return Err(ServiceError::Revoked);
        }
        if replica.person.0 != caller.person {
            return Err(ServiceError::Forbidden);
        }
        Ok(district)
    }

    /// What a caller may read now.
    pub(super) fn scope_of(&self, district: &District, caller: &Caller) -> Scope {
        let state = district.state();
        Scope::of(
            &state.directory,
            &state.documents.documents,
            PersonId(caller.person),
            self.clock.wall_ms(),
        )
    }

    /// Ends what runs beside the writers, then the writers, and closes the files; what was answered is on the disk anyway.
    ///
    /// # Errors
    /// Storage's own.
    pub fn close(mut self) -> Result<(), ServiceError> {
        self.note_heads()?;
        // Only the last connection to close may take the write-ahead file away, and only one that writes can.
        drop(std::mem::take(&mut self.background));
        for district in self.districts.values() {
            district.stop();
        }
        Ok(())
    }

    /// Notes the heads, so that an older file put in a district's place is found out at the next start.
    ///
    /// # Errors
    /// Storage's own.
    pub fn note_heads(&self) -> Result<(), ServiceError> {
        for district in self.districts.values() {
            let state = district.state();
            self.lock_control()
                .note_head(district.code(), state.facts.epoch().0, state.head)?;
        }
        Ok(())
    }
}

/// The file of a district.
pub fn district_path(data: &Path, code: &str) -> PathBuf {
    data.join("districts").join(format!("{code}.db"))
}

/// Where a restore gathers the files before it puts them in place.
pub(super) fn restoring_path(data: &Path) -> PathBuf {
    data.join("restoring")
}

/// Refuses a directory whose restore was broken off: which of its files are which, nobody knows.
fn check_whole(data: &Path) -> Result<(), ServiceError> {
    let restoring = restoring_path(data);
    if !restoring.exists() {
        return Ok(());
    }
    Err(StoreError::Missing(format!(
        "a restore was broken off ({} is there); run `gridwork restore --replace` again",
        restoring.display()
    ))
    .into())
}

fn check_init(code: &str, name: &str, time_zone: &str) -> Result<(), ServiceError> {
    let mut errors = Vec::new();
    let mut wrong = |field: &str, reason: &str| {
        errors.push(api_schema::problem::FieldProblem {
            field: field.to_owned(),
            message: reason.to_owned(),
        });
    };
    if !(1..=32).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        wrong("district", "1 to 32 digits");
    }
    if name.trim().is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
        wrong(
            "name",
            "1 to 64 characters, none of them a control character",
        );
    }
    if time_zone.parse::<chrono_tz::Tz>().is_err() {
        wrong("time_zone", "not a time zone of the IANA list");
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ServiceError::FieldInvalid { errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_when_it_is_dropped_although_a_forked_child_still_holds_its_file() {
        let data = tempfile::tempdir().expect("a directory");
        let lock = lock_data(data.path()).expect("free");
        assert!(lock_data(data.path()).is_err(), "taken");
        // What a fork does: another handle on the same open file.
        let child = lock.0.try_clone().expect("a handle");
        drop(lock);
        lock_data(data.path()).expect("free again");
        drop(child);
    }
}
