//! Receipts and signed heads: checked before anything is believed, and kept for good.

use super::batch::hash_at;
use super::meta::{Identity, Meta};
use super::own::{Own, RULINGS, save_standing};
use super::{ApplyError, ReplicaError};
use crate::change::VerifyingKey;
use crate::directory::DirectoryChange;
use crate::entry::RulingKind;
use crate::ids::{DistrictId, Pos, RecordId, Seq};
use crate::verdict::encode_answers;
use crate::wire::{KeyLink, Receipt, RulingItem, SignedHead, WipeOrder};
use crate::words::Standing;
use rusqlite::{Connection, OptionalExtension, params};

/// How many signed heads a phone keeps.
const HEADS_KEPT: i64 = 12;

/// A key of the server; `None` when the replica has not heard of it.
pub(super) fn find_server_key(
    connection: &Connection,
    id: &str,
) -> Result<Option<VerifyingKey>, rusqlite::Error> {
    let bytes: Option<[u8; 32]> = connection
        .prepare_cached("SELECT key FROM server_key WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(bytes.and_then(|bytes| VerifyingKey::from_bytes(&bytes)))
}

fn server_key(connection: &Connection, id: &str) -> Result<VerifyingKey, ApplyError> {
    find_server_key(connection, id)?.ok_or_else(|| ApplyError::UnknownKey(id.to_owned()))
}

/// Learns further keys of the server: each must be signed with the one before, from the newest known on.
pub(super) fn store_keys(
    connection: &Connection,
    district: DistrictId,
    links: &[KeyLink],
) -> Result<(), ApplyError> {
    for link in links {
        // An answer may come again.
        if server_key(connection, &link.id).is_ok_and(|known| known == link.key) {
            continue;
        }
        let newest: (i64, String) = connection
            .prepare_cached("SELECT no, id FROM server_key ORDER BY no DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let before = server_key(connection, &newest.1)?;
        let change = DirectoryChange::ServerKey {
            id: link.id.clone(),
            key: link.key,
            signature: crate::hex::encode(&link.signature.0),
        };
        if !change.is_key_signed_by(district, &before) {
            return Err(ApplyError::BadServerKey(link.id.clone()));
        }
        connection
            .prepare_cached("INSERT INTO server_key (id, key, no) VALUES (?1, ?2, ?3)")?
            .execute(params![link.id, &link.key.to_bytes()[..], newest.0 + 1])?;
    }
    Ok(())
}

/// Checks receipts against the keys and the own chain, and stores each with the verdicts it carries.
/// Answers with the records whose own changes were answered; `None` when one is over another chain under this name.
pub(super) fn store(
    connection: &Connection,
    identity: &Identity,
    meta: &Meta,
    receipts: &[Receipt],
) -> Result<Option<Vec<RecordId>>, ApplyError> {
    let mut touched = Vec::new();
    let mut last = Seq(0);
    for receipt in receipts {
        check(connection, identity, meta, receipt, last)?;
        if hash_at(connection, identity.chain, receipt.to)? != Some(receipt.chain_hash) {
            return Ok(None);
        }
        last = receipt.to;
        connection
            .prepare_cached(
                "INSERT INTO receipt (chain, epoch, first, last, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute(params![
                identity.chain,
                receipt.epoch.0,
                receipt.from.0 as i64,
                receipt.to.0 as i64,
                receipt.encode(),
            ])?;
        for seq in receipt.from.0..=receipt.to.0 {
            touched.push(store_answer(connection, identity, meta, receipt, Seq(seq))?);
        }
    }
    Ok(Some(touched))
}

fn check(
    connection: &Connection,
    identity: &Identity,
    meta: &Meta,
    receipt: &Receipt,
    last: Seq,
) -> Result<(), ApplyError> {
    let bad = |why| Err(ApplyError::BadReceipt(why));
    if receipt.replica != identity.replica {
        return bad("it is for another replica");
    }
    // An older one is for what a restored log has kept: its answer was lost on the way, before the restore.
    if receipt.epoch > meta.epoch {
        return bad("it is of a later epoch");
    }
    if receipt.from <= last {
        return bad("its range is out of order");
    }
    if last.0 != 0 && receipt.from != last.next() {
        return bad("its range leaves a gap");
    }
    let key = server_key(connection, &receipt.key_id)?;
    if !receipt.is_signed_by(identity.district, &key) {
        return bad("its signature does not fit");
    }
    Ok(())
}

fn store_answer(
    connection: &Connection,
    identity: &Identity,
    meta: &Meta,
    receipt: &Receipt,
    seq: Seq,
) -> Result<RecordId, ApplyError> {
    let (answer, pos, time_ms) = receipt
        .answer(seq)
        .expect("BUG: a receipt answers its whole range");
    connection
        .prepare_cached(
            "UPDATE own SET answer = ?3, place_epoch = ?4, place_pos = ?5, time_ms = ?6, received_ms = ?7, again = 0
             WHERE chain = ?1 AND seq = ?2",
        )?
        .execute(params![
            identity.chain,
            seq.0 as i64,
            encode_answers(std::slice::from_ref(answer)),
            // What a restored log kept has its old place in the new epoch as well.
            meta.epoch.0,
            pos.0 as i64,
            time_ms,
            receipt.received_ms,
        ])?;
    let own = Own::select(
        connection,
        "o.chain = ?1 AND o.seq = ?2",
        params![identity.chain, seq.0 as i64],
    )?;
    let own = own
        .first()
        .ok_or(ApplyError::BadReceipt("its range is not ours"))?;
    save_standing(connection, own)?;
    Ok(own.record)
}

/// Whether the server itself, and nobody between, orders this replica to be wiped.
pub(super) fn check_wipe(
    connection: &Connection,
    identity: &Identity,
    order: Option<&WipeOrder>,
) -> Result<(), ApplyError> {
    let order = order
        .filter(|order| order.replica == identity.replica)
        .ok_or(ApplyError::BadWipeOrder)?;
    let key = server_key(connection, &order.key_id)?;
    if order.is_signed_by(identity.district, &key) {
        Ok(())
    } else {
        Err(ApplyError::BadWipeOrder)
    }
}

/// Takes a ruling about an own change; `None` when it is about somebody else's or one made before this database.
pub(super) fn store_ruling(
    connection: &Connection,
    ruling: &RulingItem,
) -> Result<Option<RecordId>, ReplicaError> {
    let own = Own::select(
        connection,
        "i.replica_no = ?1 AND o.seq = ?2",
        params![ruling.replica.0, ruling.seq.0 as i64],
    )?;
    let Some(own) = own.into_iter().next() else {
        return Ok(None);
    };
    if ruling.ruling == RulingKind::Erased {
        connection.execute("DELETE FROM own_part WHERE local = ?1", [own.local])?;
        return Ok(Some(own.record));
    }
    if ruling.ruling == RulingKind::Seen {
        // A step that was not applied needs no more looking at; where a change stands is as before.
        connection
            .prepare_cached("UPDATE own SET dismissed = 1 WHERE local = ?1 AND standing = ?2")?
            .execute(params![own.local, Standing::NotApplied as i64])?;
        return Ok(Some(own.record));
    }
    let older = own
        .ruling
        .as_ref()
        .is_some_and(|(_, pos, _)| *pos > ruling.pos);
    if older {
        return Ok(None);
    }
    let code = RULINGS
        .iter()
        .position(|kind| *kind == ruling.ruling)
        .expect("BUG: a ruling without a code");
    connection
        .prepare_cached(
            "UPDATE own SET ruling = ?2, ruling_pos = ?3, ruling_answer = ?4, reason = ?5, settled = 0,
                released_pos = CASE WHEN ?6 THEN ?3 ELSE released_pos END,
                released_answer = CASE WHEN ?6 THEN ?4 ELSE released_answer END
             WHERE local = ?1",
        )?
        .execute(params![
            own.local,
            code as i64,
            ruling.pos.0 as i64,
            encode_answers(std::slice::from_ref(&ruling.answer)),
            ruling.reason,
            // The only ruling that another one may follow.
            ruling.ruling == RulingKind::Released,
        ])?;
    let own = Own::select(connection, "o.local = ?1", [own.local])?;
    let own = own.first().expect("BUG: an own change vanished");
    save_standing(connection, own)?;
    Ok(Some(own.record))
}

/// Takes back the rulings that a restored log lost: a change stands where the log's last ruling left it, or its first
/// answer. Answers with their records.
pub(super) fn forget_rulings_above(
    connection: &Connection,
    start: Pos,
) -> Result<Vec<RecordId>, ReplicaError> {
    let lost: Vec<i64> = connection
        .prepare_cached("SELECT local FROM own WHERE ruling_pos > ?1 ORDER BY local")?
        .query_map([start.0 as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut records = Vec::new();
    for local in lost {
        connection
            .prepare_cached(
                "UPDATE own SET reason = '', settled = CASE WHEN header IS NULL THEN settled ELSE 0 END,
                    ruling = CASE WHEN released_pos <= ?2 THEN 0 END,
                    ruling_pos = CASE WHEN released_pos <= ?2 THEN released_pos END,
                    ruling_answer = CASE WHEN released_pos <= ?2 THEN released_answer END,
                    released_pos = CASE WHEN released_pos <= ?2 THEN released_pos END,
                    released_answer = CASE WHEN released_pos <= ?2 THEN released_answer END
                 WHERE local = ?1",
            )?
            .execute(params![local, start.0 as i64])?;
        for own in Own::select(connection, "o.local = ?1", [local])? {
            save_standing(connection, &own)?;
            records.push(own.record);
        }
    }
    Ok(records)
}

/// The newest head that is kept, as it came; empty when there is none.
pub(super) fn last_head(connection: &Connection) -> Result<Vec<u8>, rusqlite::Error> {
    let newest = connection
        .prepare_cached("SELECT bytes FROM head ORDER BY epoch DESC, pos DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// Checks a signed head, refuses one that takes the log back, and keeps the last ones.
pub(super) fn store_head(
    connection: &Connection,
    district: DistrictId,
    head: &SignedHead,
) -> Result<(), ApplyError> {
    let key = server_key(connection, &head.key_id)?;
    if !head.is_signed_by(district, &key) {
        return Err(ApplyError::BadHead("its signature does not fit"));
    }
    let newest: Option<(u32, i64, [u8; 32])> = connection
        .prepare_cached("SELECT epoch, pos, hash FROM head ORDER BY epoch DESC, pos DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((epoch, pos, hash)) = newest {
        let pos = pos as u64;
        if head.epoch.0 < epoch || (head.epoch.0 == epoch && head.pos.0 < pos) {
            return Err(ApplyError::BadHead("it takes the log back"));
        }
        if head.epoch.0 == epoch && head.pos.0 == pos && head.hash.0 != hash {
            return Err(ApplyError::BadHead(
                "it shows another log at the same place",
            ));
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO head (epoch, pos, hash, bytes) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            head.epoch.0,
            head.pos.0 as i64,
            &head.hash.0[..],
            head.encode()
        ])?;
    connection
        .prepare_cached(
            "DELETE FROM head WHERE (epoch, pos) NOT IN
                (SELECT epoch, pos FROM head ORDER BY epoch DESC, pos DESC LIMIT ?1)",
        )?
        .execute([HEADS_KEPT])?;
    Ok(())
}
