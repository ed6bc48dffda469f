//! `gridwork verify`: recomputes from a district's log all that can be recomputed, and compares.
//!
//! One pass in the order of the log, over one read transaction; nothing is written. Memory: about 64 bytes a record,
//! the images of records that have more than one entry and are not at their last one yet, one receipt a replica, and
//! one place for each sealed part that was deleted and for each waiting repair.
//!
//! Not recomputed, because the log does not cover them: people's names, boundaries, the contacts that a replica's row
//! keeps for changes to come. That such rows belong to people, units and replicas of the directory is checked.

mod chains;
mod decisions;
mod directory;
mod fault;
mod log;
mod packs;
mod receipts;
mod records;
mod rulings;
mod tables;
mod waiting;

pub use fault::{FAULTS_TOLD_MAX, Fault, FaultKind};

use crate::store::StoreError;
use crate::store::sqlite::DistrictRead;
use crate::store::sqlite::control::KnownDistrict;
use fault::Findings;
use log::Pass;
use serde::Serialize;
use sync_core::wire::SignedHead;

/// What is known of a district from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The last head that somebody outside kept.
    pub head: Option<&'a SignedHead>,
    /// What the control file says.
    pub noted: Option<&'a KnownDistrict>,
}

/// How far the pass has come: places read and places in all.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The last place read.
    pub pos: u64,
    /// The last place there is.
    pub of: u64,
}

/// The end of the log as recomputed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct HeadReport {
    /// The present epoch.
    pub epoch: u32,
    /// The last place.
    pub pos: u64,
    /// The log's hash there, in hexadecimal digits.
    pub hash: String,
}

/// What was looked at in a district, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DistrictReport {
    /// Its code.
    pub code: String,
    /// Entries of the log.
    pub entries: u64,
    /// Changes among them.
    pub changes: u64,
    /// Rulings among them.
    pub rulings: u64,
    /// Directory entries among them.
    pub directory: u64,
    /// Replicas of the directory.
    pub replicas: u64,
    /// Receipts.
    pub receipts: u64,
    /// Records.
    pub records: u64,
    /// Sealed parts whose content is kept.
    pub sealed_kept: u64,
    /// Sealed parts whose content was erased.
    pub sealed_erased: u64,
    /// The end of the log.
    pub head: HeadReport,
    /// How many faults there are.
    pub faults_count: u64,
    /// The first of them, by place.
    pub faults: Vec<Fault>,
}

impl DistrictReport {
    /// A report on a district whose file cannot be looked into.
    pub fn unreadable(code: &str, kind: FaultKind, detail: impl Into<String>) -> Self {
        let mut findings = Findings::default();
        findings.note(None, "file", code, kind, detail);
        let (faults_count, faults) = findings.finish();
        Self {
            code: code.to_owned(),
            faults_count,
            faults,
            ..Self::default()
        }
    }

    /// Whether nothing was found.
    pub fn is_ok(&self) -> bool {
        self.faults_count == 0
    }
}

/// Verifies one district over one state of its file.
///
/// # Errors
/// That the file is not a district's, or cannot be read at all.
pub fn verify(
    read: &DistrictRead,
    code: &str,
    known: Known<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<DistrictReport, StoreError> {
    read.snapshot(|read| {
        let mut findings = Findings::default();
        if let Err(error) = read.integrity_check() {
            findings.note(None, "file", code, FaultKind::Damaged, error.to_string());
        }
        let facts = match read.facts() {
            Ok(facts) => facts,
            Err(error @ StoreError::Corrupt { .. }) => {
                findings.note_error(None, &error);
                let (faults_count, faults) = findings.finish();
                return Ok(DistrictReport {
                    code: code.to_owned(),
                    faults_count,
                    faults,
                    ..DistrictReport::default()
                });
            }
            Err(error) => return Err(error),
        };
        let mut pass = Pass::new(read, &facts, known, findings)?;
        pass.check_facts(code);
        pass.run(progress);
        pass.check_tables();
        Ok(pass.report(code))
    })
}
