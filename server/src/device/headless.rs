//! The device itself: a replica on its file, a session, clocks and a journal. It makes changes, says what to send next and
//! takes in what came back; it waits for nothing.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sync_core::change::ChangeId;
use sync_core::hex;
use sync_core::ids::{RecordId, Seq};
use sync_core::replica::{Condition, Draft, ForkStep, Replica, Wipe};
use sync_core::session::{Outgoing, Progress, Session};
use sync_core::time::Evidence;
use sync_core::verdict::encode_answers;
use sync_core::wire::SyncResponse;
use uuid::Uuid;

use super::clocks::DeviceClocks;
use super::identity::Newcomer;
use super::journal::{Differed, Journal, Line, Received, Saved};
use super::{DeviceError, io};
use crate::clock::Clock;
use crate::fleet::client::{Answer, Client, ClientError};
use crate::ids::{Entropy, new_uuid};

/// What it calls itself in the office's list of devices.
const APP: &str = concat!("device ", env!("CARGO_PKG_VERSION"));
/// So many verdicts are noted in the journal at a time.
const NOTED_AT_ONCE: u32 = 1_000;

/// Where a device keeps its things, and how it lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// The replica's SQLite file.
    pub data: PathBuf,
    /// Where to note what was promised.
    pub journal: Option<PathBuf>,
    /// How far the wall clock is off.
    pub clock_offset_ms: i64,
}

/// What happened since the device was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Changes made.
    pub made: u64,
    /// Requests that brought an answer which was taken in.
    pub exchanges: u64,
    /// Requests that did not.
    pub failures: u64,
    /// Changes sent again that the server had already, as it told.
    pub duplicates: u64,
    /// How often it went on under a new name.
    pub forks: u64,
    /// How often it differed from the server and mended itself. Without a defect, never.
    pub repairs: u64,
    /// Whether it differs from the server even after repairs: a defect.
    pub diverged: bool,
    /// Whether the server has wiped it, after it was revoked.
    pub wiped: bool,
}

/// The name and key that wait for the answer to an enrolment.
#[derive(Serialize, Deserialize)]
struct Waiting {
    code: String,
    replica: Uuid,
    key_seed: String,
}

/// An open device.
pub struct Device {
    replica: Replica,
    session: Session,
    clocks: DeviceClocks,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    journal: Option<Journal>,
    /// Stands in every mark that this process makes.
    mark_prefix: u64,
    /// What happened so far.
    pub tally: Tally,
    /// Nothing is left to say or to fetch, as far as the last answer told.
    is_idle: bool,
    _lock: File,
}

/// A bad link has changed an answer that only a signature covers.
fn not_what_was_signed() -> DeviceError {
    ClientError::Unreadable("it is not what the server signed".to_owned()).into()
}

impl Device {
    /// Enrols with a one-time code. The name and key are on the disk before the code is sent, so that the same code can be
    /// tried again after a kill or a lost answer: the server knows the name then.
    ///
    /// # Errors
    /// See [`DeviceError`]; the data hold a replica already, or an enrolment with another code waits for its answer.
    pub async fn enrol(
        place: &Place,
        code: &str,
        client: &mut Client,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DeviceError> {
        let lock = lock(&place.data)?;
        let waiting_path = beside(&place.data, ".enrolling");
        if place.data.exists() && !waiting_path.exists() {
            let connection = Connection::open(&place.data)?;
            if Replica::open(connection).is_ok() {
                return Err(DeviceError::Enrolment("the data hold a replica already"));
            }
        }
        let newcomer = newcomer(&waiting_path, code, &*entropy)?;
        let answer = client.enrol(&newcomer.enrolment(code)).await?;
        let enrolment = newcomer.enrolled(&answer).ok_or_else(not_what_was_signed)?;
        match Replica::create(Connection::open(&place.data)?, &enrolment) {
            // Killed after the replica was made, before the note of the enrolment was taken away.
            Ok(_) | Err(sync_core::replica::ReplicaError::AlreadyEnrolled) => {}
            Err(error) => return Err(error.into()),
        }
        crate::store::sync_folder_of(&place.data)
            .map_err(|error| std::io::Error::other(error.to_string()))
            .and_then(|()| std::fs::remove_file(&waiting_path))
            .map_err(io("the enrolment cannot be ended"))?;
        Self::open_locked(place, lock, clock, entropy)
    }

    /// Opens an enrolled device.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn open(
        place: &Place,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DeviceError> {
        let lock = lock(&place.data)?;
        Self::open_locked(place, lock, clock, entropy)
    }

    fn open_locked(
        place: &Place,
        lock: File,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, DeviceError> {
        if !place.data.exists() {
            return Err(sync_core::replica::ReplicaError::NotEnrolled.into());
        }
        let replica = Replica::open(Connection::open(&place.data)?)?;
        let mut prefix = [0; 8];
        entropy.fill(&mut prefix);
        let mut device = Self {
            replica,
            session: Session::new(APP),
            clocks: DeviceClocks::new(Arc::clone(&clock), &*entropy, place.clock_offset_ms),
            clock,
            entropy,
            journal: place.journal.as_deref().map(Journal::open).transpose()?,
            mark_prefix: u64::from_be_bytes(prefix),
            tally: Tally::default(),
            is_idle: false,
            _lock: lock,
        };
        device.note_verdicts()?;
        Ok(device)
    }

    /// Its replica, to read.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// What its clocks say.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn now(&self) -> Result<Evidence, DeviceError> {
        Ok(self.clocks.read(self.replica.skew_ms()?))
    }

    /// A text that stands in the next change and in no other of any device.
    pub fn next_mark(&self) -> String {
        format!("[m:{:016x}-{}]", self.mark_prefix, self.tally.made + 1)
    }

    /// A fresh record id, ordered by the machine's clock.
    pub fn new_record(&self) -> RecordId {
        RecordId(new_uuid(&*self.clock, &*self.entropy))
    }

    /// 16 random bytes for a sealed part.
    pub fn salt(&self) -> [u8; 16] {
        let mut salt = [0; 16];
        self.entropy.fill(&mut salt);
        salt
    }

    /// Makes a change. When this returns it is on the disk, and after that in the journal.
    ///
    /// # Errors
    /// Every problem at once, or see [`DeviceError`].
    pub fn make(&mut self, draft: Draft, mark: Option<String>) -> Result<Saved, DeviceError> {
        let (record, intent) = (draft.record.0, draft.intent.clone());
        let seq = self.replica.make_change(draft, self.now()?)?;
        let (head, hash) = self.replica.head()?;
        assert_eq!(head, seq, "BUG: a change is not the head after it was made");
        self.tally.made += 1;
        self.is_idle = false;
        let saved = Saved {
            replica: self.replica.replica_id().0,
            seq: seq.0,
            hash: hex::encode(&hash.0),
            mark,
            record,
            intent,
        };
        if let Some(journal) = &mut self.journal {
            journal.note(&[Line::Saved(saved.clone())])?;
        }
        Ok(saved)
    }

    /// The identity of a change of the present name.
    pub fn change(&self, seq: u64) -> ChangeId {
        ChangeId {
            replica: self.replica.replica_id(),
            seq: Seq(seq),
        }
    }

    /// The next request, when there is a reason for one and nothing stands against it.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn next_request(&mut self) -> Result<Option<Outgoing>, DeviceError> {
        let now = self.now()?;
        Ok(self.session.next_request(&self.replica, now)?)
    }

    /// Takes in what a request came to. Verdicts are stored and then in the journal when this returns.
    ///
    /// # Errors
    /// Only the device's own: what the link or the server did wrong is counted, and tried again.
    pub fn take(
        &mut self,
        request_no: u64,
        answered: Result<Answer, ClientError>,
    ) -> Result<(), DeviceError> {
        let now = self.now()?;
        let random = self.random();
        let body = match answered {
            Ok(answer) => answer.body,
            Err(error) => {
                let (failure, retry_after_ms) = error.as_failure();
                self.session
                    .on_failure(request_no, failure, retry_after_ms, now, random);
                self.tally.failures += 1;
                self.is_idle = false;
                return Ok(());
            }
        };
        let taken = self
            .session
            .on_response(&mut self.replica, request_no, &body, now, random);
        match taken {
            Ok(Progress::Applied(applied)) => {
                self.tally.exchanges += 1;
                self.tally.duplicates +=
                    SyncResponse::decode(&body).map_or(0, |response| response.duplicates);
                self.tally.diverged |= applied.diverged;
                self.tally.repairs += u64::from(applied.repairs);
                if applied.repairs {
                    self.note_difference()?;
                }
                let counts = self.replica.counts()?;
                self.is_idle = !applied.more
                    && !applied.repairs
                    && !applied.new_epoch
                    && !applied.forked
                    && counts.waiting == 0
                    && counts.stale == 0;
                self.note_verdicts()?;
                self.wipe_if_ordered()
            }
            // It answers a request that was given up.
            Ok(Progress::Ignored) => Ok(()),
            Err(error) => {
                self.tally.failures += 1;
                self.is_idle = false;
                match error {
                    sync_core::session::SessionError::Apply(
                        sync_core::replica::ApplyError::Replica(error),
                    ) => Err(error.into()),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Whether another database speaks under this name, so that it must go on under a new one.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn is_forked(&self) -> Result<bool, DeviceError> {
        Ok(self.replica.condition()? == Condition::Forked)
    }

    /// Goes on under a new name after a fork. A server that does not know the shared change is offered one further down;
    /// one that does not know the name is spoken to under it again, with its certificate.
    ///
    /// # Errors
    /// See [`DeviceError`]; it can be tried again.
    pub async fn continue_fork(&mut self, client: &mut Client) -> Result<(), DeviceError> {
        let newcomer = Newcomer::new(&*self.entropy);
        let mut renaming = newcomer.renaming(&self.replica)?;
        loop {
            let question = renaming.question(&self.replica);
            let (answer, error) = match client.fork(&question.into()).await {
                Ok(answer) => (answer.into(), None),
                Err(error) => {
                    let Some(answer) = error.as_fork_answer() else {
                        self.tally.failures += 1;
                        return Err(error.into());
                    };
                    (answer, Some(error))
                }
            };
            match (renaming.take(&mut self.replica, answer)?, error) {
                (ForkStep::AskAgain, _) => {}
                (ForkStep::NoAnswer, _) => {
                    self.tally.failures += 1;
                    return Err(not_what_was_signed());
                }
                (ForkStep::Refused | ForkStep::OldName, Some(error)) => {
                    self.tally.failures += 1;
                    return Err(error.into());
                }
                _ => {
                    self.session = Session::new(APP);
                    self.tally.forks += 1;
                    self.is_idle = false;
                    return Ok(());
                }
            }
        }
    }

    /// Whether nothing is left to say or to fetch, as far as the last answer told.
    pub fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// The link came back, or the person asks to try now.
    pub fn on_link(&mut self) {
        self.session.on_link();
        self.is_idle = false;
    }

    /// There may be something new.
    pub fn on_nudge(&mut self) {
        self.session.on_nudge();
    }

    /// How long until a request may be sent after a failure, milliseconds.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn wait_ms(&self) -> Result<u64, DeviceError> {
        Ok(self.session.wait_ms(&self.now()?))
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    fn wipe_if_ordered(&mut self) -> Result<(), DeviceError> {
        if self.replica.condition()? == Condition::Revoked
            && self.replica.wipe_when_safe()? == Wipe::Wiped
        {
            self.tally.wiped = true;
        }
        Ok(())
    }

    fn note_difference(&mut self) -> Result<(), DeviceError> {
        let differed = Line::Differed(Differed {
            replica: self.replica.replica_id().0,
            pos: self.replica.cursor()?.pos.0,
        });
        match &mut self.journal {
            Some(journal) => journal.note(&[differed]),
            None => Ok(()),
        }
    }

    /// Notes the verdicts that are stored and not in the journal yet, those from before a kill included.
    fn note_verdicts(&mut self) -> Result<(), DeviceError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let replica = self.replica.replica_id().0;
        loop {
            let above = Seq(journal.noted(replica));
            let verdicts = self.replica.verdicts_above(above, NOTED_AT_ONCE)?;
            if verdicts.is_empty() {
                return Ok(());
            }
            let lines: Vec<Line> = verdicts
                .into_iter()
                .map(|own| {
                    Line::Verdict(Received {
                        replica,
                        seq: own.seq.0,
                        hash: hex::encode(&own.hash.0),
                        verdict: own.answer.verdict,
                        answer: hex::encode(&encode_answers(&[own.answer])),
                        time_ms: own.time_ms,
                        epoch: own.place.epoch.0,
                        pos: own.place.pos.0,
                    })
                })
                .collect();
            journal.note(&lines)?;
        }
    }
}

/// A file's name with something at its end.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(end);
    name.into()
}

/// Takes the data for this process alone; a killed process has let go of them.
fn lock(data: &Path) -> Result<File, DeviceError> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(beside(data, ".lock"))
        .map_err(io("the device's data cannot be locked"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DeviceError::InUse(data.display().to_string())),
        Err(TryLockError::Error(source)) => Err(io("the device's data cannot be locked")(source)),
    }
}

/// The name and key of an enrolment that was begun, or fresh ones, on the disk.
fn newcomer(path: &Path, code: &str, entropy: &dyn Entropy) -> Result<Newcomer, DeviceError> {
    if let Ok(text) = std::fs::read_to_string(path)
        && let Ok(waiting) = serde_json::from_str::<Waiting>(&text)
    {
        // With another code it is another enrolment: the server may have given the first one's name to somebody.
        if waiting.code == code
            && let Some(key_seed) = hex::decode(&waiting.key_seed)
            && let Ok(key_seed) = key_seed.try_into()
        {
            return Ok(Newcomer {
                replica: waiting.replica,
                key_seed,
            });
        }
    }
    let newcomer = Newcomer::new(entropy);
    let waiting = Waiting {
        code: code.to_owned(),
        replica: newcomer.replica,
        key_seed: hex::encode(&newcomer.key_seed),
    };
    let text = serde_json::to_vec(&waiting).expect("BUG: an enrolment has no JSON");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&text)?;
        file.sync_all()
    };
    write().map_err(io("the enrolment cannot be noted"))?;
    crate::store::sync_folder_of(path).map_err(|error| DeviceError::Io {
        what: "the enrolment cannot be noted",
        source: std::io::Error::other(error.to_string()),
    })?;
    Ok(newcomer)
}
