//! Which versions of documents there are, as a replica is told.

use super::Documents;
use crate::calendar::Zone;
use crate::{hex, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One version of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestVersion {
    /// Which document.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// From when it is in force, milliseconds since 1970; `None` from the beginning.
    pub from_ms: Option<i64>,
    /// The SHA-256 of its text, 64 hexadecimal digits.
    pub sha256: String,
}

impl ManifestVersion {
    /// Whether its time has come.
    pub fn has_begun(&self, at_ms: i64) -> bool {
        self.from_ms.is_none_or(|from_ms| from_ms <= at_ms)
    }
}

/// The versions in force and those to come, each document's in the order of the log, and the zone that times are told in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The district's.
    pub zone: Zone,
    /// All that a replica needs.
    pub versions: Vec<ManifestVersion>,
}

impl Manifest {
    /// The bytes, as an answer carries them.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("BUG: a manifest is JSON")
    }

    /// Reads them. `None` for what is no manifest, has more versions than there may be, or names a text by what is no hash:
    /// such a text could never be held.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let is_hash =
            |version: &ManifestVersion| hex::decode_array::<32>(&version.sha256).is_some();
        serde_json::from_slice(bytes)
            .ok()
            .filter(|manifest: &Self| manifest.versions.len() <= limits::DOCUMENT_TEXTS_MAX)
            .filter(|manifest| manifest.versions.iter().all(is_hash))
    }

    /// The version of each document that is in force at a moment: the last one of those whose time has come.
    pub fn in_force(&self, at_ms: i64) -> BTreeMap<&str, &ManifestVersion> {
        let begun = self
            .versions
            .iter()
            .filter(|version| version.has_begun(at_ms));
        begun
            .map(|version| (version.name.as_str(), version))
            .collect()
    }
}

impl Documents {
    /// Reads texts as [`Documents::read`] does, for a version of the app that may be older than they are: a document that it
    /// cannot read is as it ships.
    pub fn read_or_default(texts: &BTreeMap<String, String>, zone: &Zone) -> Self {
        let mut texts = texts.clone();
        loop {
            let all = super::DEFAULTS.iter().copied().chain(
                texts
                    .iter()
                    .map(|(name, text)| (name.as_str(), text.as_str())),
            );
            match Self::read(all, zone.clone()) {
                Ok(documents) => return documents,
                Err(faults) => {
                    let before = texts.len();
                    texts.retain(|name, _| faults.iter().all(|fault| fault.document != *name));
                    assert!(
                        texts.len() < before,
                        "BUG: the default documents are wrong: {faults:?}"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str, version: u32, from_ms: Option<i64>) -> ManifestVersion {
        ManifestVersion {
            name: name.to_owned(),
            version,
            from_ms,
            sha256: "0f".repeat(32),
        }
    }

    #[test]
    fn the_last_of_those_whose_time_has_come_is_in_force() {
        let manifest = Manifest {
            zone: Zone::fixed(480),
            versions: vec![
                version("calendar", 1, None),
                version("calendar", 2, Some(50)),
                version("calendar", 3, Some(40)),
                version("roles", 1, None),
            ],
        };
        let at = |at_ms| {
            let in_force = manifest.in_force(at_ms);
            (in_force["calendar"].version, in_force["roles"].version)
        };
        assert_eq!((at(39), at(40), at(50)), ((1, 1), (3, 1), (3, 1)));
        assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest.clone()));
        let mut spoilt = manifest;
        spoilt.versions[1].sha256.pop();
        assert_eq!(Manifest::decode(&spoilt.encode()), None);
        assert_eq!(Manifest::decode(b"<html>"), None);
    }

    #[test]
    fn a_document_that_cannot_be_read_is_as_it_ships_and_the_others_hold() {
        let mut calendar: serde_json::Value = serde_json::from_str(
            super::super::DEFAULTS
                .iter()
                .find(|(name, _)| *name == "calendar")
                .expect("it ships")
                .1,
        )
        .expect("json");
        calendar["weekend"] = serde_json::json!(["sunday"]);
        let texts = [
            ("calendar".to_owned(), calendar.to_string()),
            ("roles".to_owned(), "{}".to_owned()),
            ("of_a_later_version".to_owned(), "{}".to_owned()),
        ];
        let documents = Documents::read_or_default(&texts.into(), &Zone::fixed(60));
        assert!(documents.role("worker").is_some());
        assert_eq!(documents.zone(), &Zone::fixed(60));
        let saturday = chrono::NaiveDate::from_ymd_opt(2026, 3, 7).expect("a day");
        assert!(documents.calendar().is_working_day(saturday));
    }
}
