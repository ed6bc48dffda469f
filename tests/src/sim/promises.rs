//! What was promised: verdicts as they leave the server and as phones take them in, and what a wipe may take.

use super::world::{Promise, World};
use sync_core::ids::{ReplicaId, Seq};
use sync_core::replica::Wipe;
use sync_core::verdict::{Marks, Verdict, encode_answers};
use sync_core::wire::{Receipt, RequestBody, SyncResponse};

impl World {
    /// Every verdict that leaves the server is compared with all that left it before.
    pub(super) fn note_promises(&mut self, request: &[u8], answer: &[u8]) {
        let Ok(response) = SyncResponse::decode(answer) else {
            self.violation("the server gave an answer that nobody can read");
            return;
        };
        let Ok(body) = RequestBody::read(request) else {
            self.violation("the server answered a request that nobody can read");
            return;
        };
        self.outcome.marks.add("duplicates", response.duplicates);
        let first = body.request.first_seq;
        let hashes = body.batch().map_or_else(
            |_| Vec::new(),
            |batch| {
                batch.chain(
                    body.request.district,
                    body.request.replica,
                    first,
                    body.request.prev_hash,
                )
            },
        );
        for receipt in &response.receipts {
            self.note_receipt(receipt, first, &hashes);
        }
    }

    fn note_receipt(&mut self, receipt: &Receipt, first: Seq, hashes: &[sync_core::change::Hash]) {
        for seq in receipt.from.0..=receipt.to.0 {
            let Some((answer, _, time_ms)) = receipt.answer(Seq(seq)) else {
                self.violation(format!("a receipt for {seq} has no verdict for it"));
                continue;
            };
            let mut bytes = encode_answers(std::slice::from_ref(answer));
            bytes.extend(time_ms.to_be_bytes());
            let id = (receipt.replica, Seq(seq));
            let history = self.history;
            let promise = Promise { history, bytes };
            match self.promises.insert(id, promise.clone()) {
                None => self.note_verdict(answer.verdict),
                Some(known) if known.history == history && known.bytes != promise.bytes => {
                    self.violation(format!("the verdict on {} {seq} changed", receipt.replica));
                }
                Some(_) => {}
            }
            let hash = seq
                .checked_sub(first.0)
                .and_then(|at| hashes.get(at as usize));
            let Some(hash) = hash else { continue };
            for number in self.by_id.get(&id).into_iter().flatten() {
                let made = &mut self.made[*number];
                if made.hash == *hash {
                    made.acknowledged = Some(history);
                }
            }
        }
    }

    fn note_verdict(&mut self, verdict: Verdict) {
        self.mark(match verdict {
            Verdict::Accepted => "accepted",
            Verdict::Conflict => "conflict",
            Verdict::NotApplied => "not_applied",
            Verdict::Held => "held",
            Verdict::Quarantined => "quarantined",
        });
    }

    /// The verdicts that a phone has taken in stay what they are, whatever the server goes through.
    pub(super) fn note_taken(&mut self, index: usize, answer: &[u8]) {
        let Ok(response) = SyncResponse::decode(answer) else {
            return;
        };
        for receipt in &response.receipts {
            for seq in receipt.from.0..=receipt.to.0 {
                let Some((answer, _, time_ms)) = receipt.answer(Seq(seq)) else {
                    continue;
                };
                // That a copy of the phone was counted instead, or that it came back after a restore, is no other verdict.
                let mut answer = answer.clone();
                answer.marks.0 &= !Marks::REPEAT.with(Marks::REOFFERED).0;
                let mut bytes = encode_answers(&[answer]);
                bytes.extend(time_ms.to_be_bytes());
                let id = (receipt.replica, Seq(seq));
                let history = self.history;
                let told = Promise { history, bytes };
                let before = self.phones[index].taken.insert(id, told.clone());
                let changed = before.filter(|before| before.bytes != told.bytes);
                if changed.is_some_and(|before| !self.may_be_decided_anew(id.0, &before)) {
                    self.violation(format!(
                        "phone {index} was told another verdict on its change {seq}"
                    ));
                }
            }
        }
    }

    /// Whether the log that came back may have decided a change otherwise than a phone was told in a history that is lost:
    /// when that log is not the one from which the lost history had begun, so that it may have the change already; or when
    /// a copy of the phone that has no receipt for it can have come first (decision 9).
    fn may_be_decided_anew(&self, replica: ReplicaId, told: &Promise) -> bool {
        let is_lost = told.history < self.history;
        let is_older =
            |(copy_of, ended): &(u32, u32)| *copy_of < told.history && told.history <= *ended;
        is_lost && (self.shared.contains(&replica) || self.put_back.iter().any(is_older))
    }

    pub(super) fn wipe(&mut self, index: usize) {
        let phone = &mut self.phones[index];
        let Some(replica) = &mut phone.replica else {
            return;
        };
        match replica.wipe_when_safe() {
            Ok(Wipe::NotOrdered) => {}
            Ok(Wipe::Waits { .. }) => self.mark("revoked_handed_in"),
            Ok(Wipe::Wiped) => {
                phone.gone = true;
                // What was repeated after a fork was acknowledged under another name.
                let unknown: Vec<String> = phone
                    .holds
                    .iter()
                    .map(|number| &self.made[*number])
                    .filter(|made| made.is_certain && made.acknowledged.is_none())
                    .map(|made| made.mark.clone())
                    .collect();
                let taken = self.first_not_in_log(&unknown);
                let phone = &mut self.phones[index];
                // What a restored server then misses, this phone cannot bring back.
                phone.holds.clear();
                if let Some(mark) = taken {
                    self.violation(format!(
                        "the wipe of phone {index} took unsent work: {mark}"
                    ));
                }
                self.mark("wiped");
            }
            Err(error) => self.phone_failed(index, &error),
        }
    }
}
