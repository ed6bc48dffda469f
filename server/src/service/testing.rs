//! A small district for tests: a real data directory, and phones that are real replicas.

use super::district::District;
use super::gridwork::{Gridwork, OpenOptions};
use super::{Backend, Caller};
use crate::clock::{Clock, FixedClock};
use crate::ids::{Entropy, SeededEntropy, new_uuid};
use api_schema::enrolment::EnrolmentRequest;
use api_schema::shapes::Base64Url;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use sync_core::change::SigningKey;
use sync_core::directory::{DirectoryChange, Unit};
use sync_core::ids::{Epoch, PersonId, RecordId, ReplicaId, ReplicaNo, UnitId};
use sync_core::replica::{Draft, Enrolment, Replica};
use sync_core::session::{Progress, Session};
use sync_core::time::Evidence;
use tempfile::TempDir;

/// 2026-03-02 in the morning.
pub const NOW_MS: i64 = 1_772_407_800_000;

/// The units: the district, a town, two grids of the town, another town, a department.
pub const DISTRICT: UnitId = UnitId(1);
pub const TOWN: UnitId = UnitId(2);
pub const GRID: UnitId = UnitId(3);
pub const NEXT_GRID: UnitId = UnitId(4);
pub const OTHER_TOWN: UnitId = UnitId(5);
pub const DEPARTMENT: UnitId = UnitId(6);

pub struct TestDistrict {
    pub folder: TempDir,
    pub clock: Arc<FixedClock>,
    pub entropy: Arc<SeededEntropy>,
    gridwork: Option<Gridwork>,
}

pub struct Phone {
    pub replica: Replica,
    pub caller: Caller,
    session: Session,
}

impl TestDistrict {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(FixedClock::at(NOW_MS));
        let entropy = Arc::new(SeededEntropy::new(7));
        Gridwork::init(
            folder.path(),
            "440399",
            "Test",
            "Asia/Shanghai",
            &*clock,
            &*entropy,
        )
        .expect("init");
        let mut district = Self {
            folder,
            clock,
            entropy,
            gridwork: None,
        };
        district.open();
        let handle = Arc::clone(district.district());
        district
            .gridwork()
            .write_first_entries(&handle)
            .await
            .expect("first entries");
        for (unit, parent, kind) in [
            (TOWN, DISTRICT, "town"),
            (GRID, TOWN, "grid"),
            (NEXT_GRID, TOWN, "grid"),
            (OTHER_TOWN, DISTRICT, "town"),
            (DEPARTMENT, DISTRICT, "department"),
        ] {
            let unit = Unit {
                unit,
                parent: Some(parent),
                code: format!("440399.{unit}"),
                name: format!("unit {unit}"),
                kind: kind.into(),
            };
            let change = DirectoryChange::Unit(unit);
            handle
                .writer()
                .run(move |log, now_ms| log.change_directory(change, now_ms).map(|_| ()))
                .await
                .expect("a unit");
        }
        district
    }

    pub fn open(&mut self) {
        self.open_with(OpenOptions::default());
    }

    pub fn open_with(&mut self, options: OpenOptions) {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let entropy: Arc<dyn Entropy> = self.entropy.clone();
        let opened = Gridwork::open(self.folder.path(), clock, entropy, options);
        self.gridwork = Some(opened.expect("the data directory opens"));
    }

    /// Stops everything that runs on the directory.
    pub fn close(&mut self) {
        self.gridwork = None;
    }

    pub fn gridwork(&self) -> &Gridwork {
        self.gridwork.as_ref().expect("open")
    }

    pub fn district(&self) -> &Arc<District> {
        self.gridwork().district(None).expect("one district")
    }

    pub fn now(&self) -> Evidence {
        Evidence {
            wall_ms: self.clock.wall_ms(),
            monotonic_ms: self.clock.monotonic_ms(),
            boot: 1,
            skew_ms: 0,
        }
    }

    pub fn new_record(&self) -> RecordId {
        RecordId(new_uuid(&*self.clock, &*self.entropy))
    }

    /// A new person's phone, enrolled.
    pub async fn phone(&self, roles: &[(&str, UnitId)]) -> Phone {
        let (gridwork, district) = (self.gridwork(), self.district());
        let person = gridwork
            .add_person(district, "Somebody", None)
            .await
            .expect("a person");
        for (role, unit) in roles {
            gridwork
                .grant_role(district, person, role, *unit)
                .await
                .expect("a role");
        }
        let code = gridwork.make_code(district, person).expect("a code");
        let replica = ReplicaId(new_uuid(&*self.clock, &*self.entropy));
        let mut key_seed = [0; 32];
        self.entropy.fill(&mut key_seed);
        let key = SigningKey::from_seed(&key_seed);
        let public_key = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), replica.as_bytes(), &public_key[..]].concat();
        let proof = key.sign("gridwork/enrol/1", &message);
        let request = EnrolmentRequest {
            code,
            replica: replica.0,
            public_key: Base64Url(public_key),
            proof: Base64Url(proof.0),
            device_label: None,
            continues: None,
        };
        let answer = gridwork.enrol(request).await.expect("enrolled");
        let state = district.state();
        let enrolment = Enrolment {
            district: district.id(),
            replica,
            key_seed,
            replica_no: ReplicaNo(answer.replica_no),
            person,
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate.clone(),
            server_keys: state
                .directory
                .server_keys()
                .map(|(id, key)| (id.to_owned(), *key))
                .collect(),
        };
        let memory = rusqlite::Connection::open_in_memory().expect("memory");
        let district = district.id().0;
        Phone {
            replica: Replica::create(memory, &enrolment).expect("a replica"),
            caller: Caller {
                district,
                person: person.0,
                replica: replica.0,
                token_expires_ms: i64::MAX,
            },
            session: Session::new("test"),
        }
    }

    /// Makes a change and lets a second pass.
    pub fn make(
        &self,
        phone: &mut Phone,
        record: RecordId,
        unit: UnitId,
        intent: &str,
        open: &Value,
    ) {
        self.clock.advance_ms(1_000);
        let draft = Draft::new(record, unit, intent, open.to_string());
        phone
            .replica
            .make_change(draft, self.now())
            .expect("a valid change");
    }

    /// Makes a report.
    pub fn report(
        &self,
        phone: &mut Phone,
        unit: UnitId,
        category: &str,
        description: &str,
    ) -> RecordId {
        let record = self.new_record();
        let open = serde_json::json!({ "category": category, "description": description });
        self.make(phone, record, unit, "report.create", &open);
        record
    }

    /// Syncs until there is nothing more to say.
    pub async fn sync(&self, phone: &mut Phone) {
        phone.session.on_nudge();
        let (mut rounds, mut more) = (0, true);
        while more {
            rounds += 1;
            assert!(rounds < 200, "a phone never gets done");
            let request = phone
                .session
                .next_request(&phone.replica, self.now())
                .expect("a request");
            let Some(request) = request else { break };
            let answer = self
                .gridwork()
                .sync(Bytes::from(request.bytes))
                .await
                .expect("an answer");
            let done = phone.session.on_response(
                &mut phone.replica,
                request.request_no,
                &answer,
                self.now(),
                1,
            );
            more = matches!(done.expect("applied"), Progress::Applied(_));
        }
    }

    pub fn person(&self, phone: &Phone) -> PersonId {
        PersonId(phone.caller.person)
    }
}
