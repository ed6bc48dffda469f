//! Drives a session and a replica against the server in memory, as a shell would.

use super::{FakeServer, evidence};
use crate::ids::{RecordId, Seq, UnitId};
use crate::replica::{Draft, Enrolment, Replica};
use crate::session::{Progress, Session};
use rusqlite::Connection;

/// A replica in memory.
pub fn phone_with(enrolment: &Enrolment) -> Replica {
    let connection = Connection::open_in_memory().expect("memory");
    Replica::create(connection, enrolment).expect("a new replica")
}

/// Makes a change on unit 3 at the server's present time.
pub fn make(
    server: &FakeServer,
    replica: &mut Replica,
    record: RecordId,
    intent: &str,
    open: &str,
) -> Seq {
    let draft = Draft::new(record, UnitId(3), intent, open);
    replica
        .make_change(draft, evidence(server.now_ms))
        .expect("a valid change")
}

/// Sends until nothing is left to send; answers with how many requests it took.
pub fn sync(server: &mut FakeServer, session: &mut Session, replica: &mut Replica) -> usize {
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
        if matches!(progress, Progress::Applied(applied) if applied.forked) {
            break;
        }
    }
    requests
}
