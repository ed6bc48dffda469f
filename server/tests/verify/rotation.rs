//! New keys of the server: phones learn them from the answer that needs them, old signatures stay good, restores included.

use rusqlite::Connection;
use server::service::Backend;
use server::service::administration::AdminRequest;
use server::service::gridwork::{OpenOptions, district_path};
use sync_core::ids::Seq;
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::Phone;
use crate::world::{CODE, World};

fn standing(phone: &Phone, seq: Seq) -> Standing {
    let own = phone.replica.own_change(seq).expect("read");
    own.expect("an own change").standing
}

fn assert_verifies(world: &World) {
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

fn rotate(day: &Day) -> String {
    let answer = day.world.admin(AdminRequest::RotateKey);
    answer["key"].as_str().expect("a name").to_owned()
}

fn number(world: &World, sql: &str) -> i64 {
    let connection = Connection::open(district_path(world.data.path(), CODE)).expect("open");
    connection
        .query_row(sql, [], |row| row.get(0))
        .expect("a number")
}

#[test]
fn a_phone_that_slept_through_two_rotations_takes_the_receipt_of_the_third_key() {
    let mut day = Day::new();
    let first = day
        .bo
        .create(&day.world, day.world.new_record(), day.grid, "旧密钥");
    day.sync_all();
    assert_eq!(rotate(&day), "k2");
    day.anna
        .create(&day.world, day.world.new_record(), day.grid, "第二把");
    day.anna.sync(&day.world);
    assert_eq!(rotate(&day), "k3");
    let second = day
        .bo
        .create(&day.world, day.world.new_record(), day.grid, "第三把");
    day.sync_all();
    for change in [first, second] {
        assert_eq!(standing(&day.bo, change.seq), Standing::InForce);
    }
    let mut new = Phone::new(&day.world, day.anna.replica.person());
    new.create(&day.world, day.world.new_record(), day.grid, "新设备");
    new.sync(&day.world);
    assert_verifies(&day.world);
    // The next start signs with the newest key.
    let options = OpenOptions::default();
    let (clock, entropy) = (day.world.clock.clone(), day.world.entropy.clone());
    day.world = World::open(day.world.copy(), clock, entropy, options);
    let third = day
        .bo
        .create(&day.world, day.world.new_record(), day.grid, "重启之后");
    day.sync_all();
    new.sync(&day.world);
    assert_eq!(standing(&day.bo, third.seq), Standing::InForce);
    let digests = [&day.bo, &new].map(|phone| phone.replica.state_digest().expect("digest"));
    assert_eq!(digests[0], digests[1]);
    assert_verifies(&day.world);
}

#[test]
fn a_restore_to_before_a_rotation_keeps_what_the_new_key_signed() {
    let mut day = Day::new();
    day.sync_all();
    let backup = day.world.copy();
    rotate(&day);
    let sent = day
        .bo
        .create(&day.world, day.world.new_record(), day.grid, "新密钥签的");
    day.sync_all();
    let mut late = Phone::new(&day.world, day.anna.replica.person());
    late.create(&day.world, day.world.new_record(), day.grid, "新密钥登记的");
    day.world = day.world.put_back(&backup);
    day.sync_all();
    late.sync(&day.world);
    assert_eq!(standing(&day.bo, sent.seq), Standing::InForce);
    let kept = "SELECT count(*) FROM entry WHERE first_epoch = 1";
    assert_eq!(number(&day.world, kept), 1, "the receipt counted");
    assert_verifies(&day.world);
    assert_eq!(rotate(&day), "k3");
    day.sync_all();
    assert_verifies(&day.world);
}

#[test]
fn a_key_that_the_one_before_did_not_sign_is_found() {
    let day = Day::new();
    rotate(&day);
    let connection = Connection::open(district_path(day.world.data.path(), CODE)).expect("open");
    let forged = "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), '\"signature\":\"', '\"signature\":\"00') AS BLOB)
        WHERE kind = 3 AND CAST(body AS TEXT) LIKE '%\"k2\"%'";
    assert_eq!(connection.execute(forged, []).expect("forge"), 1);
    let report = day.world.verify();
    let kinds: Vec<_> = report
        .faults
        .iter()
        .map(|fault| fault.what.as_str())
        .collect();
    assert!(kinds.contains(&"key_unsigned"), "{kinds:?}");
}

#[test]
fn old_access_tokens_are_good_until_they_expire() {
    let day = Day::new();
    let old = format!("{CODE}-k1");
    assert!(day.world.gridwork.token_key(&old).is_some());
    rotate(&day);
    let new = format!("{CODE}-k2");
    assert!(day.world.gridwork.token_key(&old).is_some());
    assert!(day.world.gridwork.token_key(&new).is_some());
    day.world.clock.advance_ms(16 * 60_000);
    assert!(day.world.gridwork.token_key(&old).is_none());
    let options = OpenOptions::default();
    let (clock, entropy) = (day.world.clock.clone(), day.world.entropy.clone());
    let again = World::open(day.world.copy(), clock, entropy, options);
    assert!(again.gridwork.token_key(&old).is_none());
    assert!(again.gridwork.token_key(&new).is_some());
}
