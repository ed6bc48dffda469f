//! The batches that go up: the oldest changes without a receipt, whole and in order.

use super::{Replica, ReplicaError};
use crate::change::{BatchWriter, Hash, Part, PartClass, Salt};
use crate::ids::Seq;
use crate::limits;
use crate::wire::Receipt;
use rusqlite::{Connection, OptionalExtension, params};

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
            while let Some((last, bytes)) = receipt_of(connection, chain, next)? {
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
}

/// A sealed part as stored: class, salt, bytes.
pub(super) type SealedPart = (u8, Salt, Vec<u8>);

struct Stored {
    header: Vec<u8>,
    open: Option<Vec<u8>>,
    sealed: Vec<SealedPart>,
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
) -> Result<Vec<SealedPart>, rusqlite::Error> {
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

/// The last seq and the bytes of the receipt by which a change that a restored server lost was answered; `None` when it was
/// not lost. Of several that cover it, it is the one that says the place which the change has: where copies of a server
/// were put back crosswise, the log's own receipts may overlap those of a history that is lost.
fn receipt_of(
    connection: &Connection,
    chain: i64,
    seq: Seq,
) -> Result<Option<(Seq, Vec<u8>)>, ReplicaError> {
    let place: Option<i64> = connection
        .prepare_cached("SELECT place_pos FROM own WHERE chain = ?1 AND seq = ?2 AND again = 1")?
        .query_row(params![chain, seq.0 as i64], |row| row.get(0))
        .optional()?;
    let Some(place) = place else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT bytes FROM receipt WHERE chain = ?1 AND first <= ?2 AND last >= ?2 ORDER BY epoch DESC, last DESC",
    )?;
    let mut rows = statement.query(params![chain, seq.0 as i64])?;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        let receipt =
            Receipt::decode(&bytes).map_err(|_| ReplicaError::Damaged("an own receipt"))?;
        let answer = receipt.answer(seq);
        if answer.is_some_and(|(_, pos, _)| pos.0 == place as u64) {
            return Ok(Some((receipt.to, bytes)));
        }
    }
    Ok(None)
}
