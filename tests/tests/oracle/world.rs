//! A small district with a real engine, and the models beside it: every step is taken by both and compared.

use super::exchange::{Exchange, compare_rulings};
use super::phone::Phone;
use api_schema::enrolment::EnrolmentRequest;
use api_schema::shapes::Base64Url;
use bytes::Bytes;
use server::clock::{Clock, FixedClock};
use server::demo::Dice;
use server::ids::{Entropy, SeededEntropy};
use server::service::Backend;
use server::service::administration::AdminRequest;
use server::service::district::District;
use server::service::gridwork::{Gridwork, OpenOptions};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sync_core::change::SigningKey;
use sync_core::ids::{DistrictId, PersonId, Pos, RecordId, ReplicaId, UnitId};
use sync_core::wire::{EnrolmentCertificate, Receipt, SyncResponse};
use tempfile::TempDir;
use tests::oracle::arrival::Status;
use tests::oracle::log::{self, Row};
use tests::oracle::{AdmissionOracle, Arrival, Prediction};
use uuid::Uuid;

pub const CODE: &str = "440399";
/// 2026-06-01 08:00 in Shanghai.
pub const START_MS: i64 = 1_780_272_000_000;

/// The engine, the models, and the phones between them.
pub struct World {
    pub folder: TempDir,
    pub clock: Arc<FixedClock>,
    entropy: Arc<SeededEntropy>,
    pub gridwork: Option<Gridwork>,
    pub oracle: AdmissionOracle,
    pub copy: Option<(AdmissionOracle, PathBuf)>,
    pub copies: u32,
    pub district: DistrictId,
    pub dice: Dice,
    pub phones: Vec<Phone>,
    pub units: Vec<u32>,
    /// Records that somebody has begun, with the intent that makes each and its unit.
    pub records: Vec<(RecordId, &'static str, u32)>,
    /// The number of the first person; the others follow.
    pub first_person: u32,
    /// How often each thing did occur.
    pub seen: BTreeMap<String, u64>,
    /// How long the model of admission took in all.
    pub model_time: Duration,
    /// Every exchange in which changes were answered.
    pub exchanges: Vec<Exchange>,
}

/// Who is there: name of the role, and the place of its unit in [`World::units`].
const PEOPLE: [(&str, usize); 9] = [
    ("worker", 2),
    ("worker", 3),
    ("grid_head", 1),
    ("duty_desk", 1),
    ("department_handler", 4),
    ("verifier", 0),
    ("patrol_leader", 2),
    ("district_lead", 0),
    ("points_reviewer", 0),
];

impl World {
    /// Makes the district and its phones.
    pub async fn found(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(START_MS));
        let entropy = Arc::new(SeededEntropy::new(seed));
        Gridwork::init(
            folder.path(),
            CODE,
            "Test",
            "Asia/Shanghai",
            &*clock,
            &*entropy,
        )
        .expect("init");
        let mut world = Self {
            folder,
            clock,
            entropy,
            gridwork: None,
            oracle: AdmissionOracle::new(),
            copy: None,
            copies: 0,
            district: DistrictId(Uuid::nil()),
            dice: Dice::new(seed),
            phones: Vec::new(),
            units: vec![1],
            records: Vec::new(),
            first_person: 0,
            seen: BTreeMap::new(),
            model_time: Duration::ZERO,
            exchanges: Vec::new(),
        };
        world.open(false);
        for (parent, code, kind) in [
            (0, "001", "town"),
            (1, "002", "grid"),
            (1, "003", "grid"),
            (0, "004", "department"),
        ] {
            let answer = world
                .admin(AdminRequest::AddUnit {
                    parent: UnitId(world.units[parent]),
                    code: code.into(),
                    name: code.into(),
                    kind: kind.into(),
                })
                .await;
            let unit = answer["unit"].as_u64().expect("a unit") as u32;
            world.units.push(unit);
        }
        for (role, unit) in PEOPLE {
            let answer = world
                .admin(AdminRequest::AddPerson {
                    name: role.into(),
                    number: None,
                })
                .await;
            let person = PersonId(answer["person"].as_u64().expect("a person") as u32);
            if world.first_person == 0 {
                world.first_person = person.0;
            }
            let unit = UnitId(world.units[unit]);
            world.grant(person, role, unit).await;
            world.enrol(person).await;
        }
        world
    }

    pub fn open(&mut self, restored: bool) {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let entropy: Arc<dyn Entropy> = Arc::clone(&self.entropy) as Arc<dyn Entropy>;
        let options = OpenOptions {
            restored,
            ..OpenOptions::default()
        };
        let gridwork =
            Gridwork::open(self.folder.path(), clock, entropy, options).expect("it opens");
        self.district = gridwork.district(None).expect("a district").id();
        self.gridwork = Some(gridwork);
    }

    pub fn engine(&self) -> &Gridwork {
        self.gridwork.as_ref().expect("the server is up")
    }

    pub fn file(&self) -> Arc<District> {
        Arc::clone(self.engine().district(None).expect("a district"))
    }

    /// Counts that something did occur.
    pub fn mark(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Rows of the engine's log above a position.
    pub fn rows(&self, after: u64) -> Vec<Row> {
        self.file()
            .read_here(|read| Ok(log::rows(read, after)?))
            .expect("the log can be read")
    }

    /// Does what an operator does; the model takes the directory entries in.
    pub async fn admin(&mut self, request: AdminRequest) -> serde_json::Value {
        let answer = self
            .engine()
            .administer(None, request)
            .await
            .expect("an operator's request");
        self.take_directory();
        answer
    }

    pub fn take_directory(&mut self) {
        for row in self.rows(self.oracle.head()) {
            match row {
                Row::Directory(_, received_ms, body) => {
                    self.oracle.directory(&body, received_ms);
                }
                other => panic!("no model was told of {other:?}"),
            }
        }
    }

    pub async fn grant(&mut self, person: PersonId, role: &str, unit: UnitId) {
        let role = role.into();
        self.admin(AdminRequest::Grant { person, role, unit }).await;
    }

    pub async fn enrol(&mut self, person: PersonId) {
        let code = self.admin(AdminRequest::Code { person }).await;
        let code = code["code"].as_str().expect("a code").to_owned();
        let key = self.new_key();
        let replica = self.new_id();
        let public = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), replica.as_bytes(), &public[..]].concat();
        let request = EnrolmentRequest {
            proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
            code,
            replica,
            public_key: Base64Url(public),
            device_label: None,
            continues: None,
        };
        let answer = self.engine().enrol(request).await.expect("an enrolment");
        self.take_directory();
        let id = ReplicaId(replica);
        let phone = Phone::new(person, id, key, answer.certificate, &mut self.dice);
        self.phones.push(phone);
    }

    pub fn new_key(&mut self) -> SigningKey {
        let mut seed = [0; 32];
        for chunk in seed.chunks_mut(8) {
            chunk.copy_from_slice(&self.dice.next_u64().to_be_bytes());
        }
        SigningKey::from_seed(&seed)
    }

    pub fn new_id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.dice.next_u64(), self.dice.next_u64())
    }

    /// A phone sends changes from `from` on; both answer, and the answers are compared. Whether the answer reaches the
    /// phone is `is_carried`.
    pub async fn sync(&mut self, index: usize, from: u64, count: usize, is_carried: bool) {
        let sent_at = self.phones[index].clocks(self.clock.wall_ms(), self.clock.monotonic_ms());
        let district = self.district;
        let is_known = self.oracle.knows(*self.phones[index].replica.as_bytes());
        let phone = &mut self.phones[index];
        let bytes = phone.request(district, from, count, sent_at, is_known);
        let mut before = self.oracle.head();
        let answer = self.engine().sync(Bytes::from(bytes.clone())).await;
        let response = SyncResponse::decode(&answer.expect("an answer")).expect("a response");
        if !is_known {
            self.readmit(index);
            before = self.oracle.head();
        }
        let arrival = Arrival::read(&bytes, district, response.received_ms, |receipt| {
            self.is_genuine(receipt)
        })
        .expect("our own request");
        let begun = Instant::now();
        let prediction = self.oracle.arrive(&arrival).expect("our own replica");
        self.model_time += begun.elapsed();
        self.note(&prediction, before);
        let status = prediction.status;
        let exchange = Exchange {
            rows: self.rows(before),
            prediction,
            response: response.clone(),
            sent: arrival.changes.len(),
        };
        self.compare(before, &arrival, &exchange);
        if !exchange.prediction.answers.is_empty() {
            self.exchanges.push(exchange);
        }
        let head = Pos(self.oracle.head());
        let phone = &mut self.phones[index];
        if status == Status::Fork {
            phone.is_forked = true;
        } else if is_carried {
            phone.take(&response, head);
            phone.skew_ms = response.received_ms - sent_at.wall_ms;
        }
    }

    /// The entry that a certificate brought about, before the batch that came with it.
    fn readmit(&mut self, index: usize) {
        let certificate = EnrolmentCertificate::decode(&self.phones[index].certificate)
            .expect("the server's own word");
        let rows = self.rows(self.oracle.head());
        let Some(Row::Directory(_, received_ms, body)) = rows.first() else {
            panic!("no model was told of {rows:?}");
        };
        let first_ms = certificate.received_ms.min(*received_ms);
        self.oracle.readmit(body, *received_ms, first_ms);
        self.mark("readmitted");
    }

    fn is_genuine(&self, receipt: &Receipt) -> bool {
        self.file()
            .state()
            .directory
            .server_key(&receipt.key_id)
            .is_some_and(|key| receipt.is_signed_by(self.district, key))
    }

    /// The engine's answer and its new rows against what the model said.
    fn compare(&self, before: u64, arrival: &Arrival, exchange: &Exchange) {
        let mut told = exchange.differences(&exchange.prediction);
        let end = before + exchange.rows.len() as u64;
        if self.oracle.head() != end {
            let model = self.oracle.head();
            told.push(format!(
                "the model's log ends at {model}, the engine's at {end}"
            ));
        }
        if told.is_empty() {
            return;
        }
        for change in &arrival.changes {
            let open = String::from_utf8_lossy(change.open.as_deref().unwrap_or_default());
            told.push(format!("{}: {:?} {open}", change.seq, change.written));
            let record = change.written.as_ref().map(|written| written.record);
            told.push(format!(
                "   {:?}",
                record.and_then(|it| self.oracle.record(it))
            ));
        }
        panic!("{}", told.join("\n"));
    }

    fn note(&mut self, prediction: &Prediction, before: u64) {
        self.mark(format!("status {:?}", prediction.status));
        if prediction.duplicates > 0 {
            self.mark("duplicates");
        }
        for answered in &prediction.answers {
            if answered.place.1 <= before {
                continue;
            }
            self.mark(format!("verdict {:?}", answered.answer.verdict));
            if answered.first.is_some() {
                self.mark("taken back in");
            }
            for (code, _) in &answered.answer.problems {
                self.mark(format!("problem {code}"));
            }
            for bit in [1, 2, 4, 8, 16] {
                if answered.answer.marks & bit != 0 {
                    self.mark(format!("mark {bit}"));
                }
            }
        }
        for ruled in &prediction.rulings {
            self.mark(format!(
                "ruling {} {:?}",
                ruled.ruling, ruled.answer.verdict
            ));
        }
    }

    /// A person rules on a change that waits or is quarantined.
    pub async fn rule(&mut self, of: u64, admits: bool) {
        use sync_core::entry::RulingKind::{Admitted, Rejected};
        let before = self.oracle.head();
        let (ruling, name) = match admits {
            true => (Admitted, "admitted"),
            false => (Rejected, "rejected"),
        };
        let request = AdminRequest::Rule {
            pos: Pos(of),
            ruling,
            by: PersonId(self.first_person + 3),
            reason: "looked at".into(),
        };
        let answer = self.engine().administer(None, request).await;
        let expected = self
            .oracle
            .rule(of, name, self.first_person + 3, self.clock.wall_ms())
            .unwrap_or_default();
        let rows = self.rows(before);
        let told = compare_rulings(&expected, &rows);
        assert!(told.is_empty(), "{answer:?}\n{}", told.join("\n"));
        for ruled in &expected {
            self.mark(format!(
                "ruling {} {:?}",
                ruled.ruling, ruled.answer.verdict
            ));
        }
    }
}
