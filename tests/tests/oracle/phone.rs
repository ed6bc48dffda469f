//! A phone that makes its requests by hand: it can say what a real replica never would, and nothing in it decides.

use server::demo::Dice;
use sync_core::change::{
    BatchWriter, ChangeId, Hash, Header, Origin, Part, PartClass, SigningKey, change_hash,
    hash_parts,
};
use sync_core::ids::{DistrictId, Epoch, LogPlace, PersonId, Pos, ReplicaId, ScopeVersion, Seq};
use sync_core::time::Evidence;
use sync_core::verdict::Verdict;
use sync_core::wire::{Cursor, Receipt, SyncRequest, SyncResponse};

/// A change on the phone.
#[derive(Clone, Debug)]
pub struct Own {
    /// The header as it was made; `None` for one that is only bytes.
    pub header: Option<Header>,
    /// The header's bytes.
    pub header_bytes: Vec<u8>,
    /// The open part's bytes.
    pub open: Vec<u8>,
    /// The hash in the chain.
    pub hash: Hash,
    /// The verdict, once an answer told.
    pub verdict: Option<Verdict>,
}

/// A phone.
#[derive(Clone)]
pub struct Phone {
    /// Whose.
    pub person: PersonId,
    /// Its replica's id.
    pub replica: ReplicaId,
    /// Its key.
    pub key: SigningKey,
    /// The server's word that it enrolled.
    pub certificate: Vec<u8>,
    /// Everything made on it.
    pub chain: Vec<Own>,
    /// The last change that an answer told of.
    pub mark: u64,
    /// The place up to which it has seen the log.
    pub seen: LogPlace,
    /// Every receipt.
    pub receipts: Vec<Receipt>,
    /// How far its wall clock is off.
    pub clock_off_ms: i64,
    /// The skew that it believes in.
    pub skew_ms: i64,
    /// The number of its boot.
    pub boot: u64,
    /// Whether it was told of a fork.
    pub is_forked: bool,
    /// Grows with each request.
    pub request_no: u64,
}

impl Phone {
    /// A fresh phone.
    pub fn new(
        person: PersonId,
        replica: ReplicaId,
        key: SigningKey,
        certificate: Vec<u8>,
        dice: &mut Dice,
    ) -> Self {
        Self {
            certificate,
            person,
            replica,
            key,
            chain: Vec::new(),
            mark: 0,
            seen: LogPlace::default(),
            receipts: Vec::new(),
            clock_off_ms: match dice.below(4) {
                0 => 365 * 24 * 3_600_000,
                1 => -365 * 24 * 3_600_000,
                _ => dice.around_zero(40_000),
            },
            skew_ms: 0,
            boot: dice.below(5),
            is_forked: false,
            request_no: 0,
        }
    }

    /// What its clocks say.
    pub fn clocks(&self, wall_ms: i64, monotonic_ms: u64) -> Evidence {
        Evidence {
            wall_ms: wall_ms + self.clock_off_ms,
            monotonic_ms,
            boot: self.boot,
            skew_ms: self.skew_ms,
        }
    }

    /// The seq of the next change.
    pub fn next_seq(&self) -> Seq {
        Seq(self.chain.len() as u64 + 1)
    }

    /// Puts a change at the end of the chain.
    pub fn push(&mut self, district: DistrictId, header: Header, open: Vec<u8>) {
        let bytes = header.encode();
        self.push_bytes(district, Some(header), bytes, open);
    }

    /// The same with a header that may be no header at all.
    pub fn push_bytes(
        &mut self,
        district: DistrictId,
        header: Option<Header>,
        header_bytes: Vec<u8>,
        open: Vec<u8>,
    ) {
        let prev = self.hash_at(self.chain.len() as u64);
        let hash = change_hash(
            district,
            self.replica,
            self.next_seq(),
            prev,
            &header_bytes,
            &hash_parts(&[open_part(&open)]),
        );
        self.chain.push(Own {
            header,
            header_bytes,
            open,
            hash,
            verdict: None,
        });
    }

    /// The chain's hash at a seq.
    pub fn hash_at(&self, seq: u64) -> Hash {
        match seq {
            0 => Hash::ZERO,
            _ => self.chain[seq as usize - 1].hash,
        }
    }

    /// A request with the changes from `from` on, at most `count`.
    pub fn request(
        &mut self,
        district: DistrictId,
        from: u64,
        count: usize,
        sent_at: Evidence,
        is_known: bool,
    ) -> Vec<u8> {
        self.request_no += 1;
        let mut batch = BatchWriter::default();
        let taken: Vec<&Own> = self
            .chain
            .iter()
            .skip(from as usize - 1)
            .take(count)
            .collect();
        for own in &taken {
            batch.push(&own.header_bytes, &[open_part(&own.open)]);
        }
        let head = self.chain.len() as u64;
        let receipts = self
            .receipts
            .iter()
            .filter(|receipt| receipt.epoch < self.seen.epoch && receipt.to.0 > self.mark)
            .map(Receipt::encode)
            .collect();
        let request = SyncRequest {
            protocol: 1,
            district,
            replica: self.replica,
            request_no: self.request_no,
            head_seq: Seq(head),
            head_hash: self.hash_at(head),
            sent_at,
            cursor: Cursor {
                epoch: self.seen.epoch,
                scope_version: ScopeVersion(0),
                pos: self.seen.pos,
                backfill: 0,
            },
            first_seq: Seq(if taken.is_empty() { 0 } else { from }),
            prev_hash: if taken.is_empty() {
                Hash::ZERO
            } else {
                self.hash_at(from - 1)
            },
            count: taken.len() as u64,
            end_hash: taken.last().map_or(Hash::ZERO, |own| own.hash),
            receipts,
            wanted: Vec::new(),
            wants_token: false,
            page_bytes_max: 0,
            image_version: 1,
            app: "oracle".into(),
            known_keys: 1,
            last_head: Vec::new(),
            documents_held: None,
            certificate: match is_known {
                true => Vec::new(),
                false => self.certificate.clone(),
            },
        };
        request.encode(&batch.finish(), &self.key)
    }

    /// Takes an answer in.
    pub fn take(&mut self, response: &SyncResponse, head: Pos) {
        self.mark = response.mark.0;
        self.seen = LogPlace {
            epoch: Epoch(response.epoch.0),
            pos: head,
        };
        for receipt in &response.receipts {
            for (index, answer) in receipt.answers.iter().enumerate() {
                if let Some(own) = self.chain.get_mut(receipt.from.0 as usize - 1 + index) {
                    own.verdict = Some(answer.verdict);
                }
            }
            if !self.receipts.contains(receipt) {
                self.receipts.push(receipt.clone());
            }
        }
    }

    /// Goes on under a new name with what has no receipt.
    pub fn go_on_as(
        &mut self,
        district: DistrictId,
        replica: ReplicaId,
        key: SigningKey,
        certificate: Vec<u8>,
    ) {
        self.certificate = certificate;
        let common = self.received();
        let old = std::mem::replace(&mut self.replica, replica);
        self.key = key;
        let chain = std::mem::take(&mut self.chain);
        self.mark = 0;
        self.receipts.clear();
        self.is_forked = false;
        for (index, own) in chain.into_iter().enumerate().skip(common as usize) {
            let Some(mut header) = own.header else {
                continue;
            };
            header.origin = Some(Origin {
                change: ChangeId {
                    replica: old,
                    seq: Seq(index as u64 + 1),
                },
                hash: own.hash,
            });
            header.seq = self.next_seq();
            self.push(district, header, own.open);
        }
    }

    /// The last change with a receipt.
    pub fn received(&self) -> u64 {
        self.receipts
            .iter()
            .map(|receipt| receipt.to.0)
            .max()
            .unwrap_or(0)
    }
}

fn open_part(bytes: &[u8]) -> Part<'_> {
    Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    }
}
