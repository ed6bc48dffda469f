//! The directory as the models need it: units, people and their roles, replicas; and what a person may see.

use super::documents::Documents;
use super::plain::ReplicaKey;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A role that a person holds on a unit, and so on all below it.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Which role.
    pub role: String,
    /// On which unit.
    pub unit: u32,
    /// From this moment on ...
    pub from_ms: i64,
    /// ... and before this one.
    pub until_ms: Option<i64>,
}

impl Grant {
    /// Whether it holds at some moment of an interval, both ends in it.
    pub fn holds_within(&self, from_ms: i64, to_ms: i64) -> bool {
        let begins_in_time = self.from_ms <= to_ms;
        let ends_too_early = self.until_ms.is_some_and(|until_ms| until_ms <= from_ms);
        begins_in_time && !ends_too_early
    }
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Its short number.
    pub number: u32,
    /// Whose it is.
    pub person: u32,
    /// The short number of the replica that it continues after a fork, and the last common change.
    pub continues: Option<(u32, u64)>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

/// Units, people, replicas.
#[derive(Clone, Debug, Default)]
pub struct People {
    parents: BTreeMap<u32, Option<u32>>,
    grants: BTreeMap<u32, Vec<Grant>>,
    replicas: BTreeMap<ReplicaKey, Replica>,
}

/// What a person may see: kind and unit, by place and by desk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Kinds and units of records.
    pub by_place: BTreeSet<(String, u32)>,
    /// Kinds and desks of records.
    pub by_desk: BTreeSet<(String, u32)>,
}

impl Scope {
    /// Whether a record is in scope.
    pub fn contains(&self, kind: &str, unit: u32, desk: Option<u32>) -> bool {
        let is_in = |set: &BTreeSet<(String, u32)>, unit| set.contains(&(kind.to_owned(), unit));
        is_in(&self.by_place, unit) || desk.is_some_and(|desk| is_in(&self.by_desk, desk))
    }
}

fn number(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or_default()
}

impl People {
    /// Takes one directory entry in, by the JSON that stands in the log. Gives the replica that enrols with it.
    pub fn apply(&mut self, body: &Value) -> Option<ReplicaKey> {
        let person = number(&body["person"]);
        let unit = number(&body["unit"]);
        let role = body["role"].as_str().unwrap_or_default();
        match body["directory"].as_str().unwrap_or_default() {
            "unit" => {
                let parent = body["parent"].as_u64().map(|_| number(&body["parent"]));
                self.parents.insert(unit, parent);
            }
            "grant" => {
                let grant = Grant {
                    role: role.to_owned(),
                    unit,
                    from_ms: body["from_ms"].as_i64().unwrap_or_default(),
                    until_ms: body["until_ms"].as_i64(),
                };
                let grants = self.grants.entry(person).or_default();
                grants.retain(|old| {
                    old.role != role || old.unit != unit || old.from_ms < grant.from_ms
                });
                grants.push(grant);
            }
            "grant_ended" => {
                let until_ms = body["until_ms"].as_i64().unwrap_or_default();
                for grant in self.grants.entry(person).or_default() {
                    if grant.role == role && grant.unit == unit {
                        let old = grant.until_ms.unwrap_or(i64::MAX);
                        grant.until_ms = Some(old.min(until_ms));
                    }
                }
            }
            "replica" => return Some(self.add_replica(body)),
            "replica_revoked" => {
                let no = number(&body["no"]);
                for replica in self.replicas.values_mut() {
                    if replica.number == no {
                        replica.revoked_ms = body["revoked_ms"].as_i64();
                    }
                }
            }
            "person" => {
                self.grants.entry(person).or_default();
            }
            // The server's keys and the version of the documents decide nothing here.
            _ => {}
        }
        None
    }

    fn add_replica(&mut self, body: &Value) -> ReplicaKey {
        let id = body["replica"].as_str().unwrap_or_default();
        let id = uuid::Uuid::parse_str(id).expect("BUG: a replica has an id");
        let continues = &body["continues"];
        let replica = Replica {
            number: number(&body["no"]),
            person: number(&body["person"]),
            continues: continues
                .is_array()
                .then(|| (number(&continues[0]), continues[1].as_u64().unwrap_or(0))),
            revoked_ms: body["revoked_ms"].as_i64(),
        };
        self.replicas.insert(*id.as_bytes(), replica);
        *id.as_bytes()
    }

    /// A replica by its id.
    pub fn replica(&self, id: ReplicaKey) -> Option<&Replica> {
        self.replicas.get(&id)
    }

    /// The id of a replica by its short number.
    pub fn replica_id(&self, number: u32) -> Option<ReplicaKey> {
        self.replicas
            .iter()
            .find(|(_, replica)| replica.number == number)
            .map(|(id, _)| *id)
    }

    /// Whether there is such a person.
    pub fn has_person(&self, person: u32) -> bool {
        self.grants.contains_key(&person)
    }

    /// Whether there is such a unit.
    pub fn has_unit(&self, unit: u32) -> bool {
        self.parents.contains_key(&unit)
    }

    /// Whether a unit is `above` or lies below it.
    pub fn is_within(&self, unit: u32, above: u32) -> bool {
        let mut at = Some(unit).filter(|unit| self.has_unit(*unit));
        while let Some(unit) = at {
            if unit == above {
                return true;
            }
            at = self.parents.get(&unit).copied().flatten();
        }
        false
    }

    /// All roles that a person was ever given.
    pub fn grants(&self, person: u32) -> &[Grant] {
        self.grants.get(&person).map_or(&[], Vec::as_slice)
    }

    /// What a person may see at a time.
    pub fn scope(&self, documents: &Documents, person: u32, at_ms: i64) -> Scope {
        let mut scope = Scope::default();
        for grant in self.grants(person) {
            let Some(role) = documents.roles.get(&grant.role) else {
                continue;
            };
            if !grant.holds_within(at_ms, at_ms) {
                continue;
            }
            for unit in self.parents.keys().copied() {
                if self.is_within(unit, grant.unit) {
                    let with_unit = |kind: &String| (kind.clone(), unit);
                    scope.by_place.extend(role.by_place.iter().map(with_unit));
                    scope.by_desk.extend(role.by_desk.iter().map(with_unit));
                }
            }
        }
        scope
    }
}
