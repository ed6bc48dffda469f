//! Admission and receipts of the server in memory.

use super::{FakeServer, Logged};
use crate::change::Hash;
use crate::decide::{Context, admit, prepare};
use crate::directory::Replica as Listed;
use crate::ids::{Epoch, LogPlace, Pos, ReplicaId, Seq};
use crate::kinds::KnownIntents;
use crate::time::{Evidence, Interval};
use crate::verdict::{Answer, Marks};
use crate::wire::{EntryItem, Receipt, RequestBody, SyncResponse};

impl FakeServer {
    pub(super) fn take_batch(
        &mut self,
        body: &RequestBody<'_>,
        batch: &crate::change::Batch<'_>,
        hashes: &[Hash],
        listed: &Listed,
        response: &mut SyncResponse,
    ) {
        let request = &body.request;
        let old: Vec<Receipt> = request
            .receipts
            .iter()
            .map(|bytes| Receipt::decode(bytes).expect("a receipt"))
            .collect();
        for receipt in &old {
            assert!(receipt.is_signed_by(self.district, &self.key.verifying_key()));
        }
        let mut run: Vec<(Seq, Hash, EntryItem)> = Vec::new();
        for (index, change) in batch.changes.iter().enumerate() {
            let seq = Seq(request.first_seq.0 + index as u64);
            let known = self
                .log
                .iter()
                .find(|entry| {
                    entry.item.replica == listed.no && entry.ruling.is_none() && entry.seq() == seq
                })
                .cloned();
            let item = match known {
                Some(entry) => {
                    response.duplicates += 1;
                    entry.item
                }
                None => {
                    let prepared = prepare(change, seq, hashes[index], KnownIntents::ALL);
                    let receipt = old.iter().find_map(|receipt| {
                        Some((receipt.epoch, receipt.answer(seq)?, receipt.received_ms))
                    });
                    let item = self.admit_one(&prepared, listed, request.sent_at, receipt);
                    self.chains
                        .entry(request.replica)
                        .or_default()
                        .push(hashes[index]);
                    item
                }
            };
            let breaks = run
                .last()
                .is_some_and(|last| last.2.place.pos.next() != item.place.pos);
            if breaks {
                response.receipts.push(self.receipt(request.replica, &run));
                run.clear();
            }
            run.push((seq, hashes[index], item));
        }
        response.receipts.push(self.receipt(request.replica, &run));
    }

    fn receipt(&self, replica: ReplicaId, run: &[(Seq, Hash, EntryItem)]) -> Receipt {
        let (first, last) = (&run[0], run.last().expect("not empty"));
        let mut receipt = Receipt {
            epoch: self.epoch,
            replica,
            from: first.0,
            to: last.0,
            chain_hash: last.1,
            first_pos: first.2.place.pos,
            last_pos: last.2.place.pos,
            received_ms: self.now_ms,
            answers: run.iter().map(|each| each.2.answer.clone()).collect(),
            times_ms: run.iter().map(|each| each.2.time_ms).collect(),
            key_id: "k1".into(),
            signature: crate::change::Signature([0; 64]),
        };
        receipt.sign(self.district, &self.key);
        receipt
    }

    fn admit_one(
        &mut self,
        prepared: &crate::decide::Prepared,
        listed: &Listed,
        sent_at: Evidence,
        old: Option<(Epoch, (&Answer, Pos, i64), i64)>,
    ) -> EntryItem {
        let place = LogPlace {
            epoch: self.epoch,
            pos: self.head().next(),
        };
        let header = prepared.header.clone().expect("a header of ours");
        let origin = header
            .origin
            .is_some_and(|origin| self.log.iter().any(|entry| entry.hash == origin.hash));
        let (answer, time_ms, first_place) = match old {
            Some((epoch, (answer, pos, time_ms), _)) => {
                let mut answer = answer.clone();
                answer.marks = answer.marks.with(Marks::REOFFERED);
                (answer, time_ms, Some(LogPlace { epoch, pos }))
            }
            None => {
                let context = Context {
                    directory: &self.directory,
                    documents: &self.documents,
                    replica: listed,
                    record: self.records.get(&header.record),
                    interval: Interval {
                        earliest_ms: 0,
                        received_ms: self.now_ms,
                    },
                    sent_at,
                    place,
                    needs_in_force: true,
                    origin_admitted: origin,
                    entries: None,
                    repairs_quarantined: true,
                    time_ms: None,
                };
                let decision = admit(&context, prepared);
                (decision.answer, decision.time_ms, None)
            }
        };
        let item = EntryItem {
            place,
            first_place,
            replica: listed.no,
            person: listed.person,
            time_ms,
            answer,
            header: prepared.header_bytes.clone(),
            open: prepared.open.clone(),
        };
        self.log.push(Logged {
            item: item.clone(),
            record: header.record,
            hash: prepared.hash,
            ruling: None,
        });
        if let Some(state) = self.fold_record(header.record) {
            self.records.insert(header.record, state);
        }
        item
    }
}
