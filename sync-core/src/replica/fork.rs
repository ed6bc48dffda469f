//! A fork: another database speaks under this replica's name (a clone, or a copy that was restored). This one continues
//! as a new replica and repeats what was not received, naming where each came from.

use super::batch::{SealedPart, hash_at, sealed_parts};
use super::make::{Link, append};
use super::meta::{Condition, Identity, Meta};
use super::own::Own;
use super::{Replica, ReplicaError};
use crate::canary::{Canary, is_awake};
use crate::change::{ChangeId, Hash, Header, Needs, Origin, Part, PartClass};
use crate::ids::{ReplicaId, ReplicaNo, Seq};
use crate::words::Standing;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// What the server is told when a replica continues as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkPlan {
    /// The name that is given up.
    pub replica: ReplicaId,
    /// The last change of it that this database has a verified receipt for; 0 when there is none.
    pub received: Seq,
    /// The chain's hash there.
    pub hash: Hash,
    /// How many changes will be repeated under the new name.
    pub repeats: u64,
}

/// The new name, from the district's answer.
#[derive(Clone, Debug)]
pub struct ForkIdentity {
    /// The new id, made on the phone.
    pub replica: ReplicaId,
    /// The seed of the new private key, made on the phone.
    pub key_seed: [u8; 32],
    /// The district's short number of it.
    pub replica_no: ReplicaNo,
    /// The server's word for all this; empty from a server that gives none.
    pub certificate: Vec<u8>,
}

/// What is repeated under a new name: what has no receipt, what a restored server lost, and what lies above the last
/// change that both chains share. What the phone has let go of since is safe in a second place.
const REPEATED: &str =
    "o.chain = ?1 AND (o.answer IS NULL OR o.again = 1 OR o.seq > ?2) AND o.header IS NOT NULL";

impl ForkPlan {
    /// The plan to try when the server does not know the shared change: it was restored from a copy, and the other
    /// database came first. Nearer to the chain's beginning, where everybody agrees; what is repeated although the server
    /// has it, it finds out. `None` at the beginning itself.
    pub fn lower(&self) -> Option<Seq> {
        (self.received > Seq(0)).then_some(Seq(self.received.0 / 2))
    }
}

impl Replica {
    /// What continuing as a new replica would do.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn fork_plan(&self) -> Result<ForkPlan, ReplicaError> {
        let chain = self.identity.chain;
        let received: i64 = self.connection.query_row(
            "SELECT coalesce(max(last), 0) FROM receipt WHERE chain = ?1",
            [chain],
            |row| row.get(0),
        )?;
        self.fork_plan_at(Seq(received as u64))
    }

    /// The same with a shared change further down, see [`ForkPlan::lower`].
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn fork_plan_at(&self, received: Seq) -> Result<ForkPlan, ReplicaError> {
        let chain = self.identity.chain;
        let repeats: i64 = self.connection.query_row(
            &format!("SELECT count(*) FROM own o WHERE {REPEATED}"),
            params![chain, received.0 as i64],
            |row| row.get(0),
        )?;
        Ok(ForkPlan {
            replica: self.identity.replica,
            received,
            hash: hash_at(&self.connection, chain, received)?.unwrap_or(Hash::ZERO),
            repeats: repeats as u64,
        })
    }

    /// The server that told of the fork was put back from a copy of before this replica enrolled: it is spoken to under the
    /// old name again, and tells of the fork again if there still is one.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn keep_old_name(&mut self) -> Result<(), ReplicaError> {
        let transaction = self.connection.transaction()?;
        let mut meta = Meta::load(&transaction)?;
        if meta.condition == Condition::Forked {
            meta.condition = Condition::Ok;
            meta.save(&transaction)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Goes on under a new name: what has no receipt, and what lies above the shared change of the plan that the server
    /// took, is repeated as new changes with their origin, what it referred to among them included; records, receipts and
    /// the old chain's hashes stay. One transaction. Answers with how many changes were repeated.
    ///
    /// # Errors
    /// See [`ReplicaError`]; the old name holds on then.
    pub fn continue_as(
        &mut self,
        plan: &ForkPlan,
        identity: &ForkIdentity,
    ) -> Result<u64, ReplicaError> {
        let transaction = self.connection.transaction()?;
        let old = self.identity.clone();
        let new_chain = old.chain + 1;
        Identity::insert(
            &transaction,
            new_chain,
            identity.replica,
            identity.replica_no,
            &identity.key_seed,
            &identity.certificate,
        )?;
        transaction.execute("UPDATE meta SET chain = ?1", [new_chain])?;
        let mut meta = Meta::load(&transaction)?;
        meta.condition = Condition::Ok;
        meta.safe_seq = Seq(0);
        meta.save(&transaction)?;
        let new = Identity::load(&transaction, old.known)?;
        let repeated = Own::select(
            &transaction,
            REPEATED,
            params![old.chain, plan.received.0 as i64],
        )?;
        repeat_all(&transaction, &mut meta, &new, &repeated)?;
        transaction.commit()?;
        self.identity = new;
        Ok(repeated.len() as u64)
    }
}

/// Repeats changes of earlier names under the present one, in their order. Part of the caller's transaction.
pub(super) fn repeat_all(
    connection: &Connection,
    meta: &mut Meta,
    identity: &Identity,
    repeated: &[Own],
) -> Result<(), ReplicaError> {
    let mut renamed = BTreeMap::new();
    let skipped = usize::from(is_awake(Canary::RepeatDropsFirst));
    for own in repeated.iter().skip(skipped) {
        let hash = hash_at(connection, own.chain, own.seq)?
            .ok_or(ReplicaError::Damaged("an own change"))?;
        let sealed = sealed_parts(connection, own.local)?;
        let link = repeat(own, hash, &sealed, &renamed)?;
        forget(connection, own.local)?;
        let seq = append(connection, meta, identity, link)?;
        renamed.insert(
            (own.replica, own.seq),
            ChangeId {
                replica: identity.replica,
                seq,
            },
        );
    }
    Ok(())
}

/// The old change has no part in anything any more but the chain of hashes.
fn forget(connection: &Connection, local: i64) -> Result<(), rusqlite::Error> {
    connection.execute("DELETE FROM own_part WHERE local = ?1", [local])?;
    connection.execute(
        "UPDATE own SET header = NULL, open = NULL, settled = 1, dismissed = 1, again = 0, standing = ?2,
            repaired_by = local WHERE local = ?1",
        params![local, Standing::Repaired as i64],
    )?;
    Ok(())
}

/// The same change under the new name: everything as its author wrote it but the place in the chain, and references to
/// changes that were repeated before it.
fn repeat<'a>(
    own: &'a Own,
    hash: Hash,
    sealed: &'a [SealedPart],
    renamed: &BTreeMap<(ReplicaId, Seq), ChangeId>,
) -> Result<Link<'a>, ReplicaError> {
    let bytes = own.header.as_deref().unwrap_or_default();
    let mut header =
        Header::decode(bytes).map_err(|_| ReplicaError::Damaged("an own change's header"))?;
    let change = ChangeId {
        replica: own.replica,
        seq: own.seq,
    };
    let rename = |change: ChangeId| {
        renamed
            .get(&(change.replica, change.seq))
            .copied()
            .unwrap_or(change)
    };
    // A change that repeats one of an earlier fork still names where it first came from.
    header.origin = header.origin.or(Some(Origin { change, hash }));
    header.repairs = header.repairs.map(rename);
    header.needs = header.needs.map(|needs| match needs {
        Needs::Change(change) => Needs::Change(rename(change)),
        Needs::Record(record) => Needs::Record(record),
    });
    let open = own.open.iter().map(|bytes| Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    });
    let sealed = sealed.iter().map(|(class, salt, bytes)| Part {
        class: PartClass(*class),
        salt: Some(*salt),
        bytes,
    });
    Ok(Link {
        header,
        parts: open.chain(sealed).collect(),
        made_ms: own.made_ms,
    })
}
