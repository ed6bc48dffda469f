//! The reckoning at the end of the day: nothing lost, everybody alike, everything verified.

use super::summary::DaySummary;
use super::world::World;
use crate::service::ServiceError;
use crate::service::verify::{self, Known};
use crate::store::StoreError;
use crate::store::sqlite::DistrictRead;
use std::collections::BTreeSet;
use sync_core::digest::SetDigest;
use sync_core::entry::EntryKind;
use sync_core::ids::Pos;
use sync_core::kinds::Kind;
use sync_core::replica::Filter;
use sync_core::scope::Scope;
use sync_core::verdict::Verdict;

impl World {
    /// Counts and compares.
    pub async fn check(&mut self) -> Result<DaySummary, ServiceError> {
        let mut summary = DaySummary {
            converged: true,
            ..DaySummary::default()
        };
        summary.replicas = self.phones.len() as u64;
        summary.changes = self
            .phones
            .iter()
            .map(|phone| phone.made.len() as u64)
            .sum();
        summary.forks = self.phones.iter().map(|phone| phone.forks).sum();
        let bodies = self.count_log(&mut summary)?;
        for phone in &self.phones {
            for made in &phone.made {
                if !bodies.contains(&made.mark) {
                    summary.lost += 1;
                    note(
                        &mut summary.faults,
                        format!("lost: {} of record {}", made.mark, made.record),
                    );
                }
            }
        }
        self.compare_digests(&mut summary)?;
        self.look_at_scopes(&mut summary);
        self.verify(&mut summary)?;
        Ok(summary)
    }

    /// Recomputes everything from the log, against the head that the server last signed.
    fn verify(&self, summary: &mut DaySummary) -> Result<(), ServiceError> {
        let district = self.open_district();
        let head = district.sign_head(district.state().head)?;
        let read = DistrictRead::open(district.path())?;
        let known = Known {
            head: Some(&head),
            ..Known::default()
        };
        let report = verify::verify(&read, district.code(), known, &mut |_| {})?;
        summary.verify = report.is_ok();
        for fault in report.faults {
            note(&mut summary.faults, format!("verify: {fault:?}"));
        }
        Ok(())
    }

    /// Reads the whole log once: counts, and every mark that stands in it.
    fn count_log(&self, summary: &mut DaySummary) -> Result<BTreeSet<String>, ServiceError> {
        let district = self.open_district();
        let mut marks = BTreeSet::new();
        district.read_here(|read| {
            let mut after = Pos(0);
            loop {
                let mut last = after;
                read.scan_entries(after, 10_000, |entry| {
                    last = entry.pos;
                    match entry.kind {
                        EntryKind::Change => {
                            let count = match entry.answer.verdict {
                                Verdict::Accepted => &mut summary.accepted,
                                Verdict::Conflict => &mut summary.conflict,
                                Verdict::NotApplied => &mut summary.not_applied,
                                Verdict::Held => &mut summary.held,
                                Verdict::Quarantined => &mut summary.quarantined,
                            };
                            *count += 1;
                            summary.reoffered += u64::from(entry.first_place.is_some());
                            collect_marks(entry.body.as_deref().unwrap_or_default(), &mut marks);
                        }
                        EntryKind::Ruling => {
                            let ruling = crate::service::context::read_ruling(&entry)?;
                            match ruling.ruling {
                                sync_core::entry::RulingKind::Released => summary.released += 1,
                                sync_core::entry::RulingKind::Repaired => summary.repaired += 1,
                                _ => {}
                            }
                        }
                        EntryKind::Directory => {}
                    }
                    Ok::<_, StoreError>(true)
                })?;
                if last == after {
                    break;
                }
                after = last;
            }
            summary.records = u64::try_from(read.last_record_no()?).unwrap_or(0);
            Ok(())
        })?;
        summary.duplicate = self.phones.iter().map(|phone| phone.duplicates).sum();
        Ok(marks)
    }

    fn compare_digests(&self, summary: &mut DaySummary) -> Result<(), ServiceError> {
        let district = self.open_district();
        let state = district.state();
        let buckets = district.read_here(|read| Ok(read.list_buckets()?))?;
        let mut whole = SetDigest::default();
        for (_, digest) in &buckets {
            whole.add_all(*digest);
        }
        summary.digest = sync_core::hex::encode(&whole.to_bytes());
        for phone in &self.phones {
            let now_ms = crate::clock::Clock::wall_ms(&*self.clock);
            let scope = Scope::of(
                &state.directory,
                &district.documents(),
                phone.person,
                now_ms,
            );
            let mut expected = SetDigest::default();
            for (bucket, digest) in &buckets {
                if scope.contains(bucket.kind, bucket.unit, bucket.desk) {
                    expected.add_all(*digest);
                }
            }
            let held = phone.replica.digest().unwrap_or_default();
            let waiting = phone
                .replica
                .counts()
                .map_or(u64::MAX, |counts| counts.waiting);
            if held != expected || waiting > 0 || phone.diverged {
                summary.converged = false;
                note(
                    &mut summary.faults,
                    format!(
                        "person {} ({}): holds {} of {} records, {waiting} unsent, diverged {}",
                        phone.person, phone.role, held.count, expected.count, phone.diverged
                    ),
                );
            }
        }
        Ok(())
    }

    fn look_at_scopes(&self, summary: &mut DaySummary) {
        let handler = self.find("department_handler", 0);
        let count = |index: usize, kind| {
            let phone: &super::phone::Phone = &self.phones[index];
            phone
                .replica
                .list(&Filter::of(kind))
                .map_or(u64::MAX, |rows| rows.len() as u64)
        };
        summary.handler_sees = count(handler, Kind::Report) + count(handler, Kind::Visit);
        let volunteers = (0..self.phones.len())
            .filter(|index| matches!(self.phones[*index].role, "patrol_leader" | "patrol_member"));
        summary.volunteers_see = volunteers
            .map(|index| count(index, Kind::Report) + count(index, Kind::Visit))
            .sum();
        if summary.handler_sees != 1 {
            note(
                &mut summary.faults,
                format!(
                    "the handler sees {} records, not the one case",
                    summary.handler_sees
                ),
            );
        }
        if summary.volunteers_see != 0 {
            note(
                &mut summary.faults,
                format!(
                    "volunteers hold {} reports or visits",
                    summary.volunteers_see
                ),
            );
        }
    }
}

fn note(faults: &mut Vec<String>, fault: String) {
    if faults.len() < 20 {
        faults.push(fault);
    }
}

/// Every mark in a body: `name-number#`.
fn collect_marks(body: &[u8], marks: &mut BTreeSet<String>) {
    let text = String::from_utf8_lossy(body);
    for piece in text.split('#') {
        let start = piece
            .rfind(|each: char| !(each.is_ascii_alphanumeric() || each == '-'))
            .map_or(0, |at| {
                at + piece[at..].chars().next().map_or(1, char::len_utf8)
            });
        marks.insert(format!("{}#", &piece[start..]));
    }
}
