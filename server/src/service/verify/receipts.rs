//! Receipts: signed, in the order of each replica's chain, covering every change once, and saying what the log says.

use super::fault::FaultKind;
use super::log::Pass;
use crate::store::StoreError;
use crate::store::sqlite::{EntryRow, ReceiptRow};
use sync_core::directory::Replica;
use sync_core::ids::Pos;
use sync_core::wire::Receipt;

/// A receipt with its row.
#[derive(Debug)]
pub(super) struct Covering {
    pub row: ReceiptRow,
    pub receipt: Receipt,
}

impl Pass<'_> {
    /// Checks a change against the receipt that covers it. Whether there is one.
    pub(super) fn check_receipt(
        &mut self,
        entry: &EntryRow,
        replica: &Replica,
    ) -> Result<bool, StoreError> {
        let covered = self
            .covering
            .get(&replica.no)
            .is_some_and(|covering| covering.row.from <= entry.seq && entry.seq <= covering.row.to);
        if !covered && !self.next_receipt(entry, replica)? {
            return Ok(false);
        }
        let Covering { row, receipt } = &self.covering[&replica.no];
        let answered = receipt.answer(entry.seq);
        let same = answered == Some((&entry.answer, entry.pos, entry.time_ms))
            && receipt.received_ms == entry.received_ms
            && (entry.seq != receipt.to || receipt.chain_hash == entry.hash);
        if !same {
            let key = format!("{}/{}", replica.no, row.to);
            let detail = format!("change {}", entry.seq);
            self.findings.note(
                Some(entry.pos),
                "receipt",
                key,
                FaultKind::ReceiptDiffers,
                detail,
            );
        }
        Ok(true)
    }

    /// Takes the receipt that begins with this change.
    fn next_receipt(&mut self, entry: &EntryRow, replica: &Replica) -> Result<bool, StoreError> {
        let place = Some(entry.pos);
        let key = format!("{}/{}", replica.no, entry.seq);
        let mut rows = self.read.list_receipts(replica.no, entry.seq, entry.seq)?;
        if rows.len() != 1 {
            let detail = format!("{} receipts", rows.len());
            self.findings
                .note(place, "receipt", key, FaultKind::ReceiptMissing, detail);
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let row = rows.swap_remove(0);
        let key = format!("{}/{}", replica.no, row.to);
        let receipt = match Receipt::decode(&row.bytes) {
            Ok(receipt) => receipt,
            Err(error) => {
                self.findings
                    .note(place, "receipt", key, FaultKind::Damaged, error.to_string());
                return Ok(false);
            }
        };
        let epoch = self.facts.place(entry.pos).epoch;
        let same = receipt.replica == replica.replica
            && (receipt.from, receipt.to) == (row.from, row.to)
            && (receipt.first_pos, receipt.received_ms) == (row.first_pos, row.received_ms)
            && (receipt.from, receipt.first_pos) == (entry.seq, entry.pos)
            && receipt.epoch == epoch;
        if !same {
            self.findings.note(
                place,
                "receipt",
                key.as_str(),
                FaultKind::ReceiptDiffers,
                "range",
            );
        }
        let signer = self.directory.server_key(&receipt.key_id);
        if !signer.is_some_and(|signer| receipt.is_signed_by(self.facts.id, signer)) {
            self.findings
                .note(place, "receipt", key, FaultKind::ReceiptUnsigned, "");
        }
        self.counts.receipts += 1;
        self.covering.insert(replica.no, Covering { row, receipt });
        Ok(true)
    }

    /// Checks that each replica's last receipt ends with its last change.
    pub(super) fn check_last_receipts(&mut self) {
        for (no, (seq, _)) in &self.chains {
            let Some(covering) = self.covering.get(no) else {
                continue;
            };
            if covering.row.to != *seq {
                let key = format!("{no}/{}", covering.row.to);
                let place = Pos(covering.row.first_pos.0);
                let detail = format!("the chain ends at {seq}");
                self.findings.note(
                    Some(place),
                    "receipt",
                    key,
                    FaultKind::ReceiptDiffers,
                    detail,
                );
            }
        }
    }
}
