//! A small district in a temporary directory, with its engine, a clock that moves when told, and bytes from a seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use api_schema::enrolment::EnrolmentRequest;
use api_schema::fork::ForkRequest;
use api_schema::shapes::Base64Url;
use rusqlite::Connection;
use serde_json::Value;
use server::clock::{Clock, FixedClock};
use server::ids::{Entropy, SeededEntropy, new_uuid};
use server::service::administration::AdminRequest;
use server::service::gridwork::{Gridwork, OpenOptions, district_path};
use server::service::verify::{DistrictReport, Known, verify};
use server::service::{Backend, ServiceError};
use server::store::sqlite::DistrictRead;
use sync_core::change::{Hash, SigningKey, VerifyingKey};
use sync_core::entry::RulingKind;
use sync_core::ids::{DistrictId, Epoch, PersonId, Pos, RecordId, ReplicaId, ReplicaNo, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::replica::Enrolment;
use sync_core::time::Evidence;
use tempfile::TempDir;

pub const CODE: &str = "440399";
pub const START_MS: i64 = 1_780_000_000_000;

/// An open district.
pub struct World {
    pub gridwork: Gridwork,
    pub clock: Arc<FixedClock>,
    pub entropy: Arc<SeededEntropy>,
    pub data: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl World {
    /// An empty district.
    pub fn new() -> Self {
        Self::new_knowing(KnownIntents::ALL)
    }

    /// An empty district whose server knows these intents only.
    pub fn new_knowing(known: KnownIntents) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(FixedClock::at(START_MS));
        let entropy = Arc::new(SeededEntropy::new(11));
        let zone = "Asia/Shanghai";
        Gridwork::init(data.path(), CODE, "示范区", zone, &*clock, &*entropy).expect("init");
        let options = OpenOptions {
            known,
            ..OpenOptions::default()
        };
        Self::open(data, clock, entropy, options)
    }

    /// The same data, under a server that knows these intents.
    pub fn under(self, known: KnownIntents) -> Self {
        let options = OpenOptions {
            known,
            ..OpenOptions::default()
        };
        Self::open(
            self.copy(),
            self.clock.clone(),
            self.entropy.clone(),
            options,
        )
    }

    pub fn open(
        data: TempDir,
        clock: Arc<FixedClock>,
        entropy: Arc<SeededEntropy>,
        options: OpenOptions,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let gridwork = Gridwork::open(data.path(), clock.clone(), entropy.clone(), options);
        Self {
            gridwork: gridwork.expect("open"),
            clock,
            entropy,
            data,
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Waits for something that the engine does.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Does one thing that an operator may do.
    pub fn admin(&self, request: AdminRequest) -> Value {
        let done = self.gridwork.administer(None, request);
        self.runtime.block_on(done).expect("administer")
    }

    pub fn try_admin(&self, request: AdminRequest) -> Result<Value, String> {
        let done = self.gridwork.administer(None, request);
        self.runtime
            .block_on(done)
            .map_err(|error| error.to_string())
    }

    pub fn add_unit(&self, parent: u32, code: &str, kind: &str) -> UnitId {
        let request = AdminRequest::AddUnit {
            parent: UnitId(parent),
            code: code.into(),
            name: format!("单位{code}"),
            kind: kind.into(),
        };
        serde_json::from_value(self.admin(request)["unit"].clone()).expect("a unit")
    }

    pub fn add_person(&self, name: &str, role: &str, unit: UnitId) -> PersonId {
        let added = self.admin(AdminRequest::AddPerson {
            name: name.into(),
            number: None,
        });
        let person: PersonId = serde_json::from_value(added["person"].clone()).expect("a person");
        self.admin(AdminRequest::Grant {
            person,
            role: role.into(),
            unit,
        });
        person
    }

    pub fn rule(&self, pos: u64, ruling: RulingKind, by: PersonId) -> Result<Value, String> {
        self.try_admin(AdminRequest::Rule {
            pos: Pos(pos),
            ruling,
            by,
            reason: "已核实".into(),
        })
    }

    /// Enrols a new replica of a person.
    pub fn enrol(&self, person: PersonId) -> Enrolment {
        let code = self.admin(AdminRequest::Code { person })["code"]
            .as_str()
            .expect("a code")
            .to_owned();
        let (replica, key_seed, key) = self.new_identity();
        let public = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), replica.as_bytes(), &public[..]].concat();
        let request = EnrolmentRequest {
            code,
            replica: replica.0,
            public_key: Base64Url(public),
            proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
            device_label: None,
            continues: None,
        };
        let answer = self
            .runtime
            .block_on(self.gridwork.enrol(request))
            .expect("enrol");
        let keys = answer.server_keys.iter().map(|key| {
            let public = VerifyingKey::from_bytes(&key.public_key.0).expect("a key");
            (key.key_id.clone(), public)
        });
        Enrolment {
            district: DistrictId(answer.district),
            replica,
            key_seed,
            replica_no: ReplicaNo(answer.replica_no),
            person,
            epoch: Epoch(answer.epoch),
            certificate: answer.certificate.clone(),
            server_keys: keys.collect(),
        }
    }

    fn new_identity(&self) -> (ReplicaId, [u8; 32], SigningKey) {
        let replica = ReplicaId(new_uuid(&*self.clock, &*self.entropy));
        let mut seed = [0; 32];
        self.entropy.fill(&mut seed);
        (replica, seed, SigningKey::from_seed(&seed))
    }

    /// Continues a forked replica under a new name: the new id, seed and number.
    pub fn continue_fork(
        &self,
        old: ReplicaId,
        old_key: &SigningKey,
        last_common: (u64, Hash),
    ) -> (ReplicaId, [u8; 32], ReplicaNo, Vec<u8>) {
        let (replica, seed, key) = self.new_identity();
        let public = key.verifying_key().to_bytes();
        let message = [
            &old.as_bytes()[..],
            &replica.as_bytes()[..],
            &public[..],
            &last_common.0.to_be_bytes()[..],
            &last_common.1.0[..],
        ]
        .concat();
        let request = ForkRequest {
            old_replica: old.0,
            replica: replica.0,
            public_key: Base64Url(public),
            last_common_seq: last_common.0,
            last_common_hash: Base64Url(last_common.1.0),
            old_proof: Base64Url(old_key.sign("gridwork/fork/1", &message).0),
            proof: Base64Url(key.sign("gridwork/fork/1", &message).0),
            device_label: None,
        };
        let answer = self
            .runtime
            .block_on(self.gridwork.fork(request))
            .expect("fork");
        let no = ReplicaNo(answer.replica_no);
        (replica, seed, no, answer.certificate)
    }

    /// One sync request as the server takes it.
    pub fn sync(&self, body: Vec<u8>) -> Vec<u8> {
        self.try_sync(body).expect("sync")
    }

    pub fn try_sync(&self, body: Vec<u8>) -> Result<Vec<u8>, ServiceError> {
        self.runtime.block_on(self.gridwork.sync(body.into()))
    }

    /// What a device's clocks say now.
    pub fn evidence(&self) -> Evidence {
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

    /// The place of the last change of a replica.
    pub fn last_pos(&self, replica: ReplicaNo) -> u64 {
        let sql = "SELECT max(pos) FROM entry WHERE replica = ?1";
        let connection = Connection::open(district_path(self.data.path(), CODE)).expect("open");
        connection
            .query_row(sql, [replica.0], |row| row.get::<_, i64>(0))
            .expect("a change") as u64
    }

    /// A consistent copy of the data, in a directory of its own.
    pub fn copy(&self) -> TempDir {
        self.gridwork.note_heads().expect("note the heads");
        copy_data(self.data.path())
    }

    /// The server after its disk was lost and an older copy took its place; the control file is that of today.
    pub fn put_back(self, backup: &TempDir) -> Self {
        let data = self.copy();
        std::fs::copy(
            district_path(backup.path(), CODE),
            district_path(data.path(), CODE),
        )
        .expect("put back");
        let options = OpenOptions {
            restored: true,
            ..OpenOptions::default()
        };
        Self::open(data, self.clock.clone(), self.entropy.clone(), options)
    }

    /// Verifies the data as it is, while the engine has it open.
    pub fn verify(&self) -> DistrictReport {
        verify_data(self.data.path(), Known::default())
    }
}

/// A consistent copy of a data directory.
pub fn copy_data(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(copy.path().join("districts")).expect("a directory");
    for file in [
        PathBuf::from("control.db"),
        PathBuf::from(format!("districts/{CODE}.db")),
    ] {
        let to = copy.path().join(&file).display().to_string();
        let connection = Connection::open(data.join(&file)).expect("open");
        connection.execute("VACUUM INTO ?1", [to]).expect("copy");
    }
    copy
}

/// Verifies the district of a data directory.
pub fn verify_data(data: &Path, known: Known<'_>) -> DistrictReport {
    let read = DistrictRead::open(&district_path(data, CODE)).expect("open");
    verify(&read, CODE, known, &mut |_| {}).expect("verify")
}
