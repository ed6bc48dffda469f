//! A native phone over HTTP: the real replica and session, with the machine's clock.

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::shapes::Base64Url;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, RecordId, ReplicaId, ReplicaNo, UnitId};
use sync_core::replica::{Draft, Enrolment, Replica};
use sync_core::session::{Failure, Session};
use sync_core::time::Evidence;
use sync_core::wire::{MEDIA_TYPE, SyncResponse};
use uuid::Uuid;

static PHONES: AtomicU64 = AtomicU64::new(1);

pub struct Phone {
    pub replica: Replica,
    session: Session,
    /// What other endpoints are shown.
    pub token: String,
    /// What the last answer said of the second place.
    pub safe_seq: u64,
}

fn now() -> Evidence {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let wall_ms = since.as_millis() as i64;
    Evidence {
        wall_ms,
        monotonic_ms: wall_ms as u64,
        boot: 1,
        skew_ms: 0,
    }
}

impl Phone {
    pub fn enrol(url: &str, code: &str, directory: &Path) -> Self {
        let number = PHONES.fetch_add(1, Ordering::SeqCst);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_seed(&seed);
        let replica = Uuid::now_v7();
        let public = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), replica.as_bytes(), &public[..]].concat();
        let request = EnrolmentRequest {
            code: code.to_owned(),
            replica,
            public_key: Base64Url(public),
            proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
            device_label: None,
            continues: None,
        };
        let body = serde_json::to_vec(&request).expect("JSON");
        let mut response = ureq::post(format!("{url}/v1/enrolments"))
            .header("content-type", "application/json")
            .send(&body[..])
            .expect("the code is good");
        let text = response.body_mut().read_to_string().expect("text");
        let answer: EnrolmentAnswer = serde_json::from_str(&text).expect("an enrolment");
        let enrolment = Enrolment {
            district: DistrictId(answer.district),
            replica: ReplicaId(replica),
            key_seed: seed,
            replica_no: ReplicaNo(answer.replica_no),
            person: PersonId(answer.person),
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate.clone(),
            server_keys: answer
                .server_keys
                .iter()
                .map(|key| {
                    (
                        key.key_id.clone(),
                        VerifyingKey::from_bytes(&key.public_key.0).expect("a strong key"),
                    )
                })
                .collect(),
        };
        let path = directory.join(format!("phone-{number}.db"));
        let connection = rusqlite::Connection::open(path).expect("a file");
        connection
            .pragma_update(None, "synchronous", "OFF")
            .expect("pragma");
        Self {
            replica: Replica::create(connection, &enrolment).expect("enrolled"),
            session: Session::new("test 1"),
            token: answer.token,
            safe_seq: 0,
        }
    }

    pub fn report(&mut self, title: &str) {
        self.make(UnitId(1), title);
    }

    /// A report for a unit that nobody has: refused by the server alone.
    pub fn poison(&mut self) {
        self.make(UnitId(99), "毒");
    }

    fn make(&mut self, unit: UnitId, title: &str) {
        let open = format!(r#"{{"category":"SAN-01","title":"{title}"}}"#);
        let draft = Draft::new(RecordId(Uuid::now_v7()), unit, "report.create", open);
        self.replica
            .make_change(draft, now())
            .expect("a valid change");
    }

    /// Starts the app anew.
    pub fn restart(&mut self) {
        self.session = Session::new("test 1");
    }

    /// Syncs, and after a refused answer once more, as a phone does by itself a little later.
    pub fn sync_again(&mut self, url: &str) -> Result<u64, String> {
        self.sync(url).or_else(|_| self.sync(url))
    }

    /// Syncs until nothing is left to say. Answers with how many changes the server had already.
    pub fn sync(&mut self, url: &str) -> Result<u64, String> {
        let mut duplicates = 0;
        self.session.on_link();
        while let Some(request) = self
            .session
            .next_request(&self.replica, now())
            .expect("the phone's file")
        {
            let sent = ureq::post(format!("{url}/v1/sync"))
                .header("content-type", MEDIA_TYPE)
                .send(&request.bytes[..])
                .and_then(|mut response| {
                    response
                        .body_mut()
                        .with_config()
                        .limit(8 << 20)
                        .read_to_vec()
                });
            match sent {
                Ok(bytes) => {
                    if let Ok(response) = SyncResponse::decode(&bytes) {
                        duplicates += response.duplicates;
                        self.safe_seq = response.safe_seq.0;
                    }
                    self.session
                        .on_response(&mut self.replica, request.request_no, &bytes, now(), 0)
                        .map_err(|error| format!("{error:?}"))?;
                }
                Err(error) => {
                    let failure = match error {
                        ureq::Error::StatusCode(401) => Failure::UnknownReplica,
                        _ => Failure::Network,
                    };
                    self.session
                        .on_failure(request.request_no, failure, None, now(), 0);
                    return Err(error.to_string());
                }
            }
        }
        Ok(duplicates)
    }
}
