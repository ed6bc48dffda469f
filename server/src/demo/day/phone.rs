//! A simulated phone: a real replica on a file of its own, a session, clocks that may lie, and a private note of all
//! that was made on it, which no server can touch.

use crate::demo::Dice;
use crate::device::identity::Newcomer;
use crate::service::{Backend, ServiceError};
use bytes::Bytes;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use sync_core::change::ChangeId;
use sync_core::ids::{PersonId, RecordId, Seq, UnitId};
use sync_core::replica::{Condition, Draft, ForkStep, MakeError, Replica};
use sync_core::session::{Failure, Progress, Session};
use sync_core::time::Evidence;
use sync_core::wire::SyncResponse;
use uuid::Uuid;

/// What the link does to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It carries request and answer.
    Carried,
    /// The request does not arrive.
    RequestLost,
    /// The request arrives, the answer does not.
    ReplyLost,
    /// The answer arrives cut.
    ReplyCut,
    /// Something between answers with a page of its own.
    CaptivePortal,
}

/// One change as its author remembers it.
#[derive(Clone, Debug)]
pub struct Made {
    /// A text that stands in this change and in no other.
    pub mark: String,
    /// The record.
    pub record: RecordId,
}

/// A simulated phone.
pub struct Phone {
    /// Whose.
    pub person: PersonId,
    /// The unit that its person works in.
    pub unit: UnitId,
    /// The first role of its person.
    pub role: &'static str,
    /// The replica.
    pub replica: Replica,
    /// Everything made on it.
    pub made: Vec<Made>,
    /// How often it went on under a new name.
    pub forks: u64,
    /// Whether an answer showed that it differs from the server even after repairs.
    pub diverged: bool,
    /// Changes that it sent again and the server had already, as answers told.
    pub duplicates: u64,
    /// How far its wall clock is off.
    pub clock_off_ms: i64,
    session: Session,
    dice: Dice,
    boot: u64,
    counter: u64,
    name: String,
}

fn refused(
    what: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> ServiceError {
    ServiceError::Internal {
        what,
        source: Box::new(source),
    }
}

impl Phone {
    /// Enrols a phone with a one-time code.
    pub async fn enrol(
        backend: &dyn Backend,
        code: String,
        role: &'static str,
        unit: UnitId,
        path: PathBuf,
        seed: u64,
    ) -> Result<Self, ServiceError> {
        let mut dice = Dice::new(seed);
        let newcomer = newcomer(&mut dice);
        let answer = backend.enrol(newcomer.enrolment(&code)).await?;
        let enrolment = newcomer
            .enrolled(&answer)
            .ok_or(ServiceError::SignatureRefused)?;
        let connection = open_file(&path)?;
        let replica = Replica::create(connection, &enrolment)
            .map_err(|error| refused("a phone could not enrol", error))?;
        let name = format!("p{}", answer.person);
        Ok(Self {
            person: PersonId(answer.person),
            unit,
            role,
            replica,
            made: Vec::new(),
            forks: 0,
            diverged: false,
            duplicates: 0,
            clock_off_ms: 0,
            session: Session::new("demo 1"),
            boot: dice.next_u64() | 1,
            dice,
            counter: 0,
            name,
        })
    }

    /// A second phone from a copy of this one's file, as a cloning tool or an old back-up makes it.
    pub fn copy(&self, path: &Path, name: &str) -> Result<Self, ServiceError> {
        self.copy_file(path)?;
        Self::from_copy(self, path, name)
    }

    /// Copies the file as it is now.
    pub fn copy_file(&self, path: &Path) -> Result<(), ServiceError> {
        self.replica
            .connection()
            .execute("VACUUM INTO ?1", [path.display().to_string()])
            .map(|_| ())
            .map_err(|error| refused("a phone's file could not be copied", error))
    }

    /// Opens a copy made earlier; the owner's own note of the work lives on in their head, not in the file.
    pub fn from_copy(original: &Self, path: &Path, name: &str) -> Result<Self, ServiceError> {
        let connection = open_file(path)?;
        let replica = Replica::open(connection)
            .map_err(|error| refused("a copied phone does not open", error))?;
        let mut dice = original.dice.clone();
        let boot = dice.next_u64() | 1;
        Ok(Self {
            replica,
            made: Vec::new(),
            forks: 0,
            diverged: false,
            duplicates: 0,
            session: Session::new("demo 1"),
            boot,
            dice: Dice::new(boot),
            counter: 0,
            name: format!("{}{name}", original.name),
            ..*original
        })
    }

    /// What the device's clocks say.
    pub fn clocks(&self, now_ms: i64, monotonic_ms: u64) -> Evidence {
        Evidence {
            wall_ms: now_ms + self.clock_off_ms,
            monotonic_ms: monotonic_ms + 1,
            boot: self.boot,
            skew_ms: self.replica.skew_ms().unwrap_or(0),
        }
    }

    /// A fresh record id, time-ordered by the device's own clock.
    pub fn new_record(&mut self, at: &Evidence) -> RecordId {
        let millis = u64::try_from(at.wall_ms).unwrap_or(0);
        let random = [
            self.dice.next_u64().to_be_bytes(),
            self.dice.next_u64().to_be_bytes(),
        ]
        .concat();
        let random: [u8; 10] = random[..10].try_into().expect("BUG: 16 bytes hold 10");
        RecordId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Makes a change and notes it. `fields` is the inside of a JSON object; a text field in it holds `{mark}`.
    pub fn make(
        &mut self,
        at: Evidence,
        record: RecordId,
        unit: UnitId,
        intent: &str,
        fields: &str,
    ) -> Result<Seq, ServiceError> {
        let draft = Draft::new(record, unit, intent, Vec::new());
        self.make_draft(at, draft, fields)
    }

    /// The same from a draft.
    pub fn make_draft(
        &mut self,
        at: Evidence,
        mut draft: Draft,
        fields: &str,
    ) -> Result<Seq, ServiceError> {
        self.counter += 1;
        let mark = format!("{}-{}#", self.name, self.counter);
        assert!(
            fields.contains("{mark}"),
            "BUG: a change without a mark cannot be counted"
        );
        draft.open = format!("{{{}}}", fields.replace("{mark}", &mark)).into_bytes();
        let record = draft.record;
        match self.replica.make_change(draft, at) {
            Ok(seq) => {
                self.made.push(Made { mark, record });
                Ok(seq)
            }
            Err(MakeError::Invalid(problems)) => {
                let text = format!("{problems:?}");
                Err(ServiceError::Internal {
                    what: "a phone refused its own change",
                    source: text.into(),
                })
            }
            Err(MakeError::Replica(error)) => {
                Err(refused("a phone could not store a change", error))
            }
        }
    }

    /// The identity of a change of the present chain.
    pub fn change(&self, seq: Seq) -> ChangeId {
        ChangeId {
            replica: self.replica.replica_id(),
            seq,
        }
    }

    /// Talks to the server until nothing is left to say or the link breaks. `fate` says what the link does each time.
    pub async fn sync(
        &mut self,
        backend: &dyn Backend,
        at: Evidence,
        mut fate: impl FnMut(&mut Dice) -> Fate,
    ) -> Result<(), ServiceError> {
        self.session.on_link();
        // A page at a time; a phone that needs more than this has a defect, and the check at the end finds it.
        for _ in 0..2_000 {
            if self
                .replica
                .condition()
                .map_err(|error| refused("a phone's file", error))?
                == Condition::Forked
            {
                self.go_on_as_new(backend).await?;
            }
            let next = self
                .session
                .next_request(&self.replica, at)
                .map_err(|error| refused("a phone's file", error))?;
            let Some(request) = next else { return Ok(()) };
            let random = self.dice.next_u64();
            let fate = fate(&mut self.dice);
            if fate == Fate::RequestLost {
                self.session
                    .on_failure(request.request_no, Failure::Network, None, at, random);
                return Ok(());
            }
            let answer = backend.sync(Bytes::from(request.bytes)).await;
            let mut bytes = match answer {
                Ok(bytes) => bytes,
                Err(error) => {
                    let failure = match error {
                        ServiceError::ReplicaUnknown => Failure::UnknownReplica,
                        _ => Failure::Refused,
                    };
                    self.session
                        .on_failure(request.request_no, failure, None, at, random);
                    if self.session.wait_ms(&at) > 0 {
                        return Err(error);
                    }
                    // A restored server does not know this name yet; the next request shows its certificate.
                    continue;
                }
            };
            match fate {
                Fate::ReplyLost => {
                    self.session
                        .on_failure(request.request_no, Failure::Network, None, at, random);
                    return Ok(());
                }
                Fate::ReplyCut => bytes.truncate(bytes.len() / 2),
                Fate::CaptivePortal => bytes = b"<html>Welcome to our network</html>".to_vec(),
                Fate::Carried | Fate::RequestLost => {}
            }
            match self.session.on_response(
                &mut self.replica,
                request.request_no,
                &bytes,
                at,
                random,
            ) {
                Ok(Progress::Applied(applied)) => {
                    self.duplicates +=
                        SyncResponse::decode(&bytes).map_or(0, |response| response.duplicates);
                    self.diverged |= applied.diverged;
                    if !applied.more && !applied.repairs && !applied.new_epoch {
                        let done = self
                            .replica
                            .counts()
                            .map_err(|error| refused("a phone's file", error))?;
                        if done.waiting == 0 && done.stale == 0 {
                            return Ok(());
                        }
                    }
                }
                Ok(Progress::Ignored) => return Ok(()),
                Err(_) if fate != Fate::Carried => return Ok(()),
                Err(error) => return Err(refused("a phone refused a whole answer", error)),
            }
        }
        Ok(())
    }

    async fn go_on_as_new(&mut self, backend: &dyn Backend) -> Result<(), ServiceError> {
        let mut renaming = newcomer(&mut self.dice)
            .renaming(&self.replica)
            .map_err(|error| refused("a fork has no plan", error))?;
        loop {
            let question = renaming.question(&self.replica);
            let (answer, error) = match backend.fork(question.into()).await {
                Ok(answer) => (answer.into(), None),
                Err(error) => match error.as_fork_answer() {
                    Some(answer) => (answer, Some(error)),
                    None => return Err(error),
                },
            };
            let step = renaming
                .take(&mut self.replica, answer)
                .map_err(|error| refused("a fork did not go on", error))?;
            match (step, error) {
                (ForkStep::AskAgain, _) => {}
                (ForkStep::OldName, _) => return Ok(()),
                (ForkStep::Refused, Some(error)) => return Err(error),
                (ForkStep::NoAnswer, _) => {
                    unreachable!(
                        "BUG: no link lies between, and the server's word does not bear it out"
                    )
                }
                (ForkStep::Renamed(_) | ForkStep::Refused, _) => {
                    self.session = Session::new("demo 1");
                    self.forks += 1;
                    return Ok(());
                }
            }
        }
    }
}

/// A name and key out of a phone's dice.
fn newcomer(dice: &mut Dice) -> Newcomer {
    let mut key_seed = [0; 32];
    for chunk in key_seed.chunks_mut(8) {
        chunk.copy_from_slice(&dice.next_u64().to_be_bytes());
    }
    Newcomer {
        replica: Uuid::from_u64_pair(dice.next_u64(), dice.next_u64()),
        key_seed,
    }
}

fn open_file(path: &Path) -> Result<Connection, ServiceError> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A demo's phones are thrown away; the platform decides how hard a real one syncs its file.
        connection.pragma_update(None, "synchronous", "OFF")?;
        Ok(connection)
    };
    open().map_err(|error| refused("a phone's file does not open", error))
}
