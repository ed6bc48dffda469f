//! A session and a replica against a server in memory: whole conversations, without sockets and sleeps.

use super::*;
use crate::fake_server::{FakeServer, START_MS, evidence, record_id};
use crate::ids::{RecordId, UnitId};
use crate::kinds::Kind;
use crate::replica::Draft;
use crate::words::StateWord;

/// Sends until nothing is left to send; answers with how many requests it took.
pub(crate) fn sync(server: &mut FakeServer, session: &mut Session, replica: &mut Replica) -> usize {
    session.on_link();
    let mut requests = 0;
    while let Some(outgoing) = session
        .next_request(replica, evidence(server.now_ms))
        .expect("a request")
    {
        requests += 1;
        assert!(requests < 1_000, "a session without end");
        let answer = server.handle(&outgoing.bytes);
        let now = evidence(server.now_ms);
        let progress = session
            .on_response(replica, outgoing.request_no, &answer, now, 7)
            .expect("an answer");
        if let Progress::Applied(applied) = progress {
            if applied.forked {
                break;
            }
        }
    }
    requests
}

fn create(replica: &mut Replica, record: RecordId, title: &str) {
    let open = format!(r#"{{"category":"SAN-01","title":"{title}"}}"#);
    let draft = Draft::new(record, UnitId(3), "report.create", open);
    replica
        .make_change(draft, evidence(START_MS))
        .expect("a valid change");
}

#[test]
fn one_request_is_a_whole_sync() {
    let mut server = FakeServer::new();
    let (mut one, mut two) = (server.phone(1), server.phone(2));
    let (mut first, mut second) = (Session::new("test"), Session::new("test"));
    create(&mut one, record_id(1), "a");
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
    assert_eq!(first.token(&evidence(server.now_ms)), Some("token"));
}
