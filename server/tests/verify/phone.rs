//! A phone: the real replica and the real session, synced in the test's own process.

use rusqlite::Connection;
use rusqlite::backup::Backup;
use serde_json::Value;
use server::service::ServiceError;
use sync_core::change::{ChangeId, Needs, PartClass};
use sync_core::ids::{PersonId, RecordId, ReplicaNo, Seq, UnitId};
use sync_core::kinds::KnownIntents;
use sync_core::replica::{Condition, Draft, ForkIdentity, Replica, SealedDraft};
use sync_core::session::{Failure, Session};

use crate::world::World;

/// One person's phone.
pub struct Phone {
    pub replica: Replica,
    session: Session,
}

impl Phone {
    pub fn new(world: &World, person: PersonId) -> Self {
        let connection = Connection::open_in_memory().expect("memory");
        let replica = Replica::create(connection, &world.enrol(person)).expect("create");
        Self {
            replica,
            session: Session::new("test"),
        }
    }

    /// The phone after its app was replaced by one that knows these intents.
    pub fn knowing(self, known: KnownIntents) -> Self {
        let connection = self.replica.into_connection();
        Self {
            replica: Replica::open_knowing(connection, known).expect("open"),
            session: Session::new("test"),
        }
    }

    pub fn no(&self) -> ReplicaNo {
        self.replica.replica_no()
    }

    /// A clone of the phone as it is now.
    pub fn cloned(&self) -> Self {
        let mut connection = Connection::open_in_memory().expect("memory");
        Backup::new(self.replica.connection(), &mut connection)
            .and_then(|backup| backup.step(-1))
            .expect("backup");
        Self {
            replica: Replica::open(connection).expect("open"),
            session: Session::new("test"),
        }
    }

    /// Makes a change; a second passes.
    pub fn make(&mut self, world: &World, draft: Draft) -> ChangeId {
        world.clock.advance_ms(1_000);
        let seq = self
            .replica
            .make_change(draft, world.evidence())
            .expect("make");
        ChangeId {
            replica: self.replica.replica_id(),
            seq,
        }
    }

    pub fn create(
        &mut self,
        world: &World,
        record: RecordId,
        unit: UnitId,
        title: &str,
    ) -> ChangeId {
        self.make(world, report(record, unit, title))
    }

    pub fn amend(
        &mut self,
        world: &World,
        record: RecordId,
        unit: UnitId,
        title: &str,
    ) -> ChangeId {
        self.make(world, amendment(record, unit, title))
    }

    /// Syncs until nothing more is to be said.
    pub fn sync(&mut self, world: &World) {
        self.try_sync(world).expect("sync");
    }

    /// The same as long as the server takes it.
    pub fn try_sync(&mut self, world: &World) -> Result<(), ServiceError> {
        world.clock.advance_ms(1_000);
        self.session.on_link();
        for _ in 0..50 {
            let now = world.evidence();
            let Some(request) = self.session.next_request(&self.replica, now).expect("next") else {
                return Ok(());
            };
            let answer = match world.try_sync(request.bytes) {
                Ok(answer) => answer,
                Err(error) => {
                    let failure = match error {
                        ServiceError::ReplicaUnknown => Failure::UnknownReplica,
                        _ => Failure::Refused,
                    };
                    self.session
                        .on_failure(request.request_no, failure, None, now, 7);
                    if self.session.wait_ms(&now) > 0 {
                        return Err(error);
                    }
                    continue;
                }
            };
            self.session
                .on_response(&mut self.replica, request.request_no, &answer, now, 7)
                .expect("an answer");
        }
        panic!("the session does not come to rest");
    }

    /// Goes on under a new name after a fork.
    pub fn continue_fork(&mut self, world: &World) {
        assert_eq!(
            self.replica.condition().expect("condition"),
            Condition::Forked
        );
        let plan = self.replica.fork_plan().expect("plan");
        let key = self.replica.signing_key().clone();
        let (replica, key_seed, replica_no, certificate) =
            world.continue_fork(plan.replica, &key, (plan.received.0, plan.hash));
        let identity = ForkIdentity {
            replica,
            key_seed,
            replica_no,
            certificate,
        };
        self.replica
            .continue_as(&plan, &identity)
            .expect("continue");
    }

    pub fn last_seq(&self) -> Seq {
        self.replica.head().expect("head").0
    }
}

pub fn draft(record: RecordId, unit: UnitId, intent: &str, open: Value) -> Draft {
    Draft::new(record, unit, intent, open.to_string())
}

pub fn report(record: RecordId, unit: UnitId, title: &str) -> Draft {
    let open = serde_json::json!({ "category": "A01", "title": title, "level": "III" });
    draft(record, unit, "report.create", open)
}

pub fn amendment(record: RecordId, unit: UnitId, title: &str) -> Draft {
    draft(
        record,
        unit,
        "report.amend",
        serde_json::json!({ "title": title }),
    )
}

pub fn sealed(mut draft: Draft) -> Draft {
    draft.sealed = vec![
        SealedDraft {
            class: PartClass::PERSON,
            salt: [3; 16],
            bytes: br#"{"telephone":"13800000000"}"#.to_vec(),
        },
        SealedDraft {
            class: PartClass::WHEREABOUTS,
            salt: [4; 16],
            bytes: br#"{"at":1}"#.to_vec(),
        },
    ];
    draft
}

pub fn needing(mut draft: Draft, change: ChangeId) -> Draft {
    draft.needs = Some(Needs::Change(change));
    draft
}

pub fn repairing(mut draft: Draft, change: ChangeId) -> Draft {
    draft.repairs = Some(change);
    draft
}
