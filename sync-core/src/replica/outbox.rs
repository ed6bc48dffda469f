//! The outbox as the person reads it: what waits or needs them, with a word, a next step and every problem for each.

use super::batch::hash_at;
use super::own::Own;
use super::{Replica, ReplicaError};
use crate::change::Hash;
use crate::ids::{LogPlace, RecordId, ReplicaId, Seq};
use crate::verdict::{Answer, Problem};
use crate::words::{NextStep, Standing, StateWord, word};
use rusqlite::{OptionalExtension, params};

/// What waits or needs a person; word for word the condition of the index `own_open`.
pub(super) const OPEN: &str = "(o.standing IN (1, 4, 5, 6, 7) OR o.again = 1) AND o.dismissed = 0";

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

/// The first answer to an own change, as it is stored here under a verified receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnVerdict {
    /// The change's place in the present chain.
    pub seq: Seq,
    /// The chain's hash there.
    pub hash: Hash,
    /// What the server answered, for ever the same.
    pub answer: Answer,
    /// When it was done, as the server fixed it; of the receipt like the answer.
    pub time_ms: i64,
    /// Where the change stands in the log; another place after a restore.
    pub place: LogPlace,
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

impl Replica {
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

    /// The stored answers to changes of the present name above a seq, ascending, at most `limit`.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn verdicts_above(&self, seq: Seq, limit: u32) -> Result<Vec<OwnVerdict>, ReplicaError> {
        let own = Own::select(
            &self.connection,
            "o.local IN (SELECT local FROM own WHERE chain = ?1 AND seq > ?2 AND answer IS NOT NULL ORDER BY seq LIMIT ?3)",
            params![self.identity.chain, seq.0 as i64, limit],
        )?;
        own.into_iter()
            .map(|own| {
                let hash = hash_at(&self.connection, own.chain, own.seq)?;
                Ok(OwnVerdict {
                    seq: own.seq,
                    hash: hash.ok_or(ReplicaError::Damaged("an own change"))?,
                    answer: own.answer.ok_or(ReplicaError::Damaged("a verdict"))?,
                    time_ms: own.time_ms.ok_or(ReplicaError::Damaged("a time"))?,
                    place: own.place.ok_or(ReplicaError::Damaged("a place"))?,
                })
            })
            .collect()
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
