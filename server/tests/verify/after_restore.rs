//! What a restored server does with waiting changes and rulings that it lost, and what their authors see.

use server::service::administration::AdminRequest;
use sync_core::change::ChangeId;
use sync_core::entry::RulingKind;
use sync_core::ids::RecordId;
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::{amendment, repairing, sealed};

fn standing(day: &Day, change: ChangeId) -> Standing {
    let own = day.bo.replica.own_change(change.seq).expect("read");
    own.expect("an own change").standing
}

fn assert_verifies(day: &Day) {
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

fn waiting(day: &Day) -> usize {
    let inbox = day.world.admin(AdminRequest::Inbox);
    inbox["inbox"].as_array().expect("a list").len()
}

/// 乙 amends a report that is not there yet.
fn amend_early(day: &mut Day) -> (RecordId, ChangeId) {
    let record = day.world.new_record();
    let early = sealed(amendment(record, day.grid, "先到的修改"));
    let change = day.bo.make(&day.world, early);
    day.bo.sync(&day.world);
    (record, change)
}

#[test]
fn a_held_change_that_comes_back_after_what_it_waited_for_is_released() {
    let mut day = Day::new();
    day.sync_all();
    let backup = day.world.copy();
    let (record, change) = amend_early(&mut day);
    day.anna.create(&day.world, record, day.grid, "晚到的上报");
    day.anna.sync(&day.world);
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Conflict);
    day.world = day.world.put_back(&backup);
    day.anna.sync(&day.world);
    day.sync_all();
    assert_eq!(standing(&day, change), Standing::Conflict);
    assert_eq!(waiting(&day), 0);
    assert_verifies(&day);
}

#[test]
fn a_repair_that_comes_back_before_what_it_repairs_is_released_ends_it_all_the_same() {
    let mut day = Day::new();
    let own = day.world.new_record();
    day.bo.create(&day.world, own, day.grid, "自己的上报");
    day.sync_all();
    let backup = day.world.copy();
    let (record, change) = amend_early(&mut day);
    day.stranger
        .create(&day.world, record, day.other_grid, "别的网格的上报");
    day.sync_all();
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Quarantined);
    let repair = repairing(amendment(own, day.grid, "本想改这一条"), change);
    day.bo.make(&day.world, repair);
    day.bo.sync(&day.world);
    day.world = day.world.put_back(&backup);
    day.bo.sync(&day.world);
    assert_eq!(waiting(&day), 0, "the repair has ended it");
    day.sync_all();
    assert_eq!(standing(&day, change), Standing::Repaired);
    assert_eq!(waiting(&day), 0);
    assert_verifies(&day);
}

#[test]
fn a_ruling_that_a_restore_lost_holds_no_more_and_its_author_sees_that() {
    let mut day = Day::new();
    day.anna
        .create(&day.world, day.world.new_record(), day.grid, "别的");
    let (record, change) = amend_early(&mut day);
    day.stranger
        .create(&day.world, record, day.other_grid, "别的网格的上报");
    day.sync_all();
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Quarantined);
    let backup = day.world.copy();
    day.anna.amend(&day.world, record, day.grid, "之后的工作");
    day.sync_all();
    let pos = day.world.last_pos(day.bo.no());
    day.world
        .rule(pos, RulingKind::Admitted, day.desk)
        .expect("admitted");
    day.sync_all();
    assert_eq!(standing(&day, change), Standing::InForce);
    day.world = day.world.put_back(&backup);
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Quarantined);
    // The next ruling stands at a lower place than the one that was lost.
    day.world
        .rule(pos, RulingKind::Rejected, day.desk)
        .expect("rejected");
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Rejected);
    day.sync_all();
    assert_verifies(&day);
}

/// An older copy is put back, works for a while, and then a newer one of the history before is found and put back.
#[test]
fn what_the_log_had_decided_before_is_told_to_whoever_was_told_otherwise_in_between() {
    let mut day = Day::new();
    day.sync_all();
    let older = day.world.copy();
    let record = day.world.new_record();
    day.anna.create(&day.world, record, day.grid, "上报");
    day.anna.sync(&day.world);
    let early = sealed(amendment(record, day.grid, "修改"));
    let change = day.bo.make(&day.world, early);
    // The answer to the same request is lost on its way to the phone.
    day.bo.cloned().sync(&day.world);
    let newer = day.world.copy();
    day.world = day.world.put_back(&older);
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Held);
    day.world = day.world.put_back(&newer);
    day.bo.sync(&day.world);
    assert_eq!(standing(&day, change), Standing::Conflict);
    day.sync_all();
    assert_verifies(&day);
}
