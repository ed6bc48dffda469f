//! The tables beside the log: that they hold what the log accounts for, and nothing else.

use super::fault::FaultKind;
use super::log::Pass;
use crate::service::log_writer::first_scope_version;
use crate::store::StoreError;
use crate::store::sqlite::TABLES;
use sync_core::change::Hash;
use sync_core::entry::EntryKind;
use sync_core::ids::{PersonId, ReplicaNo, ScopeVersion, Seq};
use sync_core::scope::Scope;

impl Pass<'_> {
    /// Checks the district's facts and epochs before the pass.
    pub(super) fn check_facts(&mut self, code: &str) {
        if self.facts.code != code {
            self.findings.note(
                None,
                "meta",
                "code",
                FaultKind::MetaDiffers,
                self.facts.code.as_str(),
            );
        }
        if let Some(noted) = self.known.noted {
            if noted.id != self.facts.id {
                self.findings
                    .note(None, "meta", "district", FaultKind::MetaDiffers, "");
            }
            if noted.name != self.facts.name {
                self.findings
                    .note(None, "meta", "name", FaultKind::MetaDiffers, "");
            }
            if self.facts.epoch().0 != noted.last_epoch {
                let detail = format!("{} instead of {}", self.facts.epoch().0, noted.last_epoch);
                self.findings.note(
                    None,
                    "epoch",
                    self.facts.epoch().0,
                    FaultKind::EpochWrong,
                    detail,
                );
            }
        }
        if self.facts.time_zone.parse::<chrono_tz::Tz>().is_err() {
            self.findings.note(
                None,
                "meta",
                "time_zone",
                FaultKind::MetaDiffers,
                self.facts.time_zone.as_str(),
            );
        }
        let epochs = &self.facts.epochs;
        let first = epochs
            .first()
            .is_some_and(|(epoch, start)| epoch.0 == 1 && start.0 == 0);
        if !first || epochs.windows(2).any(|pair| pair[0].1 > pair[1].1) {
            self.findings.note(
                None,
                "epoch",
                "",
                FaultKind::EpochWrong,
                "they do not follow each other",
            );
        }
    }

    /// Checks every table after the pass.
    pub(super) fn check_tables(&mut self) {
        self.check_last_receipts();
        for pos in std::mem::take(&mut self.gone) {
            self.findings
                .note(Some(pos), "sealed", pos, FaultKind::SealedGone, "");
        }
        for pos in std::mem::take(&mut self.repaired) {
            self.fault(pos, FaultKind::RepairOpen, "");
        }
        if let Some((epoch, start)) = self
            .facts
            .epochs
            .iter()
            .find(|(_, start)| *start > self.last.0)
        {
            let detail = format!("it begins at {start}, the log ends at {}", self.last.0);
            self.findings.note(
                Some(self.last.0.next()),
                "epoch",
                epoch,
                FaultKind::EpochWrong,
                detail,
            );
        }
        let checks = [
            Self::check_records,
            Self::check_wait_keys,
            Self::check_replicas,
            Self::check_people,
            Self::check_scopes,
            Self::check_asked,
            Self::check_packs,
            Self::check_counts,
        ];
        for check in checks {
            if let Err(error) = check(self) {
                self.findings.note_error(None, &error);
            }
        }
    }

    fn check_replicas(&mut self) -> Result<(), StoreError> {
        let numbers: Vec<ReplicaNo> = self
            .directory
            .replicas()
            .map(|replica| replica.no)
            .collect();
        for no in numbers {
            let (seq, hash) = self
                .chains
                .get(&no)
                .copied()
                .unwrap_or((Seq(0), Hash::ZERO));
            let row = self.read.find_replica(no)?;
            let same = row.is_some_and(|row| {
                // A contact at or below the mark is kept as one at the mark.
                let bounded = row.contacts.iter().all(|contact| contact.head >= seq);
                (row.mark, row.mark_hash) == (seq, hash) && bounded
            });
            if !same {
                self.findings
                    .note(None, "replica", no, FaultKind::MarkDiffers, "");
            }
        }
        Ok(())
    }

    fn check_people(&mut self) -> Result<(), StoreError> {
        for row in self.read.list_people()? {
            if !self.directory.has_person(row.person) {
                self.findings
                    .note(None, "person", row.person, FaultKind::RowsStray, "");
            }
        }
        for unit in self.read.list_boundary_units()? {
            if self.directory.unit(unit).is_none() {
                self.findings
                    .note(None, "boundary", unit, FaultKind::RowsStray, "");
            }
        }
        Ok(())
    }

    /// Each thing that was asked for online names a change of its asker's, on a replica of the server's own.
    fn check_asked(&mut self) -> Result<(), StoreError> {
        let (read, directory, findings) = (self.read, &self.directory, &mut self.findings);
        let mut stray = Vec::new();
        let mut rows = Vec::new();
        read.scan_asked(|asked| rows.push((asked.person, asked.pos)))?;
        for (person, pos) in rows {
            let entry = read.find_entry(pos)?;
            let is_known = entry.is_some_and(|entry| {
                let replica = directory.replica(entry.replica);
                entry.kind == EntryKind::Change
                    && entry.person == person
                    && replica.is_some_and(|replica| replica.office)
            });
            if !is_known {
                stray.push((person, pos));
            }
        }
        for (person, pos) in stray {
            let row = format!("{person}/{pos}");
            findings.note(None, "asked", row, FaultKind::RowsStray, "");
        }
        Ok(())
    }

    fn check_scopes(&mut self) -> Result<(), StoreError> {
        let (read, directory, findings) = (self.read, &self.directory, &mut self.findings);
        let firsts: Vec<u32> = (self.facts.epochs.iter())
            .map(|(epoch, _)| first_scope_version(*epoch))
            .collect();
        let mut last = (PersonId(0), ScopeVersion(0));
        read.scan_scopes(|person, version, bytes| {
            let before = if person == last.0 { last.1.0 } else { 0 };
            // The next number, or the first of a later epoch.
            let follows =
                version.0 == before + 1 || (version.0 > before && firsts.contains(&version.0));
            let whole = Scope::decode(bytes).is_ok_and(|scope| scope.encode() == bytes);
            if !whole || !follows || !directory.has_person(person) {
                let row = format!("{person}/{version}");
                findings.note(None, "scope", row, FaultKind::Damaged, "");
            }
            last = (person, version);
        })
    }

    /// Compares how many rows each table has with how many the log accounts for.
    fn check_counts(&mut self) -> Result<(), StoreError> {
        for table in TABLES {
            let rows = self.read.count_rows(table)?;
            let accounted = match table {
                "entry" => self.counts.entries,
                "record" => self.slots.len() as u64,
                "sealed" => self.counts.sealed_kept + self.counts.sealed_erased,
                "replica" => self.directory.replicas().count() as u64,
                "receipt" => self.counts.receipts,
                "held" => self.counts.waiting,
                "ruled" => self.counts.ruled,
                "seen" => self.counts.seen,
                "origin" => self.counts.origins,
                "pack" => self.directory.packs().count() as u64,
                "document" => self.counts.documents.len() as u64,
                // The rows of the others were looked at one by one, or only read.
                _ => rows,
            };
            if rows != accounted {
                let detail = format!("{rows} rows, {accounted} accounted for");
                self.findings
                    .note(None, table, "", FaultKind::RowsStray, detail);
            }
        }
        Ok(())
    }
}
