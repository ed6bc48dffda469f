//! Own changes: what waits to be sent, where each stands, and the batches that go up.

use super::{Replica, ReplicaError, record};
use crate::change::{BatchWriter, Hash, Part, PartClass};
use crate::entry::RulingKind;
use crate::ids::{LogPlace, Pos, RecordId, ReplicaId, ReplicaNo, Seq};
use crate::limits;
use crate::verdict::{Answer, Marks, Problem, decode_answers};
use crate::words::{NextStep, Standing, StateWord, word};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// An own change as stored.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub local: i64,
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
    o.repaired_by IS NOT NULL";

pub(super) const RULINGS: [RulingKind; 5] = [
    RulingKind::Released,
    RulingKind::Admitted,
    RulingKind::Rejected,
    RulingKind::Repaired,
    RulingKind::Erased,
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
            Some((kind, _, answer)) if *kind != RulingKind::Erased => Some(answer),
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

/// One line of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxItem {
    /// The replica that made it: the present one, or the one before a fork.
    pub replica: ReplicaId,
    /// Its place in that replica's chain.
    pub seq: Seq,
    /// What it is about.
    pub record: RecordId,
    /// What it does.
    pub intent: String,
    /// Its own values, as the author wrote them; `None` once it is part of the record.
    pub open: Option<Vec<u8>>,
    /// When it was made: the server's time where it is known, else the best estimate.
    pub time_ms: i64,
    /// Where it stands.
    pub standing: Standing,
    /// The word for it.
    pub word: StateWord,
    /// What to do next.
    pub next: NextStep,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What a person said when they ruled about it.
    pub reason: String,
}

impl OutboxItem {
    pub(super) fn of(own: Own, state: Option<&str>) -> Self {
        let standing = own.standing();
        let (word, next) = word(standing, state);
        let problems = own
            .present_answer()
            .map(|answer| answer.problems.clone())
            .unwrap_or_default();
        Self {
            replica: own.replica,
            seq: own.seq,
            record: own.record,
            intent: own.intent,
            open: own.open,
            time_ms: own.time_ms.unwrap_or(own.made_ms),
            standing,
            word,
            next,
            problems,
            reason: own.reason,
        }
    }
}

/// Changes to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnBatch {
    /// The first of them.
    pub first: Seq,
    /// The hash before the first.
    pub prev: Hash,
    /// How many.
    pub count: u64,
    /// The hash of the last.
    pub end: Hash,
    /// Headers and parts, framed.
    pub bytes: Vec<u8>,
    /// Receipts of an earlier epoch for them, oldest first.
    pub receipts: Vec<Vec<u8>>,
}

impl OwnBatch {
    /// Nothing to send.
    pub(crate) fn empty() -> Self {
        Self {
            first: Seq(0),
            prev: Hash::ZERO,
            count: 0,
            end: Hash::ZERO,
            bytes: Vec::new(),
            receipts: Vec::new(),
        }
    }
}

impl Replica {
    /// The next changes to send: the oldest without a receipt, in order, at least one and at most so many changes and
    /// bytes. What a restored server lost goes with the receipts it had, whole receipts at a time.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn next_batch(
        &self,
        changes_max: usize,
        bytes_max: usize,
    ) -> Result<Option<OwnBatch>, ReplicaError> {
        let changes_max = changes_max.clamp(1, limits::BATCH_CHANGES_MAX);
        let (connection, chain) = (&self.connection, self.identity.chain);
        let Some((first, again)) = first_unanswered(connection, chain)? else {
            return Ok(None);
        };
        let mut writer = BatchWriter::default();
        let mut receipts = Vec::new();
        let mut next = first;
        if again {
            for (last, bytes) in receipts_from(connection, chain, first)? {
                let group = load(connection, chain, next, last)?;
                let size: usize = group.iter().map(Stored::size).sum();
                let whole = group.len() as u64 == last.0.saturating_sub(next.0) + 1;
                let over = writer.count() + group.len() > changes_max
                    || writer.len() + size > bytes_max
                    || receipts.len() == limits::REOFFERED_RECEIPTS_MAX;
                if !whole || (over && !writer.is_empty()) {
                    break;
                }
                group.iter().for_each(|change| change.push(&mut writer));
                receipts.push(bytes);
                next = last.next();
            }
        } else {
            let to = Seq(first.0.saturating_add(changes_max as u64 - 1));
            for change in load(connection, chain, first, to)? {
                if !writer.is_empty() && writer.len() + change.size() > bytes_max {
                    break;
                }
                change.push(&mut writer);
                next = next.next();
            }
        }
        if writer.is_empty() {
            return Ok(None);
        }
        let count = writer.count() as u64;
        let end = hash_at(connection, chain, Seq(first.0 + count - 1))?
            .ok_or(ReplicaError::Damaged("an own change"))?;
        let prev = match first.0 {
            1 => Hash::ZERO,
            _ => hash_at(connection, chain, Seq(first.0 - 1))?
                .ok_or(ReplicaError::Damaged("an own change"))?,
        };
        Ok(Some(OwnBatch {
            first,
            prev,
            count,
            end,
            bytes: writer.finish(),
            receipts,
        }))
    }

    /// What waits or needs a person: unsent, held, to be repaired, returned. In the order it was made.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn outbox(&self) -> Result<Vec<OutboxItem>, ReplicaError> {
        let own = Own::select(&self.connection, OPEN, [])?;
        own.into_iter()
            .map(|own| self.outbox_item(own))
            .collect::<Result<_, _>>()
    }

    /// One own change of the present name, whatever became of it.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn own_change(&self, seq: Seq) -> Result<Option<OutboxItem>, ReplicaError> {
        let own = Own::select(
            &self.connection,
            "o.chain = ?1 AND o.seq = ?2",
            params![self.identity.chain, seq.0 as i64],
        )?;
        own.into_iter()
            .next()
            .map(|own| self.outbox_item(own))
            .transpose()
    }

    fn outbox_item(&self, own: Own) -> Result<OutboxItem, ReplicaError> {
        let state: Option<Option<String>> = self
            .connection
            .prepare_cached("SELECT state FROM record WHERE id = ?1")?
            .query_row([&own.record.as_bytes()[..]], |row| row.get(0))
            .optional()?;
        Ok(OutboxItem::of(own, state.flatten().as_deref()))
    }

    /// Puts a step that was not applied, or a rejected change, aside: its author has read what became of it.
    /// Says whether there was such a change; nothing else can be put aside.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn dismiss(&mut self, replica: ReplicaId, seq: Seq) -> Result<bool, ReplicaError> {
        let own = Own::select(
            &self.connection,
            "i.replica = ?1 AND o.seq = ?2 AND o.dismissed = 0",
            params![&replica.as_bytes()[..], seq.0 as i64],
        )?;
        let Some(own) = own
            .first()
            .filter(|own| matches!(own.standing(), Standing::NotApplied | Standing::Rejected))
        else {
            return Ok(false);
        };
        self.connection
            .execute("UPDATE own SET dismissed = 1 WHERE local = ?1", [own.local])?;
        Ok(true)
    }
}

/// What waits or needs a person; word for word the condition of the index `own_open`.
const OPEN: &str = "(o.standing IN (1, 4, 5, 6, 7) OR o.again = 1) AND o.dismissed = 0";

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

struct Stored {
    header: Vec<u8>,
    open: Option<Vec<u8>>,
    sealed: Vec<(u8, [u8; 16], Vec<u8>)>,
}

impl Stored {
    fn size(&self) -> usize {
        let sealed: usize = self.sealed.iter().map(|part| part.2.len() + 20).sum();
        self.header.len() + self.open.as_ref().map_or(0, Vec::len) + sealed + 8
    }

    fn push(&self, writer: &mut BatchWriter) {
        writer.push(&self.header, &self.parts());
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let open = self.open.iter().map(|bytes| Part {
            class: PartClass::OPEN,
            salt: None,
            bytes,
        });
        let sealed = self.sealed.iter().map(|(class, salt, bytes)| Part {
            class: PartClass(*class),
            salt: Some(*salt),
            bytes,
        });
        open.chain(sealed).collect()
    }
}

/// Own changes `from..=to` as far as they are whole and contiguous.
fn load(
    connection: &Connection,
    chain: i64,
    from: Seq,
    to: Seq,
) -> Result<Vec<Stored>, ReplicaError> {
    let mut statement = connection.prepare_cached(
        "SELECT local, header, open FROM own WHERE chain = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![
        chain,
        from.0 as i64,
        to.0.min(i64::MAX as u64) as i64
    ])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(header) = row.get(1)? else {
            break;
        };
        found.push(Stored {
            header,
            open: row.get(2)?,
            sealed: sealed_parts(connection, row.get(0)?)?,
        });
    }
    Ok(found)
}

/// The sealed parts of an own change, in order of classes.
pub(super) fn sealed_parts(
    connection: &Connection,
    local: i64,
) -> Result<Vec<(u8, [u8; 16], Vec<u8>)>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT class, salt, bytes FROM own_part WHERE local = ?1 ORDER BY class")?
        .query_map([local], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect()
}

fn first_unanswered(
    connection: &Connection,
    chain: i64,
) -> Result<Option<(Seq, bool)>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT seq, again FROM own WHERE chain = ?1 AND (answer IS NULL OR again = 1) ORDER BY seq LIMIT 1",
        )?
        .query_row([chain], |row| {
            Ok((Seq(row.get::<_, i64>(0)? as u64), row.get(1)?))
        })
        .optional()
}

pub(super) fn hash_at(
    connection: &Connection,
    chain: i64,
    seq: Seq,
) -> Result<Option<Hash>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT hash FROM own WHERE chain = ?1 AND seq = ?2")?
        .query_row(params![chain, seq.0 as i64], |row| row.get(0).map(Hash))
        .optional()
}

/// The last receipts for `first` and all after it that a restored server lost, oldest first: each range once, under
/// the latest epoch that answered it.
fn receipts_from(
    connection: &Connection,
    chain: i64,
    first: Seq,
) -> Result<Vec<(Seq, Vec<u8>)>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT r.last, r.bytes FROM receipt r WHERE r.chain = ?1 AND r.last >= ?2
                AND NOT EXISTS (SELECT 1 FROM receipt l WHERE l.chain = r.chain AND l.first <= r.last
                    AND l.last >= r.first AND (l.epoch, l.last) > (r.epoch, r.last))
                AND EXISTS (SELECT 1 FROM own o WHERE o.chain = r.chain AND o.seq = r.last AND o.again = 1)
             ORDER BY r.first LIMIT 600",
        )?
        .query_map(params![chain, first.0 as i64], |row| {
            Ok((Seq(row.get::<_, i64>(0)? as u64), row.get(1)?))
        })?
        .collect()
}
