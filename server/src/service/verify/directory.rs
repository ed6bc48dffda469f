//! Entries of the server's own hand: the columns that they leave empty, and what each says of the directory.

use super::fault::FaultKind;
use super::log::Pass;
use crate::store::StoreError;
use crate::store::sqlite::EntryRow;
use sync_core::change::Hash;
use sync_core::directory::DirectoryChange;
use sync_core::ids::{PersonId, Pos, ReplicaNo, Seq};
use sync_core::verdict::Answer;

impl Pass<'_> {
    /// Checks the columns that an entry of the server's own leaves empty.
    pub(super) fn check_plain(&mut self, entry: &EntryRow) {
        let plain = entry.replica == ReplicaNo::SERVER
            && entry.person == PersonId(0)
            && entry.seq == Seq(0)
            && entry.time_ms == entry.received_ms
            && entry.answer == Answer::accepted()
            && entry.hash == Hash::ZERO
            && entry.header.is_empty()
            && entry.first_place.is_none();
        if !plain {
            self.fault(entry.pos, FaultKind::ColumnWrong, "");
        }
    }

    /// Checks a directory entry and folds it in.
    pub(super) fn directory_entry(&mut self, entry: &EntryRow) -> Result<(), StoreError> {
        self.counts.directory += 1;
        self.check_plain(entry);
        if entry.record.is_some() || entry.prev.is_some() || entry.was.is_some() {
            self.fault(
                entry.pos,
                FaultKind::ColumnWrong,
                "a directory entry names a record",
            );
        }
        let body = entry.body.as_deref().unwrap_or_default();
        let change: DirectoryChange = match serde_json::from_slice(body) {
            Ok(change) => change,
            Err(error) => {
                self.fault(entry.pos, FaultKind::DirectoryWrong, error.to_string());
                return Ok(());
            }
        };
        match &change {
            DirectoryChange::ServerKey { key, signature, .. } => {
                let signed = match &self.server_key {
                    None => signature.is_empty(),
                    Some(before) => change.is_key_signed_by(self.facts.id, before),
                };
                if !signed {
                    self.fault(entry.pos, FaultKind::KeyUnsigned, "");
                }
                self.server_key = Some(*key);
            }
            DirectoryChange::Documents { version, hashes } => {
                for (name, hash) in hashes {
                    self.check_document(entry.pos, name, *version, hash)?;
                }
            }
            DirectoryChange::Document {
                name,
                version,
                hash,
                ..
            } => self.check_document(entry.pos, name, *version, hash)?,
            DirectoryChange::Replica(replica) => {
                let taken = self.directory.replica(replica.no).is_some()
                    || self.directory.replica_by_id(replica.replica).is_some();
                let is_bounded = replica.branch.as_ref().is_none_or(|bounds| {
                    let mut contacts = bounds.contacts.iter();
                    replica.continues.is_some()
                        && bounds.forked_ms == entry.received_ms
                        && contacts.all(|(_, at_ms)| *at_ms <= entry.received_ms)
                });
                if taken || !is_bounded || !self.directory.has_person(replica.person) {
                    self.fault(
                        entry.pos,
                        FaultKind::DirectoryWrong,
                        format!("replica {}", replica.no),
                    );
                }
            }
            _ => {}
        }
        self.directory.apply(entry.pos, change);
        Ok(())
    }

    fn check_document(
        &mut self,
        pos: Pos,
        name: &str,
        version: u32,
        hash: &str,
    ) -> Result<(), StoreError> {
        self.counts.documents.insert((name.to_owned(), version));
        let text = self.read.find_document(name, version)?;
        let stored = text.map(|text| Hash::of(&[text.as_bytes()]).to_string());
        if stored.as_deref() != Some(hash) {
            let row = format!("{name}/{version}");
            self.findings
                .note(Some(pos), "document", row, FaultKind::DocumentDiffers, "");
        }
        Ok(())
    }
}
