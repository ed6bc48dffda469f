//! Replicas' chains: each change's hash from its header, its parts and the change before; sealed parts against their
//! commitments, or against the ruling that erased them.

use super::fault::FaultKind;
use super::log::Pass;
use crate::store::sqlite::{EntryRow, SealedRow};
use sync_core::change::{Hash, PartClass, change_hash, commitment};
use sync_core::directory::Replica;
use sync_core::ids::{Pos, Seq};

impl Pass<'_> {
    /// Checks a change against the one before it of the same replica.
    pub(super) fn check_chain(
        &mut self,
        entry: &EntryRow,
        replica: &Replica,
        sealed: &[SealedRow],
    ) {
        let (last, prev) = self
            .chains
            .get(&replica.no)
            .copied()
            .unwrap_or((Seq(0), Hash::ZERO));
        if last.0.checked_add(1) != Some(entry.seq.0) {
            let detail = format!("{} after {last} of replica {}", entry.seq, replica.no);
            self.fault(entry.pos, FaultKind::SeqGap, detail);
        }
        let mut commitments = Vec::with_capacity(sealed.len() + 1);
        if let Some(body) = &entry.body {
            commitments.push((PartClass::OPEN, commitment(PartClass::OPEN, None, body)));
        }
        commitments.extend(sealed.iter().map(|part| (part.class, part.commitment)));
        let hash = change_hash(
            self.facts.id,
            replica.replica,
            entry.seq,
            prev,
            &entry.header,
            &commitments,
        );
        if hash != entry.hash {
            self.fault(entry.pos, FaultKind::HashDiffers, "");
        }
        // Told once: what follows is chained to what the row says.
        self.chains.insert(replica.no, (entry.seq, entry.hash));
    }

    /// Checks the sealed parts of a change against their commitments.
    pub(super) fn check_sealed(&mut self, pos: Pos, sealed: &[SealedRow]) {
        for part in sealed {
            match &part.content {
                Some((salt, bytes)) => {
                    self.counts.sealed_kept += 1;
                    let fits = part.class.is_sealed()
                        && commitment(part.class, Some(salt), bytes) == part.commitment;
                    if !fits {
                        let row = format!("{pos}/{}", part.class.0);
                        self.findings
                            .note(Some(pos), "sealed", row, FaultKind::SealedDiffers, "");
                    }
                }
                None => {
                    self.counts.sealed_erased += 1;
                    self.gone.insert(pos);
                }
            }
        }
    }
}
