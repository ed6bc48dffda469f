//! What must hold at the end: each change that was noted stands in the log once, each verdict that was noted is the log's,
//! each device holds what its scope holds, and the log verifies.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use server::clock::{Clock, SystemClock};
use server::device::journal::{Line, Received, Saved};
use server::ids::SystemEntropy;
use server::service::ServiceError;
use server::service::gridwork::{Gridwork, OpenOptions, district_path};
use server::store::StoreError;
use server::store::sqlite::DistrictRead;
use sync_core::digest::SetDigest;
use sync_core::entry::EntryKind;
use sync_core::hex;
use sync_core::ids::{PersonId, Pos};
use sync_core::scope::Scope;
use sync_core::verdict::{Marks, encode_answers};

use super::device::DeviceProcess;
use super::server::{DISTRICT, command};
use super::{ChaosError, Options, Summary, failed};

/// What the log has of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its place.
    pub pos: Pos,
    /// The whole answer, encoded, hexadecimal.
    pub answer: String,
    /// When it was done.
    pub time_ms: i64,
}

/// The changes of a log, to be looked up.
#[derive(Debug, Default)]
pub struct Log {
    by_hash: HashMap<String, Logged>,
    /// The places of each mark; repeats of a forked branch, which have no effect, left out.
    by_mark: HashMap<String, Vec<Pos>>,
}

impl Log {
    /// Reads the log of a district's file.
    ///
    /// # Errors
    /// The database's own.
    pub fn read(data: &Path) -> Result<Self, StoreError> {
        let read = DistrictRead::open(&district_path(data, DISTRICT))?;
        let mut log = Self::default();
        read.scan_entries(Pos(0), usize::MAX >> 1, |entry| {
            if entry.kind == EntryKind::Change {
                let is_repeat = entry.answer.marks.has(Marks::REPEAT);
                let body = entry.body.as_deref().unwrap_or_default();
                for mark in marks_of(body).filter(|_| !is_repeat) {
                    log.by_mark.entry(mark).or_default().push(entry.pos);
                }
                let logged = Logged {
                    pos: entry.pos,
                    answer: hex::encode(&encode_answers(std::slice::from_ref(&entry.answer))),
                    time_ms: entry.time_ms,
                };
                log.by_hash.insert(hex::encode(&entry.hash.0), logged);
            }
            Ok::<_, StoreError>(true)
        })?;
        Ok(log)
    }

    /// Whether a saved change stands in the log once.
    ///
    /// # Errors
    /// What is wrong, in words: it is lost (0 places) or there more than once.
    pub fn check_saved(&self, saved: &Saved) -> Result<(), Vec<Pos>> {
        let places = match &saved.mark {
            Some(mark) => self.by_mark.get(mark).cloned().unwrap_or_default(),
            None => self
                .by_hash
                .get(&saved.hash)
                .map(|logged| vec![logged.pos])
                .unwrap_or_default(),
        };
        if places.len() == 1 {
            Ok(())
        } else {
            Err(places)
        }
    }

    /// Whether a verdict is the log's, at the log's place.
    pub fn has(&self, received: &Received) -> bool {
        self.by_hash.get(&received.hash).is_some_and(|logged| {
            (logged.pos.0, &logged.answer, logged.time_ms)
                == (received.pos, &received.answer, received.time_ms)
        })
    }
}

/// The marks `[m:...]` in a payload.
fn marks_of(body: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(body).into_owned();
    let pieces: Vec<String> = text
        .split("[m:")
        .skip(1)
        .filter_map(|piece| Some(format!("[m:{}]", &piece[..piece.find(']')?])))
        .collect();
    pieces.into_iter()
}

/// Looks everything up that devices noted.
pub fn check_journal(log: &Log, name: &str, lines: &[Line], summary: &mut Summary) {
    for line in lines {
        match line {
            Line::Saved(saved) => {
                summary.changes += 1;
                if let Err(places) = log.check_saved(saved) {
                    if places.is_empty() {
                        summary.lost += 1;
                    } else {
                        summary.duplicated += 1;
                    }
                    summary.tell(format!("{name}: {saved:?} stands at {places:?}"));
                }
            }
            Line::Differed(differed) => {
                summary.differed += 1;
                summary.tell(format!("{name}: {differed:?}"));
            }
            Line::Verdict(received) => {
                summary.verdicts += 1;
                if !log.has(received) {
                    summary.verdict_changed += 1;
                    let logged = log.by_hash.get(&received.hash);
                    summary.tell(format!("{name}: {received:?}, the log has {logged:?}"));
                }
            }
        }
    }
}

/// Checks a run whose server has stopped.
///
/// # Errors
/// What could not be looked at.
pub async fn check(
    options: &Options,
    data: &Path,
    devices: &[DeviceProcess],
    states: &[Value],
    summary: &mut Summary,
) -> Result<(), ChaosError> {
    verify(&options.gridwork, data, summary);
    let log = Log::read(data).map_err(failed("the log cannot be read"))?;
    for device in devices {
        check_journal(&log, &device.name, &device.noted()?, summary);
    }
    compare_digests(data, devices, states, summary)
        .map_err(failed("the digests cannot be computed"))
}

/// Everything recomputed by the real command.
pub fn verify(gridwork: &Path, data: &Path, summary: &mut Summary) {
    let text = data.display().to_string();
    if let Err(error) = command(gridwork, &["verify", "--data", &text, "--json"]) {
        summary.broken += 1;
        summary.tell(error.to_string());
    }
}

fn compare_digests(
    data: &Path,
    devices: &[DeviceProcess],
    states: &[Value],
    summary: &mut Summary,
) -> Result<(), ServiceError> {
    let clock = Arc::new(SystemClock::new());
    let now_ms = clock.wall_ms();
    let gridwork = Gridwork::open(data, clock, Arc::new(SystemEntropy), OpenOptions::default())?;
    let district = Arc::clone(gridwork.district(Some(DISTRICT))?);
    let directory = &district.state().directory;
    let buckets = district.read_here(|read| Ok(read.list_buckets()?))?;
    let mut by_scope: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (device, state) in devices.iter().zip(states) {
        let name = device.name.as_str();
        let person = state["person"].as_u64().unwrap_or(0) as u32;
        let scope = Scope::of(directory, &district.documents(), PersonId(person), now_ms);
        let mut expected = SetDigest::default();
        for (bucket, digest) in &buckets {
            if scope.contains(bucket.kind, bucket.unit, bucket.desk) {
                expected.add_all(*digest);
            }
        }
        let expected = hex::encode(&expected.to_bytes());
        let held = |field: &str| state[field].as_str().unwrap_or_default();
        if held("digest") != expected || state["diverged"] != Value::Bool(false) {
            summary.diverged += 1;
            summary.tell(format!(
                "{name}: its scope holds {expected}, it says {state}"
            ));
        }
        let (first, bytes) = *by_scope
            .entry(state["scope"].as_str().unwrap_or_default())
            .or_insert((name, state["state_digest"].as_str().unwrap_or_default()));
        if bytes != held("state_digest") {
            summary.diverged += 1;
            summary.tell(format!("{name} and {first}: one scope, other bytes"));
        }
    }
    drop(district);
    gridwork.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use server::device::journal::Differed;

    #[test]
    fn marks_are_found_wherever_they_stand() {
        let body = r#"{"a":"x [m:1f-1] y","b":["[m:1f-2]"],"c":"[m:cut"}"#;
        let found: Vec<_> = marks_of(body.as_bytes()).collect();
        assert_eq!(found, ["[m:1f-1]", "[m:1f-2]"]);
    }

    fn saved(mark: &str) -> Saved {
        Saved {
            replica: Default::default(),
            seq: 1,
            hash: "aa".into(),
            mark: Some(mark.into()),
            record: Default::default(),
            intent: "visit.log".into(),
        }
    }

    #[test]
    fn what_is_lost_doubled_or_decided_otherwise_is_counted() {
        let mut log = Log::default();
        log.by_mark.insert("[m:1]".into(), vec![Pos(3)]);
        log.by_mark.insert("[m:2]".into(), vec![Pos(4), Pos(5)]);
        let logged = Logged {
            pos: Pos(3),
            answer: "0100".into(),
            time_ms: 7,
        };
        log.by_hash.insert("aa".into(), logged);
        let received = Received {
            replica: Default::default(),
            seq: 1,
            hash: "aa".into(),
            verdict: sync_core::verdict::Verdict::Accepted,
            answer: "0100".into(),
            time_ms: 7,
            epoch: 1,
            pos: 3,
        };
        let moved = Received {
            pos: 4,
            ..received.clone()
        };
        let other = Received {
            answer: "0101".into(),
            ..received.clone()
        };
        let later = Received {
            time_ms: 8,
            ..received.clone()
        };
        let gone = Received {
            hash: "bb".into(),
            ..received.clone()
        };
        let lines = [
            Line::Saved(saved("[m:1]")),
            Line::Saved(saved("[m:2]")),
            Line::Saved(saved("[m:3]")),
            Line::Verdict(received),
            Line::Verdict(moved),
            Line::Verdict(other),
            Line::Verdict(later),
            Line::Verdict(gone),
            Line::Differed(Differed {
                replica: Default::default(),
                pos: 9,
            }),
        ];
        let mut summary = Summary::default();
        check_journal(&log, "device", &lines, &mut summary);
        assert_eq!((summary.changes, summary.verdicts), (3, 5));
        assert_eq!((summary.duplicated, summary.lost), (1, 1));
        assert_eq!(summary.verdict_changed, 4);
        assert_eq!(summary.differed, 1);
        assert_eq!(summary.violations_count(), 7);
    }
}
