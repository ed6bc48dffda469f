//! The one open replica of this worker, with its session.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use sync_core::hex;
use sync_core::kinds::Kind;
use sync_core::replica::{Condition, Enrolment, Replica, ReplicaError};
use sync_core::session::Session;
use sync_core::time::Evidence;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Failure, json};
use crate::storage;

/// What the office sees of this app in its list of devices.
const APP: &str = concat!("page ", env!("CARGO_PKG_VERSION"));

/// A replica and its conversation with the server.
pub struct Phone {
    /// The database.
    pub replica: Replica,
    /// The conversation; a new one with each start.
    pub session: Session,
}

impl Phone {
    fn new(replica: Replica) -> Self {
        let session = Session::new(APP);
        Self { replica, session }
    }
}

enum Slot {
    Closed,
    /// The files are ours; this database of them holds no replica.
    Empty {
        file: String,
    },
    Enrolled(Box<Phone>),
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Closed) };
}

/// Hands the enrolled replica to `work`.
///
/// # Errors
/// The store is not open or holds no replica, or `work` failed.
pub fn with<T>(work: impl FnOnce(&mut Phone) -> Result<T, Failure>) -> Result<T, Failure> {
    SLOT.with_borrow_mut(|slot| match slot {
        Slot::Enrolled(phone) => work(phone),
        Slot::Empty { .. } => Err(ReplicaError::NotEnrolled.into()),
        Slot::Closed => Err(Failure::not_open()),
    })
}

/// Makes the replica that an enrolment gave, in the empty store.
///
/// # Errors
/// There is one already, the store is not open, or the database refused; nothing is changed then.
pub fn create(enrolment: &Enrolment) -> Result<(), Failure> {
    SLOT.with_borrow_mut(|slot| {
        let file = match slot {
            Slot::Empty { file } => file.clone(),
            Slot::Enrolled(_) => return Err(ReplicaError::AlreadyEnrolled.into()),
            Slot::Closed => return Err(Failure::not_open()),
        };
        let replica = Replica::create(storage::connect(&file)?, enrolment)?;
        *slot = Slot::Enrolled(Box::new(Phone::new(replica)));
        Ok(())
    })
}

/// The device's clocks as JavaScript hands them in: `{"wall_ms":…}`, and where the platform has a clock that runs on
/// through sleep, `monotonic_ms` and the number of the `boot` that it counts from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Now {
    wall_ms: i64,
    #[serde(default)]
    monotonic_ms: u64,
    #[serde(default)]
    boot: u64,
}

/// Reads the clocks.
///
/// # Errors
/// The text is not what `Now` says.
pub fn evidence(now: &str) -> Result<Evidence, Failure> {
    let now: Now = serde_json::from_str(now)?;
    Ok(Evidence {
        wall_ms: now.wall_ms,
        monotonic_ms: now.monotonic_ms,
        boot: now.boot,
        skew_ms: 0,
    })
}

/// Opens the store `name`, creating it the first time, and the replica in it, if there is one. Call it once, in the
/// worker that holds the lock.
///
/// # Errors
/// The browser or SQLite refused, or a later version wrote the store.
#[wasm_bindgen]
pub async fn open(name: String) -> Result<(), JsError> {
    if SLOT.with_borrow(|slot| !matches!(slot, Slot::Closed)) {
        return Err(Failure::storage("the store is open already").into());
    }
    storage::open().await.map_err(Failure::from)?;
    let connection = storage::connect(&name).map_err(Failure::from)?;
    let slot = match Replica::open(connection) {
        Ok(replica) => Slot::Enrolled(Box::new(Phone::new(replica))),
        Err(ReplicaError::NotEnrolled) => Slot::Empty { file: name },
        Err(error) => return Err(Failure::from(error).into()),
    };
    SLOT.set(slot);
    Ok(())
}

/// Closes the store and lets another worker take it.
///
/// # Errors
/// SQLite or the browser refused.
#[wasm_bindgen]
pub fn close() -> Result<(), JsError> {
    let connection = match SLOT.replace(Slot::Closed) {
        Slot::Enrolled(phone) => Some(phone.replica.into_connection()),
        Slot::Empty { .. } | Slot::Closed => None,
    };
    Ok(storage::close(connection).map_err(Failure::from)?)
}

/// Whether the open store holds a replica.
///
/// # Errors
/// The store is not open.
#[wasm_bindgen]
pub fn is_enrolled() -> Result<bool, JsError> {
    SLOT.with_borrow(|slot| match slot {
        Slot::Enrolled(_) => Ok(true),
        Slot::Empty { .. } => Ok(false),
        Slot::Closed => Err(Failure::not_open().into()),
    })
}

#[derive(Serialize)]
struct Status {
    district: String,
    person: u32,
    replica: String,
    replica_no: u32,
    /// `ok`, `forked`, `upgrade_required` or `revoked`.
    condition: &'static str,
    /// The units whose reports may be made and read, once the server has said so; their permanent numbers.
    units: Vec<u32>,
    records: u64,
    waiting: u64,
    needs_repair: u64,
    /// The digest of the records in scope, as hexadecimal bytes: what the server compares.
    digest: String,
}

fn status_of(phone: &mut Phone) -> Result<Status, Failure> {
    let replica = &phone.replica;
    let scope = replica.scope()?;
    let counts = replica.counts()?;
    Ok(Status {
        district: replica.district().0.to_string(),
        person: replica.person().0,
        replica: replica.replica_id().0.to_string(),
        replica_no: replica.replica_no().0,
        condition: match replica.condition()? {
            Condition::Ok => "ok",
            Condition::Forked => "forked",
            Condition::UpgradeRequired => "upgrade_required",
            Condition::Revoked => "revoked",
            Condition::Wiped => "wiped",
        },
        units: scope
            .iter()
            .flat_map(|scope| scope.places())
            .filter(|(kind, _)| *kind == Kind::Report)
            .map(|(_, unit)| unit.0)
            .collect(),
        records: counts.records,
        waiting: counts.waiting,
        needs_repair: counts.needs_repair,
        digest: hex::encode(&replica.digest()?.to_bytes()),
    })
}

/// Who this replica is and how it stands, as JSON: district, person, replica, replica_no, condition, units, records,
/// waiting, needs_repair, digest.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn status() -> Result<String, JsError> {
    Ok(json(&with(status_of)?))
}

/// The digest of the records in scope, 48 hexadecimal digits: the same as on any other device of the person.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn digest() -> Result<String, JsError> {
    Ok(with(|phone| {
        Ok(hex::encode(&phone.replica.digest()?.to_bytes()))
    })?)
}

/// SHA-256 over id, place and image of every record in scope, 64 hexadecimal digits: equal means the same bytes.
/// Reads the whole store.
///
/// # Errors
/// Not open, not enrolled, or the database failed.
#[wasm_bindgen]
pub fn state_digest() -> Result<String, JsError> {
    Ok(with(|phone| {
        Ok(hex::encode(&phone.replica.state_digest()?.0))
    })?)
}

/// SQLite's own check of its file: `ok`, or what is wrong with it.
///
/// # Errors
/// Not open, not enrolled, or SQLite could not read it.
#[wasm_bindgen]
pub fn integrity() -> Result<String, JsError> {
    Ok(with(|phone| {
        let connection = phone.replica.connection();
        connection
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .map_err(|error| ReplicaError::from(error).into())
    })?)
}

/// The version of the SQLite inside.
#[wasm_bindgen]
pub fn sqlite_version() -> String {
    rusqlite::version().to_owned()
}
