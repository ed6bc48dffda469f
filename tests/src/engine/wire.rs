//! Bytes on the wire: bodies of requests and answers as phones and the server make them, HTTP's own heads aside.

use server::fleet::client::compress;
use server::fleet::phone::{Deed, Phone};
use sync_core::change::{Hash, SigningKey};
use sync_core::digest::SetDigest;
use sync_core::ids::{
    DistrictId, DocumentsVersion, LogPlace, Pos, RecordId, ReplicaId, ReplicaNo, ScopeVersion, Seq,
    UnitId,
};
use sync_core::limits;
use sync_core::time::Evidence;
use sync_core::wire::{Cursor, SignedHead, Status, SyncResponse};
use uuid::{Builder, Uuid};

use super::{EPOCH, amendment};
use crate::bench::merge_work::{Field, FieldEdit, field_of};
use crate::bench::random::Random;
use crate::bench::reference_work::Author;
use crate::bench::report::json_of;
use crate::bench::suite::Plan;
use crate::bench::table::{BenchResult, Target};
use crate::bench::under_test::BenchError;

/// Changes of each sort, ten phones' together.
const CHANGES: usize = 1_000;
const BATCH: usize = 100;
/// The log's length when they are made: places take as many bytes as in a year's log.
const LOG_PLACES: i64 = 2_000_000;

/// How a person makes a change of one sort.
type Maker = fn(&mut Person) -> Made;

/// Tells the sizes, each beside its target.
pub fn measure(plan: &Plan) -> Result<Vec<BenchResult>, BenchError> {
    let mut lines = Vec::new();
    let sorts: [(&str, Maker, f64); 3] = [
        ("report_create", Person::create, 170.0),
        ("one_field_amend", Person::amend, 70.0),
        ("check_in", Person::check_in, 70.0),
    ];
    for (name, make, target) in sorts {
        let batched = bytes_each(plan.seed, make, BATCH);
        let name = |how: &str| format!("wire_{name}_{how}");
        let line = BenchResult::told(name("in_batches_of_100"), batched, "bytes up");
        lines.push(line.against(Target::AtMost(target)));
        let alone = bytes_each(plan.seed, make, 1);
        lines.push(BenchResult::told(name("alone"), alone, "bytes up"));
    }
    let (up, down) = idle_sync(plan.seed);
    let both = BenchResult::told("wire_idle_sync", (up + down) as f64, "bytes both ways");
    lines.push(both.against(Target::AtMost(400.0)));
    lines.push(BenchResult::told(
        "wire_idle_sync_up",
        up as f64,
        "bytes up",
    ));
    Ok(lines)
}

/// What was done: intent, record, base, payload.
type Made = (&'static str, RecordId, LogPlace, Vec<u8>);

struct Person {
    phone: Phone,
    author: Author,
    random: Random,
    now: Evidence,
    round: RecordId,
}

impl Person {
    fn new(seed: u64, number: u64) -> Self {
        let mut random = Random::for_part(seed, 5_000 + number);
        let district = DistrictId(Builder::from_random_bytes(random.bytes()).into_uuid());
        let replica = ReplicaId(Builder::from_random_bytes(random.bytes()).into_uuid());
        let mut key_seed = [0; 32];
        key_seed[..16].copy_from_slice(&random.bytes::<16>());
        let mut phone = Phone::with_ids(district, replica, SigningKey::from_seed(&key_seed));
        phone.unit = UnitId(random.between(30, 240) as u32);
        phone.cursor = Cursor {
            epoch: EPOCH,
            scope_version: ScopeVersion(1),
            pos: Pos(LOG_PLACES as u64),
            backfill: 0,
        };
        let now = Evidence {
            wall_ms: 1_772_407_800_000 + random.between(0, 3_600_000),
            monotonic_ms: random.between(10_000_000, 900_000_000) as u64,
            boot: u64::from_le_bytes(random.bytes()) >> 24,
            skew_ms: random.between(-3_000, 3_000),
        };
        let mut person = Self {
            phone,
            author: Author::new(seed, number),
            random,
            now,
            round: RecordId(Uuid::nil()),
        };
        person.round = person.new_record();
        person
    }

    fn walk_on(&mut self) {
        let step_ms = self.random.between(60_000, 1_800_000);
        self.now.wall_ms += step_ms;
        self.now.monotonic_ms += step_ms as u64;
    }

    fn new_record(&mut self) -> RecordId {
        let time_ms = self.now.wall_ms as u64;
        RecordId(Builder::from_unix_timestamp_millis(time_ms, &self.random.bytes()).into_uuid())
    }

    fn base(&mut self) -> LogPlace {
        LogPlace {
            epoch: EPOCH,
            pos: Pos(self.random.between(1, LOG_PLACES) as u64),
        }
    }

    fn create(&mut self) -> Made {
        let report = json_of(&self.author.next_report());
        let record = self.new_record();
        ("report.create", record, LogPlace::default(), report)
    }

    fn amend(&mut self) -> Made {
        let field = Field(self.random.below(12) as u8);
        let words = self.author.next_report();
        let record = self.new_record();
        let edit = FieldEdit {
            record: record.0,
            field,
            value: field_of(&words, field),
            time_ms: self.now.wall_ms,
        };
        ("report.amend", record, self.base(), amendment(&[edit]))
    }

    fn check_in(&mut self) -> Made {
        let place = self.author.next_report().place;
        let point = format!("T07-P{:02}", self.random.between(1, 12));
        let payload = serde_json::json!({ "point": point, "method": "code", "place": place });
        let open = serde_json::to_vec(&payload).expect("BUG: a check-in has no JSON");
        ("patrol.check_in", self.round, self.base(), open)
    }
}

fn bytes_each(seed: u64, make: fn(&mut Person) -> Made, batch: usize) -> f64 {
    let people = CHANGES / BATCH;
    let mut bytes = 0;
    for number in 0..people {
        let mut person = Person::new(seed, number as u64);
        for _ in 0..BATCH / batch {
            for _ in 0..batch {
                person.walk_on();
                let (intent, record, base, open) = make(&mut person);
                person.phone.make(&Deed {
                    intent,
                    record,
                    base,
                    open: &open,
                    at: person.now,
                });
            }
            let body = person
                .phone
                .request(person.now, limits::PAGE_BYTES_MAX as u64);
            bytes += compress(&body).map_or(body.len(), |compressed| compressed.len());
        }
    }
    bytes as f64 / CHANGES as f64
}

/// A sync with nothing to say: the request, and the answer that there is nothing new either.
fn idle_sync(seed: u64) -> (usize, usize) {
    let mut person = Person::new(seed, 77);
    person.walk_on();
    let body = person
        .phone
        .request(person.now, limits::PAGE_BYTES_MAX as u64);
    let up = compress(&body).map_or(body.len(), |compressed| compressed.len());
    let key = SigningKey::from_seed(&[3; 32]);
    let hash = Hash::of(&[b"head"]);
    let district = DistrictId(Uuid::from_bytes([1; 16]));
    let answer = SyncResponse {
        request_no: 1,
        status: Status::Ok,
        epoch: EPOCH,
        epoch_start: Pos(0),
        mark: Seq(300),
        duplicates: 0,
        receipts: Vec::new(),
        received_ms: person.now.wall_ms + 1_000,
        safe_seq: Seq(300),
        scope: None,
        items: Vec::new(),
        cursor: person.phone.cursor,
        more: false,
        digest: Some(SetDigest {
            sum: u128::from_le_bytes(person.random.bytes()),
            count: 5_000,
        }),
        head: Some(SignedHead::sign(
            district,
            EPOCH,
            Pos(LOG_PLACES as u64),
            hash,
            "k1",
            &key,
        )),
        token: None,
        wipe: None,
        keys: Vec::new(),
        manifest: None,
        texts: Vec::new(),
        documents: DocumentsVersion(1),
        replica_no: ReplicaNo(120),
    };
    (up, answer.encode().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_cost_less_than_changes_alone() {
        for make in [Person::create, Person::amend, Person::check_in] {
            assert!(bytes_each(1, make, BATCH) < bytes_each(1, make, 1));
        }
    }
}
