//! The server's keys: those that sign now, those before, and how one follows the other.

use super::ServiceError;
use super::access_token::{LEEWAY_S, LIFETIME_S};
use super::district::District;
use super::gridwork::Gridwork;
use super::log_writer::{LogWriter, WriterState};
use crate::store::StoreError;
use crate::store::sqlite::control::StoredKey;
use crate::store::sqlite::{DistrictWrite, Group};
use std::sync::{Arc, PoisonError, RwLock};
use sync_core::change::SigningKey;
use sync_core::directory::{Directory, DirectoryChange};
use sync_core::ids::Pos;

/// A key for receipts and heads, by its name.
pub type HeadKey = (String, SigningKey);

struct TokenKey {
    id: String,
    key: ed25519_dalek::SigningKey,
    since_ms: i64,
}

/// The keys that a district signs with, shared by all that sign.
pub struct ServerKeys {
    code: String,
    head: RwLock<Arc<HeadKey>>,
    /// The oldest first; the last one signs.
    tokens: RwLock<Vec<TokenKey>>,
}

fn head_key(stored: &StoredKey) -> HeadKey {
    (stored.id.clone(), SigningKey::from_seed(&stored.seed))
}

impl ServerKeys {
    /// The keys as stored, the oldest of each purpose first.
    pub(super) fn new(code: &str, heads: &[StoredKey], tokens: &[StoredKey]) -> Self {
        let head = heads.last().expect("BUG: a district without a key");
        let keys = Self {
            code: code.to_owned(),
            head: RwLock::new(Arc::new(head_key(head))),
            tokens: RwLock::new(Vec::new()),
        };
        for token in tokens {
            keys.add_token(token);
        }
        keys
    }

    /// The key for receipts and heads now.
    pub fn head(&self) -> Arc<HeadKey> {
        Arc::clone(&self.head.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_head(&self, key: HeadKey) {
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    fn add_token(&self, stored: &StoredKey) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.push(TokenKey {
            id: format!("{}-{}", self.code, stored.id),
            key: ed25519_dalek::SigningKey::from_bytes(&stored.seed),
            since_ms: stored.since_ms,
        });
    }

    /// Name and key for access tokens now.
    pub(super) fn token(&self) -> (String, ed25519_dalek::SigningKey) {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let last = tokens.last().expect("BUG: a district without a key");
        (last.id.clone(), last.key.clone())
    }

    /// The public half of a key for access tokens, while tokens that it signed may live.
    pub(super) fn find_token(&self, id: &str, now_ms: i64) -> Option<ed25519_dalek::VerifyingKey> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let index = tokens.iter().position(|token| token.id == id)?;
        let lives = tokens.get(index + 1).is_none_or(|next| {
            let ends_ms = next
                .since_ms
                .saturating_add((LIFETIME_S + LEEWAY_S) * 1_000);
            now_ms < ends_ms
        });
        lives.then(|| tokens[index].key.verifying_key())
    }
}

/// The entries that bring a log's chain of keys up to the newest stored one: after a restore, or a crash in a rotation.
fn missing_keys(
    district: sync_core::ids::DistrictId,
    directory: &Directory,
    heads: &[StoredKey],
) -> Vec<DirectoryChange> {
    let listed = directory.key_links().last();
    let known = listed.and_then(|link| heads.iter().position(|stored| stored.id == link.id));
    let Some(known) = known else {
        return Vec::new();
    };
    let following = heads[known..].windows(2);
    following
        .map(|pair| {
            let (_, before) = head_key(&pair[0]);
            let (id, key) = head_key(&pair[1]);
            DirectoryChange::next_server_key(district, &id, key.verifying_key(), &before)
        })
        .collect()
}

/// Enters the stored keys that a log does not have: what they signed is good again.
///
/// # Errors
/// Storage's own.
pub(super) fn enter_missing(
    write: &DistrictWrite,
    heads: &[StoredKey],
    now_ms: i64,
) -> Result<(), StoreError> {
    let state = WriterState::load(write)?;
    let missing = missing_keys(state.facts.id, &state.directory, heads);
    if state.head.0 == Pos(0) || missing.is_empty() {
        return Ok(());
    }
    let now_ms = now_ms.max(write.last_received_ms()?);
    let (id, key) = head_key(heads.last().expect("BUG: a district without a key"));
    let transaction = Group::begin(write)?;
    let mut log = LogWriter::new(write, (&id, &key), &state);
    log.refresh_documents(now_ms)?;
    for change in missing {
        log.change_directory(change, now_ms)?;
    }
    log.finish(state.head.0)?;
    transaction.commit()
}

impl Gridwork {
    /// Gives a district new keys: for receipts and heads by an entry of the log that the old key signs, and for access
    /// tokens; old tokens are good until they expire. Answers with the new keys' name.
    ///
    /// # Errors
    /// Storage's own. A rotation that was cut off is ended at the next start.
    pub async fn rotate_keys(&self, district: &District) -> Result<String, ServiceError> {
        let heads = self.next_keys(district)?;
        let missing = missing_keys(district.id(), &district.state().directory, &heads);
        district
            .writer()
            .run(move |log, now_ms| {
                for change in missing {
                    log.change_directory(change, now_ms)?;
                }
                Ok(())
            })
            .await?;
        let newest = heads.last().expect("BUG: a district without a key");
        district.keys().set_head(head_key(newest));
        Ok(newest.id.clone())
    }

    /// Stores a further key of each purpose, unless a rotation that was cut off has done so. Answers with those for heads.
    fn next_keys(&self, district: &District) -> Result<Vec<StoredKey>, ServiceError> {
        let control = self.lock_control();
        let mut heads = control.list_keys(district.code(), "head")?;
        let newest = heads.last().expect("BUG: a district without a key");
        if district.state().directory.server_key(&newest.id).is_none() {
            return Ok(heads);
        }
        let since_ms = self.clock.wall_ms();
        let id = format!("k{}", heads.len() + 1);
        let [token, head] = ["token", "head"].map(|purpose| {
            let mut seed = [0; 32];
            self.entropy.fill(&mut seed);
            (purpose, seed)
        });
        // At once: one purpose's key without the other's would stand in the way of every later rotation.
        control.insert_keys(district.code(), &id, &[token, head], since_ms)?;
        let stored = |seed| StoredKey {
            id: id.clone(),
            seed,
            since_ms,
        };
        district.keys().add_token(&stored(token.1));
        heads.push(stored(head.1));
        Ok(heads)
    }
}
