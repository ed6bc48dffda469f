//! A replica that keeps to no rule: it has a good key, and sends what no app would. The server must give each change a
//! place and a verdict, refuse what is not signed or chained as it says, and be no worse for it.

use super::district::BEGINS_MS;
use super::server::{Delivered, Server};
use super::world::World;
use server::demo::Dice;
use server::service::ServiceError;
use sync_core::change::{Batch, BatchWriter, Hash, Header, Part, PartClass, SigningKey};
use sync_core::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, Pos, RecordId, ReplicaId, Seq, UnitId,
};
use sync_core::replica::Replica;
use sync_core::time::Evidence;
use sync_core::verdict::{ProblemCode, Verdict};
use sync_core::wire::{Cursor, PROTOCOL, SyncRequest, SyncResponse};
use uuid::Uuid;

/// The person whose enrolment it has.
pub const PERSON: u32 = 12;
/// Changes in one request.
const BATCH: usize = 20;

/// See the module.
#[derive(Clone)]
pub struct Rogue {
    district: DistrictId,
    id: ReplicaId,
    key: SigningKey,
    /// Header and open part of all that it ever made.
    made: Vec<(Vec<u8>, Vec<u8>)>,
    hashes: Vec<Hash>,
    request_no: u64,
    /// What the server said that it has.
    mark: u64,
    /// The epoch that it said it is.
    epoch: Epoch,
}

impl Rogue {
    /// With the identity of an enrolled replica.
    pub fn of(replica: &Replica) -> Self {
        Self {
            district: replica.district(),
            id: replica.replica_id(),
            key: replica.signing_key().clone(),
            made: Vec::new(),
            hashes: Vec::new(),
            request_no: 0,
            mark: 0,
            epoch: Epoch(1),
        }
    }

    fn push(&mut self, header: Vec<u8>, open: Vec<u8>) {
        let batch = framed(&[(header.clone(), open.clone())]);
        let read = Batch::read(1, &batch).expect("BUG: own bytes");
        let prev = self.hashes.last().copied().unwrap_or(Hash::ZERO);
        let seq = Seq(self.hashes.len() as u64 + 1);
        let hash = read.chain(self.district, self.id, seq, prev)[0];
        self.made.push((header, open));
        self.hashes.push(hash);
    }

    fn hash_at(&self, seq: u64) -> Hash {
        match seq.checked_sub(1) {
            Some(index) => self.hashes[index as usize],
            None => Hash::ZERO,
        }
    }

    /// A request for what the server does not have yet.
    fn request(&mut self, at: Evidence) -> (SyncRequest, Vec<u8>) {
        self.request_no += 1;
        let from = self.mark as usize;
        let to = self.made.len().min(from + BATCH);
        let batch = framed(&self.made[from..to]);
        let head = self.made.len() as u64;
        let request = SyncRequest {
            protocol: PROTOCOL,
            district: self.district,
            replica: self.id,
            request_no: self.request_no,
            head_seq: Seq(head),
            head_hash: self.hash_at(head),
            sent_at: at,
            cursor: Cursor {
                epoch: self.epoch,
                ..Cursor::default()
            },
            first_seq: if to > from {
                Seq(self.mark + 1)
            } else {
                Seq(0)
            },
            prev_hash: if to > from {
                self.hash_at(self.mark)
            } else {
                Hash::ZERO
            },
            count: (to - from) as u64,
            end_hash: if to > from {
                self.hash_at(to as u64)
            } else {
                Hash::ZERO
            },
            receipts: Vec::new(),
            wanted: Vec::new(),
            wants_token: false,
            page_bytes_max: 0,
            image_version: 1,
            app: "rogue".to_owned(),
            certificate: Vec::new(),
            known_keys: 1,
            last_head: Vec::new(),
            documents_held: None,
        };
        (request, batch)
    }
}

fn framed(changes: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for (header, open) in changes {
        let part = Part {
            class: PartClass::OPEN,
            salt: None,
            bytes: open,
        };
        writer.push(header, &[part]);
    }
    writer.finish()
}

fn evidence(server: &Server) -> Evidence {
    use server::clock::Clock as _;
    Evidence {
        wall_ms: BEGINS_MS,
        monotonic_ms: server.clock.monotonic_ms() + 1,
        boot: 77,
        skew_ms: 0,
    }
}

/// What it sends: readable or not, right or not.
fn invent(dice: &mut Dice, seq: u64, known: &[(RecordId, UnitId)]) -> (Vec<u8>, Vec<u8>) {
    let record = match known {
        [] => RecordId(Uuid::from_u64_pair(dice.next_u64(), dice.next_u64())),
        _ if dice.below(3) == 0 => RecordId(Uuid::from_u64_pair(dice.next_u64(), dice.next_u64())),
        _ => dice.pick(known).0,
    };
    let mut header = Header {
        seq: Seq(seq),
        record,
        unit: UnitId(7 + dice.below(8) as u32),
        intent: "report.create".to_owned(),
        schema: 1,
        documents: DocumentsVersion(dice.below(3) as u32),
        base: LogPlace::default(),
        at: Evidence {
            wall_ms: dice.next_u64() as i64,
            monotonic_ms: dice.next_u64(),
            boot: dice.below(3),
            skew_ms: dice.next_u64() as i64,
        },
        for_person: None,
        needs: None,
        repairs: None,
        origin: None,
    };
    let mut open = format!(r#"{{"category":"FAC-03","description":"r{seq}#"}}"#).into_bytes();
    match dice.below(9) {
        0 => {
            let noise = (0..dice.below(60)).map(|_| dice.next_u64() as u8).collect();
            return (noise, open);
        }
        1 => header.intent = "report.foretell".to_owned(),
        2 => header.intent = "report.amend".to_owned(),
        3 => open = vec![b'{'; dice.below(2_000) as usize],
        4 => open = br#"{"category":"FAC-03","title":"a\u0000b","place":{"latitude_e7":99999999999,"longitude_e7":1}}"#.to_vec(),
        5 => {
            header.base = LogPlace {
                epoch: Epoch(dice.below(9) as u32),
                pos: Pos(dice.next_u64()),
            };
        }
        6 => header.seq = Seq(dice.next_u64()),
        7 => header.schema = dice.next_u64() as u32,
        _ => {}
    }
    (header.encode(), open)
}

impl World {
    /// See [`super::plan::Event::Rogue`].
    pub(super) fn rogue(&mut self, pick: u32) -> bool {
        let mut dice = Dice::new(u64::from(pick));
        let at = evidence(&self.server);
        for _ in 0..dice.below(6) {
            let seq = self.rogue.made.len() as u64 + 1;
            let (header, open) = invent(&mut dice, seq, &self.reports);
            self.rogue.push(header, open);
        }
        let (mut request, batch) = self.rogue.request(at);
        let lie = dice.below(8);
        let mut key = self.rogue.key.clone();
        match lie {
            0 => key = SigningKey::from_seed(&[9; 32]),
            1 => request.end_hash = Hash::of(&[b"another"]),
            2 => request.first_seq = Seq(request.first_seq.0.wrapping_add(dice.next_u64())),
            3 => request.head_seq = Seq(dice.next_u64()),
            _ => {}
        }
        let must_refuse = lie == 0 || (lie == 1 && request.count > 0);
        let bytes = request.encode(&batch, &key);
        match self.deliver(&bytes) {
            Delivered::Answer(_) if must_refuse => {
                self.violation("a request that was not signed or chained as it said was answered");
            }
            Delivered::Answer(answer) => self.rogue_hears(&answer),
            Delivered::Refused(
                ServiceError::SignatureRefused
                | ServiceError::MalformedFrame { .. }
                | ServiceError::LimitExceeded { .. },
            ) if lie < 4 => {}
            Delivered::Refused(error) => self.refused("a rogue's request", &error),
            Delivered::Down => return false,
        }
        true
    }

    fn rogue_hears(&mut self, answer: &[u8]) {
        let Ok(response) = SyncResponse::decode(answer) else {
            return;
        };
        self.rogue.epoch = response.epoch;
        self.rogue.mark = response.mark.0.min(self.rogue.made.len() as u64);
        let unknown = response.receipts.iter().any(|receipt| {
            receipt.answers.iter().any(|answer| {
                answer.verdict == Verdict::Held
                    && answer
                        .problems
                        .iter()
                        .any(|problem| problem.code == ProblemCode::IntentUnknown)
            })
        });
        if unknown {
            self.mark("unknown_intent");
        }
    }
}
