//! What a forked phone repeats was made before the fork: under the contacts of the name that it gives up, and no earlier
//! than that name could have made it.

use server::clock::Clock;
use server::service::administration::AdminRequest;
use server::service::gridwork::district_path;
use server::store::sqlite::{DistrictRead, EntryRow};
use sync_core::ids::{Pos, Seq};
use sync_core::verdict::{Marks, ProblemCode, Verdict};

use crate::day::Day;
use crate::phone::Phone;
use crate::world::{CODE, World};

const DAY_MS: u32 = 24 * 3_600_000;

/// A phone and its clone, which did a piece of work that it has not sent; the phone itself has handed in another since
/// they parted.
struct Parted {
    day: Day,
    clone: Phone,
    done_ms: i64,
}

impl Parted {
    fn new() -> Self {
        let mut day = Day::new();
        let (world, grid) = (&day.world, day.grid);
        day.anna.create(world, world.new_record(), grid, "分开前");
        day.anna.sync(world);
        let mut clone = day.anna.cloned();
        day.anna.create(world, world.new_record(), grid, "原机的");
        day.anna.sync(world);
        clone.create(world, world.new_record(), grid, "克隆机的");
        let done_ms = world.clock.wall_ms();
        Self {
            day,
            clone,
            done_ms,
        }
    }

    fn end_the_right(&self) {
        self.day.world.admin(AdminRequest::Revoke {
            person: self.clone.replica.person(),
            role: "worker".into(),
            unit: self.day.grid,
        });
    }

    /// The clone hears of the fork, goes on under a new name and repeats its work.
    fn repeat(&mut self) -> EntryRow {
        let world = &self.day.world;
        self.clone.sync(world);
        world.clock.advance_ms(60_000);
        self.clone.continue_fork(world);
        self.clone.sync(world);
        assert_eq!(self.clone.last_seq(), Seq(1), "one repeat");
        let entry = entry(world, world.last_pos(self.clone.no()));
        let report = world.verify();
        assert!(report.is_ok(), "{:#?}", report.faults);
        entry
    }
}

fn entry(world: &World, pos: u64) -> EntryRow {
    let read = DistrictRead::open(&district_path(world.data.path(), CODE)).expect("open");
    let entry = read.find_entry(Pos(pos)).expect("read");
    entry.expect("an entry")
}

#[test]
fn a_fork_does_not_make_work_younger() {
    let mut parted = Parted::new();
    parted.day.world.clock.advance_ms(DAY_MS);
    parted.end_the_right();
    parted.day.world.clock.advance_ms(2 * DAY_MS);
    let repeated = parted.repeat();
    assert_eq!(repeated.answer.verdict, Verdict::Accepted);
    let marks = Marks::FORKED.with(Marks::RIGHT_ENDED);
    assert_eq!(repeated.answer.marks, marks);
    assert_eq!(repeated.time_ms, parted.done_ms);
}

#[test]
fn a_fork_reaches_back_no_further_than_the_name_that_it_gives_up() {
    let mut parted = Parted::new();
    parted.day.world.clock.advance_ms(DAY_MS);
    parted.end_the_right();
    parted.day.anna.sync(&parted.day.world);
    let last_contact_ms = parted.day.world.clock.wall_ms();
    parted.day.world.clock.advance_ms(2 * DAY_MS);
    let repeated = parted.repeat();
    assert_eq!(repeated.answer.verdict, Verdict::Quarantined);
    assert_eq!(
        repeated.answer.problems[0].code,
        ProblemCode::RightMissing,
        "the old name could not have said so either"
    );
    let marks = Marks::FORKED.with(Marks::CLOCK_BOUNDED);
    assert_eq!(repeated.answer.marks, marks);
    assert_eq!(repeated.time_ms, last_contact_ms);
}

#[test]
fn what_a_copy_of_the_phone_repeated_first_has_no_second_effect_under_its_own_name() {
    let Day {
        world,
        mut anna,
        grid,
        ..
    } = Day::new();
    let backup = world.copy();
    anna.create(&world, world.new_record(), grid, "三部手机都有");
    let (mut first, mut second) = (anna.cloned(), anna.cloned());
    anna.create(&world, world.new_record(), grid, "原机的");
    anna.sync(&world);
    first.create(&world, world.new_record(), grid, "第一部克隆机的");
    first.sync(&world);
    let world = world.put_back(&backup);
    first.continue_fork(&world);
    first.sync(&world);
    // It has no receipt for the change, so it brings it as a new one.
    second.sync(&world);
    let brought = entry(&world, world.last_pos(second.no()));
    assert_eq!(brought.first_place, None);
    assert_eq!(brought.answer.verdict, Verdict::Accepted);
    assert_eq!(brought.answer.marks, Marks::REPEAT);
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

/// The older history had not the change that was repeated, the newer one has.
#[test]
fn what_was_repeated_in_another_history_has_no_second_effect_beside_its_origin() {
    let Day {
        world,
        mut anna,
        grid,
        ..
    } = Day::new();
    let older = world.copy();
    anna.create(&world, world.new_record(), grid, "两部手机都有");
    let mut clone = anna.cloned();
    anna.create(&world, world.new_record(), grid, "原机的");
    anna.sync(&world);
    let newer = world.copy();
    clone.create(&world, world.new_record(), grid, "克隆机的");
    clone.sync(&world);
    let world = world.put_back(&older);
    clone.continue_fork(&world);
    clone.sync(&world);
    let fresh = entry(&world, world.last_pos(clone.no()) - 1);
    assert_eq!(fresh.answer.marks, Marks::FORKED);
    let world = world.put_back(&newer);
    clone.sync(&world);
    let back = entry(&world, world.last_pos(clone.no()) - 1);
    assert_eq!(back.answer.verdict, Verdict::Accepted);
    let marks = Marks::FORKED.with(Marks::REOFFERED).with(Marks::REPEAT);
    assert_eq!(back.answer.marks, marks);
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn a_log_whose_fork_says_other_than_when_it_was_is_found_out() {
    let mut parted = Parted::new();
    parted.repeat();
    let data = parted.day.world.copy();
    let connection = rusqlite::Connection::open(district_path(data.path(), CODE)).expect("open");
    let changed = connection.execute(
        "UPDATE entry SET body = CAST(json_set(CAST(body AS TEXT), '$.branch.forked_ms', 7) AS BLOB)
             WHERE json_extract(CAST(body AS TEXT), '$.branch') IS NOT NULL",
        [],
    );
    assert_eq!(changed.expect("tamper"), 1);
    drop(connection);
    let report = crate::world::verify_data(data.path(), server::service::verify::Known::default());
    let found = format!("{:?}", report.faults);
    assert!(found.contains("DirectoryWrong"), "{found}");
    assert!(found.contains("ChainDiffers"), "{found}");
}
