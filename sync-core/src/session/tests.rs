//! A session and a replica against a server in memory: whole conversations, without sockets and sleeps.

use super::*;
use crate::fake_server::{FakeServer, evidence, make, record_id, sync};
use crate::kinds::Kind;
use crate::wire::RequestBody;
use crate::words::StateWord;

#[test]
fn one_request_is_a_whole_sync() {
    let mut server = FakeServer::new();
    let (mut one, mut two) = (server.phone(1), server.phone(2));
    let (mut first, mut second) = (Session::new("test"), Session::new("test"));
    make(
        &server,
        &mut one,
        record_id(1),
        "report.create",
        r#"{"category":"SAN-01","title":"a"}"#,
    );
    assert_eq!(one.outbox().expect("outbox")[0].word, StateWord::Waiting);
    assert_eq!(sync(&mut server, &mut first, &mut one), 1);
    assert_eq!(sync(&mut server, &mut second, &mut two), 1);
    assert_eq!(one.outbox().expect("outbox"), []);
    for phone in [&one, &two] {
        let view = phone
            .record_view(record_id(1))
            .expect("read")
            .expect("there");
        assert_eq!(view.state.kind, Kind::Report);
        assert_eq!(view.state.shown_text("title").as_deref(), Some("a"));
    }
    assert_eq!(
        one.state_digest().expect("digest"),
        two.state_digest().expect("digest")
    );
    assert_eq!(first.token(&evidence(server.now_ms)), None, "nobody asked");
    first.want_token();
    assert_eq!(sync(&mut server, &mut first, &mut one), 1);
    assert_eq!(first.token(&evidence(server.now_ms)), Some("token"));
    let next = first.next_request(&one, evidence(server.now_ms));
    assert_eq!(
        next.expect("read"),
        None,
        "a token came, the wish has ended"
    );
}

#[test]
fn batches_cut_at_every_border_and_lose_nothing() {
    let max = limits::BATCH_CHANGES_MAX;
    for (count, requests) in [
        (0, 1),
        (1, 1),
        (max - 1, 1),
        (max, 1),
        (max + 1, 2),
        (2 * max, 2),
    ] {
        let mut server = FakeServer::new();
        let mut phone = server.phone(1);
        for number in 0..count as u64 {
            make(
                &server,
                &mut phone,
                record_id(number),
                "report.create",
                r#"{"category":"SAN-01"}"#,
            );
        }
        let mut session = Session::new("test");
        assert_eq!(
            sync(&mut server, &mut session, &mut phone),
            requests,
            "{count}"
        );
        assert_eq!(server.log.len(), count);
        assert_eq!(phone.counts().expect("counts").waiting, 0);
    }
}

#[test]
fn a_weak_link_gets_smaller_requests_until_one_gets_through() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    for _ in 0..300 {
        let text = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_000));
        make(&server, &mut phone, record_id(1), "report.comment", &text);
    }
    let mut session = Session::new("test");
    let mut now = evidence(server.now_ms);
    let mut tries = 0;
    // Nothing above 3,000 bytes gets through.
    let outgoing = loop {
        let outgoing = session
            .next_request(&phone, now)
            .expect("a request")
            .expect("due");
        if outgoing.bytes.len() <= 3_000 {
            break outgoing;
        }
        tries += 1;
        assert!(tries < 10);
        session.on_failure(outgoing.request_no, Failure::Network, None, now, 7);
        assert_eq!(session.next_request(&phone, now).expect("waits"), None);
        now.monotonic_ms += session.wait_ms(&now);
    };
    let answer = server.handle(&outgoing.bytes);
    session
        .on_response(&mut phone, outgoing.request_no, &answer, now, 7)
        .expect("taken");
    assert!(phone.counts().expect("counts").waiting < 300);
}

#[test]
fn a_captive_portal_acknowledges_nothing() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.comment",
        r#"{"text":"x"}"#,
    );
    for body in [
        &b"<html>Welcome</html>"[..],
        b"",
        b"GWR1",
        b"GWR1\xff\xff",
        b"{}",
    ] {
        let mut session = Session::new("test");
        let now = evidence(server.now_ms);
        let outgoing = session
            .next_request(&phone, now)
            .expect("a request")
            .expect("due");
        let result = session.on_response(&mut phone, outgoing.request_no, body, now, 7);
        assert!(matches!(result, Err(SessionError::NotAnAnswer(_))));
        assert_eq!(phone.counts().expect("counts").waiting, 1);
        assert!(session.wait_ms(&now) > 0);
    }
    sync(&mut server, &mut Session::new("test"), &mut phone);
    assert_eq!(phone.counts().expect("counts").waiting, 0);
}

#[test]
fn lost_late_and_repeated_answers_change_nothing_twice() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut session = Session::new("test");
    make(
        &server,
        &mut phone,
        record_id(1),
        "report.create",
        r#"{"category":"SAN-01"}"#,
    );
    let now = evidence(server.now_ms);
    let lost = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let late = server.handle(&lost.bytes);
    session.on_failure(lost.request_no, Failure::Network, None, now, 7);
    // The app starts anew: the same change goes up again and gets the same answer.
    let mut session = Session::new("test");
    let again = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    assert!(again.request_no > lost.request_no);
    let ignored = session
        .on_response(&mut phone, lost.request_no, &late, now, 7)
        .expect("no error");
    assert_eq!(ignored, Progress::Ignored);
    let answer = server.handle(&again.bytes);
    assert_eq!(server.log.len(), 1);
    let taken = session
        .on_response(&mut phone, again.request_no, &answer, now, 7)
        .expect("taken");
    assert!(matches!(taken, Progress::Applied(applied) if applied.receipted == 1));
    let before = phone.state_digest().expect("digest");
    let repeated = session
        .on_response(&mut phone, again.request_no, &answer, now, 7)
        .expect("no error");
    assert_eq!(repeated, Progress::Ignored);
    assert_eq!(phone.state_digest().expect("digest"), before);
    assert_eq!(
        phone.digest().expect("digest"),
        server.digest_of(phone.person())
    );
}

#[test]
fn nothing_is_sent_without_a_reason_and_a_request_at_a_time() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut session = Session::new("test");
    let mut now = evidence(server.now_ms);
    let outgoing = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due after a start");
    assert_eq!(session.next_request(&phone, now).expect("one only"), None);
    let answer = server.handle(&outgoing.bytes);
    session
        .on_response(&mut phone, outgoing.request_no, &answer, now, 7)
        .expect("taken");
    assert_eq!(session.next_request(&phone, now).expect("idle"), None);
    session.on_nudge();
    assert!(
        session
            .next_request(&phone, now)
            .expect("a request")
            .is_some()
    );
    // An answer that never comes is given up in the end.
    now.monotonic_ms += LOST_MS;
    assert!(
        session
            .next_request(&phone, now)
            .expect("a request")
            .is_some()
    );
}

#[test]
fn the_skew_is_measured_and_goes_into_the_next_change() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut session = Session::new("test");
    let mut now = evidence(server.now_ms - 3_600_000);
    let outgoing = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let answer = server.handle(&outgoing.bytes);
    now.monotonic_ms += 2_000;
    session
        .on_response(&mut phone, outgoing.request_no, &answer, now, 7)
        .expect("taken");
    assert_eq!(phone.skew_ms().expect("skew"), 3_600_000 - 1_000);
}

#[test]
fn a_server_that_does_not_know_the_replica_is_shown_the_certificate_at_once_and_then_in_its_time() {
    let mut server = FakeServer::new();
    server.grant(1, "worker", 2);
    let mut enrolment = server.enrol(1, 1);
    enrolment.certificate = vec![7, 7];
    let connection = rusqlite::Connection::open_in_memory().expect("memory");
    let mut phone = Replica::create(connection, &enrolment).expect("a replica");
    let mut session = Session::new("test");
    let now = evidence(server.now_ms);
    let mut shown = Vec::new();
    for _ in 0..2 {
        let outgoing = session.next_request(&phone, now).expect("a request");
        let outgoing = outgoing.expect("due at once");
        let body = RequestBody::read(&outgoing.bytes).expect("own bytes");
        shown.push(body.request.certificate);
        session.on_failure(outgoing.request_no, Failure::UnknownReplica, None, now, 7);
    }
    assert_eq!(shown, [vec![], vec![7, 7]]);
    assert!(
        session.wait_ms(&now) > 0,
        "a second refusal is one like any other"
    );
    session.on_link();
    let outgoing = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let body = RequestBody::read(&outgoing.bytes).expect("own bytes");
    assert_eq!(body.request.certificate, [7, 7], "until an answer comes");
    let answer = server.handle(&outgoing.bytes);
    session
        .on_response(&mut phone, outgoing.request_no, &answer, now, 7)
        .expect("taken");
    session.on_nudge();
    let outgoing = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let body = RequestBody::read(&outgoing.bytes).expect("own bytes");
    assert!(body.request.certificate.is_empty());
}

#[test]
fn the_answer_to_another_request_is_a_failure_and_not_waited_out() {
    let mut server = FakeServer::new();
    let mut phone = server.phone(1);
    let mut session = Session::new("test");
    let now = evidence(server.now_ms);
    let first = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let cached = server.handle(&first.bytes);
    session.on_failure(first.request_no, Failure::Network, None, now, 7);
    session.on_link();
    let second = session
        .next_request(&phone, now)
        .expect("a request")
        .expect("due");
    let taken = session.on_response(&mut phone, second.request_no, &cached, now, 7);
    assert!(matches!(taken, Err(SessionError::OfAnotherRequest)));
    assert!(!session.is_waiting());
    let mut later = now;
    later.monotonic_ms += session.wait_ms(&now);
    assert!(later.monotonic_ms > now.monotonic_ms, "it waits a little");
    assert!(session.next_request(&phone, later).expect("read").is_some());
}
