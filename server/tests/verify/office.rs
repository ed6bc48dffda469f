//! What people do online stands in the log like a phone's work: it is checked, it survives a restore, and no chain forks.

use api_schema::inbox::{InboxQuery, InboxSort, RulingChoice, RulingRequest};
use rusqlite::Connection;
use serde_json::json;
use server::language::Language;
use server::service::gridwork::district_path;
use server::service::office::Office;
use server::service::verify::Known;
use server::service::{Caller, ServiceError};
use server::store::sqlite::control::Control;
use sync_core::ids::{PersonId, RecordId, ReplicaId};
use uuid::Uuid;

use crate::day::Day;
use crate::world::{CODE, World, verify_data};

struct Desk {
    caller: Caller,
}

impl Desk {
    fn new(world: &World, person: PersonId) -> Self {
        let enrolment = world.enrol(person);
        let caller = Caller {
            district: enrolment.district.0,
            person: person.0,
            replica: enrolment.replica.0,
            token_expires_ms: i64::MAX,
        };
        Self { caller }
    }

    /// Makes a report online: its replica, its number there and its verdict.
    fn report(&self, world: &World, id: u128, record: RecordId) -> (ReplicaId, u64, String) {
        let request = json!({
            "id": Uuid::from_u128(id), "record": record, "unit": 1, "intent": "report.create",
            "payload": {"category": "SAN-01", "description": "来电"},
        });
        let request = serde_json::from_str(&request.to_string()).expect("a request");
        let asked = world
            .gridwork
            .make_change(self.caller, request, Language::Chinese);
        let answer: Result<_, ServiceError> = world.block_on(asked);
        let answer = answer.expect("an answer");
        (ReplicaId(answer.replica), answer.seq, answer.verdict)
    }
}

fn world_with_desk() -> (World, Desk) {
    let world = World::new();
    world.add_unit(1, "001", "town");
    let person = world.add_person("台", "duty_desk", sync_core::ids::UnitId(1));
    let desk = Desk::new(&world, person);
    (world, desk)
}

#[test]
fn a_restored_district_goes_on_under_new_names_and_what_was_lost_can_be_asked_for_again() {
    let (world, desk) = world_with_desk();
    let (kept, lost) = (world.new_record(), world.new_record());
    let (old, seq, verdict) = desk.report(&world, 1, kept);
    assert_eq!((seq, verdict.as_str()), (1, "accepted"));
    let backup = world.copy();
    let first = desk.report(&world, 2, lost);
    assert_eq!((first.0, first.1), (old, 2));
    let world = world.put_back(&backup);
    let again = desk.report(&world, 1, kept);
    assert_eq!(again, (old, 1, "accepted".to_owned()));
    let made = desk.report(&world, 2, lost);
    assert_ne!(made.0, old, "a chain went on twice");
    assert_eq!((made.1, made.2.as_str()), (1, "accepted"));
    let report = world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
    assert_eq!(report.head.epoch, 2);
}

#[test]
fn a_change_made_online_is_checked_like_any_other() {
    let (world, desk) = world_with_desk();
    desk.report(&world, 1, world.new_record());
    desk.report(&world, 2, world.new_record());
    assert!(world.verify().is_ok());
    let cases = [
        ("UPDATE entry SET verdict = 4 WHERE pos = ?1", "decision"),
        (
            "UPDATE entry SET body = CAST('{\"category\":\"SAN-02\"}' AS BLOB) WHERE pos = ?1",
            "hash",
        ),
        ("UPDATE asked SET pos = ?1 - 3", "rows_stray"),
        (
            "UPDATE replica SET mark = 1 WHERE app = 'gridwork office' AND ?1 > 0",
            "mark_differs",
        ),
    ];
    let last = world.verify().head.pos as i64;
    for (sql, found) in cases {
        let copy = world.copy();
        let connection = Connection::open(district_path(copy.path(), CODE)).expect("open");
        assert!(connection.execute(sql, [last]).expect("changed") > 0);
        drop(connection);
        let report = verify_data(copy.path(), Known::default());
        let told = format!("{:?}", report.faults);
        let told = told.to_lowercase().replace('_', "");
        assert!(told.contains(&found.replace('_', "")), "{sql}: {told}");
    }
}

#[test]
fn what_a_forked_branch_brought_is_listed_until_a_desk_has_looked() {
    let mut day = Day::new();
    day.one_case();
    day.clone_and_fork();
    let desk = Desk::new(&day.world, day.desk);
    let forked = |day: &Day| {
        let query = InboxQuery {
            sort: Some(InboxSort::Forked),
            ..InboxQuery::default()
        };
        let listed = day
            .world
            .gridwork
            .list_inbox(desk.caller, query, Language::Chinese);
        day.world.block_on(listed).expect("a page").items
    };
    let items = forked(&day);
    assert!(!items.is_empty());
    for item in &items {
        assert!(item.change.marks.iter().any(|mark| mark == "forked"));
        let request = RulingRequest {
            replica: item.change.replica,
            seq: item.change.seq,
            ruling: RulingChoice::Seen,
            reason: "已核对".into(),
        };
        let ruled = day.world.gridwork.rule(desk.caller, request);
        day.world.block_on(ruled).expect("seen");
    }
    assert_eq!(forked(&day).len(), 0);
    let report = day.world.verify();
    assert!(report.is_ok(), "{:#?}", report.faults);
    // Who says that it was seen must be allowed to, and it must have been there to be seen.
    let pos = report.head.pos as i64;
    for (sql, found) in [
        ("DELETE FROM seen WHERE ruling = ?1", "ruleddiffers"),
        (
            "UPDATE seen SET ruling = ruling - 1 WHERE ruling = ?1",
            "ruleddiffers",
        ),
    ] {
        let copy = day.world.copy();
        let connection = Connection::open(district_path(copy.path(), CODE)).expect("open");
        assert_eq!(connection.execute(sql, [pos]).expect("changed"), 1);
        drop(connection);
        let report = verify_data(copy.path(), Known::default());
        let told = format!("{:?}", report.faults).to_lowercase();
        assert!(told.contains(found), "{sql}: {told}");
    }
}

#[test]
fn no_copy_of_the_control_file_holds_the_seed_of_a_replica_of_the_servers_own() {
    let (world, desk) = world_with_desk();
    desk.report(&world, 1, world.new_record());
    let path = world.data.path().join("control.db");
    let seed: Vec<u8> = Connection::open(&path)
        .expect("open")
        .query_row("SELECT seed FROM office_replica", [], |row| row.get(0))
        .expect("a seed");
    let copy = world.data.path().join("copy.db");
    let control = Control::open_read(&path).expect("open");
    control.copy_without_keys(&copy).expect("a copy");
    let bytes = std::fs::read(&copy).expect("read");
    assert!(!bytes.windows(32).any(|window| window == seed));
}
