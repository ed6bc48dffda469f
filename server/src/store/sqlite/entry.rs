//! The log: rows of entries, and the sealed parts beside them.

use super::{DistrictRead, DistrictWrite};
use crate::store::StoreError;
use rusqlite::{OptionalExtension, Row, params};
use sync_core::change::{Hash, PartClass};
use sync_core::decide::SealedPart;
use sync_core::entry::{Admission, EntryKind};
use sync_core::ids::{Epoch, LogPlace, PersonId, Pos, ReplicaNo, Seq, UnitId};
use sync_core::verdict::{Answer, Marks, Verdict, decode_answers, encode_answers};

/// A row of the log.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// Its place.
    pub pos: Pos,
    /// What it is.
    pub kind: EntryKind,
    /// The author's replica; 0 for the server.
    pub replica: ReplicaNo,
    /// The author; 0 for the server.
    pub person: PersonId,
    /// Place in the author's chain; 0 for the server.
    pub seq: Seq,
    /// The district's number of the record; `None` for directory entries and unreadable changes.
    pub record: Option<i64>,
    /// The record's entry before.
    pub prev: Option<Pos>,
    /// When it arrived.
    pub received_ms: i64,
    /// When it was done.
    pub time_ms: i64,
    /// The first answer.
    pub answer: Answer,
    /// Hash in the author's chain; zero for the server.
    pub hash: Hash,
    /// The header as sent; empty for the server.
    pub header: Vec<u8>,
    /// The open part as sent, or the server's JSON.
    pub body: Option<Vec<u8>>,
    /// Where the record was before, when this entry moved it: unit and desk.
    pub was: Option<(UnitId, Option<UnitId>)>,
    /// Its first place, when it was taken back in after a restore.
    pub first_place: Option<LogPlace>,
}

/// A row to append.
#[derive(Clone, Debug)]
pub struct NewEntry<'a> {
    /// What it is.
    pub kind: EntryKind,
    /// What was decided, for a change; the author's columns are zero without it.
    pub admission: Option<&'a Admission>,
    /// When it arrived.
    pub received_ms: i64,
    /// The district's number of the record.
    pub record: Option<i64>,
    /// The record's entry before.
    pub prev: Option<Pos>,
    /// The header as sent.
    pub header: Option<&'a [u8]>,
    /// The open part as sent, or the server's JSON.
    pub body: Option<&'a [u8]>,
    /// Where the record was before, when this entry moved it.
    pub was: Option<(UnitId, Option<UnitId>)>,
}

/// A sealed part as stored; salt and bytes are gone once it was erased.
#[derive(Clone, Debug)]
pub struct SealedRow {
    /// Its class.
    pub class: PartClass,
    /// What the chain holds of it.
    pub commitment: Hash,
    /// Salt and bytes, while they are kept.
    pub content: Option<([u8; 16], Vec<u8>)>,
}

macro_rules! columns {
    () => {
        "pos, kind, replica, person, seq, record, prev, received_ms, time_ms, verdict, answer, hash, header, body, was_unit, was_desk, first_epoch, first_pos"
    };
}

fn read_row(row: &Row<'_>) -> Result<EntryRow, StoreError> {
    let pos = Pos(row.get::<_, i64>(0)? as u64);
    let wrong = |what: &str| StoreError::corrupt("entry", pos, what);
    let verdict =
        Verdict::from_code(row.get::<_, i64>(9)? as u64).ok_or_else(|| wrong("verdict"))?;
    let answer = match row.get::<_, Option<Vec<u8>>>(10)? {
        None => Answer {
            verdict,
            marks: Marks::default(),
            problems: Vec::new(),
        },
        Some(bytes) => decode_answers(&bytes, 1)
            .ok()
            .and_then(|answers| answers.into_iter().next())
            .filter(|answer| answer.verdict == verdict)
            .ok_or_else(|| wrong("answer"))?,
    };
    let was_unit: Option<u32> = row.get(14)?;
    if was_unit.is_none() && row.get::<_, Option<i64>>(15)?.is_some() {
        return Err(wrong("was_desk"));
    }
    let first_epoch: Option<u32> = row.get(16)?;
    let first_pos: Option<i64> = row.get(17)?;
    if first_epoch.is_some() != first_pos.is_some() {
        return Err(wrong("first_pos"));
    }
    Ok(EntryRow {
        pos,
        kind: EntryKind::from_code(row.get(1)?).ok_or_else(|| wrong("kind"))?,
        replica: ReplicaNo(row.get(2)?),
        person: PersonId(row.get(3)?),
        seq: Seq(row.get::<_, i64>(4)? as u64),
        record: row.get(5)?,
        prev: row.get::<_, Option<i64>>(6)?.map(|pos| Pos(pos as u64)),
        received_ms: row.get(7)?,
        time_ms: row.get(8)?,
        answer,
        hash: match row.get::<_, Option<Vec<u8>>>(11)? {
            None => Hash::ZERO,
            Some(bytes) => Hash::from_slice(&bytes).ok_or_else(|| wrong("hash"))?,
        },
        header: row.get::<_, Option<Vec<u8>>>(12)?.unwrap_or_default(),
        body: row.get(13)?,
        was: was_unit
            .map(|unit| {
                Ok::<_, StoreError>((UnitId(unit), row.get::<_, Option<u32>>(15)?.map(UnitId)))
            })
            .transpose()?,
        first_place: first_epoch.zip(first_pos).map(|(epoch, pos)| LogPlace {
            epoch: Epoch(epoch),
            pos: Pos(pos as u64),
        }),
    })
}

impl DistrictRead {
    /// The entry at a place.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn find_entry(&self, pos: Pos) -> Result<Option<EntryRow>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM entry WHERE pos = ?1");
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([pos.0 as i64])?;
        rows.next()?.map(read_row).transpose()
    }

    /// When the entry at a place arrived.
    ///
    /// # Errors
    /// The database's own.
    pub fn find_received_ms(&self, pos: Pos) -> Result<Option<i64>, StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("SELECT received_ms FROM entry WHERE pos = ?1")?;
        Ok(statement
            .query_row([pos.0 as i64], |row| row.get(0))
            .optional()?)
    }

    /// When anything arrived last: the newest entry, or the last contact of any replica. The newest entry alone may be an
    /// old one that was taken back in after a restore, with the time of its first arrival.
    ///
    /// # Errors
    /// The database's own.
    pub fn last_received_ms(&self) -> Result<i64, StoreError> {
        let sql = "SELECT max(
                       coalesce((SELECT received_ms FROM entry ORDER BY pos DESC LIMIT 1), ?1),
                       coalesce((SELECT max(last_seen_ms) FROM replica), ?1))";
        Ok(self
            .connection()
            .query_row(sql, [i64::MIN], |row| row.get(0))?)
    }

    /// Hands each entry above `after`, in order, to `each` until it says stop or `limit` rows were read.
    ///
    /// # Errors
    /// The database's own, a corrupt row, or what `each` says.
    pub fn scan_entries<E: From<StoreError>>(
        &self,
        after: Pos,
        limit: usize,
        mut each: impl FnMut(EntryRow) -> Result<bool, E>,
    ) -> Result<(), E> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM entry WHERE pos > ?1 ORDER BY pos LIMIT ?2"
        );
        let mut statement = self
            .connection()
            .prepare_cached(sql)
            .map_err(StoreError::from)?;
        let mut rows = statement
            .query(params![after.0 as i64, limit as i64])
            .map_err(StoreError::from)?;
        while let Some(row) = rows.next().map_err(StoreError::from)? {
            if !each(read_row(row)?)? {
                break;
            }
        }
        Ok(())
    }

    /// The bodies of all directory entries above `after`, in order.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_directory(&self, after: Pos) -> Result<Vec<(Pos, Vec<u8>)>, StoreError> {
        let sql = "SELECT pos, body FROM entry WHERE kind = 3 AND pos > ?1 ORDER BY pos";
        let mut statement = self.connection().prepare_cached(sql)?;
        let rows = statement.query_map([after.0 as i64], |row| {
            Ok((Pos(row.get::<_, i64>(0)? as u64), row.get(1)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The sealed parts of the entry at a place, erased ones as well.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_sealed(&self, pos: Pos) -> Result<Vec<SealedRow>, StoreError> {
        let sql = "SELECT class, commitment, salt, bytes FROM sealed WHERE pos = ?1 ORDER BY class";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut rows = statement.query([pos.0 as i64])?;
        let mut sealed = Vec::new();
        while let Some(row) = rows.next()? {
            let wrong = |what| StoreError::corrupt("sealed", pos, what);
            let commitment: Vec<u8> = row.get(1)?;
            let salt: Option<Vec<u8>> = row.get(2)?;
            let bytes: Option<Vec<u8>> = row.get(3)?;
            let content = match (salt, bytes) {
                (Some(salt), Some(bytes)) => {
                    Some((salt.try_into().map_err(|_| wrong("salt"))?, bytes))
                }
                _ => None,
            };
            sealed.push(SealedRow {
                class: PartClass(row.get(0)?),
                commitment: Hash::from_slice(&commitment).ok_or_else(|| wrong("commitment"))?,
                content,
            });
        }
        Ok(sealed)
    }
}

impl DistrictWrite {
    /// Appends a row at `pos`.
    ///
    /// # Errors
    /// The database's own.
    pub fn append_entry(&self, pos: Pos, entry: &NewEntry<'_>) -> Result<(), StoreError> {
        let sql = concat!(
            "INSERT INTO entry (",
            columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
        );
        let mut statement = self.connection().prepare_cached(sql)?;
        let admission = entry.admission;
        let plain = admission.is_none_or(|admission| {
            admission.answer.problems.is_empty() && admission.answer.marks == Marks::default()
        });
        let answer = (!plain).then(|| {
            encode_answers(std::slice::from_ref(
                &admission.expect("BUG: an answer without a change").answer,
            ))
        });
        let first = admission.and_then(|admission| admission.first_place);
        statement.execute(params![
            pos.0 as i64,
            entry.kind as i64,
            admission.map_or(0, |admission| admission.replica.0),
            admission.map_or(0, |admission| admission.person.0),
            admission.map_or(0, |admission| admission.seq.0 as i64),
            entry.record,
            entry.prev.map(|pos| pos.0 as i64),
            entry.received_ms,
            admission.map_or(entry.received_ms, |admission| admission.time_ms),
            admission.map_or(0, |admission| admission.answer.verdict as i64),
            answer,
            admission.map(|admission| &admission.hash.0[..]),
            entry.header,
            entry.body,
            entry.was.map(|(unit, _)| unit.0),
            entry.was.and_then(|(_, desk)| desk).map(|desk| desk.0),
            first.map(|place| place.epoch.0),
            first.map(|place| place.pos.0 as i64),
        ])?;
        Ok(())
    }

    /// Stores the sealed parts of the entry at `pos`.
    ///
    /// # Errors
    /// The database's own.
    pub fn insert_sealed(&self, pos: Pos, parts: &[SealedPart]) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO sealed (pos, class, commitment, salt, bytes) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut statement = self.connection().prepare_cached(sql)?;
        for part in parts {
            statement.execute(params![
                pos.0 as i64,
                part.class.0,
                &part.commitment.0[..],
                &part.salt[..],
                part.bytes
            ])?;
        }
        Ok(())
    }

    /// Deletes salt and content of the sealed parts of the entry at `pos`; their commitments stay. How many there were.
    ///
    /// # Errors
    /// The database's own.
    pub fn erase_sealed(&self, pos: Pos) -> Result<usize, StoreError> {
        let sql =
            "UPDATE sealed SET salt = NULL, bytes = NULL WHERE pos = ?1 AND bytes IS NOT NULL";
        Ok(self
            .connection()
            .prepare_cached(sql)?
            .execute([pos.0 as i64])?)
    }
}
