//! The district's directory as entries fold it: units, people, roles, replicas, keys. All that rights and scope look at.

use crate::change::{Signature, SigningKey, VerifyingKey, verify};
use crate::ids::{DistrictId, PersonId, Pos, ReplicaId, ReplicaNo, Seq, UnitId};
use crate::wire::KeyLink;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node of the district's tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its permanent number.
    pub unit: UnitId,
    /// The unit above; `None` for the district itself.
    pub parent: Option<UnitId>,
    /// Its present path, such as `440305.007.013`.
    pub code: String,
    /// Its name.
    pub name: String,
    /// `district`, `town`, `community`, `grid`, `department` ...
    pub kind: String,
}

/// A role that a person holds on a unit for a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub person: PersonId,
    /// The role's code.
    pub role: String,
    /// On which unit, and so on all below it.
    pub unit: UnitId,
    /// From when, milliseconds since 1970.
    pub from_ms: i64,
    /// Until when; `None` while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

impl Grant {
    /// Whether it holds at some time in `[from_ms, to_ms]`.
    pub fn holds_within(&self, from_ms: i64, to_ms: i64) -> bool {
        self.from_ms <= to_ms && self.until_ms.is_none_or(|until_ms| until_ms > from_ms)
    }
}

/// A replica as the district knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// The short number.
    pub no: ReplicaNo,
    /// Its id.
    pub replica: ReplicaId,
    /// Whose it is.
    pub person: PersonId,
    /// Its public key, 64 hexadecimal digits.
    #[serde(with = "hex_key")]
    pub key: VerifyingKey,
    /// The replica and place in its chain that this one continues, after a fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<(ReplicaNo, u64)>,
    /// What bounds the time of what it repeats of the replica that it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchBounds>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_ms: Option<i64>,
    /// Whether it is the server's own, by which the person acts online: no phone, never out of contact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub office: bool,
}

/// The contacts of a replica as they were when another one continued it after a fork. What that one repeats was made
/// before the fork, under these; it stands in the log, so that a decision can be made again from the log alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchBounds {
    /// When the fork was continued.
    pub forked_ms: i64,
    /// How long a chain each contact announced, and when it was. Chains that the log had by then count as empty ones: who
    /// had handed in more could not have gone back behind it either.
    pub contacts: Vec<(u64, i64)>,
}

impl BranchBounds {
    /// The last contact that announced a chain shorter than a change of this seq.
    pub fn earliest_ms(&self, seq: Seq) -> i64 {
        let shorter = |(head, _): &&(u64, i64)| *head < seq.0.max(1);
        let contacts = self.contacts.iter().filter(shorter);
        // One that never was in contact was enrolled all the same.
        contacts
            .map(|(_, at_ms)| *at_ms)
            .max()
            .unwrap_or(self.forked_ms)
    }
}

/// One entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "directory", rename_all = "snake_case")]
pub enum DirectoryChange {
    /// A unit is made, renamed or put under another parent.
    Unit(Unit),
    /// A person gets a number. Name and contacts are kept apart, where they can be erased.
    Person {
        /// The number.
        person: PersonId,
    },
    /// A role is given.
    Grant(Grant),
    /// A role ends.
    GrantEnded {
        /// Whose.
        person: PersonId,
        /// Which.
        role: String,
        /// Where.
        unit: UnitId,
        /// When.
        until_ms: i64,
    },
    /// A replica enrols.
    Replica(Replica),
    /// A replica is revoked.
    ReplicaRevoked {
        /// Which.
        no: ReplicaNo,
        /// When.
        revoked_ms: i64,
    },
    /// The server's key for receipts and heads, from here on; each after the first is signed with the one before.
    ServerKey {
        /// A short name, `k1`, `k2` ...
        id: String,
        /// The public key.
        #[serde(with = "hex_key")]
        key: VerifyingKey,
        /// The old key's signature over the new one, 128 hexadecimal digits; empty for the first.
        signature: String,
    },
    /// The documents that the district begins with, by the hash of each text.
    Documents {
        /// The version of the set.
        version: u32,
        /// Name and SHA-256 of each.
        hashes: BTreeMap<String, String>,
    },
    /// A further version of one document.
    Document {
        /// Which.
        name: String,
        /// Its version, one more than the last one's.
        version: u32,
        /// From when it is in force, milliseconds since 1970.
        from_ms: i64,
        /// The SHA-256 of its text.
        hash: String,
    },
    /// The pack of a week, month or quarter is frozen.
    Pack {
        /// Which: `2026-W48`, `2026-11`, `2026-Q4`.
        label: String,
        /// The place of the log that it was made at.
        pos: Pos,
        /// The SHA-256 of its text.
        hash: String,
    },
}

impl DirectoryChange {
    /// Whether a new server key is signed with the one before it: `gridwork/server-key/1` over district, name and key.
    /// False for any other change.
    pub fn is_key_signed_by(&self, district: DistrictId, before: &VerifyingKey) -> bool {
        let Self::ServerKey { id, key, signature } = self else {
            return false;
        };
        crate::hex::decode(signature)
            .and_then(|bytes| bytes.try_into().ok())
            .is_some_and(|bytes| {
                let signature = Signature(bytes);
                verify(before, KEY_TAG, &key_message(district, id, key), &signature)
            })
    }

    /// The entry of a new server key, signed with the one before it.
    pub fn next_server_key(
        district: DistrictId,
        id: &str,
        key: VerifyingKey,
        before: &SigningKey,
    ) -> Self {
        let signature = before.sign(KEY_TAG, &key_message(district, id, &key));
        Self::ServerKey {
            id: id.to_owned(),
            key,
            signature: crate::hex::encode(&signature.0),
        }
    }
}

const KEY_TAG: &str = "gridwork/server-key/1";

fn key_message(district: DistrictId, id: &str, key: &VerifyingKey) -> Vec<u8> {
    [&district.as_bytes()[..], id.as_bytes(), &key.to_bytes()].concat()
}

/// One version of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentVersion {
    /// From 1.
    pub version: u32,
    /// From when it is in force, milliseconds since 1970.
    pub from_ms: i64,
    /// The SHA-256 of its text.
    pub hash: String,
}

/// A pack that is frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrozenPack {
    /// The place of the log that it was made at.
    pub pos: Pos,
    /// The SHA-256 of its text.
    pub hash: String,
}

/// The folded directory.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    units: BTreeMap<UnitId, Unit>,
    people: BTreeMap<PersonId, Vec<Grant>>,
    replicas: BTreeMap<ReplicaNo, Replica>,
    by_id: BTreeMap<ReplicaId, ReplicaNo>,
    /// In the order of the log: each is signed with the one before.
    server_keys: Vec<KeyLink>,
    /// The versions of each document, in the order of the log.
    documents: BTreeMap<String, Vec<DocumentVersion>>,
    packs: BTreeMap<String, FrozenPack>,
    /// How many entries have changed the documents.
    pub documents_version: u32,
    /// The place of the last entry folded in.
    pub pos: Pos,
}

impl Directory {
    /// Folds one entry in. Entries come in the order of the log.
    pub fn apply(&mut self, pos: Pos, change: DirectoryChange) {
        self.pos = pos;
        match change {
            DirectoryChange::Unit(unit) => {
                self.units.insert(unit.unit, unit);
            }
            DirectoryChange::Person { person } => {
                self.people.entry(person).or_default();
            }
            DirectoryChange::Grant(grant) => {
                let grants = self.people.entry(grant.person).or_default();
                grants.retain(|old| {
                    !(old.role == grant.role
                        && old.unit == grant.unit
                        && old.from_ms >= grant.from_ms)
                });
                grants.push(grant);
            }
            DirectoryChange::GrantEnded {
                person,
                role,
                unit,
                until_ms,
            } => {
                for grant in self.people.entry(person).or_default() {
                    if grant.role == role
                        && grant.unit == unit
                        && grant.until_ms.is_none_or(|old| old > until_ms)
                    {
                        grant.until_ms = Some(until_ms);
                    }
                }
            }
            DirectoryChange::Replica(replica) => {
                self.by_id.insert(replica.replica, replica.no);
                self.replicas.insert(replica.no, replica);
            }
            DirectoryChange::ReplicaRevoked { no, revoked_ms } => {
                if let Some(replica) = self.replicas.get_mut(&no) {
                    replica.revoked_ms = Some(revoked_ms);
                }
            }
            DirectoryChange::ServerKey { id, key, signature } => {
                let signature = crate::hex::decode(&signature)
                    .and_then(|bytes| bytes.try_into().ok())
                    .unwrap_or([0; 64]);
                self.server_keys.push(KeyLink {
                    id,
                    key,
                    signature: Signature(signature),
                });
            }
            DirectoryChange::Documents { version, hashes } => {
                self.documents_version += 1;
                for (name, hash) in hashes {
                    self.documents
                        .entry(name)
                        .or_default()
                        .push(DocumentVersion {
                            version,
                            from_ms: i64::MIN,
                            hash,
                        });
                }
            }
            DirectoryChange::Document {
                name,
                version,
                from_ms,
                hash,
            } => {
                self.documents_version += 1;
                self.documents
                    .entry(name)
                    .or_default()
                    .push(DocumentVersion {
                        version,
                        from_ms,
                        hash,
                    });
            }
            DirectoryChange::Pack { label, pos, hash } => {
                // Once frozen it stays as it is.
                self.packs.entry(label).or_insert(FrozenPack { pos, hash });
            }
        }
    }

    /// The packs that are frozen, by label.
    pub fn packs(&self) -> impl Iterator<Item = (&str, &FrozenPack)> {
        self.packs
            .iter()
            .map(|(label, pack)| (label.as_str(), pack))
    }

    /// The pack of a label, if it is frozen.
    pub fn pack(&self, label: &str) -> Option<&FrozenPack> {
        self.packs.get(label)
    }

    /// A unit by number.
    pub fn unit(&self, unit: UnitId) -> Option<&Unit> {
        self.units.get(&unit)
    }

    /// All units by number.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// A unit by its present code.
    pub fn unit_by_code(&self, code: &str) -> Option<&Unit> {
        self.units.values().find(|unit| unit.code == code)
    }

    /// Whether `unit` is `above` or somewhere below it. False for units that do not exist.
    pub fn is_within(&self, unit: UnitId, above: UnitId) -> bool {
        // The tree is shallow; the bound keeps a cycle, which no command makes, from hanging a decision.
        let mut at = self.units.get(&unit);
        for _ in 0..16 {
            match at {
                Some(found) if found.unit == above => return true,
                Some(found) => at = found.parent.and_then(|parent| self.units.get(&parent)),
                None => return false,
            }
        }
        false
    }

    /// All units at or below `above`, by number.
    pub fn subtree(&self, above: UnitId) -> impl Iterator<Item = UnitId> {
        self.units
            .keys()
            .copied()
            .filter(move |unit| self.is_within(*unit, above))
    }

    /// The versions of a document, in the order of the log.
    pub fn document_versions(&self, name: &str) -> &[DocumentVersion] {
        self.documents.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of all documents that have a version.
    pub fn document_names(&self) -> impl Iterator<Item = &str> {
        self.documents.keys().map(String::as_str)
    }

    /// The versions of a document that are in force at a moment or come after: not those that another has taken the place of.
    pub fn document_versions_from(&self, name: &str, at_ms: i64) -> &[DocumentVersion] {
        let versions = self.document_versions(name);
        let begun = versions
            .iter()
            .rposition(|version| version.from_ms <= at_ms);
        &versions[begun.unwrap_or(0)..]
    }

    /// The version of each document that is in force at a moment: the last one entered of those whose time has come.
    pub fn documents_in_force(&self, at_ms: i64) -> impl Iterator<Item = (&str, &DocumentVersion)> {
        self.documents.keys().filter_map(move |name| {
            let first = self.document_versions_from(name, at_ms).first()?;
            (first.from_ms <= at_ms).then_some((name.as_str(), first))
        })
    }

    /// From when and until when nothing comes into force by time alone, around a moment.
    pub fn documents_hold_ms(&self, at_ms: i64) -> (i64, i64) {
        let all = || {
            self.documents
                .values()
                .flatten()
                .map(|version| version.from_ms)
        };
        let from_ms = all().filter(|from_ms| *from_ms <= at_ms).max();
        let until_ms = all().filter(|from_ms| *from_ms > at_ms).min();
        (from_ms.unwrap_or(i64::MIN), until_ms.unwrap_or(i64::MAX))
    }

    /// Whether the person has a number here.
    pub fn has_person(&self, person: PersonId) -> bool {
        self.people.contains_key(&person)
    }

    /// The numbers of all people.
    pub fn people(&self) -> impl Iterator<Item = PersonId> {
        self.people.keys().copied()
    }

    /// All grants of a person, ended ones as well.
    pub fn grants(&self, person: PersonId) -> &[Grant] {
        self.people.get(&person).map_or(&[], Vec::as_slice)
    }

    /// A replica by its short number.
    pub fn replica(&self, no: ReplicaNo) -> Option<&Replica> {
        self.replicas.get(&no)
    }

    /// A replica by its id.
    pub fn replica_by_id(&self, id: ReplicaId) -> Option<&Replica> {
        self.replicas.get(self.by_id.get(&id)?)
    }

    /// All replicas.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values()
    }

    /// The server's public key of this name.
    pub fn server_key(&self, id: &str) -> Option<&VerifyingKey> {
        let link = self.server_keys.iter().rev().find(|link| link.id == id);
        link.map(|link| &link.key)
    }

    /// All of the server's public keys, in the order of the log.
    pub fn server_keys(&self) -> impl Iterator<Item = (&str, &VerifyingKey)> {
        self.server_keys
            .iter()
            .map(|link| (link.id.as_str(), &link.key))
    }

    /// The server's keys as phones that know the one before are told of them, in the order of the log.
    pub fn key_links(&self) -> &[KeyLink] {
        &self.server_keys
    }
}

mod hex_key {
    use crate::change::VerifyingKey;
    use crate::hex;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(key: &VerifyingKey, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&key.to_bytes()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<VerifyingKey, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes.try_into().ok()?))
            .ok_or_else(|| D::Error::custom("not a public key"))
    }
}
