//! An own change as stored, and where it stands.

use super::{ReplicaError, record};
use crate::entry::RulingKind;
use crate::ids::{LogPlace, Pos, RecordId, ReplicaId, ReplicaNo, Seq};
use crate::verdict::{Answer, Marks, decode_answers};
use crate::words::Standing;
use rusqlite::{Connection, Row, params};

/// An own change as stored.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub local: i64,
    /// Under which of the replica's names it was made.
    pub chain: i64,
    pub replica: ReplicaId,
    pub replica_no: ReplicaNo,
    pub seq: Seq,
    pub record: RecordId,
    pub intent: String,
    /// `None` once it is safe and part of the record's image.
    pub header: Option<Vec<u8>>,
    pub open: Option<Vec<u8>>,
    pub made_ms: i64,
    pub answer: Option<Answer>,
    pub time_ms: Option<i64>,
    pub place: Option<LogPlace>,
    /// Whether a restored server lost it, so that it is to be offered again.
    pub again: bool,
    pub ruling: Option<(RulingKind, Pos, Answer)>,
    pub reason: String,
    pub repaired: bool,
}

const COLUMNS: &str = "o.local, i.replica, i.replica_no, o.seq, o.record, o.intent, o.header, o.open, o.made_ms,
    o.answer, o.time_ms, o.place_epoch, o.place_pos, o.again, o.ruling, o.ruling_pos, o.ruling_answer, o.reason,
    o.repaired_by IS NOT NULL, o.chain";

pub(super) const RULINGS: [RulingKind; 6] = [
    RulingKind::Released,
    RulingKind::Admitted,
    RulingKind::Rejected,
    RulingKind::Repaired,
    RulingKind::Erased,
    RulingKind::Seen,
];

fn stored_answer(row: &Row<'_>, index: usize) -> Result<Option<Answer>, ReplicaError> {
    let Some(bytes) = row.get::<_, Option<Vec<u8>>>(index)? else {
        return Ok(None);
    };
    decode_answers(&bytes, 1)
        .ok()
        .and_then(|answers| answers.into_iter().next())
        .map(Some)
        .ok_or(ReplicaError::Damaged("a verdict"))
}

impl Own {
    fn read(row: &Row<'_>) -> Result<Self, ReplicaError> {
        let place = match row.get::<_, Option<i64>>(12)? {
            Some(_) => Some(record::place(row, 11)?),
            None => None,
        };
        let ruling = match row.get::<_, Option<i64>>(14)? {
            Some(code) => {
                let kind = usize::try_from(code)
                    .ok()
                    .and_then(|code| RULINGS.get(code).copied())
                    .ok_or(ReplicaError::Damaged("a ruling"))?;
                let answer = stored_answer(row, 16)?.ok_or(ReplicaError::Damaged("a ruling"))?;
                Some((kind, Pos(row.get::<_, i64>(15)? as u64), answer))
            }
            None => None,
        };
        let replica: [u8; 16] = row.get(1)?;
        Ok(Self {
            local: row.get(0)?,
            replica: ReplicaId(uuid::Uuid::from_bytes(replica)),
            replica_no: ReplicaNo(row.get(2)?),
            seq: Seq(row.get::<_, i64>(3)? as u64),
            record: record::id(row, 4)?,
            intent: row.get(5)?,
            header: row.get(6)?,
            open: row.get(7)?,
            made_ms: row.get(8)?,
            answer: stored_answer(row, 9)?,
            time_ms: row.get(10)?,
            place,
            again: row.get(13)?,
            ruling,
            reason: row.get(17)?,
            repaired: row.get(18)?,
            chain: row.get(19)?,
        })
    }

    /// Own changes that the condition (over `o` and `i`) picks, in the order they were made.
    pub fn select(
        connection: &Connection,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Self>, ReplicaError> {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM own o JOIN identity i USING (chain) WHERE {condition} ORDER BY o.local"
        ))?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(Self::read(row)?);
        }
        Ok(found)
    }

    /// Where it stands now.
    pub fn standing(&self) -> Standing {
        if self.repaired {
            return Standing::Repaired;
        }
        let ruling = self
            .ruling
            .as_ref()
            .map(|(kind, _, answer)| (*kind, answer));
        Standing::of(self.answer.as_ref(), ruling)
    }

    /// The answer that holds now.
    pub fn present_answer(&self) -> Option<&Answer> {
        match &self.ruling {
            Some((kind, _, answer)) if !matches!(kind, RulingKind::Erased | RulingKind::Seen) => {
                Some(answer)
            }
            _ => self.answer.as_ref(),
        }
    }

    /// Where it has its effect: its own place or that of the ruling that released it.
    pub fn effect_place(&self) -> Option<LogPlace> {
        let place = self.place?;
        Some(match &self.ruling {
            Some((RulingKind::Released | RulingKind::Admitted, pos, _)) => LogPlace {
                epoch: place.epoch,
                pos: place.pos.max(*pos),
            },
            _ => place,
        })
    }

    /// Whether it repeats a change of a forked branch that is in the log already.
    pub fn is_repeat(&self) -> bool {
        self.present_answer()
            .is_some_and(|answer| answer.marks.has(Marks::REPEAT))
    }

    /// Whether a person still waits for something about it: an answer, or what it was held for.
    pub fn is_pending(&self) -> bool {
        self.again || matches!(self.standing(), Standing::Unsent | Standing::Held)
    }
}

/// Writes down where an own change stands, after its answer or ruling came.
pub(super) fn save_standing(connection: &Connection, own: &Own) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("UPDATE own SET standing = ?2 WHERE local = ?1")?
        .execute(params![own.local, own.standing() as i64])?;
    Ok(())
}

/// Steps of a record that were not applied and were made before `local` need no more looking at.
pub(super) fn dismiss_steps(
    connection: &Connection,
    record: RecordId,
    local: i64,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "UPDATE own SET dismissed = 1 WHERE record = ?1 AND local < ?2 AND standing = ?3",
        )?
        .execute(params![
            &record.as_bytes()[..],
            local,
            Standing::NotApplied as i64
        ])?;
    Ok(())
}
