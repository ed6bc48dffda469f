//! A held change whose release is decided quarantined: it lies in the inbox, and is admitted, rejected, repaired or erased
//! like any other quarantined change; its author sees each step, and `verify` follows.

use rusqlite::Connection;
use serde_json::Value;
use server::service::administration::AdminRequest;
use server::service::gridwork::{OpenOptions, district_path};
use sync_core::change::ChangeId;
use sync_core::entry::RulingKind;
use sync_core::ids::{RecordId, Seq};
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::{amendment, needing, repairing, sealed};
use crate::world::{CODE, World};

/// A day on which 乙 amended a report before it was there, and it turned out to be in a grid where 乙 has no rights.
struct Late {
    day: Day,
    record: RecordId,
    change: ChangeId,
    pos: u64,
}

impl Late {
    fn new() -> Self {
        let mut day = Day::new();
        let record = day.world.new_record();
        let change = day.bo.make(
            &day.world,
            sealed(amendment(record, day.grid, "先到的修改")),
        );
        day.bo.sync(&day.world);
        let pos = day.world.last_pos(day.bo.no());
        assert_eq!(standing(&day, change.seq), Standing::Held);
        day.stranger
            .create(&day.world, record, day.other_grid, "别的网格的上报");
        day.stranger.sync(&day.world);
        day.bo.sync(&day.world);
        assert_eq!(standing(&day, change.seq), Standing::Quarantined);
        assert_verifies(&day.world);
        Self {
            day,
            record,
            change,
            pos,
        }
    }

    /// The titles that another phone holds of the report.
    fn titles(&self) -> Vec<String> {
        let view = self.day.stranger.replica.record_view(self.record);
        let state = view.expect("view").expect("the report").state;
        let values = state.values("title");
        values
            .iter()
            .map(|(_, value)| value.get().to_owned())
            .collect()
    }
}

fn standing(day: &Day, seq: Seq) -> Standing {
    let own = day.bo.replica.own_change(seq).expect("read");
    own.expect("an own change").standing
}

fn inbox(world: &World) -> Vec<Value> {
    let inbox = world.admin(AdminRequest::Inbox);
    inbox["inbox"].as_array().expect("a list").clone()
}

fn assert_verifies(world: &World) {
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn it_lies_in_the_inbox_with_the_reason_and_can_be_admitted() {
    let mut late = Late::new();
    let waiting = inbox(&late.day.world);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["pos"], late.pos);
    assert_eq!(waiting[0]["verdict"], "quarantined");
    assert_eq!(waiting[0]["problems"][0]["code"], "right_missing");
    let day = &mut late.day;
    day.world
        .rule(late.pos, RulingKind::Admitted, day.desk)
        .expect("admitted");
    day.sync_all();
    assert_eq!(standing(day, late.change.seq), Standing::InForce);
    assert!(inbox(&day.world).is_empty());
    assert_verifies(&day.world);
    let again = day.world.rule(late.pos, RulingKind::Rejected, day.desk);
    assert!(again.is_err(), "it is over");
    assert!(late.titles().contains(&"\"先到的修改\"".to_owned()));
}

#[test]
fn what_needs_it_is_released_when_it_is_admitted() {
    let mut late = Late::new();
    let day = &mut late.day;
    let known = day.world.new_record();
    day.bo.create(&day.world, known, day.grid, "自己的上报");
    let waiting = needing(amendment(known, day.grid, "等那一条"), late.change);
    let waiting = day.bo.make(&day.world, waiting);
    day.bo.sync(&day.world);
    assert_eq!(standing(day, waiting.seq), Standing::Held);
    day.world
        .rule(late.pos, RulingKind::Admitted, day.desk)
        .expect("admitted");
    day.bo.sync(&day.world);
    assert_eq!(standing(day, waiting.seq), Standing::InForce);
    assert_verifies(&day.world);
}

#[test]
fn it_can_be_rejected_and_erased() {
    let mut late = Late::new();
    let day = &mut late.day;
    day.world
        .rule(late.pos, RulingKind::Erased, day.privacy)
        .expect("erased");
    assert_eq!(inbox(&day.world).len(), 1, "it waits all the same");
    assert_verifies(&day.world);
    day.world
        .rule(late.pos, RulingKind::Rejected, day.desk)
        .expect("rejected");
    day.sync_all();
    assert_eq!(standing(day, late.change.seq), Standing::Rejected);
    assert!(inbox(&day.world).is_empty());
    assert_verifies(&day.world);
}

#[test]
fn its_author_can_repair_it() {
    let mut late = Late::new();
    let day = &mut late.day;
    let own = day.world.new_record();
    day.bo.create(&day.world, own, day.grid, "自己的上报");
    let repair = repairing(amendment(own, day.grid, "本想改这一条"), late.change);
    let repair = day.bo.make(&day.world, repair);
    day.bo.sync(&day.world);
    assert_eq!(standing(day, repair.seq), Standing::InForce);
    assert_eq!(standing(day, late.change.seq), Standing::Repaired);
    assert!(inbox(&day.world).is_empty());
    let second = repairing(amendment(own, day.grid, "再修一次"), late.change);
    let second = day.bo.make(&day.world, second);
    day.bo.sync(&day.world);
    assert_eq!(standing(day, second.seq), Standing::Quarantined);
    assert_verifies(&day.world);
}

#[test]
fn a_file_of_the_version_before_puts_it_back_into_the_inbox() {
    let late = Late::new();
    let day = late.day;
    let data = day.world.copy();
    let connection = Connection::open(district_path(data.path(), CODE)).expect("open");
    // What the version before left behind: one ruling a change, and nothing that waits.
    connection
        .execute_batch(
            "CREATE TABLE old (pos INTEGER PRIMARY KEY, ruling INTEGER NOT NULL) STRICT;
             INSERT INTO old SELECT pos, ruling FROM ruled;
             DROP TABLE ruled;
             ALTER TABLE old RENAME TO ruled;
             DELETE FROM held;
             DROP TABLE asked;
             DROP TABLE seen;
             DROP TABLE pack;
             PRAGMA user_version = 1;",
        )
        .expect("go back");
    drop(connection);
    let (clock, entropy) = (day.world.clock.clone(), day.world.entropy.clone());
    let upgraded = World::open(data, clock, entropy, OpenOptions::default());
    assert_verifies(&upgraded);
    assert_eq!(inbox(&upgraded).len(), 1);
    upgraded
        .rule(late.pos, RulingKind::Admitted, day.desk)
        .expect("admitted");
    assert_verifies(&upgraded);
}
