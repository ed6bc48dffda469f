//! The replica against the server in memory.

mod field;
mod laws;
mod life;
mod make;
mod page;

use super::*;
use crate::fake_server::{FakeServer, evidence, make, record_id, sync};
use crate::session::Session;

const REPORT: &str = r#"{"category":"SAN-01","title":"first"}"#;

/// A fresh session each time: what matters must lie in the replica.
fn meet(server: &mut FakeServer, replica: &mut Replica) {
    sync(server, &mut Session::new("test"), replica);
}

fn title(replica: &Replica, record: RecordId) -> Option<String> {
    replica
        .record_view(record)
        .expect("read")
        .and_then(|view| view.state.shown_text("title"))
}

/// That the replica holds just what the server would have it hold.
fn assert_converged(server: &FakeServer, replica: &Replica) {
    assert_eq!(
        replica.digest().expect("digest"),
        server.digest_of(replica.person())
    );
    let scope = server.scope_of(replica.person());
    for (record, state) in &server.records {
        let row = record::read(&replica.connection, *record).expect("read");
        if scope.contains(state.kind, state.unit, state.desk) {
            let image = row.and_then(|row| row.image).expect("held");
            assert_eq!(
                String::from_utf8_lossy(&image),
                String::from_utf8_lossy(&state.to_image())
            );
        } else {
            assert!(row.is_none_or(|row| !row.in_scope), "{record:?} is outside");
        }
    }
}
