//! The phone's database: outbox, server state, overlay view, cursor, receipts, on a connection that is handed in.
//!
//! Knows SQL and the core's types; knows no HTTP, no clock and no randomness. Whatever a call changes, it changes in
//! one transaction: a crash at any place leaves the state before or the state after.

mod apply;
mod batch;
mod documents;
mod draft;
mod enrolment;
mod epoch;
mod field;
mod fork;
mod images;
mod items;
mod make;
mod meta;
mod outbox;
mod overlay;
mod own;
mod purge;
mod queries;
mod receipts;
mod record;
mod renaming;
mod schema;
mod view;

#[cfg(test)]
mod tests;

pub use apply::{Applied, ApplyError, RequestFacts};
pub use batch::OwnBatch;
pub use documents::{DocumentNews, mark_of};
pub use draft::FormDraft;
pub use enrolment::Enrolment;
pub use field::{LastVisit, confirm_draft, join_draft, tick_draft, visit_confirm_draft};
pub use fork::{ForkIdentity, ForkPlan};
pub use make::{Draft, MakeError, SealedDraft};
pub use meta::Condition;
pub use outbox::{OutboxItem, OwnVerdict};
pub use purge::Wipe;
pub use queries::{Counts, Filter, ListRow};
pub use renaming::{FORK_TAG, ForkAnswer, ForkQuestion, ForkStep, Renaming, fork_message};
pub use view::RecordView;

use crate::change::{Hash, SigningKey};
use crate::digest::SetDigest;
use crate::ids::{DistrictId, Epoch, LogPlace, PersonId, RecordId, ReplicaId, ReplicaNo, Seq};
use crate::kinds::KnownIntents;
use crate::scope::Scope;
use crate::time::Evidence;
use crate::wire::Cursor;
use meta::{Identity, Meta};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

/// The version of intents and images that this crate reads. Grows with each new intent or image field; a database
/// that was last read with a smaller one asks again for the records whose entries it could not read.
pub const READS_VERSION: u32 = 1;

fn reads_version(known: KnownIntents) -> u32 {
    READS_VERSION.min(known.version())
}

/// Why a replica's database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// SQLite refused.
    #[error("the replica's database failed")]
    Database(#[from] rusqlite::Error),
    /// A later version of the app wrote this database.
    #[error("the database is of version {version}, this app knows up to {known}: update the app")]
    NewerVersion {
        /// What the file says.
        version: i64,
        /// What this app knows.
        known: i64,
    },
    /// The database holds no replica.
    #[error("the database holds no enrolled replica")]
    NotEnrolled,
    /// The replica was wiped after its access had been taken back.
    #[error("the replica was wiped")]
    Wiped,
    /// The database holds a replica already.
    #[error("the database holds a replica already")]
    AlreadyEnrolled,
    /// Stored bytes are not what this crate writes.
    #[error("{0} cannot be read from the database")]
    Damaged(&'static str),
}

/// One person's local database in one district.
#[derive(Debug)]
pub struct Replica {
    connection: Connection,
    identity: Identity,
}

impl Replica {
    /// Makes a replica in an empty database.
    ///
    /// # Errors
    /// [`ReplicaError::AlreadyEnrolled`] when there is one; nothing is changed then.
    pub fn create(connection: Connection, enrolment: &Enrolment) -> Result<Self, ReplicaError> {
        Self::create_knowing(connection, enrolment, KnownIntents::ALL)
    }

    /// The same as a program that knows these intents.
    ///
    /// # Errors
    /// As for [`Replica::create`].
    pub fn create_knowing(
        mut connection: Connection,
        enrolment: &Enrolment,
        known: KnownIntents,
    ) -> Result<Self, ReplicaError> {
        schema::migrate(&mut connection)?;
        let transaction = connection.transaction()?;
        let enrolled: bool =
            transaction.query_row("SELECT EXISTS (SELECT 1 FROM meta)", [], |row| row.get(0))?;
        if enrolled {
            return Err(ReplicaError::AlreadyEnrolled);
        }
        Identity::insert(
            &transaction,
            1,
            enrolment.replica,
            enrolment.replica_no,
            &enrolment.key_seed,
            &enrolment.certificate,
        )?;
        transaction.execute(
            "INSERT INTO meta VALUES
             (1, ?1, ?2, 1, 0, 0, 0, 0, 0, NULL, zeroblob(24), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0)",
            params![enrolment.district.as_bytes(), enrolment.person.0],
        )?;
        Meta::new(enrolment.epoch, reads_version(known)).save(&transaction)?;
        for (no, (id, key)) in (1i64..).zip(&enrolment.server_keys) {
            transaction.execute(
                "INSERT INTO server_key (id, key, no) VALUES (?1, ?2, ?3)",
                params![id, &key.to_bytes()[..], no],
            )?;
        }
        transaction.commit()?;
        let identity = Identity::load(&connection, known)?;
        Ok(Self {
            connection,
            identity,
        })
    }

    /// Opens the replica that a database holds. A newer app asks again for what the one before could not read.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn open(connection: Connection) -> Result<Self, ReplicaError> {
        Self::open_knowing(connection, KnownIntents::ALL)
    }

    /// The same as a program that knows these intents.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn open_knowing(
        mut connection: Connection,
        known: KnownIntents,
    ) -> Result<Self, ReplicaError> {
        schema::migrate(&mut connection)?;
        let identity = Identity::load(&connection, known)?;
        let transaction = connection.transaction()?;
        let mut meta = Meta::load(&transaction)?;
        let reads = reads_version(known);
        if meta.reads_version < reads {
            apply::ask_again_for_unknown(&transaction)?;
            meta.reads_version = reads;
            meta.save(&transaction)?;
        }
        transaction.commit()?;
        Ok(Self {
            connection,
            identity,
        })
    }

    /// Gives the connection back, to close it or to hand it to another owner.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// The connection, to read only: for tests and for tools that look into a database.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The tenant.
    pub fn district(&self) -> DistrictId {
        self.identity.district
    }

    /// The name that it speaks under now.
    pub fn replica_id(&self) -> ReplicaId {
        self.identity.replica
    }

    /// The district's short number of it.
    pub fn replica_no(&self) -> ReplicaNo {
        self.identity.no
    }

    /// The server's word for its present name, to be shown to a restored server that does not know it.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn certificate(&self) -> Result<Option<Vec<u8>>, ReplicaError> {
        Ok(self
            .connection
            .prepare_cached("SELECT certificate FROM identity WHERE chain = ?1")?
            .query_row([self.identity.chain], |row| row.get(0))?)
    }

    /// Whose it is.
    pub fn person(&self) -> PersonId {
        self.identity.person
    }

    /// The key that signs its contacts.
    pub fn signing_key(&self) -> &SigningKey {
        &self.identity.key
    }

    /// Up to where it holds its scope.
    ///
    /// # Errors
    /// See [`ReplicaError`]; so for all reads below.
    pub fn cursor(&self) -> Result<Cursor, ReplicaError> {
        Ok(Meta::load(&self.connection)?.cursor)
    }

    /// The newest signed head that it has seen, as it came; empty before the first.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn last_head(&self) -> Result<Vec<u8>, ReplicaError> {
        Ok(receipts::last_head(&self.connection)?)
    }

    /// The log's epoch as last heard.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn epoch(&self) -> Result<Epoch, ReplicaError> {
        Ok(Meta::load(&self.connection)?.epoch)
    }

    /// What may be read, as last heard.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn scope(&self) -> Result<Option<Scope>, ReplicaError> {
        Ok(Meta::load(&self.connection)?.scope)
    }

    /// What the server said of the replica as a whole.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn condition(&self) -> Result<Condition, ReplicaError> {
        Ok(Meta::load(&self.connection)?.condition)
    }

    /// The best estimate of the server's time, for screens and forms.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn estimate_ms(&self, now: &Evidence) -> Result<i64, ReplicaError> {
        Ok(Meta::load(&self.connection)?.estimate_ms(now))
    }

    /// The last change made under the present name and its hash; seq 0 when there is none.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn head(&self) -> Result<(Seq, Hash), ReplicaError> {
        head_of(&self.connection, self.identity.chain)
    }

    /// Up to where this replica's copy of a record is complete: what a form captures when it opens.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn base_of(&self, record: RecordId) -> Result<LogPlace, ReplicaError> {
        let meta = Meta::load(&self.connection)?;
        base_of(&self.connection, &meta, record)
    }

    /// The digest of the records in scope, to compare with the server's.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn digest(&self) -> Result<SetDigest, ReplicaError> {
        Ok(Meta::load(&self.connection)?.digest)
    }

    /// SHA-256 over id, place and image of every record in scope, in order of ids: two replicas that agree on this
    /// hold the same bytes.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn state_digest(&self) -> Result<Hash, ReplicaError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, pos, image FROM record WHERE in_scope = 1 AND image IS NOT NULL ORDER BY id",
        )?;
        let mut rows = statement.query([])?;
        let mut hasher = Sha256::new();
        while let Some(row) = rows.next()? {
            let image = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            hasher.update(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?);
            hasher.update(row.get::<_, i64>(1)?.to_be_bytes());
            hasher.update((image.len() as u64).to_be_bytes());
            hasher.update(image);
        }
        Ok(Hash(hasher.finalize().into()))
    }

    /// How many keys of the server it knows.
    pub(crate) fn known_keys(&self) -> Result<u64, ReplicaError> {
        let count: i64 = self
            .connection
            .prepare_cached("SELECT count(*) FROM server_key")?
            .query_row([], |row| row.get(0))?;
        Ok(count as u64)
    }

    /// The next number for a request; numbers never repeat, restarts included.
    pub(crate) fn next_request_no(&self) -> Result<u64, ReplicaError> {
        let number = self
            .connection
            .prepare_cached("UPDATE meta SET request_no = request_no + 1 RETURNING request_no")?
            .query_row([], |row| row.get::<_, i64>(0))?;
        Ok(number as u64)
    }

    /// The server's clock minus the device's, as measured at the last contact.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn skew_ms(&self) -> Result<i64, ReplicaError> {
        Ok(Meta::load(&self.connection)?.skew_ms)
    }
}

fn head_of(connection: &Connection, chain: i64) -> Result<(Seq, Hash), ReplicaError> {
    let found = connection
        .prepare_cached("SELECT seq, hash FROM own WHERE chain = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([chain], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?))
        })
        .optional()?;
    Ok(found.map_or((Seq(0), Hash::ZERO), |(seq, hash)| {
        (Seq(seq as u64), Hash(hash))
    }))
}

fn base_of(
    connection: &Connection,
    meta: &Meta,
    record: RecordId,
) -> Result<LogPlace, ReplicaError> {
    let found = connection
        .prepare_cached(
            "SELECT in_scope AND NOT stale AND image IS NOT NULL, complete_epoch, complete_pos FROM record WHERE id = ?1",
        )?
        .query_row([&record.as_bytes()[..]], |row| {
            let complete = LogPlace {
                epoch: Epoch(row.get(1)?),
                pos: crate::ids::Pos(row.get::<_, i64>(2)? as u64),
            };
            Ok((row.get::<_, bool>(0)?, complete))
        })
        .optional()?;
    Ok(match found {
        Some((true, complete)) => complete.max(meta.cursor_place()),
        Some((false, complete)) => complete,
        None => LogPlace::default(),
    })
}
