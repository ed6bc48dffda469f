//! A replica's life: scope lost and gained, forks, restored servers, revocation, rulings, repairs.

use super::*;
use crate::change::{ChangeId, For, SigningKey, Source};
use crate::entry::RulingKind;
use crate::fake_server::{START_MS, phone_with};
use crate::ids::UnitId;
use crate::session::Progress;
use crate::verdict::{Answer, ProblemCode, Verdict};
use crate::wire::{Status, WipeOrder};
use crate::words::{Standing, StateWord};

#[test]
fn a_lost_scope_takes_records_but_nothing_unsent() {
    let mut server = FakeServer::new();
    let (mut desk, mut worker) = (server.phone(1), server.phone(2));
    for number in 1..=3 {
        make(
            &server,
            &mut desk,
            record_id(number),
            "report.create",
            REPORT,
        );
    }
    meet(&mut server, &mut desk);
    meet(&mut server, &mut worker);
    let text = r#"{"text":"still here"}"#;
    make(&server, &mut worker, record_id(1), "report.comment", text);
    let base = worker.base_of(record_id(1)).expect("base");
    assert_eq!(base.pos.0, 3);
    server.end_grant(2, "worker", 2);
    server.grant(2, "worker", 4);
    // The new scope arrives while the comment is still unanswered.
    let request = Session::new("test")
        .next_request(&worker, evidence(server.now_ms))
        .expect("a request")
        .expect("due");
    let mut answer = server.clone().answer(&request.bytes);
    answer.receipts.clear();
    answer.mark = Seq(0);
    let facts = RequestFacts::default();
    worker
        .apply_response(&answer, &facts, evidence(server.now_ms))
        .expect("taken");
    assert_eq!(worker.counts().expect("counts").records, 0);
    let view = worker
        .record_view(record_id(1))
        .expect("read")
        .expect("frozen");
    assert!(!view.in_scope);
    assert_eq!(view.state.elements.len(), 1);
    assert!(worker.record_view(record_id(2)).expect("read").is_none());
    assert_eq!(worker.base_of(record_id(1)).expect("base"), base);
    assert_eq!(worker.counts().expect("counts").waiting, 1);
    // Answered, the frozen copy goes; back in the old grid, all comes again.
    meet(&mut server, &mut worker);
    assert!(worker.record_view(record_id(1)).expect("read").is_none());
    assert_converged(&server, &worker);
    server.grant(2, "worker", 3);
    meet(&mut server, &mut worker);
    assert_eq!(worker.counts().expect("counts").records, 3);
    assert_converged(&server, &worker);
}

#[test]
fn what_is_put_together_from_own_changes_outside_the_scope_is_not_taken_for_a_copy() {
    let mut server = FakeServer::new();
    server.grant(1, "duty_desk", 1);
    let enrolment = server.enrol(1, 1);
    let (mut desk, mut worker) = (phone_with(&enrolment), server.phone(2));
    make(&server, &mut worker, record_id(1), "report.create", REPORT);
    // The server has the report; its answer is lost, and another scope comes before the next one.
    let request = Session::new("test")
        .next_request(&worker, evidence(server.now_ms))
        .expect("a request")
        .expect("due");
    server.answer(&request.bytes);
    server.end_grant(2, "worker", 2);
    server.grant(2, "worker", 9);
    meet(&mut server, &mut desk);
    make(
        &server,
        &mut desk,
        record_id(1),
        "report.move",
        r#"{"unit":4,"reason":"next door"}"#,
    );
    meet(&mut server, &mut desk);
    assert_eq!(server.records[&record_id(1)].unit, UnitId(4));
    // A form is still open while the page comes that has the worker's own report and not where it went.
    let comment = r#"{"text":"from the open form"}"#;
    make(
        &server,
        &mut worker,
        record_id(1),
        "report.comment",
        comment,
    );
    meet(&mut server, &mut worker);
    server.grant(2, "worker", 3);
    make(
        &server,
        &mut worker,
        record_id(1),
        "report.comment",
        comment,
    );
    let mut session = Session::new("test");
    session.on_link();
    while let Some(request) = session
        .next_request(&worker, evidence(server.now_ms))
        .expect("a request")
    {
        let (answer, now) = (server.handle(&request.bytes), evidence(server.now_ms));
        let progress = session.on_response(&mut worker, request.request_no, &answer, now, 7);
        let Ok(Progress::Applied(applied)) = progress else {
            panic!("{progress:?}");
        };
        assert!(!applied.repairs, "the worker's phone differs");
    }
    assert_converged(&server, &worker);
}

#[test]
fn a_handler_sees_the_case_that_was_sent_to_their_desk_and_no_other() {
    let mut server = FakeServer::new();
    let mut desk = {
        server.grant(1, "duty_desk", 1);
        let enrolment = server.enrol(1, 1);
        phone_with(&enrolment)
    };
    let mut handler = {
        server.grant(2, "department_handler", 9);
        let enrolment = server.enrol(2, 2);
        phone_with(&enrolment)
    };
    for number in 1..=2 {
        make(
            &server,
            &mut desk,
            record_id(number),
            "report.create",
            REPORT,
        );
    }
    meet(&mut server, &mut desk);
    meet(&mut server, &mut handler);
    assert_eq!(handler.counts().expect("counts").records, 0);
    for step in [
        r#"{"to":"REGISTERED","level":"III"}"#,
        r#"{"to":"DISPATCHED","desk":9,"level":"III","due_ms":1800000900000}"#,
    ] {
        make(&server, &mut desk, record_id(1), "report.transition", step);
        meet(&mut server, &mut desk);
    }
    assert_eq!(server.records[&record_id(1)].desk, Some(UnitId(9)));
    meet(&mut server, &mut handler);
    assert_eq!(handler.counts().expect("counts").records, 1);
    assert_converged(&server, &handler);
    assert_converged(&server, &desk);
}

#[test]
fn a_cloned_phone_continues_under_a_new_name_and_repeats_what_was_not_received() {
    let mut server = FakeServer::new();
    server.grant(1, "worker", 2);
    let enrolment = server.enrol(1, 1);
    let (mut phone, mut clone) = (phone_with(&enrolment), phone_with(&enrolment));
    for each in [&mut phone, &mut clone] {
        make(&server, each, record_id(1), "report.create", REPORT);
    }
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.comment",
        r#"{"text":"phone"}"#,
    );
    let text = r#"{"text":"clone"}"#;
    make(&server, &mut clone, record_id(1), "report.comment", text);
    make(&server, &mut clone, record_id(2), "report.create", REPORT);
    meet(&mut server, &mut phone);
    meet(&mut server, &mut clone);
    assert_eq!(clone.condition().expect("condition"), Condition::Forked);
    let plan = clone.fork_plan().expect("plan");
    assert_eq!((plan.received, plan.repeats), (Seq(0), 3));
    let new = server.enrol(1, 7);
    let identity = ForkIdentity {
        replica: new.replica,
        key_seed: new.key_seed,
        replica_no: new.replica_no,
        certificate: Vec::new(),
    };
    assert_eq!(clone.continue_as(&plan, &identity).expect("continued"), 3);
    assert_eq!(clone.replica_id(), new.replica);
    assert_eq!(clone.counts().expect("counts").waiting, 3);
    assert_eq!(clone.head().expect("head").0, Seq(3));
    // The same database opened again speaks under the new name.
    let mut clone = Replica::open(clone.into_connection()).expect("opened");
    meet(&mut server, &mut clone);
    meet(&mut server, &mut phone);
    assert_eq!(clone.condition().expect("condition"), Condition::Ok);
    assert_eq!(clone.counts().expect("counts").waiting, 0);
    // The creation was in the log already: the same origin has no second effect.
    let state = &server.records[&record_id(1)];
    assert_eq!(state.elements.len(), 2);
    assert_eq!(server.records.len(), 2);
    for each in [&phone, &clone] {
        assert_converged(&server, each);
    }
}

#[test]
fn a_restored_server_gets_back_what_it_lost() {
    let mut server = FakeServer::new();
    let (mut one, mut two) = (server.phone(1), server.phone(2));
    make(&server, &mut one, record_id(1), "report.create", REPORT);
    meet(&mut server, &mut one);
    meet(&mut server, &mut two);
    let backup = server.clone();
    server.now_ms += 3_600_000;
    make(
        &server,
        &mut two,
        record_id(1),
        "report.amend",
        r#"{"title":"second"}"#,
    );
    meet(&mut server, &mut two);
    meet(&mut server, &mut one);
    make(
        &server,
        &mut one,
        record_id(1),
        "report.amend",
        r#"{"title":"third"}"#,
    );
    make(&server, &mut one, record_id(2), "report.create", REPORT);
    meet(&mut server, &mut one);
    let lost = server.clone();
    assert_eq!(lost.head().0, 4);
    server.restore(&backup);
    make(
        &server,
        &mut one,
        record_id(2),
        "report.comment",
        r#"{"text":"new"}"#,
    );
    for _ in 0..2 {
        meet(&mut server, &mut one);
        meet(&mut server, &mut two);
    }
    assert_eq!(server.log.len(), 5);
    assert_eq!(one.epoch().expect("epoch").0, 2);
    for each in [&one, &two] {
        assert_converged(&server, each);
        assert_eq!(each.counts().expect("counts").waiting, 0);
        assert_eq!(title(each, record_id(1)).as_deref(), Some("third"));
    }
    // Re-admitted under the receipts: times and order are those of before.
    let times = |server: &FakeServer| {
        let state = &server.records[&record_id(1)];
        state
            .writes()
            .map(|(stamp, _)| stamp.time_ms)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(&server), times(&lost));
}

#[test]
fn a_new_epoch_shows_own_work_all_the_time() {
    let mut server = FakeServer::new();
    let mut one = server.phone(1);
    let backup = server.clone();
    make(&server, &mut one, record_id(1), "report.create", REPORT);
    make(
        &server,
        &mut one,
        record_id(1),
        "report.comment",
        r#"{"text":"once"}"#,
    );
    meet(&mut server, &mut one);
    server.restore(&backup);
    let mut session = Session::new("test");
    loop {
        let view = one.record_view(record_id(1)).expect("read").expect("there");
        assert_eq!(view.state.elements.len(), 1);
        let now = evidence(server.now_ms);
        let Some(outgoing) = session.next_request(&one, now).expect("a request") else {
            break;
        };
        let answer = server.handle(&outgoing.bytes);
        session
            .on_response(&mut one, outgoing.request_no, &answer, now, 7)
            .expect("taken");
    }
    assert_converged(&server, &one);
}

#[test]
fn a_revoked_replica_hands_in_and_is_wiped_when_nothing_is_unsent() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    make(&server, &mut phone, record_id(1), "report.create", REPORT);
    meet(&mut server, &mut phone);
    assert_eq!(phone.wipe_when_safe().expect("wipe"), Wipe::NotOrdered);
    server.revoke(1);
    meet(&mut server, &mut phone);
    make(&server, &mut phone, record_id(2), "report.create", REPORT);
    assert_eq!(
        phone.wipe_when_safe().expect("wipe"),
        Wipe::Waits { unsent: 1 }
    );
    assert_eq!(phone.counts().expect("counts").records, 1);
    meet(&mut server, &mut phone);
    let item = phone.own_change(Seq(2)).expect("read").expect("there");
    assert_eq!(item.problems[0].code, ProblemCode::ReplicaRevoked);
    assert_eq!(phone.wipe_when_safe().expect("wipe"), Wipe::Wiped);
    assert_eq!(phone.counts().expect("counts").records, 0);
    assert!(phone.record_view(record_id(1)).expect("read").is_none());
}

#[test]
fn nobody_between_can_order_a_wipe() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    meet(&mut server, &mut phone);
    let mut session = Session::new("test");
    for forge in [
        |order: &mut Option<WipeOrder>| *order = None,
        |order: &mut Option<WipeOrder>| order.as_mut().expect("signed").revoked_ms += 1,
        |order: &mut Option<WipeOrder>| {
            order.as_mut().expect("signed").replica.0 = uuid::Uuid::nil()
        },
    ] {
        session.on_link();
        let now = evidence(server.now_ms);
        let outgoing = session
            .next_request(&phone, now)
            .expect("read")
            .expect("due");
        let mut answer = server.answer(&outgoing.bytes);
        let key = SigningKey::from_seed(&[3; 32]);
        answer.status = Status::Revoked;
        answer.wipe = Some(WipeOrder::sign(
            phone.district(),
            phone.replica_id(),
            5,
            "k1",
            &key,
        ));
        forge(&mut answer.wipe);
        let refused =
            session.on_response(&mut phone, outgoing.request_no, &answer.encode(), now, 7);
        assert!(refused.is_err());
        assert_eq!(phone.condition().expect("read"), Condition::Ok);
    }
}

#[test]
fn a_quarantined_change_is_shown_with_its_own_values_until_it_is_repaired() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut draft = Draft::new(record_id(1), UnitId(3), "report.create", REPORT);
    draft.for_person = Some(For {
        person: crate::ids::PersonId(99),
        source: Source::Paper,
        happened_at_ms: START_MS,
    });
    phone
        .make_change(draft.clone(), evidence(START_MS))
        .expect("valid here");
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.amend",
        r#"{"title":"held"}"#,
    );
    meet(&mut server, &mut phone);
    let outbox = phone.outbox().expect("outbox");
    let words: Vec<_> = outbox
        .iter()
        .map(|item| (item.word, item.standing))
        .collect();
    assert_eq!(
        words,
        [
            (StateWord::NeedsRepair, Standing::Quarantined),
            (StateWord::Received, Standing::Held)
        ]
    );
    assert_eq!(outbox[0].problems[0].field, "for");
    let view = phone
        .record_view(record_id(1))
        .expect("read")
        .expect("shown");
    assert_eq!(view.word, StateWord::NeedsRepair);
    assert_eq!(title(&phone, record_id(1)).as_deref(), Some("held"));
    draft.for_person = None;
    draft.repairs = Some(ChangeId {
        replica: phone.replica_id(),
        seq: Seq(1),
    });
    phone
        .make_change(draft, evidence(server.now_ms))
        .expect("a repair");
    assert_eq!(phone.counts().expect("counts").needs_repair, 0);
    assert_eq!(phone.counts().expect("counts").waiting, 1);
}

#[test]
fn rulings_end_what_was_held() {
    for (ruling, verdict, expected) in [
        (RulingKind::Admitted, Verdict::Accepted, Some("second")),
        (RulingKind::Rejected, Verdict::Held, None),
    ] {
        let mut server = FakeServer::new();
        let mut phone = server.phone(1);
        make(
            &server,
            &mut phone,
            record_id(1),
            "report.amend",
            r#"{"title":"second"}"#,
        );
        meet(&mut server, &mut phone);
        assert_eq!(phone.counts().expect("counts").held, 1);
        let answer = Answer {
            verdict,
            ..Answer::accepted()
        };
        if ruling == RulingKind::Admitted {
            let mut other = server.phone(2);
            make(&server, &mut other, record_id(1), "report.create", REPORT);
            meet(&mut server, &mut other);
        }
        server.rule(crate::ids::ReplicaNo(1), Seq(1), ruling, answer);
        meet(&mut server, &mut phone);
        assert_eq!(phone.counts().expect("counts").held, 0);
        assert_eq!(title(&phone, record_id(1)).as_deref(), expected);
        assert_converged(&server, &phone);
        if ruling == RulingKind::Rejected {
            let item = phone.outbox().expect("outbox").remove(0);
            assert_eq!(
                (item.word, item.reason.as_str()),
                (StateWord::Returned, "because")
            );
            assert!(phone.dismiss(item.replica, item.seq).expect("put aside"));
            assert_eq!(phone.outbox().expect("outbox"), []);
        }
    }
}

#[test]
fn a_step_that_was_not_applied_is_shown_and_put_aside_by_the_next() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    make(&server, &mut phone, record_id(1), "report.create", REPORT);
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.transition",
        r#"{"to":"CLOSED"}"#,
    );
    assert_eq!(
        phone.my_open_reports(9).expect("list"),
        [],
        "the forecast shows it closed"
    );
    meet(&mut server, &mut phone);
    let view = phone
        .record_view(record_id(1))
        .expect("read")
        .expect("there");
    assert_eq!(view.state.state.as_deref(), Some("SUBMITTED"));
    assert_eq!(view.word, StateWord::NeedsRepair);
    assert_eq!(view.state.attempts.len(), 1);
    assert_converged(&server, &phone);
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.transition",
        r#"{"to":"CANCELLED"}"#,
    );
    assert_eq!(phone.counts().expect("counts").needs_repair, 0);
}

#[test]
fn a_step_that_was_not_applied_needs_nobody_once_the_desk_has_seen_it_and_stands_as_before() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    make(&server, &mut phone, record_id(1), "report.create", REPORT);
    let closed = r#"{"to":"CLOSED"}"#;
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.transition",
        closed,
    );
    meet(&mut server, &mut phone);
    assert_eq!(phone.counts().expect("counts").needs_repair, 1);
    let seen = |seq: u64, verdict| {
        let answer = Answer {
            verdict,
            ..Answer::accepted()
        };
        (Seq(seq), answer)
    };
    // What is in force stands as before when a desk looks at it, too.
    for (seq, answer) in [seen(1, Verdict::Accepted), seen(2, Verdict::NotApplied)] {
        server.rule(crate::ids::ReplicaNo(1), seq, RulingKind::Seen, answer);
    }
    meet(&mut server, &mut phone);
    assert_eq!(phone.counts().expect("counts").needs_repair, 0);
    let view = phone.record_view(record_id(1)).expect("read");
    let view = view.expect("there");
    assert_eq!(view.state.state.as_deref(), Some("SUBMITTED"));
    assert_eq!(view.state.attempts.len(), 1);
    assert_converged(&server, &phone);
}

#[test]
fn stored_verdicts_are_told_from_a_seq_on_and_are_the_receipts_own() {
    let mut server = FakeServer::new();
    let mut worker = server.phone(1);
    for number in 1..=3 {
        make(
            &server,
            &mut worker,
            record_id(number),
            "report.create",
            REPORT,
        );
    }
    assert_eq!(worker.verdicts_above(Seq(0), 10).expect("none"), []);
    meet(&mut server, &mut worker);
    let told = worker.verdicts_above(Seq(0), 10).expect("three");
    let seqs: Vec<u64> = told.iter().map(|own| own.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(told[2].hash, worker.head().expect("head").1);
    assert!(
        told.iter()
            .all(|own| own.answer.verdict == Verdict::Accepted)
    );
    assert_eq!(worker.verdicts_above(Seq(1), 1).expect("one"), told[1..2]);
    assert_eq!(worker.verdicts_above(Seq(3), 10).expect("none"), []);
}
