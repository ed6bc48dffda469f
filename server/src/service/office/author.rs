//! Changes made online, inside one writer step: linked to the end of the replica's chain as it stands there, prepared and
//! reconciled like a phone's.

use super::{Acted, Hand, OfficeDraft};
use crate::service::ServiceError;
use crate::service::context::BatchEvidence;
use crate::service::district::District;
use crate::service::gridwork::Gridwork;
use crate::service::log_writer::LogWriter;
use crate::service::reconcile::PreparedBatch;
use crate::store::StoreError;
use crate::store::sqlite::{AskedRow, Contact, ReplicaRow, contacts_after};
use api_schema::problem::FieldProblem;
use std::sync::Arc;
use sync_core::change::{Batch, BatchWriter, Hash, Header};
use sync_core::decide::prepare;
use sync_core::directory::Replica;
use sync_core::ids::{DocumentsVersion, LogPlace, PersonId, ReplicaId, Seq};
use sync_core::time::Evidence;
use sync_core::verdict::{Answer, Problem};
use sync_core::wire::{Cursor, Receipt, SyncRequest};

/// What the list of replicas shows as their app.
const APP: &str = "gridwork office";

impl Gridwork {
    /// Makes changes in a person's name, in one commit and in this order. What is wrong with a change by itself is an error,
    /// and nothing is made; what stands against it in the log is a verdict, kept like any other.
    ///
    /// # Errors
    /// No such person, a change that is not valid, an id that was used for something else, storage's own.
    pub async fn act(
        &self,
        district: &Arc<District>,
        person: PersonId,
        drafts: Vec<OfficeDraft>,
    ) -> Result<Vec<Acted>, ServiceError> {
        self.hand().act(district, person, drafts).await
    }
}

impl Hand {
    pub(in crate::service) async fn act(
        &self,
        district: &Arc<District>,
        person: PersonId,
        drafts: Vec<OfficeDraft>,
    ) -> Result<Vec<Acted>, ServiceError> {
        let replica = self.office_replica(district, person).await?;
        district
            .writer()
            .run(move |log, now_ms| log.author(replica, &drafts, now_ms))
            .await?
    }
}

impl LogWriter<'_> {
    /// Makes changes under the name of a replica of the server's own. Nothing is written when this answers with a refusal.
    ///
    /// # Errors
    /// Storage's own.
    pub(in crate::service) fn author(
        &mut self,
        replica: ReplicaId,
        drafts: &[OfficeDraft],
        now_ms: i64,
    ) -> Result<Result<Vec<Acted>, ServiceError>, StoreError> {
        let directory = self.directory();
        let replica = directory
            .replica_by_id(replica)
            .filter(|replica| replica.office)
            .ok_or_else(|| StoreError::Missing("the server's own replica".into()))?;
        let mut acted: Vec<Option<Acted>> = Vec::with_capacity(drafts.len());
        for draft in drafts {
            match self.find_acted(replica.person, draft)? {
                Ok(found) => acted.push(found),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let new: Vec<&OfficeDraft> = drafts
            .iter()
            .zip(&acted)
            .filter(|(_, found)| found.is_none())
            .map(|(draft, _)| draft)
            .collect();
        let mut made = match self.take_new(replica, &new, now_ms)? {
            Ok(made) => made.into_iter(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let all = acted.into_iter().map(|found| found.or_else(|| made.next()));
        Ok(Ok(all
            .map(|one| one.expect("BUG: a change got lost"))
            .collect()))
    }

    /// The answer that the log has to what was asked before.
    fn find_acted(
        &self,
        person: PersonId,
        draft: &OfficeDraft,
    ) -> Result<Result<Option<Acted>, ServiceError>, StoreError> {
        let Some((id, hash)) = draft.asked else {
            return Ok(Ok(None));
        };
        let Some(asked) = self.write().find_asked(person, id)? else {
            return Ok(Ok(None));
        };
        if asked.hash != hash {
            return Ok(Err(ServiceError::ChangeIdReused));
        }
        let entry = self.write().find_entry(asked.pos)?;
        let missing = || StoreError::corrupt("asked", asked.pos, "the log has no such change");
        let entry = entry.ok_or_else(missing)?;
        let header = Header::decode(&entry.header).map_err(|_| missing())?;
        let directory = self.directory();
        let replica = directory.replica(entry.replica).ok_or_else(missing)?;
        Ok(Ok(Some(Acted {
            record: header.record,
            replica: replica.replica,
            seq: entry.seq,
            pos: entry.pos,
            answer: entry.answer,
            time_ms: entry.time_ms,
            state: asked.state,
        })))
    }

    fn take_new(
        &mut self,
        replica: &Replica,
        drafts: &[&OfficeDraft],
        now_ms: i64,
    ) -> Result<Result<Vec<Acted>, ServiceError>, StoreError> {
        if drafts.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let ids: Vec<_> = drafts.iter().filter_map(|draft| draft.asked).collect();
        let is_twice = |index: usize| ids[..index].iter().any(|other| other.0 == ids[index].0);
        if (0..ids.len()).any(is_twice) {
            return Ok(Err(ServiceError::Conflict {
                reason: "an id stands twice",
            }));
        }
        let mut row = (self.write().find_replica(replica.no)?)
            .unwrap_or_else(|| ReplicaRow::new(replica.no, now_ms));
        let batch = match self.link(replica, &row, drafts, now_ms) {
            Ok(batch) => batch,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Whoever acts online is in contact: what they do is done now, and with the rights of now.
        let contact = Contact {
            head: row.mark,
            received_ms: now_ms,
        };
        row.contacts = contacts_after(&row.contacts, contact, row.mark);
        self.write().put_replica(&row)?;
        let outcome = self.reconcile(&batch, now_ms)?;
        let receipt = outcome.receipts.first().filter(|_| !outcome.fork);
        let receipt = receipt.ok_or_else(|| {
            StoreError::corrupt("replica", replica.no, "its chain does not go on")
        })?;
        let mut acted = Vec::with_capacity(drafts.len());
        for (draft, seq) in drafts.iter().zip(receipt.from.0..) {
            acted.push(self.note_acted(replica, draft, receipt, Seq(seq))?);
        }
        Ok(Ok(acted))
    }

    /// Gives the changes their places in the replica's chain, and reads them as if they had come from outside.
    fn link(
        &self,
        replica: &Replica,
        row: &ReplicaRow,
        drafts: &[&OfficeDraft],
        now_ms: i64,
    ) -> Result<PreparedBatch, ServiceError> {
        let known = self.facts().known_at(self.head().0.next());
        let documents = DocumentsVersion(self.directory().documents_version);
        let head = LogPlace {
            epoch: self.epoch(),
            pos: self.head().0,
        };
        let at = Evidence {
            wall_ms: now_ms,
            ..Evidence::default()
        };
        let first = row.mark.next();
        let mut writer = BatchWriter::default();
        for (draft, seq) in drafts.iter().zip(first.0..) {
            let draft = &draft.draft;
            let intent = draft.check(known).map_err(invalid)?;
            let base = draft.base.unwrap_or(head);
            if base > head {
                return Err(ServiceError::FieldInvalid {
                    errors: vec![FieldProblem {
                        field: "base".into(),
                        message: "later than the log".into(),
                    }],
                });
            }
            let mut header = draft.header(intent, documents, base, at);
            header.seq = Seq(seq);
            writer.push(&header.encode(), &draft.parts());
        }
        let bytes = writer.finish();
        let batch = Batch::read(drafts.len(), &bytes)?;
        let hashes = batch.chain(self.facts().id, replica.replica, first, row.mark_hash);
        let changes = batch
            .changes
            .iter()
            .zip(&hashes)
            .zip(first.0..)
            .map(|((change, hash), seq)| prepare(change, Seq(seq), *hash, known))
            .collect();
        let end = hashes.last().copied().unwrap_or(Hash::ZERO);
        Ok(PreparedBatch {
            request: self.request(replica, row, drafts.len() as u64, end, at),
            replica: replica.no,
            changes,
            receipts: Vec::new(),
            shown_head: None,
        })
    }

    /// The request that a phone would have sent.
    fn request(
        &self,
        replica: &Replica,
        row: &ReplicaRow,
        count: u64,
        end_hash: Hash,
        at: Evidence,
    ) -> SyncRequest {
        SyncRequest {
            protocol: 1,
            district: self.facts().id,
            replica: replica.replica,
            request_no: row.request_no + 1,
            head_seq: Seq(row.mark.0 + count),
            head_hash: end_hash,
            sent_at: at,
            cursor: Cursor {
                epoch: self.epoch(),
                ..Cursor::default()
            },
            first_seq: row.mark.next(),
            prev_hash: row.mark_hash,
            count,
            end_hash,
            receipts: Vec::new(),
            wanted: Vec::new(),
            wants_token: false,
            page_bytes_max: 0,
            image_version: 0,
            app: APP.to_owned(),
            certificate: Vec::new(),
            known_keys: 0,
            last_head: Vec::new(),
            documents_held: None,
        }
    }

    /// The answer that a change would get now, without making it.
    ///
    /// # Errors
    /// Storage's own.
    pub(in crate::service) fn forecast(
        &self,
        replica: ReplicaId,
        draft: &OfficeDraft,
        now_ms: i64,
    ) -> Result<Result<Answer, ServiceError>, StoreError> {
        let directory = self.directory();
        let Some(replica) = directory.replica_by_id(replica) else {
            return Ok(Err(ServiceError::ReplicaUnknown));
        };
        let row = (self.write().find_replica(replica.no)?)
            .unwrap_or_else(|| ReplicaRow::new(replica.no, now_ms));
        let batch = match self.link(replica, &row, &[draft], now_ms) {
            Ok(batch) => batch,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let contacts = [Contact {
            head: row.mark,
            received_ms: now_ms,
        }];
        let evidence = BatchEvidence {
            sent_at: batch.request.sent_at,
            contacts: &contacts,
            received_ms: now_ms,
        };
        let record = self.write().find_record(draft.draft.record)?;
        let state = record.map(|row| self.view().load_state(&row)).transpose()?;
        let decision = self.view().decide(
            &batch.changes[0],
            replica,
            state.flatten().as_ref(),
            &evidence,
            None,
        )?;
        Ok(Ok(decision.answer))
    }

    fn note_acted(
        &self,
        replica: &Replica,
        draft: &OfficeDraft,
        receipt: &Receipt,
        seq: Seq,
    ) -> Result<Acted, StoreError> {
        let (answer, pos, time_ms) = receipt
            .answer(seq)
            .expect("BUG: a receipt lacks an answer of its range");
        let record = draft.draft.record;
        let row = self.write().find_record(record)?;
        let state = row.map(|row| self.view().load_state(&row)).transpose()?;
        let state = state.flatten().and_then(|state| state.state);
        if let Some((id, hash)) = draft.asked {
            self.write().insert_asked(&AskedRow {
                person: replica.person,
                id,
                hash,
                pos,
                state: state.clone(),
            })?;
        }
        Ok(Acted {
            record,
            replica: replica.replica,
            seq,
            pos,
            answer: answer.clone(),
            time_ms,
            state,
        })
    }
}

/// What is wrong with a change by itself; who knows the language of the asker says it better, before.
fn invalid(problems: Vec<Problem>) -> ServiceError {
    let errors = problems.into_iter().map(|problem| FieldProblem {
        field: problem.field,
        message: problem.code.as_str().to_owned(),
    });
    ServiceError::FieldInvalid {
        errors: errors.collect(),
    }
}
