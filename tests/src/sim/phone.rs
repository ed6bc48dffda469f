//! A phone of a world: a real replica and session over a simulated disk, clocks that may lie, and what it remembers of
//! the world outside.

use super::disk::{Files, Node};
use super::district::BEGINS_MS;
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::shapes::Base64Url;
use rusqlite::Connection;
use server::demo::Dice;
use server::service::{Backend as _, ServiceError};
use std::collections::{BTreeMap, BTreeSet};
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, RecordId, ReplicaId, ReplicaNo, Seq};
use sync_core::kinds::KnownIntents;
use sync_core::replica::{Enrolment, ForkStep, Renaming, Replica, ReplicaError};
use sync_core::session::Session;
use sync_core::time::Evidence;
use uuid::Uuid;

use super::plan::{Cut, DiskFault};
use super::server::{Server, now};
use super::world::Promise;

/// The file's name on the phone's disk.
const FILE: &str = "phone.db";

/// A copy of a phone's data, with what it held.
#[derive(Clone)]
pub struct Copy {
    /// The files.
    pub files: Files,
    /// The changes that lay in them.
    pub holds: BTreeSet<usize>,
}

/// A phone.
pub struct Phone {
    /// Whose.
    pub person: PersonId,
    /// Its disk.
    pub node: Node,
    /// The replica, while the app runs.
    pub replica: Option<Replica>,
    /// The session, while the app runs.
    pub session: Session,
    /// The numbers of the made changes that its file holds or had acknowledged.
    pub holds: BTreeSet<usize>,
    /// The last change that `make_change` returned, under which name, and whether a later one may be there.
    pub last_made: (ReplicaId, Seq, bool),
    /// How far its wall clock is off, milliseconds.
    pub clock_off_ms: i64,
    /// The number of its present start.
    pub boot: u64,
    /// What the world's monotonic clock showed then.
    pub booted_ms: u64,
    /// A partition, and the event at which it ends.
    pub partition: Option<(Cut, usize)>,
    /// A copy of its data.
    pub copy: Option<Copy>,
    /// Its last requests, for those that arrive again much later.
    pub requests: Vec<Vec<u8>>,
    /// Whether the phone is no more: wiped, or its data thrown away.
    pub gone: bool,
    /// Whether the office has revoked it.
    pub revoked: bool,
    /// What was armed on its disk last, and the damage that goes with it.
    pub disk_fault: Option<(DiskFault, u32)>,
    /// Verdicts that it took in, by name and place in the chain.
    pub taken: BTreeMap<(ReplicaId, Seq), Promise>,
    /// The intents that its app knows.
    pub known: KnownIntents,
    /// Records of which an older app kept what it could not read.
    pub kept_unread: BTreeSet<RecordId>,
    /// How often it went on under a new name.
    pub forks: u32,
    /// Whether an answer told it that it differs after repairs.
    pub diverged: bool,
    /// Its own dice: ids, salts, keys, jitter.
    pub dice: Dice,
}

/// Opens the database as a phone does: WAL, and every commit on the disk before it is told.
pub fn open_connection(node: &Node) -> rusqlite::Result<Connection> {
    let connection = Connection::open(node.path(FILE))?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    assert!(
        mode == "wal" || node.is_dead(),
        "BUG: the simulated disk takes WAL mode ({mode})"
    );
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

impl Phone {
    fn on(node: Node, person: PersonId, replica: Replica, dice: Dice) -> Self {
        let last_made = (replica.replica_id(), Seq(0), false);
        let mut dice = dice;
        Self {
            person,
            node,
            replica: Some(replica),
            session: Session::new("sim 1"),
            holds: BTreeSet::new(),
            last_made,
            clock_off_ms: 0,
            boot: dice.next_u64() | 1,
            booted_ms: 0,
            partition: None,
            copy: None,
            requests: Vec::new(),
            gone: false,
            revoked: false,
            disk_fault: None,
            taken: BTreeMap::new(),
            known: KnownIntents::ALL,
            kept_unread: BTreeSet::new(),
            forks: 0,
            diverged: false,
            dice,
        }
    }

    /// Enrols a phone of a person on an empty disk.
    ///
    /// # Errors
    /// Whatever the service or the disk refused.
    pub fn enrol(
        server: &Server,
        node: Node,
        person: PersonId,
        dice: Dice,
    ) -> Result<Self, ServiceError> {
        let (phone, _) = Self::enrol_as(server, node, person, dice)?;
        Ok(phone)
    }

    /// The same, and what the enrolment gave, for a second phone that stands for the first with an older app.
    pub(super) fn enrol_as(
        server: &Server,
        node: Node,
        person: PersonId,
        mut dice: Dice,
    ) -> Result<(Self, Enrolment), ServiceError> {
        let gridwork = server.gridwork().ok_or(ServiceError::Overloaded)?;
        let district = server.district().ok_or(ServiceError::Overloaded)?;
        let code = gridwork.make_code(&district, person)?;
        let (id, seed) = identity(&mut dice);
        let key = SigningKey::from_seed(&seed);
        let public = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), id.as_bytes(), &public[..]].concat();
        let answer = now(gridwork.enrol(EnrolmentRequest {
            proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
            code,
            replica: id,
            public_key: Base64Url(public),
            device_label: None,
            continues: None,
        }))?;
        let failed = |source| ServiceError::Internal {
            what: "a phone could not enrol",
            source,
        };
        let connection = open_connection(&node).map_err(|error| failed(error.into()))?;
        let enrolment = enrolment_of(&answer, ReplicaId(id), seed);
        let replica =
            Replica::create(connection, &enrolment).map_err(|error| failed(error.into()))?;
        Ok((Self::on(node, person, replica, dice), enrolment))
    }

    /// A phone on a disk that holds one's data already.
    ///
    /// # Errors
    /// What the replica says.
    pub fn from_files(
        node: Node,
        person: PersonId,
        files: &Files,
        dice: Dice,
        known: KnownIntents,
    ) -> Result<Self, ReplicaError> {
        node.restore(files);
        let replica = Replica::open_knowing(open_connection(&node)?, known)?;
        let mut phone = Self::on(node, person, replica, dice);
        phone.known = known;
        phone.note_head()?;
        Ok(phone)
    }

    /// Notes the head as what must be there from now on.
    ///
    /// # Errors
    /// What the replica says.
    pub fn note_head(&mut self) -> Result<(), ReplicaError> {
        if let Some(replica) = &self.replica {
            self.last_made = (replica.replica_id(), replica.head()?.0, false);
        }
        Ok(())
    }

    /// Opens the app again on the data that is there.
    ///
    /// # Errors
    /// What the replica says.
    pub fn open(&mut self) -> Result<(), ReplicaError> {
        self.replica = None;
        self.session = Session::new("sim 1");
        let connection = open_connection(&self.node)?;
        self.replica = Some(Replica::open_knowing(connection, self.known)?);
        Ok(())
    }

    /// The records of which it keeps something that its app cannot read.
    ///
    /// # Errors
    /// The database's own.
    pub fn unread(&self) -> rusqlite::Result<BTreeSet<RecordId>> {
        let Some(replica) = &self.replica else {
            return Ok(BTreeSet::new());
        };
        let connection = replica.connection();
        let mut statement = connection.prepare("SELECT DISTINCT record FROM unknown_entry")?;
        let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        let records: Result<Vec<_>, _> = rows.collect();
        Ok(records?
            .iter()
            .filter_map(|id| RecordId::from_slice(id))
            .collect())
    }

    /// What the device's clocks say.
    pub fn clocks(&self, server: &Server) -> Evidence {
        use server::clock::Clock as _;
        let elapsed_ms = server.clock.monotonic_ms();
        Evidence {
            wall_ms: (BEGINS_MS + elapsed_ms as i64).saturating_add(self.clock_off_ms),
            monotonic_ms: elapsed_ms - self.booted_ms.min(elapsed_ms) + 1,
            boot: self.boot,
            skew_ms: self
                .replica
                .as_ref()
                .and_then(|replica| replica.skew_ms().ok())
                .unwrap_or(0),
        }
    }

    /// A fresh record id, time-ordered by the device's own clock.
    pub fn new_record(&mut self, at: &Evidence) -> RecordId {
        // 48 bits of milliseconds: a clock beyond them wraps, as on a phone.
        let millis = u64::try_from(at.wall_ms).unwrap_or(0) & 0xffff_ffff_ffff;
        let random = [
            self.dice.next_u64().to_be_bytes(),
            self.dice.next_u64().to_be_bytes(),
        ]
        .concat();
        let random: [u8; 10] = random[..10].try_into().expect("BUG: 16 bytes hold 10");
        RecordId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// Asks the server for a new name after a fork, and goes on under it.
    ///
    /// # Errors
    /// What the replica says.
    pub fn continue_fork(
        &mut self,
        server: &Server,
        answer_lost: bool,
    ) -> Result<Result<(), ServiceError>, ReplicaError> {
        let (Some(gridwork), Some(replica)) = (server.gridwork(), &mut self.replica) else {
            return Ok(Err(ServiceError::Overloaded));
        };
        let (id, key_seed) = identity(&mut self.dice);
        let mut renaming = Renaming::begin(replica, ReplicaId(id), key_seed)?;
        loop {
            let question = renaming.question(replica);
            let (answer, error) = match now(gridwork.fork(question.into())) {
                Ok(_) if answer_lost => return Ok(Err(ServiceError::Overloaded)),
                Ok(answer) => (answer.into(), None),
                Err(error) => match error.as_fork_answer() {
                    Some(answer) => (answer, Some(error)),
                    None => return Ok(Err(error)),
                },
            };
            match (renaming.take(replica, answer)?, error) {
                (ForkStep::AskAgain, _) => {}
                (ForkStep::NoAnswer, _) => {
                    unreachable!("BUG: a whole answer, and the server's word does not bear it out")
                }
                (_, Some(error)) => return Ok(Err(error)),
                (_, None) => break,
            }
        }
        self.session = Session::new("sim 1");
        self.forks += 1;
        self.note_head()?;
        Ok(Ok(()))
    }
}

fn identity(dice: &mut Dice) -> (Uuid, [u8; 32]) {
    let id = Uuid::from_u64_pair(dice.next_u64(), dice.next_u64());
    let mut seed = [0; 32];
    for chunk in seed.chunks_mut(8) {
        chunk.copy_from_slice(&dice.next_u64().to_be_bytes());
    }
    (id, seed)
}

fn enrolment_of(answer: &EnrolmentAnswer, replica: ReplicaId, key_seed: [u8; 32]) -> Enrolment {
    let server_keys = answer.server_keys.iter().map(|key| {
        let public = VerifyingKey::from_bytes(&key.public_key.0)
            .expect("BUG: the server gives a key that is none");
        (key.key_id.clone(), public)
    });
    Enrolment {
        district: DistrictId(answer.district),
        replica,
        key_seed,
        replica_no: ReplicaNo(answer.replica_no),
        person: PersonId(answer.person),
        epoch: Epoch(answer.epoch),
        certificate: answer.certificate.clone(),
        server_keys: server_keys.collect(),
    }
}
