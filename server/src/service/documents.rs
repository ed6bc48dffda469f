//! The documents of a district: which of them are in force at a moment.

use crate::store::StoreError;
use crate::store::sqlite::DistrictRead;
use chrono::{Offset as _, TimeZone as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_core::calendar::Zone;
use sync_core::change::Hash;
use sync_core::directory::Directory;
use sync_core::documents::{DEFAULTS, Documents};
use sync_core::limits;

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
        let mut texts: BTreeMap<&str, String> = DEFAULTS
            .iter()
            .map(|(name, text)| (*name, (*text).to_owned()))
            .collect();
        for (name, version) in directory.documents_in_force(at_ms) {
            let row = || format!("{name}/{}", version.version);
            let text = read
                .find_document(name, version.version)?
                .filter(|text| Hash::of(&[text.as_bytes()]).to_string() == version.hash)
                .ok_or_else(|| {
                    StoreError::corrupt("document", row(), "it is not what the log names")
                })?;
            texts.insert(name, text);
        }
        let texts = texts.iter().map(|(name, text)| (*name, text.as_str()));
        let documents = Documents::read(texts, zone_of(time_zone)).map_err(|faults| {
            let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
            StoreError::corrupt("document", "in force", text.join("; "))
        })?;
        let (from_ms, until_ms) = directory.documents_hold_ms(at_ms);
        Ok(Self {
            documents: Arc::new(documents),
            known: directory.documents_version,
            from_ms,
            until_ms,
        })
    }

    /// Whether they are still those of this directory at this moment.
    pub fn are_those_of(&self, directory: &Directory, at_ms: i64) -> bool {
        self.known == directory.documents_version && self.from_ms <= at_ms && at_ms < self.until_ms
    }
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
