//! The documents of a district: which of them are in force at a moment.

use super::log_writer::{LogWriter, WriterState};
use crate::store::StoreError;
use crate::store::sqlite::{DistrictRead, DistrictWrite, Group};
use chrono::{Offset as _, TimeZone as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use sync_core::calendar::Zone;
use sync_core::change::{Hash, SigningKey};
use sync_core::directory::{Directory, DirectoryChange, DocumentVersion};
use sync_core::documents::{DEFAULTS, Documents, Manifest, ManifestVersion};
use sync_core::ids::Pos;
use sync_core::limits;
use sync_core::replica::mark_of;
use sync_core::wire::{SyncResponse, TextMark};

const DAY_MS: i64 = 24 * 3_600_000;

/// The documents in force, and between which moments they are while no entry changes them.
#[derive(Clone, Debug)]
pub struct InForce {
    /// They themselves.
    pub documents: Arc<Documents>,
    /// How many versions the directory had when they were read.
    known: u32,
    from_ms: i64,
    until_ms: i64,
    /// What replicas are told of them, and the texts of those in force and to come.
    told: Arc<Told>,
}

#[derive(Debug)]
struct Told {
    manifest: Vec<u8>,
    texts: Vec<(Hash, String)>,
}

/// Reads a version's text and holds it against the hash that the log names.
fn text_of(
    read: &DistrictRead,
    name: &str,
    version: &DocumentVersion,
) -> Result<(Hash, String), StoreError> {
    let found = read.find_document(name, version.version)?;
    let hashed = found.map(|text| (Hash::of(&[text.as_bytes()]), text));
    hashed
        .filter(|(hash, _)| hash.to_string() == version.hash)
        .ok_or_else(|| {
            let row = format!("{name}/{}", version.version);
            StoreError::corrupt("document", row, "it is not what the log names")
        })
}

impl Told {
    fn at(
        read: &DistrictRead,
        directory: &Directory,
        zone: &Zone,
        at_ms: i64,
    ) -> Result<Self, StoreError> {
        let mut manifest = Manifest {
            zone: zone.clone(),
            versions: Vec::new(),
        };
        let mut texts = Vec::new();
        for name in directory.document_names() {
            for version in directory.document_versions_from(name, at_ms) {
                texts.push(text_of(read, name, version)?);
                manifest.versions.push(ManifestVersion {
                    name: name.to_owned(),
                    version: version.version,
                    from_ms: (version.from_ms > i64::MIN).then_some(version.from_ms),
                    sha256: version.hash.clone(),
                });
            }
        }
        Ok(Self {
            manifest: manifest.encode(),
            texts,
        })
    }
}

/// Reads those of a directory that are in force at a moment.
pub(super) fn read_in_force(
    read: &DistrictRead,
    directory: &Directory,
    zone: Zone,
    at_ms: i64,
) -> Result<Documents, StoreError> {
    let mut texts: BTreeMap<&str, String> = DEFAULTS
        .iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect();
    for (name, version) in directory.documents_in_force(at_ms) {
        texts.insert(name, text_of(read, name, version)?.1);
    }
    let texts = texts.iter().map(|(name, text)| (*name, text.as_str()));
    Documents::read(texts, zone).map_err(|faults| {
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        StoreError::corrupt("document", "in force", text.join("; "))
    })
}

/// Documents of the past, each set read once: what was done under them is told by them for ever.
#[derive(Debug, Default)]
pub struct PastDocuments {
    held: Mutex<Vec<Past>>,
}

#[derive(Debug)]
struct Past {
    known: u32,
    from_ms: i64,
    until_ms: i64,
    documents: Arc<Documents>,
}

/// Sets that are held at once; a year has a handful.
const PAST_MAX: usize = 32;

impl PastDocuments {
    /// Those that were in force at a moment, as the district knows it now.
    ///
    /// # Errors
    /// As [`InForce::at`].
    pub fn at(
        &self,
        read: &DistrictRead,
        state: &WriterState,
        at_ms: i64,
    ) -> Result<Arc<Documents>, StoreError> {
        let directory = &state.directory;
        if state.documents.are_those_of(directory, at_ms) {
            return Ok(Arc::clone(&state.documents.documents));
        }
        let known = directory.documents_version;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|past| past.known == known);
        let holds = |past: &&Past| (past.from_ms..past.until_ms).contains(&at_ms);
        if let Some(past) = held.iter().find(holds) {
            return Ok(Arc::clone(&past.documents));
        }
        let zone = state.documents.documents.zone().clone();
        let documents = Arc::new(read_in_force(read, directory, zone, at_ms)?);
        let (from_ms, until_ms) = directory.documents_hold_ms(at_ms);
        if held.len() >= PAST_MAX {
            held.remove(0);
        }
        held.push(Past {
            known,
            from_ms,
            until_ms,
            documents: Arc::clone(&documents),
        });
        Ok(documents)
    }
}

impl InForce {
    /// Those of a directory at a moment. What the district has no version of is as it ships.
    ///
    /// # Errors
    /// Storage's own; a text that is not the one that its entry names, or that cannot be read, is corrupt.
    pub fn at(
        read: &DistrictRead,
        directory: &Directory,
        time_zone: &str,
        at_ms: i64,
    ) -> Result<Self, StoreError> {
        let zone = zone_of(time_zone);
        let told = Told::at(read, directory, &zone, at_ms)?;
        let documents = read_in_force(read, directory, zone, at_ms)?;
        let (from_ms, until_ms) = directory.documents_hold_ms(at_ms);
        Ok(Self {
            documents: Arc::new(documents),
            known: directory.documents_version,
            from_ms,
            until_ms,
            told: Arc::new(told),
        })
    }

    /// Which they are, as a word that others have another of.
    pub fn mark(&self) -> String {
        format!("{}/{}", self.known, self.from_ms)
    }

    /// Whether they are still those of this directory at this moment.
    pub fn are_those_of(&self, directory: &Directory, at_ms: i64) -> bool {
        self.known == directory.documents_version && self.from_ms <= at_ms && at_ms < self.until_ms
    }
}

impl InForce {
    /// The text of one of them.
    ///
    /// # Errors
    /// Storage's own.
    pub fn text(
        &self,
        read: &DistrictRead,
        directory: &Directory,
        name: &str,
    ) -> Result<String, StoreError> {
        let versions = directory.document_versions_from(name, self.from_ms);
        if let Some(version) = versions
            .first()
            .filter(|version| version.from_ms <= self.from_ms)
        {
            return Ok(text_of(read, name, version)?.1);
        }
        let shipped = DEFAULTS.iter().find(|(shipped, _)| *shipped == name);
        let (_, text) =
            shipped.ok_or_else(|| StoreError::Missing(format!("no document {name}")))?;
        Ok((*text).to_owned())
    }

    /// Puts into an answer what a replica that holds these texts is to know: the list, and as many of the others as there is
    /// room for; one in any case.
    pub fn tell(&self, held: &[TextMark], bytes_max: usize, response: &mut SyncResponse) {
        response.manifest = Some(self.told.manifest.clone());
        let mut size = 0;
        for (hash, text) in &self.told.texts {
            let is_sent = response.texts.iter().any(|sent| sent == text.as_bytes());
            if is_sent || held.contains(&mark_of(&hash.0)) {
                continue;
            }
            size += text.len();
            if size > bytes_max && !response.texts.is_empty() {
                break;
            }
            response.texts.push(text.clone().into_bytes());
        }
    }
}

/// Enters what ships with this version of the server and the district has no version of, so that the log names what
/// decisions rest on. A district that has not begun gets all with its first entries.
///
/// # Errors
/// Storage's own.
pub(super) fn enter_missing(
    write: &DistrictWrite,
    key: &(String, SigningKey),
    now_ms: i64,
) -> Result<(), StoreError> {
    let state = WriterState::load(write)?;
    let head = state.head.0;
    let is_missing = |name: &str| state.directory.document_versions(name).is_empty();
    let missing: Vec<_> = DEFAULTS
        .iter()
        .filter(|(name, _)| head > Pos(0) && is_missing(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let now_ms = now_ms.max(write.last_received_ms()?);
    let transaction = Group::begin(write)?;
    let mut log = LogWriter::new(write, (&key.0, &key.1), &state);
    for (name, text) in missing {
        log.put_document(name, 1, text)?;
        let change = DirectoryChange::Document {
            name: (*name).to_owned(),
            version: 1,
            from_ms: now_ms,
            hash: Hash::of(&[text.as_bytes()]).to_string(),
        };
        log.change_directory(change, now_ms)?;
    }
    log.finish(head)?;
    transaction.commit()
}

/// A time zone by its IANA name, as the offsets that it has within the times that there can be. UTC for a name that
/// nobody knows, which founding a district refuses.
pub fn zone_of(name: &str) -> Zone {
    let zone: chrono_tz::Tz = name.parse().unwrap_or(chrono_tz::UTC);
    let offset = |at_ms: i64| {
        let at = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default();
        let local = zone.offset_from_utc_datetime(&at.naive_utc());
        local.fix().local_minus_utc() / 60
    };
    let mut offsets = vec![(limits::TIME_MS_MIN, offset(limits::TIME_MS_MIN))];
    let mut day_ms = limits::TIME_MS_MIN;
    while day_ms < limits::TIME_MS_MAX {
        let next_ms = day_ms + DAY_MS;
        if offset(next_ms) != offset(day_ms) {
            // The last moment of the old offset and the first of the new one close in on each other.
            let (mut before_ms, mut after_ms) = (day_ms, next_ms);
            while after_ms - before_ms > 1 {
                let middle_ms = before_ms + (after_ms - before_ms) / 2;
                if offset(middle_ms) == offset(day_ms) {
                    before_ms = middle_ms;
                } else {
                    after_ms = middle_ms;
                }
            }
            offsets.push((after_ms, offset(next_ms)));
        }
        day_ms = next_ms;
    }
    Zone::changing(offsets).expect("BUG: a zone has an offset")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(zone: &Zone, at: &str) -> String {
        let at = chrono::DateTime::parse_from_rfc3339(at).expect("a time");
        zone.local(at.timestamp_millis()).to_string()
    }

    #[test]
    fn zones_have_the_offsets_of_the_database() {
        assert_eq!(
            zone_of("Asia/Shanghai"),
            Zone::changing(vec![(limits::TIME_MS_MIN, 480)]).expect("one")
        );
        let berlin = zone_of("Europe/Berlin");
        assert_eq!(
            local(&berlin, "2026-03-29T00:59:59Z"),
            "2026-03-29 01:59:59"
        );
        assert_eq!(
            local(&berlin, "2026-03-29T01:00:00Z"),
            "2026-03-29 03:00:00"
        );
        assert_eq!(
            local(&berlin, "2026-12-01T12:00:00Z"),
            "2026-12-01 13:00:00"
        );
    }
}
