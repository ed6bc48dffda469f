//! A phone that is played for load: an enrolled key, a chain of changes, and signed bodies of `POST /v1/sync`.
//!
//! It keeps no database: what it made it forgets when the server has answered. Phones with a database are
//! [`sync_core::replica::Replica`]s.

use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::shapes::Base64Url;
use sync_core::change::{
    BatchWriter, Hash, Header, Part, PartClass, SigningKey, change_hash, hash_parts,
};
use sync_core::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, RecordId, ReplicaId, Seq, UnitId,
};
use sync_core::replica::READS_VERSION;
use sync_core::time::Evidence;
use sync_core::wire::{Cursor, PROTOCOL, SyncRequest, SyncResponse, TextMark};
use uuid::Uuid;

/// One phone and what it has made since the last request.
#[derive(Debug)]
pub struct Phone {
    district: DistrictId,
    replica: ReplicaId,
    key: SigningKey,
    /// The unit that its records lie in.
    pub unit: UnitId,
    /// Up to where it holds its scope; it asks for pages only where a request says so.
    pub cursor: Cursor,
    /// Which texts of documents the next request says that it holds, when it asks for those that it lacks.
    pub documents_held: Option<Vec<TextMark>>,
    head: (Seq, Hash),
    request_no: u64,
    batch: BatchWriter,
    batch_start: (Seq, Hash),
}

/// One thing that a person did on a phone.
#[derive(Clone, Copy, Debug)]
pub struct Deed<'a> {
    /// The intent's name.
    pub intent: &'a str,
    /// The record.
    pub record: RecordId,
    /// What the person was looking at.
    pub base: LogPlace,
    /// The open payload.
    pub open: &'a [u8],
    /// The phone's clocks.
    pub at: Evidence,
}

impl Phone {
    /// What to send for a phone of this id and key with a one-time code.
    pub fn enrolment(code: &str, replica: Uuid, key: &SigningKey) -> EnrolmentRequest {
        let public_key = key.verifying_key().to_bytes();
        let message = [code.as_bytes(), replica.as_bytes(), &public_key[..]].concat();
        EnrolmentRequest {
            code: code.to_owned(),
            replica,
            public_key: Base64Url(public_key),
            proof: Base64Url(key.sign("gridwork/enrol/1", &message).0),
            device_label: None,
            continues: None,
        }
    }

    /// The phone that an enrolment made.
    pub fn new(enrolled: &EnrolmentAnswer, replica: Uuid, key: SigningKey) -> Self {
        let mut phone = Self::with_ids(DistrictId(enrolled.district), ReplicaId(replica), key);
        phone.cursor.epoch = Epoch(enrolled.epoch);
        phone
    }

    /// The same from the ids alone, in the first epoch.
    pub fn with_ids(district: DistrictId, replica: ReplicaId, key: SigningKey) -> Self {
        let start = (Seq(0), Hash::ZERO);
        Self {
            district,
            replica,
            key,
            unit: UnitId(0),
            cursor: Cursor {
                epoch: Epoch(1),
                ..Cursor::default()
            },
            documents_held: None,
            head: start,
            request_no: 0,
            batch: BatchWriter::default(),
            batch_start: start,
        }
    }

    /// The last change made; 0 when there is none.
    pub fn head_seq(&self) -> Seq {
        self.head.0
    }

    /// Adds a change to the chain and to the next request.
    pub fn make(&mut self, deed: &Deed<'_>) {
        let header = Header {
            seq: self.head.0.next(),
            record: deed.record,
            unit: self.unit,
            intent: deed.intent.to_owned(),
            schema: 1,
            documents: DocumentsVersion(1),
            base: deed.base,
            at: deed.at,
            for_person: None,
            needs: None,
            repairs: None,
            origin: None,
        };
        let bytes = header.encode();
        let parts = [Part {
            class: PartClass::OPEN,
            salt: None,
            bytes: deed.open,
        }];
        let hash = change_hash(
            self.district,
            self.replica,
            header.seq,
            self.head.1,
            &bytes,
            &hash_parts(&parts),
        );
        self.batch.push(&bytes, &parts);
        self.head = (header.seq, hash);
    }

    /// The next request's body with all that was made since the last one. `page_bytes_max` of 0 asks for no page.
    pub fn request(&mut self, sent_at: Evidence, page_bytes_max: u64) -> Vec<u8> {
        self.request_no += 1;
        let batch = std::mem::take(&mut self.batch);
        let (start, prev_hash) = std::mem::replace(&mut self.batch_start, self.head);
        let count = batch.count() as u64;
        let request = SyncRequest {
            protocol: PROTOCOL,
            district: self.district,
            replica: self.replica,
            request_no: self.request_no,
            head_seq: self.head.0,
            head_hash: self.head.1,
            sent_at,
            cursor: self.cursor,
            first_seq: if count > 0 { start.next() } else { Seq(0) },
            prev_hash,
            count,
            end_hash: if count > 0 { self.head.1 } else { Hash::ZERO },
            receipts: Vec::new(),
            wanted: Vec::new(),
            wants_token: false,
            page_bytes_max,
            image_version: READS_VERSION,
            app: String::new(),
            certificate: Vec::new(),
            known_keys: 1,
            last_head: Vec::new(),
            documents_held: self.documents_held.take(),
        };
        request.encode(&batch.finish(), &self.key)
    }

    /// Whether an answer confirms all that was made so far, and takes its cursor over.
    pub fn take_answer(&mut self, answer: &SyncResponse) -> bool {
        self.cursor = answer.cursor;
        answer.request_no == self.request_no
            && answer.mark == self.head.0
            && answer
                .receipts
                .last()
                .is_none_or(|receipt| receipt.chain_hash == self.head.1)
    }
}
