//! A phone that names files in changes and reads them back: the real replica and session over HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::record::RecordDetail;
use api_schema::shapes::Base64Url;
use sync_core::change::{SigningKey, VerifyingKey};
use sync_core::ids::{DistrictId, Epoch, PersonId, RecordId, ReplicaId, ReplicaNo, UnitId};
use sync_core::replica::{Draft, Enrolment, Replica};
use sync_core::session::Session;
use sync_core::time::Evidence;
use sync_core::wire::MEDIA_TYPE;
use uuid::Uuid;

use super::files::{Sent, pixels};
use crate::chaos::{ChaosError, failed};

/// The first grid of the district.
const GRID: UnitId = UnitId(4);

/// The phone.
pub(super) struct Phone {
    replica: Replica,
    session: Session,
    token: String,
    records: Vec<RecordId>,
}

fn now() -> Evidence {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall_ms = since.map_or(0, |since| since.as_millis() as i64);
    Evidence {
        wall_ms,
        monotonic_ms: wall_ms.unsigned_abs(),
        boot: 1,
        skew_ms: 0,
    }
}

fn new_id() -> Uuid {
    let mut random = [0; 10];
    getrandom::fill(&mut random).expect("the operating system gives no randomness");
    uuid::Builder::from_unix_timestamp_millis(now().wall_ms.unsigned_abs(), &random).into_uuid()
}

impl Phone {
    /// Enrols with a code.
    pub(super) fn enrol(server: &str, code: &str) -> Result<Self, ChaosError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(failed("no randomness"))?;
        let key = SigningKey::from_seed(&seed);
        let replica = new_id();
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
        let body = serde_json::to_vec(&request).map_err(failed("enrolment"))?;
        let text = ureq::post(format!("{server}/v1/enrolments"))
            .header("content-type", "application/json")
            .send(&body[..])
            .and_then(|mut answer| answer.body_mut().read_to_string())
            .map_err(failed("enrolment"))?;
        let answer: EnrolmentAnswer = serde_json::from_str(&text).map_err(failed("enrolment"))?;
        let mut server_keys = Vec::new();
        for key in &answer.server_keys {
            let public = VerifyingKey::from_bytes(&key.public_key.0);
            let public = public.ok_or_else(|| ChaosError::new("enrolment", "a weak key"))?;
            server_keys.push((key.key_id.clone(), public));
        }
        let enrolment = Enrolment {
            district: DistrictId(answer.district),
            replica: ReplicaId(replica),
            key_seed: seed,
            replica_no: ReplicaNo(answer.replica_no),
            person: PersonId(answer.person),
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate,
            server_keys,
        };
        let memory = rusqlite::Connection::open_in_memory().map_err(failed("a replica"))?;
        Ok(Self {
            replica: Replica::create(memory, &enrolment).map_err(failed("a replica"))?,
            session: Session::new("tus 1"),
            token: answer.token,
            records: Vec::new(),
        })
    }

    /// What it shows other endpoints.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Makes a report for each file and names the file in it.
    pub(super) fn name(&mut self, files: &[Sent]) -> Result<(), ChaosError> {
        for (index, file) in files.iter().enumerate() {
            let record = RecordId(new_id());
            let report = serde_json::json!({"category": "SAN-01", "title": format!("{index}")});
            let named = serde_json::json!({
                "sha256": file.sha256, "size_bytes": file.size_bytes, "media_type": file.media_type,
            });
            for (intent, open) in [("report.create", report), ("attachment.add", named)] {
                let draft = Draft::new(record, GRID, intent, open.to_string());
                self.replica
                    .make_change(draft, now())
                    .map_err(|error| ChaosError::new("a change", format!("{error:?}")))?;
            }
            self.records.push(record);
        }
        Ok(())
    }

    /// Syncs until nothing is left to say.
    pub(super) fn sync(&mut self, server: &str) -> Result<(), ChaosError> {
        self.session.on_link();
        self.session.want_token();
        while let Some(request) = self
            .session
            .next_request(&self.replica, now())
            .map_err(failed("a request"))?
        {
            let bytes = ureq::post(format!("{server}/v1/sync"))
                .header("content-type", MEDIA_TYPE)
                .send(&request.bytes[..])
                .and_then(|mut answer| {
                    let body = answer.body_mut().with_config();
                    body.limit(8 << 20).read_to_vec()
                })
                .map_err(failed("a sync"))?;
            self.session
                .on_response(&mut self.replica, request.request_no, &bytes, now(), 0)
                .map_err(|error| ChaosError::new("an answer", format!("{error:?}")))?;
        }
        if let Some(token) = self.session.token(&now()) {
            self.token = token.to_owned();
        }
        Ok(())
    }

    fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        ureq::get(url)
            .header("authorization", format!("Bearer {}", self.token))
            .call()
            .and_then(|mut answer| {
                answer
                    .body_mut()
                    .with_config()
                    .limit(64 << 20)
                    .read_to_vec()
            })
            .map_err(|error| error.to_string())
    }

    /// Reads a file through its record and holds it against what was sent.
    pub(super) fn read_back(&self, server: &str, index: usize, file: &Sent) -> Result<(), String> {
        let record = format!("{server}/v1/records/{}", self.records[index]);
        let detail: RecordDetail =
            serde_json::from_slice(&self.get(&record)?).map_err(|error| error.to_string())?;
        match detail.attachments.as_slice() {
            [shown] if shown.present && shown.thumbnail && shown.sha256 == file.sha256 => {}
            other => return Err(format!("the record shows {other:?}")),
        }
        let kept = self.get(&format!("{record}/attachments/{}", file.sha256))?;
        let sent = std::fs::read(&file.path).map_err(|error| error.to_string())?;
        if pixels(&kept)? != pixels(&sent)? {
            return Err("other pixels came back".to_owned());
        }
        let small = self.get(&format!("{record}/attachments/{}/thumbnail", file.sha256))?;
        pixels(&small).map(|_| ())
    }
}
