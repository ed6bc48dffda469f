//! A new phone with a real database takes in all that it may read: the first sync, end to end.

use std::time::Instant;

use api_schema::enrolment::EnrolmentAnswer;
use rusqlite::Connection;
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, ReplicaId, ReplicaNo};
use sync_core::replica::{Enrolment, Replica};
use sync_core::session::{Progress, Session};
use sync_core::time::Evidence;
use uuid::Uuid;

use super::client::{Client, ServerUrl};
use super::phone::Phone;
use super::{ANSWER_TIMEOUT, FleetError};
use crate::clock::{Clock, SystemClock};
use crate::ids::{Entropy, SystemEntropy, new_uuid};

/// What a first sync took.
#[derive(Clone, Copy, Debug)]
pub struct FirstSync {
    /// Records that the phone holds after it.
    pub records: u64,
    /// Records a second, received and stored.
    pub records_per_s: f64,
    /// Bytes that came down a record.
    pub bytes_per_record: f64,
}

/// Enrols a new phone with a database in a temporary file and syncs until nothing more follows.
///
/// # Errors
/// See [`FleetError`].
pub async fn run(url: &ServerUrl, code: &str) -> Result<FirstSync, FleetError> {
    let failed = |error: &dyn std::error::Error| FleetError::FirstSync(error.to_string());
    let (clock, entropy) = (SystemClock::new(), SystemEntropy);
    let mut client = Client::new(url.clone(), ANSWER_TIMEOUT);
    let mut key_seed = [0; 32];
    entropy.fill(&mut key_seed);
    let id = new_uuid(&clock, &entropy);
    let key = SigningKey::from_seed(&key_seed);
    let enrolled = client.enrol(&Phone::enrolment(code, id, &key)).await?;
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let connection =
        Connection::open(folder.path().join("replica.db")).map_err(|error| failed(&error))?;
    let enrolment = enrolment_of(&enrolled, id, key_seed)
        .ok_or_else(|| FleetError::FirstSync("the server's key is none".to_owned()))?;
    let mut replica = Replica::create(connection, &enrolment).map_err(|error| failed(&error))?;
    let mut session = Session::new("fleet");
    let began = Instant::now();
    let mut down_bytes = 0;
    loop {
        let now = evidence(&clock);
        let asked = session.next_request(&replica, now);
        let Some(outgoing) = asked.map_err(|error| failed(&error))? else {
            break;
        };
        let answer = client.sync(&outgoing.bytes).await?;
        down_bytes += answer.down_bytes;
        let now = evidence(&clock);
        let progress = session.on_response(&mut replica, outgoing.request_no, &answer.body, now, 0);
        match progress.map_err(|error| failed(&error))? {
            Progress::Applied(applied) if applied.diverged => {
                return Err(FleetError::FirstSync("the digests differ".to_owned()));
            }
            Progress::Applied(_) | Progress::Ignored => {}
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let records: i64 = replica
        .connection()
        .query_row(
            "SELECT count(*) FROM record WHERE in_scope = 1",
            [],
            |row| row.get(0),
        )
        .map_err(|error| failed(&error))?;
    let records = records as u64;
    Ok(FirstSync {
        records,
        records_per_s: records as f64 / seconds.max(1e-9),
        bytes_per_record: down_bytes as f64 / records.max(1) as f64,
    })
}

/// What a replica's database starts from; `None` when a key of the server is no key.
pub fn enrolment_of(
    answer: &EnrolmentAnswer,
    replica: Uuid,
    key_seed: [u8; 32],
) -> Option<Enrolment> {
    let server_keys = answer.server_keys.iter().map(|each| {
        let key = VerifyingKey::from_bytes(&each.public_key.0)?;
        Some((each.key_id.clone(), key))
    });
    Some(Enrolment {
        district: DistrictId(answer.district),
        replica: ReplicaId(replica),
        key_seed,
        replica_no: ReplicaNo(answer.replica_no),
        person: PersonId(answer.person),
        epoch: Epoch(answer.epoch),
        certificate: answer.certificate.clone(),
        server_keys: server_keys.collect::<Option<_>>()?,
    })
}

fn evidence(clock: &SystemClock) -> Evidence {
    Evidence {
        wall_ms: clock.wall_ms(),
        monotonic_ms: clock.monotonic_ms(),
        boot: 1,
        skew_ms: 0,
    }
}
