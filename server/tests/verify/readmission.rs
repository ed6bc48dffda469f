//! Replicas that enrolled after the copy from which the server was restored: they come back with all their work.

use server::service::ServiceError;
use server::service::administration::AdminRequest;
use sync_core::ids::{PersonId, Seq};
use sync_core::words::Standing;

use crate::day::Day;
use crate::phone::Phone;

fn standing(phone: &Phone, seq: Seq) -> Standing {
    let own = phone.replica.own_change(seq).expect("read");
    own.expect("an own change").standing
}

fn assert_verifies(day: &Day) {
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
}

#[test]
fn a_replica_that_the_restored_log_does_not_know_comes_back_under_another_number() {
    let mut day = Day::new();
    let known = day.world.new_record();
    day.anna.create(&day.world, known, day.grid, "备份前");
    day.sync_all();
    let backup = day.world.copy();
    let person = day.anna.replica.person();
    let mut late = Phone::new(&day.world, person);
    let old_no = late.no();
    late.sync(&day.world);
    let sent = late.create(&day.world, day.world.new_record(), day.grid, "备份后发的");
    let amended = late.amend(&day.world, known, day.grid, "备份后改的");
    late.sync(&day.world);
    day.sync_all();
    let offline = late.create(&day.world, day.world.new_record(), day.grid, "还没发的");
    day.world = day.world.put_back(&backup);
    // Somebody else gets its number meanwhile.
    let mut newer = Phone::new(&day.world, day.bo.replica.person());
    assert_eq!(newer.no(), old_no);
    newer.create(&day.world, day.world.new_record(), day.grid, "新设备");
    newer.sync(&day.world);
    late.sync(&day.world);
    assert_ne!(late.no(), old_no);
    for change in [sent, amended, offline] {
        assert_eq!(standing(&late, change.seq), Standing::InForce);
        assert_eq!(
            late.replica
                .own_change(change.seq)
                .expect("read")
                .expect("own")
                .problems,
            []
        );
    }
    day.sync_all();
    for phone in [&mut newer, &mut late] {
        phone.sync(&day.world);
    }
    let digests = [&day.anna, &day.bo, &newer, &late]
        .map(|phone| phone.replica.state_digest().expect("digest"));
    assert!(
        digests.windows(2).all(|pair| pair[0] == pair[1]),
        "{digests:?}"
    );
    assert_verifies(&day);
    // Rulings about its changes reach it under the new number, also after a restart of the app.
    let foreign = late.create(
        &day.world,
        day.world.new_record(),
        day.other_grid,
        "不归他管",
    );
    late.sync(&day.world);
    let pos = day.world.last_pos(late.no());
    let rejected = sync_core::entry::RulingKind::Rejected;
    day.world.rule(pos, rejected, day.desk).expect("rejected");
    let mut late = late.cloned();
    late.sync(&day.world);
    assert_eq!(standing(&late, foreign.seq), Standing::Rejected);
    assert_verifies(&day);
}

#[test]
fn times_of_what_it_made_before_are_bounded_by_its_enrolment_and_not_by_its_return() {
    let mut day = Day::new();
    let backup = day.world.copy();
    let mut late = Phone::new(&day.world, day.anna.replica.person());
    let offline = late.create(&day.world, day.world.new_record(), day.grid, "离线");
    let made_ms = late
        .replica
        .own_change(offline.seq)
        .expect("read")
        .expect("own")
        .time_ms;
    day.world.clock.advance_ms(3 * 3_600_000);
    day.world = day.world.put_back(&backup);
    late.sync(&day.world);
    let own = late
        .replica
        .own_change(offline.seq)
        .expect("read")
        .expect("own");
    assert_eq!((own.standing, own.time_ms), (Standing::InForce, made_ms));
    assert_verifies(&day);
}

#[test]
fn a_person_that_a_restore_lost_is_entered_again_and_their_phone_works_on() {
    let mut day = Day::new();
    day.sync_all();
    let backup = day.world.copy();
    let person = day.world.add_person("己", "worker", day.grid);
    let mut late = Phone::new(&day.world, person);
    let sent = late.create(&day.world, day.world.new_record(), day.grid, "备份后发的");
    late.sync(&day.world);
    day.world = day.world.put_back(&backup);
    let refused = late.try_sync(&day.world);
    assert!(
        matches!(refused, Err(ServiceError::PersonUnknown)),
        "{refused:?}"
    );
    assert_eq!(
        standing(&late, sent.seq),
        Standing::InForce,
        "nothing is forgotten"
    );
    // Nobody new gets the number by accident.
    let other = day.world.add_person("庚", "worker", day.grid);
    assert!(other.0 > person.0);
    let again = AdminRequest::AddPerson {
        name: "己".into(),
        number: Some(person),
    };
    day.world.admin(again.clone());
    day.world.try_admin(again).expect_err("taken");
    day.world.admin(AdminRequest::Grant {
        person,
        role: "worker".into(),
        unit: day.grid,
    });
    late.sync(&day.world);
    day.sync_all();
    assert_eq!(standing(&late, sent.seq), Standing::InForce);
    let digests = [&day.anna, &late].map(|phone| phone.replica.state_digest().expect("digest"));
    assert_eq!(digests[0], digests[1]);
    assert_verifies(&day);
    let next = day.world.add_person("辛", "worker", day.grid);
    assert_eq!(next, PersonId(other.0 + 1));
}

#[test]
fn nobody_comes_back_without_the_servers_word() {
    let mut day = Day::new();
    day.sync_all();
    let backup = day.world.copy();
    let mut late = Phone::new(&day.world, day.anna.replica.person());
    late.create(&day.world, day.world.new_record(), day.grid, "备份后");
    day.world = day.world.put_back(&backup);
    let tampered = "UPDATE identity SET certificate = CAST(substr(certificate, 1, length(certificate) - 1) || x'00' AS BLOB)";
    for edit in [tampered, "UPDATE identity SET certificate = NULL"] {
        late.replica.connection().execute_batch(edit).expect("edit");
        let refused = late.try_sync(&day.world);
        assert!(
            matches!(refused, Err(ServiceError::ReplicaUnknown)),
            "{refused:?}"
        );
    }
    // A word of the present epoch brings nobody in either: the log would have the entry.
    let other = Phone::new(&day.world, day.bo.replica.person());
    let word = other.replica.certificate().expect("read").expect("a word");
    late.replica
        .connection()
        .execute("UPDATE identity SET certificate = ?1", [word])
        .expect("edit");
    let refused = late.try_sync(&day.world);
    assert!(
        matches!(refused, Err(ServiceError::ReplicaUnknown)),
        "{refused:?}"
    );
    assert_verifies(&day);
}
