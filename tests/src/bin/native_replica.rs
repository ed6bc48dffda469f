//! `native_replica --url U --code C`: enrols a native replica over plain HTTP, syncs to the end and prints what it holds,
//! so that a test can compare it with a replica elsewhere: `{"digest","state_digest","records","rounds"}`. With `--report T` it makes a report of its own, too.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api_schema::SYNC_CONTENT_TYPE;
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::shapes::Base64Url;
use clap::Parser;
use rusqlite::Connection;
use serde_json::json;
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::hex;
use sync_core::ids::{DistrictId, Epoch, PersonId, RecordId, ReplicaId, ReplicaNo};
use sync_core::kinds::Kind;
use sync_core::replica::{Draft, Enrolment, Replica};
use sync_core::session::{Progress, Session};
use sync_core::time::Evidence;
use ureq::Agent;

/// A sync that needs more exchanges than this does not end.
const ROUNDS_MAX: u32 = 1_000;
/// The most bytes of an answer; a page is at most 1 MiB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Parser)]
#[command(about = "A native replica of one person, synced to the end")]
struct Arguments {
    /// Where the server is, such as http://127.0.0.1:8484
    #[arg(long)]
    url: String,
    /// A one-time enrolment code of the person
    #[arg(long)]
    code: String,
    /// Make a report with this title before the last sync
    #[arg(long)]
    report: Option<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let agent: Agent = Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into();
    let mut replica = enrol(&agent, &arguments)?;
    let mut rounds = sync(&agent, &arguments.url, &mut replica)?;
    if let Some(title) = &arguments.report {
        report(&mut replica, title)?;
        rounds += sync(&agent, &arguments.url, &mut replica)?;
    }
    let told = json!({
        "digest": hex::encode(&replica.digest()?.to_bytes()),
        "state_digest": hex::encode(&replica.state_digest()?.0),
        "records": replica.counts()?.records,
        "rounds": rounds,
    });
    println!("{told}");
    Ok(())
}

fn enrol(agent: &Agent, arguments: &Arguments) -> Result<Replica, Box<dyn Error>> {
    let (mut seed, mut id) = ([0; 32], [0; 16]);
    getrandom::fill(&mut seed)?;
    getrandom::fill(&mut id)?;
    let key = SigningKey::from_seed(&seed);
    let replica = ReplicaId(uuid::Builder::from_random_bytes(id).into_uuid());
    let public_key = key.verifying_key().to_bytes();
    let message = [arguments.code.as_bytes(), replica.as_bytes(), &public_key].concat();
    let request = EnrolmentRequest {
        code: arguments.code.clone(),
        replica: replica.0,
        public_key: Base64Url(public_key),
        proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
        device_label: None,
        continues: None,
    };
    let answer = agent
        .post(format!("{}/v1/enrolments", arguments.url))
        .content_type("application/json")
        .send(serde_json::to_vec(&request)?)?
        .body_mut()
        .read_to_vec()?;
    let answer: EnrolmentAnswer = serde_json::from_slice(&answer)?;
    let server_keys = answer
        .server_keys
        .into_iter()
        .map(|key| Some((key.key_id, VerifyingKey::from_bytes(&key.public_key.0)?)))
        .collect::<Option<_>>()
        .ok_or("a key of the server is not a key")?;
    let enrolment = Enrolment {
        district: DistrictId(answer.district),
        replica,
        key_seed: seed,
        replica_no: ReplicaNo(answer.replica_no),
        person: PersonId(answer.person),
        epoch: Epoch(answer.epoch),
        certificate: answer.certificate,
        server_keys,
    };
    Ok(Replica::create(Connection::open_in_memory()?, &enrolment)?)
}

/// A report in the first unit of the person's scope.
fn report(replica: &mut Replica, title: &str) -> Result<(), Box<dyn Error>> {
    let scope = replica.scope()?.ok_or("no scope came")?;
    let (_, unit) = scope
        .places()
        .find(|(kind, _)| *kind == Kind::Report)
        .ok_or("no unit to report in")?;
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let made = now()?;
    let millis = u64::try_from(made.wall_ms)?;
    let record = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let open = json!({"category": "SAN-01", "title": title}).to_string();
    replica.make_change(
        Draft::new(RecordId(record), unit, "report.create", open),
        made,
    )?;
    Ok(())
}

/// Talks until the session has nothing left to say; says how many exchanges it took.
fn sync(agent: &Agent, url: &str, replica: &mut Replica) -> Result<u32, Box<dyn Error>> {
    let mut session = Session::new("native");
    let mut rounds = 0;
    while let Some(outgoing) = session.next_request(replica, now()?)? {
        rounds += 1;
        if rounds > ROUNDS_MAX {
            return Err("the sync does not end".into());
        }
        let body = agent
            .post(format!("{url}/v1/sync"))
            .content_type(SYNC_CONTENT_TYPE)
            .send(outgoing.bytes)?
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()?;
        // No failure is retried here, so the dice of the back-off are never thrown.
        match session.on_response(replica, outgoing.request_no, &body, now()?, 0)? {
            Progress::Applied(applied) if applied.diverged => {
                return Err("the replica differs from the server".into());
            }
            Progress::Applied(_) => {}
            Progress::Ignored => return Err("the answer was ignored".into()),
        }
    }
    Ok(rounds)
}

fn now() -> Result<Evidence, Box<dyn Error>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Evidence {
        wall_ms: i64::try_from(since.as_millis())?,
        ..Evidence::default()
    })
}
