//! What is refused and held, in which order, and what an answer says: each against the one thing that differs.

use super::scene::{
    ACCEPTED, AMEND, AUTHOR, CREATE, DISTRICT, GRID, NOW_MS, OTHER, OTHER_TOWN, REGISTER, Scene,
    TOWN, comment, created, desk, event, fields, grant, header, moved, place, record, report, step,
    told, whole,
};
use crate::change::{ChangeId, For, Hash, Header, Needs, Origin, Source};
use crate::directory::DirectoryChange;
use crate::ids::{PersonId, Pos, ReplicaId, Seq, UnitId};
use crate::kinds::Kind;
use crate::limits;
use crate::merge::{Act, RecordState};
use crate::verdict::{Marks, Problem, ProblemCode, Verdict};
use uuid::Uuid;

#[test]
fn what_is_accepted_carries_place_time_and_people() {
    let mut header = header("report.create", 0);
    header.for_person = Some(For {
        person: OTHER,
        source: Source::Telephone,
        happened_at_ms: NOW_MS,
    });
    let decision = desk(None).decide(&header, CREATE);
    assert_eq!(told(&decision), ACCEPTED);
    assert_eq!(decision.answer.marks, Marks::default());
    assert_eq!(decision.time_ms, NOW_MS - 1_000);
    let after = decision.after.expect("a report");
    let stamp = after.created.expect("a maker");
    assert_eq!((stamp.place, stamp.first_place), (place(50), None));
    assert_eq!((stamp.person, stamp.whose), (AUTHOR, Some(OTHER)));
    assert_eq!((stamp.replica.0, stamp.seq), (AUTHOR.0, Seq(30)));
    assert_eq!((stamp.time_ms, after.unit), (NOW_MS - 1_000, TOWN));
    assert_eq!(after.state.as_deref(), Some("SUBMITTED"));
}

#[test]
fn a_header_that_cannot_be_read_or_names_another_place_is_quarantined_when_it_arrived() {
    let scene = desk(Some(report()));
    let good = header("report.amend", 1);
    for (bytes, seq) in [(b"noise".to_vec(), Seq(30)), (good.encode(), Seq(31))] {
        let decision = scene.decide_bytes(&bytes, seq, AMEND);
        assert_eq!(
            told(&decision),
            whole(Verdict::Quarantined, ProblemCode::Unreadable)
        );
        assert_eq!((decision.time_ms, decision.after), (NOW_MS, None));
    }
}

#[test]
fn a_revoked_replica_is_refused_from_the_moment_on_and_before_all_else() {
    let mut scene = desk(Some(report()));
    let unknown = header("report.of_tomorrow", 1);
    for (revoked_ms, refused) in [(NOW_MS - 1, true), (NOW_MS, true), (NOW_MS + 1, false)] {
        scene.revoked_ms = Some(revoked_ms);
        let expected = if refused {
            whole(Verdict::Quarantined, ProblemCode::ReplicaRevoked)
        } else {
            whole(Verdict::Held, ProblemCode::IntentUnknown)
        };
        assert_eq!(
            told(&scene.decide(&unknown, AMEND)),
            expected,
            "{}",
            revoked_ms - NOW_MS
        );
    }
}

#[test]
fn a_repeat_of_what_is_in_the_log_is_accepted_and_does_nothing() {
    let mut scene = desk(Some(report()));
    let mut header = header("report.amend", 1);
    header.origin = Some(Origin {
        change: ChangeId {
            replica: ReplicaId(Uuid::from_bytes([9; 16])),
            seq: Seq(3),
        },
        hash: Hash([1; 32]),
    });
    let first = scene.decide(&header, AMEND);
    assert_eq!(first.answer.marks, Marks::FORKED);
    assert!(first.after.is_some());
    scene.origin_admitted = true;
    let again = scene.decide(&header, AMEND);
    assert_eq!(told(&again), ACCEPTED);
    assert_eq!(again.answer.marks, Marks::FORKED.with(Marks::REPEAT));
    assert_eq!(again.after, None);
}

#[test]
fn every_problem_of_payload_and_header_is_named_at_once() {
    let mut scene = desk(Some(report()));
    let mut header = header("report.amend", 1);
    header.for_person = Some(For {
        person: PersonId(404),
        source: Source::Paper,
        happened_at_ms: NOW_MS,
    });
    scene.repairs_quarantined = false;
    let decision = scene.decide(&header, r#"{"title":7}"#);
    assert_eq!(decision.answer.verdict, Verdict::Quarantined);
    let expected = [
        Problem::field(ProblemCode::WrongType, "title"),
        Problem::field(ProblemCode::UnknownChoice, "for"),
        Problem::field(ProblemCode::NothingToRepair, "repairs"),
    ];
    assert_eq!(decision.answer.problems, expected);
    assert_eq!(decision.after, None);
    scene.repairs_quarantined = true;
    header.for_person = None;
    assert_eq!(told(&scene.decide(&header, AMEND)), ACCEPTED);
    assert_eq!(
        scene.decide(&header, "[]").answer.verdict,
        Verdict::Quarantined
    );
}

#[test]
fn an_intent_finds_a_record_of_its_kind_or_waits_for_it_and_makes_it_once() {
    let unmade = record([event(1, OTHER, comment())]);
    let photo = Act::Element {
        set: "attachments".into(),
        kind: None,
        fields: fields("{}"),
    };
    let unknown = record([event(1, OTHER, photo)]);
    let visit = record([event(1, OTHER, created(Kind::Visit, "", "{}"))]);
    let records = [
        None,
        Some(unknown),
        Some(unmade),
        Some(report()),
        Some(visit),
    ];
    let missing = || whole(Verdict::Held, ProblemCode::RecordMissing);
    let exists = || whole(Verdict::Quarantined, ProblemCode::RecordExists);
    let wrong = || whole(Verdict::Quarantined, ProblemCode::WrongKind);
    let cases = [
        (
            "report.create",
            CREATE,
            [ACCEPTED, ACCEPTED, ACCEPTED, exists(), wrong()],
        ),
        (
            "report.amend",
            AMEND,
            [missing(), missing(), missing(), ACCEPTED, wrong()],
        ),
        (
            "report.transition",
            REGISTER,
            [missing(), missing(), missing(), ACCEPTED, wrong()],
        ),
        (
            "report.move",
            r#"{"unit":3}"#,
            [missing(), missing(), missing(), ACCEPTED, wrong()],
        ),
        (
            "report.comment",
            r#"{"text":"x"}"#,
            [ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, wrong()],
        ),
        (
            "attachment.add",
            r#"{"sha256":"abababababababababababababababababababababababababababababababab","size_bytes":1,"media_type":"image/png"}"#,
            [ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED, ACCEPTED],
        ),
    ];
    for (intent, json, expected) in cases {
        for (record, expected) in records.iter().zip(expected) {
            let decision = desk(record.clone()).decide(&header(intent, 1), json);
            let kind = record.as_ref().map(|record| record.kind);
            assert_eq!(told(&decision), expected, "{intent} on {kind:?}");
            assert_eq!(decision.after.is_some(), expected == ACCEPTED);
        }
    }
}

#[test]
fn what_needs_something_waits_unless_it_only_adds() {
    let mut scene = desk(Some(report()));
    scene.needs_in_force = false;
    let waits = || whole(Verdict::Held, ProblemCode::NeedsMissing);
    let decide = |intent, json| {
        let mut header = header(intent, 1);
        header.needs = Some(Needs::Record(header.record));
        told(&scene.decide(&header, json))
    };
    assert_eq!(decide("report.amend", AMEND), waits());
    assert_eq!(decide("report.transition", REGISTER), waits());
    assert_eq!(decide("report.move", r#"{"unit":3}"#), waits());
    assert_eq!(decide("report.comment", r#"{"text":"x"}"#), ACCEPTED);
    let mut new = desk(None);
    new.needs_in_force = false;
    assert_eq!(
        told(&new.decide(&header("report.create", 0), CREATE)),
        ACCEPTED
    );
}

#[test]
fn a_right_counts_where_the_record_is_at_its_desk_and_where_the_author_saw_it() {
    let made = |unit: UnitId| {
        let mut made = event(1, OTHER, created(Kind::Report, "SUBMITTED", CREATE));
        made.unit = unit;
        made
    };
    let decide = |role: &str, held_on, record: Option<RecordState>, base, named: UnitId| {
        let mut scene = Scene::new(&[], record);
        scene
            .directory
            .apply(Pos(0), DirectoryChange::Grant(grant(role, held_on)));
        let (intent, json) = if scene
            .record
            .as_ref()
            .is_some_and(|record| record.created.is_some())
        {
            ("report.amend", AMEND)
        } else {
            ("report.create", CREATE)
        };
        let header = Header {
            unit: named,
            ..header(intent, base)
        };
        told(&scene.decide(&header, json)) == ACCEPTED
    };
    let at = |unit| Some(record([made(unit)]));
    assert!(decide("worker", TOWN, at(TOWN), 1, TOWN));
    assert!(decide("worker", TOWN, at(GRID), 1, OTHER_TOWN));
    assert!(
        !decide("worker", TOWN, at(OTHER_TOWN), 1, TOWN),
        "where it never was"
    );
    let sent = Some(record([
        made(OTHER_TOWN),
        event(2, OTHER, step("DISPATCHED", r#"{"desk":21}"#)),
    ]));
    assert!(decide("worker", TOWN, sent, 2, OTHER_TOWN), "its desk");
    let moved = || Some(record([made(TOWN), event(2, OTHER, moved(OTHER_TOWN))]));
    assert!(
        decide("worker", TOWN, moved(), 1, TOWN),
        "moved away unseen"
    );
    assert!(
        !decide("worker", TOWN, moved(), 2, TOWN),
        "moved away, and seen"
    );
    assert!(
        !decide("worker", GRID, moved(), 1, GRID),
        "moved away from another unit"
    );
    assert!(
        decide("worker", OTHER_TOWN, moved(), 1, TOWN),
        "where it is"
    );
    // A new record is where its author says, and so is one that only elements have touched.
    assert!(decide("worker", TOWN, None, 0, TOWN));
    assert!(!decide("worker", TOWN, None, 0, OTHER_TOWN));
    let mut remark = event(1, OTHER, comment());
    remark.unit = OTHER_TOWN;
    assert!(decide("worker", TOWN, Some(record([remark])), 1, TOWN));
}

#[test]
fn without_a_right_it_is_quarantined_and_with_one_that_ended_it_is_marked() {
    let scene = Scene::new(&["auditor"], Some(report()));
    let refused = told(&scene.decide(&header("report.amend", 1), AMEND));
    assert_eq!(
        refused,
        whole(Verdict::Quarantined, ProblemCode::RightMissing)
    );
    let mut scene = desk(Some(report()));
    scene.interval.earliest_ms = NOW_MS - limits::RIGHT_REACH_MS;
    let ended = DirectoryChange::GrantEnded {
        person: AUTHOR,
        role: "duty_desk".into(),
        unit: DISTRICT,
        until_ms: NOW_MS - 5,
    };
    scene.directory.apply(Pos(0), ended);
    let decision = scene.decide(&header("report.amend", 1), AMEND);
    assert_eq!(told(&decision), ACCEPTED);
    assert_eq!(decision.answer.marks, Marks::RIGHT_ENDED);
}
