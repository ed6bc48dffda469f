//! A day in the district with a bit of everything: each verdict, each ruling, a clone, a revoked phone, a restored server.

use serde_json::json;
use server::clock::Clock;
use server::service::administration::AdminRequest;
use sync_core::change::{Batch, BatchWriter, Hash, Header, Needs, Part, PartClass, SigningKey};
use sync_core::entry::RulingKind;
use sync_core::ids::{DocumentsVersion, LogPlace, PersonId, Seq, UnitId};
use sync_core::replica::Enrolment;
use sync_core::wire::{Cursor, PROTOCOL, SyncRequest};

use crate::phone::{Phone, amendment, draft, needing, repairing, report, sealed};
use crate::world::World;

/// A district at work, and who works there.
pub struct Day {
    pub world: World,
    pub grid: UnitId,
    pub other_grid: UnitId,
    pub department: UnitId,
    pub desk: PersonId,
    pub privacy: PersonId,
    pub anna: Phone,
    pub bo: Phone,
    pub office: Phone,
    pub office_two: Phone,
    pub stranger: Phone,
}

impl Day {
    /// Units, people and phones; no work yet.
    pub fn new() -> Self {
        Self::in_world(World::new())
    }

    /// The same where the server is another one.
    pub fn in_world(world: World) -> Self {
        let town = world.add_unit(1, "001", "town");
        let community = world.add_unit(town.0, "001", "community");
        let grid = world.add_unit(community.0, "001", "grid");
        let other_grid = world.add_unit(community.0, "002", "grid");
        let department = world.add_unit(1, "900", "department");
        let anna = world.add_person("甲", "worker", grid);
        let bo = world.add_person("乙", "worker", grid);
        let desk = world.add_person("丙", "duty_desk", UnitId(1));
        let privacy = world.add_person("丁", "privacy_officer", UnitId(1));
        let stranger = world.add_person("戊", "worker", other_grid);
        Self {
            anna: Phone::new(&world, anna),
            bo: Phone::new(&world, bo),
            office: Phone::new(&world, desk),
            office_two: Phone::new(&world, desk),
            stranger: Phone::new(&world, stranger),
            world,
            grid,
            other_grid,
            department,
            desk,
            privacy,
        }
    }

    pub fn sync_all(&mut self) {
        for phone in [
            &mut self.anna,
            &mut self.bo,
            &mut self.office,
            &mut self.office_two,
            &mut self.stranger,
        ] {
            phone.sync(&self.world);
        }
    }

    /// Accepted, conflict, not applied, sent to a desk, moved, erased and admitted on one record.
    pub fn one_case(&mut self) {
        let (world, grid) = (&self.world, self.grid);
        let case = world.new_record();
        self.anna
            .make(world, sealed(report(case, grid, "井盖破损")));
        self.anna.sync(world);
        let created = world.last_pos(self.anna.no());
        self.sync_all();
        let world = &self.world;
        self.anna.amend(world, case, grid, "井盖破损一处");
        self.bo.amend(world, case, grid, "井盖丢失");
        let comment = draft(case, grid, "report.comment", json!({ "text": "请尽快" }));
        self.bo.make(world, sealed(comment));
        self.anna.sync(world);
        self.bo.sync(world);
        let commented = world.last_pos(self.bo.no());
        let register = || {
            draft(
                case,
                grid,
                "report.transition",
                json!({ "to": "REGISTERED", "level": "II" }),
            )
        };
        self.office.make(world, register());
        self.office_two.make(world, register());
        self.sync_all();
        let world = &self.world;
        let due_ms = world.clock.wall_ms() + 86_400_000;
        let sent =
            json!({ "to": "DISPATCHED", "desk": self.department, "level": "II", "due_ms": due_ms });
        self.office
            .make(world, draft(case, grid, "report.transition", sent));
        self.office.sync(world);
        for pos in [created, commented] {
            world
                .rule(pos, RulingKind::Erased, self.privacy)
                .expect("erase");
        }
        self.stranger.amend(world, case, grid, "外人的修改");
        self.stranger.sync(world);
        let pos = world.last_pos(self.stranger.no());
        world
            .rule(pos, RulingKind::Admitted, self.desk)
            .expect("admit");
        self.stranger.amend(world, case, grid, "外人又改");
        self.stranger.sync(world);
        let pos = world.last_pos(self.stranger.no());
        world
            .rule(pos, RulingKind::Rejected, self.desk)
            .expect("reject");
        let moved = draft(
            case,
            grid,
            "report.move",
            json!({ "unit": self.other_grid }),
        );
        self.office.make(world, moved);
        self.sync_all();
    }

    /// Held and released, one after the other and in chains; quarantined and repaired, at once and after waiting.
    pub fn waits_and_repairs(&mut self) {
        let (world, grid) = (&self.world, self.grid);
        let (late, known) = (world.new_record(), world.new_record());
        self.bo.create(world, known, grid, "路灯不亮");
        self.bo.sync(world);
        let first = self.bo.amend(world, late, grid, "先到的修改");
        self.bo
            .make(world, needing(amendment(known, grid, "等另一条"), first));
        self.bo.sync(world);
        self.anna.create(world, late, grid, "晚到的上报");
        self.anna.sync(world);
        // A record that it needs comes later, and goes on.
        let needed = world.new_record();
        let mut waiting = amendment(known, grid, "等一条记录");
        waiting.needs = Some(Needs::Record(needed));
        self.bo.make(world, waiting);
        self.bo.sync(world);
        self.anna
            .make(world, sealed(report(needed, grid, "被等的记录")));
        self.anna.sync(world);
        self.anna.amend(world, needed, grid, "被等的记录又改了");
        self.anna.sync(world);
        // What it needs comes in the same request.
        let together = world.new_record();
        let made = self.bo.create(world, together, grid, "同批");
        self.bo
            .make(world, needing(amendment(together, grid, "同批修改"), made));
        self.bo.sync(world);
        // A repair at once.
        let wrong = world.new_record();
        let wrong_change = self.anna.create(world, wrong, self.other_grid, "报错网格");
        self.anna.sync(world);
        self.anna.make(
            world,
            repairing(report(wrong, grid, "改正网格"), wrong_change),
        );
        self.anna.sync(world);
        // A repair that has to wait itself.
        let (again, later) = (world.new_record(), world.new_record());
        let again_change = self.bo.create(world, again, self.other_grid, "又报错网格");
        self.bo.sync(world);
        self.bo.make(
            world,
            repairing(amendment(later, grid, "改到另一条"), again_change),
        );
        self.bo.sync(world);
        self.bo.create(world, later, grid, "另一条");
        self.sync_all();
        // One that goes on waiting, for a record that never comes.
        let world = &self.world;
        self.bo.amend(world, world.new_record(), grid, "等不到的");
        self.stranger
            .create(world, world.new_record(), grid, "外人上报");
        self.sync_all();
    }

    /// A cloned phone that repeats what the log has, and adds its own.
    pub fn clone_and_fork(&mut self) {
        let (world, grid) = (&self.world, self.grid);
        self.anna
            .create(world, world.new_record(), grid, "克隆前未发");
        let mut clone = self.anna.cloned();
        self.anna
            .create(world, world.new_record(), grid, "原机新增");
        self.anna.sync(world);
        clone.create(world, world.new_record(), grid, "克隆机新增");
        clone.sync(world);
        clone.continue_fork(world);
        clone.sync(world);
        assert!(clone.last_seq() >= Seq(2), "it repeats both");
        self.sync_all();
    }

    /// A revoked phone, an ended role, and a request with a header that nobody can read and an intent from the future.
    pub fn odd_ends(&mut self) {
        let world = &self.world;
        let mut lost = Phone::new(world, self.anna.replica.person());
        lost.create(world, world.new_record(), self.grid, "挂失前");
        lost.sync(world);
        let replica = lost.replica.replica_id();
        world.admin(AdminRequest::RevokeReplica { replica });
        lost.create(world, world.new_record(), self.grid, "挂失后");
        lost.sync(world);
        self.bo
            .create(world, world.new_record(), self.grid, "任期内做的");
        world.clock.advance_ms(1_000);
        world.admin(AdminRequest::Revoke {
            person: self.bo.replica.person(),
            role: "worker".into(),
            unit: self.grid,
        });
        self.bo.sync(world);
        send_oddities(world, self.desk, self.grid);
    }

    /// The whole day.
    pub fn work(&mut self) {
        self.one_case();
        self.waits_and_repairs();
        self.clone_and_fork();
        self.odd_ends();
    }

    /// An hour's work is lost with the server's disk; an older copy takes its place, and phones offer what it misses.
    pub fn restore(mut self) -> Self {
        let (world, grid) = (&self.world, self.grid);
        let kept = world.new_record();
        self.anna.create(world, kept, grid, "备份前");
        self.sync_all();
        let backup = self.world.copy();
        let world = &self.world;
        let lost = world.new_record();
        self.anna.create(world, lost, grid, "备份后");
        self.anna.amend(world, kept, grid, "备份后的修改");
        self.anna.sync(world);
        self.office.sync(world);
        self.office.amend(world, kept, grid, "值守台的修改");
        self.sync_all();
        self.world = self.world.put_back(&backup);
        self.sync_all();
        self.sync_all();
        let world = &self.world;
        self.office.amend(world, kept, grid, "恢复后的修改");
        self.sync_all();
        self
    }
}

/// Sends, as a new replica of a person, a header that cannot be read and an intent that nobody knows yet.
fn send_oddities(world: &World, person: PersonId, unit: UnitId) {
    let enrolment = world.enrol(person);
    let header = unknown_intent(world, unit, Seq(2)).encode();
    send_raw(world, &enrolment, &[b"no header at all", &header]);
}

/// The header of an intent that this version does not know.
pub fn unknown_intent(world: &World, unit: UnitId, seq: Seq) -> Header {
    Header {
        seq,
        record: world.new_record(),
        unit,
        intent: "report.foresee".into(),
        schema: 1,
        documents: DocumentsVersion(1),
        base: LogPlace::default(),
        at: world.evidence(),
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    }
}

/// Sends the first changes of a new replica, each with an empty open part, whatever their headers are.
pub fn send_raw(world: &World, enrolment: &Enrolment, headers: &[&[u8]]) {
    let open = Part {
        class: PartClass::OPEN,
        salt: None,
        bytes: b"{}",
    };
    let mut writer = BatchWriter::default();
    for header in headers {
        writer.push(header, &[open]);
    }
    let bytes = writer.finish();
    let batch = Batch::read(headers.len(), &bytes).expect("own bytes");
    let hashes = batch.chain(enrolment.district, enrolment.replica, Seq(1), Hash::ZERO);
    let (last, hash) = (Seq(headers.len() as u64), hashes[headers.len() - 1]);
    let request = SyncRequest {
        protocol: PROTOCOL,
        district: enrolment.district,
        replica: enrolment.replica,
        request_no: 1,
        head_seq: last,
        head_hash: hash,
        sent_at: world.evidence(),
        cursor: Cursor {
            epoch: enrolment.epoch,
            ..Cursor::default()
        },
        first_seq: Seq(1),
        prev_hash: Hash::ZERO,
        count: last.0,
        end_hash: hash,
        receipts: Vec::new(),
        wanted: Vec::new(),
        wants_token: false,
        page_bytes_max: 0,
        image_version: 1,
        app: String::new(),
        certificate: Vec::new(),
        known_keys: 1,
        last_head: Vec::new(),
        documents_held: None,
    };
    world.sync(request.encode(&bytes, &SigningKey::from_seed(&enrolment.key_seed)));
}
