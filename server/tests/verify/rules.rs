//! Rules of `docs/merge.md` and `docs/protocol.md` that the engine once did not follow, each in its smallest case.

use server::service::gridwork::district_path;
use server::store::sqlite::{DistrictRead, EntryRow};
use sync_core::change::ChangeId;
use sync_core::entry::{EntryKind, Ruling};
use sync_core::ids::{Pos, ReplicaNo};
use sync_core::verdict::{Marks, Verdict};
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::{amendment, needing, report};
use crate::world::{CODE, World};

/// Every entry of the log.
fn entries(world: &World) -> Vec<EntryRow> {
    let read = DistrictRead::open(&district_path(world.data.path(), CODE)).expect("open");
    let mut entries = Vec::new();
    read.scan_entries(Pos(0), 10_000, |entry| {
        entries.push(entry);
        Ok::<_, server::store::StoreError>(true)
    })
    .expect("read");
    entries
}

fn changes_of(world: &World, replica: ReplicaNo) -> Vec<EntryRow> {
    let mut entries = entries(world);
    entries.retain(|entry| entry.kind == EntryKind::Change && entry.replica == replica);
    entries
}

/// The one ruling of the log.
fn ruling(world: &World) -> Ruling {
    let entries = entries(world);
    let rulings: Vec<_> = entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Ruling)
        .collect();
    assert_eq!(rulings.len(), 1);
    serde_json::from_slice(rulings[0].body.as_deref().expect("a body")).expect("a ruling")
}

fn assert_verifies(world: &World) {
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

/// A title of 甲 that waits for 乙's next change but one, and a later one that does not; 乙 answers the later one when they
/// have seen it, and what the first one waits for comes.
fn released_late(seen_by_bo: bool) -> (Day, Ruling) {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    let record = world.new_record();
    day.anna.create(world, record, grid, "起初");
    let needed = ChangeId {
        replica: day.bo.replica.replica_id(),
        seq: sync_core::ids::Seq(2),
    };
    day.anna
        .make(world, needing(amendment(record, grid, "第一个"), needed));
    day.anna.sync(world);
    if !seen_by_bo {
        day.bo.sync(world);
    }
    day.anna.amend(world, record, grid, "第二个");
    day.anna.sync(world);
    if seen_by_bo {
        day.bo.sync(world);
    }
    day.bo.amend(world, record, grid, "第三个");
    day.bo
        .make(world, report(world.new_record(), grid, "被等的"));
    day.bo.sync(world);
    assert_verifies(world);
    let ruling = ruling(world);
    (day, ruling)
}

#[test]
fn a_release_is_no_conflict_when_one_value_stands() {
    let (mut day, ruling) = released_late(true);
    assert_eq!(ruling.verdict, Verdict::Accepted);
    day.sync_all();
    let own = day.anna.replica.own_change(ruling.seq).expect("read");
    assert_eq!(own.expect("an own change").standing, Standing::InForce);
}

#[test]
fn a_release_is_a_conflict_when_two_values_stand() {
    let (_, ruling) = released_late(false);
    assert_eq!(ruling.verdict, Verdict::Conflict);
}

#[test]
fn what_a_restore_takes_back_in_is_marked() {
    let mut day = Day::new();
    let (world, grid) = (&day.world, day.grid);
    day.anna.create(world, world.new_record(), grid, "备份前");
    day.anna.sync(world);
    let backup = world.copy();
    day.anna.create(world, world.new_record(), grid, "备份后");
    day.anna.sync(world);
    let first: Vec<_> = changes_of(world, day.anna.no())
        .iter()
        .map(|entry| entry.answer.marks)
        .collect();
    assert_eq!(first, [Marks::default(), Marks::default()]);
    let world = day.world.put_back(&backup);
    day.anna.sync(&world);
    let again = changes_of(&world, day.anna.no());
    let marks: Vec<_> = again.iter().map(|entry| entry.answer.marks).collect();
    assert_eq!(marks, [Marks::default(), Marks::REOFFERED]);
    assert!(again[1].first_place.is_some());
    assert_verifies(&world);
}
