//! Making a change: validated, given its place in the chain and stored durably before the caller hears of it.

use super::meta::{Condition, Identity, Meta};
use super::{Replica, ReplicaError, base_of, head_of, overlay, own, record};
use crate::change::{
    ChangeId, For, Hash, Header, Needs, Part, PartClass, Salt, change_hash, hash_parts,
};
use crate::ids::{DocumentsVersion, LogPlace, RecordId, Seq, UnitId};
use crate::kinds::{self, Intent, KnownIntents, Shape};
use crate::limits;
use crate::time::Evidence;
use crate::validate;
use crate::verdict::{Problem, ProblemCode};
use rusqlite::{Connection, params};

/// A sealed part of a draft: personal fields or whereabouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDraft {
    /// Its retention class; never the open one.
    pub class: PartClass,
    /// 16 random bytes.
    pub salt: Salt,
    /// A JSON object.
    pub bytes: Vec<u8>,
}

/// What a form gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is about; a fresh UUIDv7 for a new record.
    pub record: RecordId,
    /// The unit that the author takes the record to belong to.
    pub unit: UnitId,
    /// The named intent.
    pub intent: String,
    /// The open part: a JSON object.
    pub open: Vec<u8>,
    /// The sealed parts, in any order.
    pub sealed: Vec<SealedDraft>,
    /// Whose work it is, if not the author's.
    pub for_person: Option<For>,
    /// What must be in force first.
    pub needs: Option<Needs>,
    /// The quarantined change that this one replaces.
    pub repairs: Option<ChangeId>,
    /// What the author was looking at, captured by [`Replica::base_of`] when the form opened; `None` for "now".
    pub base: Option<LogPlace>,
}

impl Draft {
    /// A draft of an open part alone, looking at what the replica holds now.
    pub fn new(record: RecordId, unit: UnitId, intent: &str, open: impl Into<Vec<u8>>) -> Self {
        Self {
            record,
            unit,
            intent: intent.to_owned(),
            open: open.into(),
            sealed: Vec::new(),
            for_person: None,
            needs: None,
            repairs: None,
            base: None,
        }
    }

    /// The intent, or every problem that can be seen without any record: what a form shows before anything is stored.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn check(&self, known: KnownIntents) -> Result<&'static Intent, Vec<Problem>> {
        let intent = kinds::find(&self.intent)
            .filter(|intent| known.find(intent.name, intent.schema).is_some());
        let Some(intent) = intent else {
            return Err(vec![Problem::field(ProblemCode::IntentUnknown, "intent")]);
        };
        let (_, mut problems) = validate::read_and_validate(intent, Some(&self.open));
        if self.open.len() > limits::PART_BYTES_MAX {
            problems.push(Problem::whole(ProblemCode::TooLong).limit(limits::PART_BYTES_MAX));
        }
        self.check_sealed(&mut problems);
        if problems.is_empty() {
            Ok(intent)
        } else {
            Err(problems)
        }
    }

    fn check_sealed(&self, problems: &mut Vec<Problem>) {
        if self.sealed.len() >= limits::PARTS_MAX {
            problems.push(Problem::whole(ProblemCode::TooManyFields).limit(limits::PARTS_MAX));
        }
        for (index, part) in self.sealed.iter().enumerate() {
            let name = format!("part.{}", part.class.0);
            let repeated = self.sealed[..index]
                .iter()
                .any(|other| other.class == part.class);
            if repeated || !part.class.is_sealed() {
                problems.push(Problem::field(ProblemCode::DuplicateField, name.as_str()));
            }
            if part.bytes.len() > limits::PART_BYTES_MAX {
                problems.push(
                    Problem::field(ProblemCode::TooLong, name.as_str())
                        .limit(limits::PART_BYTES_MAX),
                );
            } else if !validate::is_json_object(&part.bytes) {
                problems.push(Problem::field(ProblemCode::Unreadable, name));
            }
        }
    }

    /// The header of the change that this becomes; its place in the chain is for whoever links it.
    pub fn header(
        &self,
        intent: &Intent,
        documents: DocumentsVersion,
        base: LogPlace,
        at: Evidence,
    ) -> Header {
        Header {
            seq: Seq(0),
            record: self.record,
            unit: self.unit,
            intent: self.intent.clone(),
            schema: intent.schema,
            documents,
            base,
            at,
            for_person: self.for_person,
            needs: self.needs,
            repairs: self.repairs,
            origin: None,
        }
    }

    /// The parts in the order in which a change has them.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = vec![Part {
            class: PartClass::OPEN,
            salt: None,
            bytes: &self.open,
        }];
        parts.extend(self.sealed.iter().map(|part| Part {
            class: part.class,
            salt: Some(part.salt),
            bytes: &part.bytes,
        }));
        parts.sort_by_key(|part| part.class);
        parts
    }
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// Everything that is wrong with it; nothing was stored.
    #[error("the change has {} problems", .0.len())]
    Invalid(Vec<Problem>),
    /// The database refused; nothing was stored.
    #[error("the change could not be stored")]
    Replica(#[from] ReplicaError),
}

impl From<rusqlite::Error> for MakeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Replica(error.into())
    }
}

/// A change about to be stored: the header without its place in the chain, and the parts in order.
pub(super) struct Link<'a> {
    pub header: Header,
    pub parts: Vec<Part<'a>>,
    /// The best estimate of the server's time, for the overlay.
    pub made_ms: i64,
}

impl Replica {
    /// Makes a change: validates it, gives it the next place in the chain, and stores it with its hash. When this
    /// returns, the change is on the disk and nothing but an answered receipt takes it out of the outbox.
    ///
    /// # Errors
    /// Every problem at once, or what the database said.
    pub fn make_change(&mut self, draft: Draft, now: Evidence) -> Result<Seq, MakeError> {
        let intent = draft
            .check(self.identity.known)
            .map_err(MakeError::Invalid)?;
        let transaction = self.connection.transaction()?;
        let mut meta = Meta::load(&transaction)?;
        if meta.condition == Condition::Wiped {
            return Err(ReplicaError::Wiped.into());
        }
        let base = match draft.base {
            Some(base) => base,
            None => base_of(&transaction, &meta, draft.record)?,
        };
        let at = Evidence {
            skew_ms: meta.skew_ms,
            ..now
        };
        let link = Link {
            made_ms: meta.estimate_ms(&now),
            header: draft.header(intent, meta.documents, base, at),
            parts: draft.parts(),
        };
        let seq = append(&transaction, &mut meta, &self.identity, link)?;
        transaction.commit()?;
        Ok(seq)
    }
}

/// Links a change to the chain's end and stores it whole; brings the lists up to date. Part of the caller's transaction.
pub(super) fn append(
    connection: &Connection,
    meta: &mut Meta,
    identity: &Identity,
    link: Link<'_>,
) -> Result<Seq, ReplicaError> {
    let Link {
        mut header,
        parts,
        made_ms,
    } = link;
    let (last, prev) = head_of(connection, identity.chain)?;
    header.seq = last.next();
    let bytes = header.encode();
    let hash: Hash = change_hash(
        identity.district,
        identity.replica,
        header.seq,
        prev,
        &bytes,
        &hash_parts(&parts),
    );
    let open = parts
        .iter()
        .find(|part| part.class == PartClass::OPEN)
        .map(|part| part.bytes);
    connection
        .prepare_cached(
            "INSERT INTO own (chain, seq, record, intent, hash, header, open, made_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            identity.chain,
            header.seq.0 as i64,
            &header.record.as_bytes()[..],
            header.intent,
            &hash.0[..],
            bytes,
            open,
            made_ms,
        ])?;
    let local = connection.last_insert_rowid();
    for part in parts.iter().filter(|part| part.class.is_sealed()) {
        connection
            .prepare_cached(
                "INSERT INTO own_part (local, class, salt, bytes) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                local,
                part.class.0,
                part.salt.map(|salt| salt.to_vec()).unwrap_or_default(),
                part.bytes
            ])?;
    }
    supersede(connection, &header, local)?;
    connection
        .prepare_cached("DELETE FROM draft WHERE record = ?1 AND intent = ?2")?
        .execute(params![&header.record.as_bytes()[..], header.intent])?;
    if record::read(connection, header.record)?.is_none() {
        record::insert_empty(connection, meta, header.record, false)?;
        meta.save(connection)?;
    }
    overlay::refresh(connection, identity, header.record)?;
    Ok(header.seq)
}

/// What the new change takes the place of: the quarantined one that it repairs, and earlier steps of its record that
/// were not applied, which need no more looking at once their author has taken another.
fn supersede(connection: &Connection, header: &Header, local: i64) -> Result<(), ReplicaError> {
    if let Some(repaired) = header.repairs {
        connection
            .prepare_cached(
                "UPDATE own SET repaired_by = ?1, settled = 1, standing = 8 WHERE seq = ?2
                    AND chain = (SELECT chain FROM identity WHERE replica = ?3) AND local < ?1
                    AND answer IS NOT NULL",
            )?
            .execute(params![
                local,
                repaired.seq.0 as i64,
                &repaired.replica.as_bytes()[..]
            ])?;
    }
    let is_step = kinds::find(&header.intent)
        .is_some_and(|intent| matches!(intent.shape, Shape::Transition(_) | Shape::Move));
    if is_step {
        own::dismiss_steps(connection, header.record, local)?;
    }
    Ok(())
}
