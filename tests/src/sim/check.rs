//! The end of a world. First all faults stop and everybody may talk until nothing is new (liveness); then everything that
//! was promised is looked for (safety).

use super::plan::Fate;
use super::world::World;
use server::service::verify::{self, Known};
use server::store::StoreError;
use server::store::sqlite::{DistrictRead, EntryRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use sync_core::digest::SetDigest;
use sync_core::entry::{EntryKind, RulingKind};
use sync_core::ids::{Pos, RecordId};
use sync_core::kinds::{Kind, KnownIntents};
use sync_core::replica::Condition;
use sync_core::scope::Scope;
use sync_core::verdict::{Marks, Verdict, encode_answers};

/// Rounds in which everybody talks; what needs more is stuck.
const ROUNDS_MAX: usize = 12;

const DAY_MS: i64 = 24 * 3_600_000;

impl World {
    /// All faults end.
    pub(super) fn heal(&mut self) {
        for phone in &mut self.phones {
            phone.node.disarm();
            phone.node.heal();
            phone.partition = None;
        }
        self.server.node.disarm();
        self.server.node.heal();
        self.tend();
        // What is on its way arrives, or is given up.
        for (at, _) in &mut self.flights {
            *at = 0;
        }
        self.land_flights();
        self.tend();
        if let Some(district) = self.server.district() {
            let _ = district.writer().agree_clock();
        }
    }

    /// Everybody talks until nothing is new.
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.server.clock.advance_ms(20 * 60_000);
            for index in 0..self.phones.len() {
                self.sync(index, Fate::Carried);
                if !self.outcome.violations.is_empty() {
                    return;
                }
            }
            if self.blockers().is_empty() {
                return;
            }
        }
        for blocker in self.blockers() {
            self.violation(format!("not quiescent: {blocker}"));
        }
    }

    /// What stands against rest, by name.
    fn blockers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (index, phone) in self.phones.iter().enumerate() {
            let Some(replica) = phone.replica.as_ref().filter(|_| !phone.gone) else {
                continue;
            };
            let (Ok(counts), Ok(condition)) = (replica.counts(), replica.condition()) else {
                found.push(format!("phone {index} cannot be read"));
                continue;
            };
            if counts.waiting > 0 || counts.stale > 0 || phone.session.is_waiting() {
                let unsent = unsent_rows(replica.connection()).unwrap_or_default();
                found.push(format!(
                    "phone {index} ({condition:?}): {} unsent, {} records asked for, waits for an answer: {}; {}",
                    counts.waiting,
                    counts.stale,
                    phone.session.is_waiting(),
                    unsent.join(", ")
                ));
            } else if condition == Condition::Forked && !phone.revoked {
                found.push(format!("phone {index} has not gone on under a new name"));
            } else if !phone.revoked && !self.holds_the_documents(index) {
                found.push(format!(
                    "phone {index} does not hold the documents in force"
                ));
            } else if !phone.revoked && !self.holds_its_scope(index) {
                let (held, expected) = (replica.digest().ok(), self.expected_digest(index));
                found.push(format!(
                    "phone {index} ({condition:?}) does not hold its scope: {held:?} for {expected:?}, cursor {:?}, scope {:?}",
                    replica.cursor(),
                    replica.scope()
                ));
            }
        }
        found
    }

    fn expected_digest(&self, index: usize) -> Option<SetDigest> {
        use server::clock::Clock as _;
        let district = self.server.district()?;
        let state = district.state();
        let (buckets, last_ms) = district
            .read_here(|read| Ok((read.list_buckets()?, read.last_received_ms()?)))
            .ok()?;
        // The time of admission never falls, whatever the clock does.
        let now_ms = self.server.clock.wall_ms().max(last_ms);
        let person = self.phones[index].person;
        let scope = Scope::of(&state.directory, &district.documents(), person, now_ms);
        let mut expected = SetDigest::default();
        for (bucket, digest) in &buckets {
            if scope.contains(bucket.kind, bucket.unit, bucket.desk) {
                expected.add_all(*digest);
            }
        }
        Some(expected)
    }

    fn holds_the_documents(&self, index: usize) -> bool {
        use server::clock::Clock as _;
        let (Some(district), Some(replica)) = (self.server.district(), &self.phones[index].replica)
        else {
            return false;
        };
        // The time of admission never falls, and phones reckon by it.
        let Ok(last_ms) = district.read_here(|read| Ok(read.last_received_ms()?)) else {
            return false;
        };
        let now_ms = self.server.clock.wall_ms().max(last_ms);
        // By the phone's own reckoning a day may have begun that has not for the server, and the other way round.
        let now = self.phones[index].clocks(&self.server);
        let Ok(held) = replica.documents_in_force(&now) else {
            return false;
        };
        let directory = Arc::clone(&district.state().directory);
        let near = [now_ms, now_ms - DAY_MS, now_ms + DAY_MS];
        near.into_iter().any(|at_ms| {
            let in_force = directory.documents_in_force(at_ms);
            held.len() == directory.document_names().count()
                && in_force
                    .map(|(name, version)| (name, &version.hash))
                    .eq(held.iter().map(|(name, hash)| (name.as_str(), hash)))
        })
    }

    fn holds_its_scope(&self, index: usize) -> bool {
        let phone = &self.phones[index];
        let held = phone
            .replica
            .as_ref()
            .and_then(|replica| replica.digest().ok());
        held.is_some() && held == self.expected_digest(index)
    }

    /// Looks for all that was promised.
    pub(super) fn check(&mut self) {
        let Some(district) = self.server.district() else {
            self.violation("the server is down at the end");
            return;
        };
        let read = match DistrictRead::open(district.path()) {
            Ok(read) => read,
            Err(error) => {
                self.violation(format!("the district's file does not open: {error}"));
                return;
            }
        };
        let mut entries = Vec::new();
        let scanned = read.scan_entries(Pos(0), usize::MAX >> 1, |entry| {
            entries.push(entry);
            Ok::<_, StoreError>(true)
        });
        if let Err(error) = scanned {
            self.violation(format!("the log cannot be read: {error}"));
            return;
        }
        self.outcome.entries = entries.len() as u64;
        self.check_places(&entries);
        self.check_lost(&entries);
        self.check_verdicts(&entries);
        self.check_images(&read);
        self.check_unread();
        self.judge_records(&read);
        self.count_marks(&entries);
        let head = district.sign_head(district.state().head);
        let known = Known {
            head: head.as_ref().ok(),
            ..Known::default()
        };
        match verify::verify(&read, district.code(), known, &mut |_| {}) {
            Ok(report) => {
                for fault in report.faults.iter().take(3) {
                    self.violation(format!("verify: {fault:?}"));
                }
            }
            Err(error) => self.violation(format!("verify failed: {error}")),
        }
        for index in 0..self.phones.len() {
            if self.phones[index].diverged && !self.phones[index].gone {
                self.violation(format!("phone {index} still differed after repairs"));
            }
        }
    }

    /// A line an entry, for whoever looks for the cause of a failure.
    pub(super) fn describe_log(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let Some(district) = self.server.district() else {
            return lines;
        };
        let Ok(read) = DistrictRead::open(district.path()) else {
            return lines;
        };
        let described = read.scan_entries(Pos(0), usize::MAX >> 1, |entry| {
            let body = String::from_utf8_lossy(entry.body.as_deref().unwrap_or_default()).into_owned();
            let header = sync_core::change::Header::decode(&entry.header).ok();
            lines.push(format!(
                "{} {:?} replica {} person {} seq {} record {:?} {:?} time {} was {:?} first {:?} {header:?} {body}",
                entry.pos, entry.kind, entry.replica, entry.person, entry.seq, entry.record, entry.answer,
                entry.time_ms, entry.was, entry.first_place,
            ));
            Ok::<_, StoreError>(true)
        });
        if let Err(error) = described {
            lines.push(format!("the log cannot be read further: {error}"));
        }
        lines
    }

    /// The first of these marks that the log does not have.
    pub(super) fn first_not_in_log(&self, marks: &[String]) -> Option<String> {
        if marks.is_empty() {
            return None;
        }
        let district = self.server.district()?;
        let mut text = Vec::new();
        let read = DistrictRead::open(district.path()).ok()?;
        read.scan_entries(Pos(0), usize::MAX >> 1, |entry| {
            text.extend_from_slice(entry.body.as_deref().unwrap_or_default());
            text.push(b'\n');
            Ok::<_, StoreError>(true)
        })
        .ok()?;
        let known = collect(&text);
        marks
            .iter()
            .find(|mark| !known.contains_key(mark.as_str()))
            .cloned()
    }

    fn check_places(&mut self, entries: &[EntryRow]) {
        for (index, entry) in entries.iter().enumerate() {
            if entry.pos.0 != index as u64 + 1 {
                self.violation(format!(
                    "place {} stands where {} should",
                    entry.pos,
                    index + 1
                ));
                return;
            }
        }
    }

    /// Every change that a phone holds, or that the server has acknowledged and not lost with a restore, is in the log.
    fn check_lost(&mut self, entries: &[EntryRow]) {
        let mut text = Vec::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Change)
        {
            text.extend_from_slice(entry.body.as_deref().unwrap_or_default());
            text.push(b'\n');
        }
        let marks = collect(&text);
        let mut lost = Vec::new();
        for (number, made) in self.made.iter().enumerate() {
            if !made.is_certain {
                continue;
            }
            let is_held = self
                .phones
                .iter()
                .any(|phone| phone.holds.contains(&number));
            let is_promised = made.acknowledged == Some(self.history);
            if (is_held || is_promised) && !marks.contains_key(made.mark.as_str()) {
                lost.push(format!(
                    "lost: {} (held {is_held}, promised {is_promised})",
                    made.mark
                ));
            }
        }
        for text in lost {
            self.violation(text);
        }
        self.check_counted_once(entries);
    }

    /// Nothing has its effect twice, whoever repeats it.
    fn check_counted_once(&mut self, entries: &[EntryRow]) {
        let mut seen = BTreeMap::new();
        let mut twice = Vec::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Change)
        {
            let repeats = entry.answer.marks.has(Marks::REPEAT);
            if !entry.answer.verdict.is_in_force() || repeats {
                continue;
            }
            for mark in collect(entry.body.as_deref().unwrap_or_default()).into_keys() {
                let is_mark = mark.starts_with('m') && mark.ends_with('#');
                if is_mark && let Some(first) = seen.insert(mark.to_owned(), entry.pos) {
                    twice.push(format!(
                        "{mark} counts at {first} and again at {}",
                        entry.pos
                    ));
                }
            }
        }
        for text in twice {
            self.violation(text);
        }
    }

    /// A verdict that a phone has taken in is the log's.
    fn check_verdicts(&mut self, entries: &[EntryRow]) {
        let Some(district) = self.server.district() else {
            return;
        };
        let state = district.state();
        let mut changed = Vec::new();
        let mut logged = BTreeMap::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Change)
        {
            let name = state
                .directory
                .replica(entry.replica)
                .map(|replica| replica.replica);
            let mut answer = entry.answer.clone();
            answer.marks.0 &= !Marks::REPEAT.with(Marks::REOFFERED).0;
            let mut bytes = encode_answers(&[answer]);
            bytes.extend(entry.time_ms.to_be_bytes());
            if let Some(name) = name
                && logged.insert((name, entry.seq), bytes).is_some()
            {
                changed.push(format!("{} {} is in the log twice", name, entry.seq));
            }
        }
        for (index, phone) in self.phones.iter().enumerate() {
            // A fork's branch that the log does not have is repeated under another name.
            if phone.forks > 0 || phone.gone {
                continue;
            }
            for (id, told) in &phone.taken {
                match logged.get(id) {
                    Some(found) if *found == told.bytes => {}
                    Some(_) => changed.push(format!(
                        "the log's verdict on {} {} is not what phone {index} was told",
                        id.0, id.1
                    )),
                    None => changed.push(format!(
                        "{} {} of phone {index} has a verdict and no place",
                        id.0, id.1
                    )),
                }
            }
        }
        for text in changed {
            self.violation(text);
        }
    }

    /// Row for row, a phone holds what the server holds.
    fn check_images(&mut self, read: &DistrictRead) {
        let Some(district) = self.server.district() else {
            return;
        };
        let state = district.state();
        let view = district.view(read, &state);
        let mut images: BTreeMap<RecordId, (Pos, Vec<u8>)> = BTreeMap::new();
        let mut rows = Vec::new();
        let scanned = read.scan_records(0, usize::MAX >> 1, |row| {
            rows.push(row);
            Ok::<_, StoreError>(true)
        });
        if let Err(error) = scanned {
            self.violation(format!("the records cannot be read: {error}"));
            return;
        }
        for row in rows.iter().filter(|row| row.kind != Kind::Unknown) {
            match view.image_of(row) {
                Ok(image) => {
                    images.insert(row.id, (row.pos, image));
                }
                Err(error) => self.violation(format!("record {} has no image: {error}", row.id)),
            }
        }
        let mut differing = Vec::new();
        for (index, phone) in self.phones.iter().enumerate() {
            let Some(replica) = phone
                .replica
                .as_ref()
                .filter(|_| !phone.gone && !phone.revoked)
            else {
                continue;
            };
            let held = held_images(replica.connection());
            let Ok(held) = held else {
                differing.push(format!("phone {index}'s records cannot be read"));
                continue;
            };
            for (id, pos, image) in held {
                match images.get(&id) {
                    Some((place, bytes)) if *place == pos && *bytes == image => {}
                    Some((place, bytes)) => differing.push(format!(
                        "phone {index} holds record {id} at {pos}, the server at {place}:\n  {}\n  {}",
                        String::from_utf8_lossy(&image),
                        String::from_utf8_lossy(bytes)
                    )),
                    None => differing.push(format!("phone {index} holds record {id}, which is none")),
                }
            }
        }
        for text in differing.into_iter().take(3) {
            self.violation(text);
        }
    }

    /// What an older app kept without reading it, a newer one shows.
    fn check_unread(&mut self) {
        let mut shown = 0;
        for phone in self.phones.iter().filter(|phone| !phone.gone) {
            let Some(replica) = &phone.replica else {
                continue;
            };
            if phone.known != KnownIntents::ALL || phone.kept_unread.is_empty() {
                continue;
            }
            let held = held_images(replica.connection()).unwrap_or_default();
            let of_them = |(id, ..): &&(RecordId, Pos, Vec<u8>)| phone.kept_unread.contains(id);
            shown += held.iter().filter(of_them).count() as u64;
        }
        self.outcome.marks.add("updated_app_shows", shown);
    }

    fn count_marks(&mut self, entries: &[EntryRow]) {
        for entry in entries {
            match entry.kind {
                EntryKind::Change => {
                    if entry.first_place.is_some() {
                        self.mark("taken_back");
                    }
                    if entry.was.is_some() {
                        self.mark("moved");
                    }
                    let header = sync_core::change::Header::decode(&entry.header);
                    if header.is_ok_and(|header| header.origin.is_some()) {
                        self.mark("repeated_origin");
                    }
                    if entry.answer.verdict == Verdict::Quarantined && entry.record.is_none() {
                        self.mark("unreadable");
                    }
                }
                EntryKind::Ruling => {
                    if let Ok(ruling) = server::service::context::read_ruling(entry) {
                        match ruling.ruling {
                            RulingKind::Released => self.mark("released"),
                            RulingKind::Repaired => self.mark("repaired"),
                            _ => {}
                        }
                    }
                }
                EntryKind::Directory => {}
            }
        }
    }
}

/// The own changes that are still to be sent, a line each.
fn unsent_rows(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT chain, seq, again, answer IS NULL, header IS NULL, place_epoch FROM own
               WHERE answer IS NULL OR again = 1 ORDER BY chain, seq LIMIT 8";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let (chain, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (again, is_new, is_gone): (bool, bool, bool) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let epoch: Option<i64> = row.get(5)?;
        Ok(format!(
            "{chain}/{seq} again {again} new {is_new} let go of {is_gone} of epoch {epoch:?}"
        ))
    })?;
    rows.collect()
}

pub(super) fn held_images(
    connection: &rusqlite::Connection,
) -> rusqlite::Result<Vec<(RecordId, Pos, Vec<u8>)>> {
    let mut statement = connection.prepare(
        "SELECT id, pos, image FROM record WHERE in_scope = 1 AND image IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map([], |row| {
        let id: Vec<u8> = row.get(0)?;
        let id = RecordId::from_slice(&id).ok_or(rusqlite::Error::InvalidQuery)?;
        Ok((id, Pos(row.get::<_, i64>(1)? as u64), row.get(2)?))
    })?;
    rows.collect()
}

/// Every mark in a text: `m3-17#`, or the digest that stands for one.
fn collect(text: &[u8]) -> BTreeMap<&str, ()> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let mut found = BTreeMap::new();
    for piece in text.split(['"', '\n']) {
        found.insert(piece, ());
    }
    found
}
