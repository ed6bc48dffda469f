//! The one row that says where a replica stands: cursor, scope, digest, last contact; and the names it has gone by.

use super::ReplicaError;
use crate::change::SigningKey;
use crate::digest::SetDigest;
use crate::ids::{
    DistrictId, DocumentsVersion, Epoch, LogPlace, PersonId, Pos, ReplicaId, ReplicaNo,
    ScopeVersion, Seq,
};
use crate::kinds::KnownIntents;
use crate::scope::Scope;
use crate::time::Evidence;
use crate::wire::Cursor;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What the server said of the replica as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Condition {
    /// In order.
    Ok = 0,
    /// Another database speaks under this replica's name: it must continue as a new one.
    Forked = 1,
    /// Uploads are taken; downloads need a newer app.
    UpgradeRequired = 2,
    /// Revoked: to be wiped when nothing is unsent.
    Revoked = 3,
    /// Wiped: nothing is left but names and receipts, and nothing can be made or sent any more.
    Wiped = 4,
}

impl Condition {
    fn from_code(code: i64) -> Option<Self> {
        [
            Self::Ok,
            Self::Forked,
            Self::UpgradeRequired,
            Self::Revoked,
            Self::Wiped,
        ]
        .into_iter()
        .find(|each| *each as i64 == code)
    }
}

/// The name and key under which the replica speaks now.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub district: DistrictId,
    pub person: PersonId,
    /// Which of its names this is, from 1; a fork adds one.
    pub chain: i64,
    pub replica: ReplicaId,
    pub no: ReplicaNo,
    pub key: SigningKey,
    /// Which intents this program reads.
    pub known: KnownIntents,
}

impl Identity {
    pub fn load(connection: &Connection, known: KnownIntents) -> Result<Self, ReplicaError> {
        let row = connection.query_row(
            "SELECT m.district, m.person, i.chain, i.replica, i.replica_no, i.seed
             FROM meta m JOIN identity i ON i.chain = m.chain",
            [],
            |row| {
                Ok((
                    row.get::<_, Vec<u8>>(0)?,
                    row.get::<_, u32>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, Vec<u8>>(3)?,
                    row.get::<_, u32>(4)?,
                    zeroize::Zeroizing::new(row.get::<_, Vec<u8>>(5)?),
                ))
            },
        );
        let (district, person, chain, replica, no, seed) =
            row.optional()?.ok_or(ReplicaError::NotEnrolled)?;
        let seed: &[u8; 32] = seed[..]
            .try_into()
            .map_err(|_| ReplicaError::Damaged("the replica's key"))?;
        Ok(Self {
            district: DistrictId::from_slice(&district)
                .ok_or(ReplicaError::Damaged("the district's id"))?,
            person: PersonId(person),
            chain,
            replica: ReplicaId::from_slice(&replica)
                .ok_or(ReplicaError::Damaged("the replica's id"))?,
            no: ReplicaNo(no),
            key: SigningKey::from_seed(seed),
            known,
        })
    }

    pub fn insert(
        connection: &Connection,
        chain: i64,
        replica: ReplicaId,
        no: ReplicaNo,
        seed: &[u8; 32],
        certificate: &[u8],
    ) -> Result<(), rusqlite::Error> {
        let certificate = (!certificate.is_empty()).then_some(certificate);
        connection.execute(
            "INSERT INTO identity (chain, replica, replica_no, seed, certificate) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![chain, replica.as_bytes(), no.0, seed, certificate],
        )?;
        Ok(())
    }

    /// The short number that the district gives it now: a restored server may have given the old one away.
    pub fn renumber(
        &mut self,
        connection: &Connection,
        no: ReplicaNo,
    ) -> Result<(), rusqlite::Error> {
        connection.execute(
            "UPDATE identity SET replica_no = ?2 WHERE chain = ?1",
            params![self.chain, no.0],
        )?;
        self.no = no;
        Ok(())
    }
}

/// Where the replica stands. Read at the start of a transaction, written back at its end.
#[derive(Clone, Debug)]
pub(super) struct Meta {
    pub epoch: Epoch,
    pub cursor: Cursor,
    pub scope: Option<Scope>,
    /// Of all records in scope that have an image.
    pub digest: SetDigest,
    /// Grows with each full repair; a record's round tells whether that repair brought it again.
    pub round: i64,
    /// Whether a full repair is under way.
    pub repairing: bool,
    /// How often in a row the digest differed.
    pub mismatches: i64,
    pub request_no: u64,
    pub skew_ms: i64,
    /// The server's time at the last contact, and the device's clocks then; 0 before the first.
    pub contact_ms: i64,
    pub contact_at: Evidence,
    pub safe_seq: Seq,
    /// How many entries had changed the documents that are held whole.
    pub documents: DocumentsVersion,
    /// The same of those that the server has, by its last word.
    pub documents_told: DocumentsVersion,
    pub condition: Condition,
    /// The version of intents that this database was last read with.
    pub reads_version: u32,
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(|value| value as u64)
}

impl Meta {
    pub fn new(epoch: Epoch, reads_version: u32) -> Self {
        Self {
            epoch,
            cursor: Cursor {
                epoch,
                ..Cursor::default()
            },
            scope: None,
            digest: SetDigest::default(),
            round: 1,
            repairing: false,
            mismatches: 0,
            request_no: 0,
            skew_ms: 0,
            contact_ms: 0,
            contact_at: Evidence::default(),
            safe_seq: Seq(0),
            documents: DocumentsVersion(0),
            documents_told: DocumentsVersion(0),
            condition: Condition::Ok,
            reads_version,
        }
    }

    pub fn load(connection: &Connection) -> Result<Self, ReplicaError> {
        let mut statement = connection.prepare_cached(
            "SELECT epoch, cursor_epoch, scope_version, cursor_pos, backfill, scope, digest, round, repairing,
                    mismatches, request_no, skew_ms, contact_ms, contact_monotonic_ms, contact_boot, safe_seq,
                    documents, condition, reads_version, documents_told FROM meta",
        )?;
        let read = statement.query_row([], |row| {
            let scope: Option<Vec<u8>> = row.get(5)?;
            let digest: [u8; 24] = row.get(6)?;
            let condition: i64 = row.get(17)?;
            Ok((
                Self {
                    epoch: Epoch(row.get(0)?),
                    cursor: Cursor {
                        epoch: Epoch(row.get(1)?),
                        scope_version: ScopeVersion(row.get(2)?),
                        pos: Pos(number(row, 3)?),
                        backfill: number(row, 4)?,
                    },
                    scope: None,
                    digest: SetDigest::from_bytes(&digest),
                    round: row.get(7)?,
                    repairing: row.get(8)?,
                    mismatches: row.get(9)?,
                    request_no: number(row, 10)?,
                    skew_ms: row.get(11)?,
                    contact_ms: row.get(12)?,
                    contact_at: Evidence {
                        wall_ms: 0,
                        monotonic_ms: number(row, 13)?,
                        boot: number(row, 14)?,
                        skew_ms: 0,
                    },
                    safe_seq: Seq(number(row, 15)?),
                    documents: DocumentsVersion(row.get(16)?),
                    documents_told: DocumentsVersion(row.get(19)?),
                    condition: Condition::Ok,
                    reads_version: row.get(18)?,
                },
                scope,
                condition,
            ))
        });
        let (mut meta, scope, condition) = read.optional()?.ok_or(ReplicaError::NotEnrolled)?;
        meta.condition =
            Condition::from_code(condition).ok_or(ReplicaError::Damaged("the condition"))?;
        meta.scope = scope
            .map(|bytes| Scope::decode(&bytes))
            .transpose()
            .map_err(|_| ReplicaError::Damaged("the scope"))?;
        Ok(meta)
    }

    pub fn save(&self, connection: &Connection) -> Result<(), rusqlite::Error> {
        connection
            .prepare_cached(
                "UPDATE meta SET epoch = ?1, cursor_epoch = ?2, scope_version = ?3, cursor_pos = ?4, backfill = ?5,
                    scope = ?6, digest = ?7, round = ?8, repairing = ?9, mismatches = ?10, request_no = ?11,
                    skew_ms = ?12, contact_ms = ?13, contact_monotonic_ms = ?14, contact_boot = ?15, safe_seq = ?16,
                    documents = ?17, condition = ?18, reads_version = ?19, documents_told = ?20",
            )?
            .execute(params![
                self.epoch.0,
                self.cursor.epoch.0,
                self.cursor.scope_version.0,
                self.cursor.pos.0 as i64,
                self.cursor.backfill as i64,
                self.scope.as_ref().map(Scope::encode),
                &self.digest.to_bytes()[..],
                self.round,
                self.repairing,
                self.mismatches,
                self.request_no as i64,
                self.skew_ms,
                self.contact_ms,
                self.contact_at.monotonic_ms as i64,
                self.contact_at.boot as i64,
                self.safe_seq.0 as i64,
                self.documents.0,
                self.condition as i64,
                self.reads_version,
                self.documents_told.0,
            ])?;
        Ok(())
    }

    /// Up to where every record in scope that is not stale is complete.
    pub fn cursor_place(&self) -> LogPlace {
        LogPlace {
            epoch: self.cursor.epoch,
            pos: self.cursor.pos,
        }
    }

    /// The best estimate of the server's time at `now`. The device's own clock counts only where it was restarted
    /// since the last contact, and never takes a time back before that contact.
    pub fn estimate_ms(&self, now: &Evidence) -> i64 {
        let known = &self.contact_at;
        let ms = if known.boot != 0
            && known.boot == now.boot
            && known.monotonic_ms <= now.monotonic_ms
        {
            let age_ms = i64::try_from(now.monotonic_ms - known.monotonic_ms).unwrap_or(i64::MAX);
            self.contact_ms.saturating_add(age_ms)
        } else {
            now.wall_ms.saturating_add(self.skew_ms)
        };
        ms.max(self.contact_ms)
    }
}
