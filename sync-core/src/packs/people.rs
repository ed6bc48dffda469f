//! People and their phones in a pack: who has not synced, and who may do what.

use super::Tally;
use crate::cases::SYSTEM_ROLE;
use crate::directory::{Grant, Replica};
use crate::ids::{PersonId, ReplicaNo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the server saw of a replica when the pack was frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenReplica {
    /// Which.
    pub no: ReplicaNo,
    /// Its last contact.
    pub last_seen_ms: i64,
    /// How many changes it said it had not sent yet.
    pub unsent: u64,
}

/// What a pack tells and the log does not hold; it is kept beside the pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Each replica, by number.
    pub replicas: Vec<SeenReplica>,
}

impl Observed {
    fn of(&self, no: ReplicaNo) -> Option<&SeenReplica> {
        self.replicas.iter().find(|seen| seen.no == no)
    }
}

impl Tally<'_> {
    /// Phones that people carried until the end of the period.
    fn phones(&self) -> impl Iterator<Item = &Replica> {
        let until_ms = self.until_ms();
        self.scene.directory.replicas().filter(move |replica| {
            let is_good = replica.revoked_ms.is_none_or(|at_ms| at_ms >= until_ms);
            is_good && !replica.office
        })
    }

    /// Phones that have not been in contact since the period began, or that hold changes which they have not sent.
    pub(super) fn not_synced(&self) -> Value {
        let from_ms = self.since_ms();
        let silent = self.phones().filter_map(|replica| {
            let seen = self.scene.observed.of(replica.no)?;
            (seen.last_seen_ms < from_ms || seen.unsent > 0).then(|| {
                json!({
                    "no": replica.no.0, "replica": replica.replica.to_string(), "person": replica.person.0,
                    "since_ms": seen.last_seen_ms, "unsent": seen.unsent,
                })
            })
        });
        silent.collect()
    }

    /// Everybody who held a role in the period, with what it was and until when, and with their phones.
    pub(super) fn access(&self) -> Value {
        let directory = self.scene.directory;
        let held = |grant: &&Grant| {
            grant.role != SYSTEM_ROLE
                && grant.from_ms < self.until_ms()
                && grant.until_ms.is_none_or(|until| until > self.since_ms())
        };
        let told = directory.people().filter_map(|person| {
            let grants: Vec<&Grant> = directory.grants(person).iter().filter(held).collect();
            (!grants.is_empty()).then(|| self.access_of(person, &grants))
        });
        told.collect()
    }

    fn access_of(&self, person: PersonId, grants: &[&Grant]) -> Value {
        let roles: Vec<Value> = grants
            .iter()
            .map(|grant| {
                let has_ended = grant.until_ms.is_some_and(|until| until <= self.until_ms());
                json!({
                    "role": grant.role, "unit": grant.unit.0, "from_ms": grant.from_ms, "until_ms": grant.until_ms,
                    "has_ended": has_ended,
                })
            })
            .collect();
        let mut replicas = Vec::new();
        let mut has_contact = false;
        for replica in self.scene.directory.replicas() {
            if replica.person != person {
                continue;
            }
            let seen = self.scene.observed.of(replica.no);
            has_contact |= seen.is_some_and(|seen| seen.last_seen_ms >= self.since_ms());
            replicas.push(json!({
                "no": replica.no.0, "office": replica.office, "revoked_ms": replica.revoked_ms,
                "last_seen_ms": seen.map(|seen| seen.last_seen_ms),
            }));
        }
        json!({ "person": person.0, "roles": roles, "replicas": replicas, "has_contact": has_contact })
    }
}
