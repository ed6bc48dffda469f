//! Servers and phones of different versions: what one does not know yet waits, and has its effect when it has learned.

use server::service::administration::AdminRequest;
use server::service::gridwork::{Gridwork, OpenOptions};
use sync_core::ids::Seq;
use sync_core::kinds::KnownIntents;
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::{Phone, needing};
use crate::world::World;

const OLD: KnownIntents = KnownIntents::up_to(0);
const NEW: KnownIntents = KnownIntents::ALL;

fn standing(phone: &Phone, seq: Seq) -> Standing {
    let own = phone.replica.own_change(seq).expect("read");
    own.expect("an own change").standing
}

fn waiting(day: &Day) -> usize {
    let inbox = day.world.admin(AdminRequest::Inbox);
    inbox["inbox"].as_array().expect("a list").len()
}

fn assert_verifies(day: &Day) {
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn a_server_that_learns_an_intent_rules_on_every_change_that_waited_for_it() {
    let mut day = Day::in_world(World::new_knowing(OLD));
    let (world, grid) = (&day.world, day.grid);
    let record = world.new_record();
    let created = day.bo.create(world, record, grid, "新版手机的上报");
    let amended = day.bo.amend(world, record, grid, "又改");
    let other = world.new_record();
    let foreign = day.bo.create(world, other, day.other_grid, "不归他管");
    let waits = needing(crate::phone::amendment(record, grid, "等着"), foreign);
    let waits = day.bo.make(world, waits);
    day.sync_all();
    assert_eq!(standing(&day.bo, created.seq), Standing::Held);
    assert_eq!(waiting(&day), 4);
    assert_verifies(&day);
    day.world = day.world.under(NEW);
    assert_verifies(&day);
    day.sync_all();
    assert_eq!(standing(&day.bo, created.seq), Standing::InForce);
    assert_eq!(standing(&day.bo, amended.seq), Standing::InForce);
    assert_eq!(standing(&day.bo, foreign.seq), Standing::Quarantined);
    assert_eq!(standing(&day.bo, waits.seq), Standing::Held);
    assert_eq!(waiting(&day), 2);
    let shared = [&day.anna, &day.bo].map(|phone| phone.replica.state_digest().expect("digest"));
    assert_eq!(shared[0], shared[1]);
    // The next start has nothing to rule about.
    let entries = day.world.verify().entries;
    day.world = day.world.under(NEW);
    assert_eq!(day.world.verify().entries, entries);
    assert_verifies(&day);
}

#[test]
fn a_server_that_knows_less_than_the_one_before_does_not_start() {
    let day = Day::new();
    let data = day.world.copy();
    let options = OpenOptions {
        known: OLD,
        ..OpenOptions::default()
    };
    let (clock, entropy) = (day.world.clock.clone(), day.world.entropy.clone());
    let refused = Gridwork::open(data.path(), clock, entropy, options);
    assert!(refused.is_err());
}

#[test]
fn an_older_phone_keeps_what_it_cannot_read_until_it_is_replaced_by_a_newer_one() {
    let mut day = Day::new();
    day.anna = day.anna.knowing(OLD);
    let record = day.world.new_record();
    day.bo
        .create(&day.world, record, day.grid, "新版手机的上报");
    day.sync_all();
    day.bo.amend(&day.world, record, day.grid, "又改");
    day.sync_all();
    day.anna = day.anna.knowing(NEW);
    day.sync_all();
    day.anna.amend(&day.world, record, day.grid, "升级之后改");
    day.sync_all();
    day.sync_all();
    let digests = [&day.anna, &day.bo].map(|phone| phone.replica.state_digest().expect("digest"));
    assert_eq!(digests[0], digests[1]);
    assert_verifies(&day);
}
