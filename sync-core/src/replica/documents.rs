//! The documents of the district as the phone holds them: a list of versions, and texts by their hash.

use super::meta::Meta;
use super::{Replica, ReplicaError};
use crate::change::Hash;
use crate::documents::{Documents, Manifest, ManifestVersion};
use crate::hex;
use crate::limits;
use crate::time::Evidence;
use crate::wire::{SyncResponse, TextMark};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// What an answer did to the documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentNews {
    /// Whether it brought a list or a text that was not held.
    pub brought: bool,
    /// Whether some are still to be asked for.
    pub lacks: bool,
}

impl Replica {
    /// What to say of the documents in the next request: nothing when none is lacking, otherwise which texts are held.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub(crate) fn documents_held(&self) -> Result<Option<Vec<TextMark>>, ReplicaError> {
        let meta = Meta::load(&self.connection)?;
        if meta.documents == meta.documents_told && meta.documents.0 > 0 {
            return Ok(None);
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT hash FROM document_text ORDER BY hash")?;
        let rows = statement.query_map([], |row| row.get::<_, [u8; 32]>(0))?;
        let mut marks = Vec::new();
        for hash in rows {
            marks.push(mark_of(&hash?));
        }
        marks.truncate(limits::DOCUMENT_TEXTS_MAX);
        Ok(Some(marks))
    }

    /// Name and hash of each document in force now whose text is held; nothing while some texts are still to come.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn documents_in_force(
        &self,
        now: &Evidence,
    ) -> Result<BTreeMap<String, String>, ReplicaError> {
        let meta = Meta::load(&self.connection)?;
        let manifest = manifest(&self.connection)?;
        let Some(manifest) = manifest.filter(|_| meta.documents == meta.documents_told) else {
            return Ok(BTreeMap::new());
        };
        let in_force = manifest.in_force(meta.estimate_ms(now));
        Ok(in_force
            .into_iter()
            .map(|(name, version)| (name.to_owned(), version.sha256.clone()))
            .collect())
    }

    /// The documents in force now, by the best estimate of the server's time; those that ship with the app before the first
    /// contact, and in the place of one that this version cannot read.
    ///
    /// # Errors
    /// See [`ReplicaError`].
    pub fn documents(&self, now: &Evidence) -> Result<Documents, ReplicaError> {
        let meta = Meta::load(&self.connection)?;
        let Some(manifest) = manifest(&self.connection)? else {
            return Ok(Documents::defaults());
        };
        let mut texts = BTreeMap::new();
        for (name, version) in manifest.in_force(meta.estimate_ms(now)) {
            let hash = hash_of(version).ok_or(ReplicaError::Damaged("the list of documents"))?;
            if let Some(text) = text(&self.connection, &hash)? {
                texts.insert(name.to_owned(), text);
            }
        }
        Ok(Documents::read_or_default(&texts, &manifest.zone))
    }
}

/// The first bytes of a hash.
pub fn mark_of(hash: &[u8; 32]) -> TextMark {
    *hash.first_chunk().expect("BUG: a hash has 32 bytes")
}

fn hash_of(version: &ManifestVersion) -> Option<Hash> {
    hex::decode_array(&version.sha256).map(Hash)
}

fn manifest(connection: &Connection) -> Result<Option<Manifest>, ReplicaError> {
    let bytes: Option<Vec<u8>> =
        connection.query_row("SELECT manifest FROM meta", [], |row| row.get(0))?;
    bytes
        .map(|bytes| Manifest::decode(&bytes).ok_or(ReplicaError::Damaged("the list of documents")))
        .transpose()
}

fn text(connection: &Connection, hash: &Hash) -> Result<Option<String>, ReplicaError> {
    Ok(connection
        .prepare_cached("SELECT text FROM document_text WHERE hash = ?1")?
        .query_row([&hash.0[..]], |row| row.get(0))
        .optional()?)
}

/// Takes in what an answer says of documents. A list or a text that cannot be read is left aside, as an older app must leave
/// what a later version sends; a text counts only under its own hash.
pub(super) fn take(
    connection: &Connection,
    meta: &mut Meta,
    response: &SyncResponse,
) -> Result<DocumentNews, ReplicaError> {
    let mut news = DocumentNews::default();
    meta.documents_told = response.documents;
    let brought = response
        .manifest
        .as_deref()
        .and_then(|bytes| Manifest::decode(bytes).map(|manifest| (bytes, manifest)));
    if let Some((bytes, manifest)) = brought {
        connection.execute("UPDATE meta SET manifest = ?1", [bytes])?;
        for text in &response.texts {
            let hash = Hash::of(&[text]);
            let hex = hash.to_string();
            let is_named = manifest
                .versions
                .iter()
                .any(|version| version.sha256 == hex);
            if let (true, Ok(text)) = (is_named, std::str::from_utf8(text)) {
                connection
                    .prepare_cached(
                        "INSERT INTO document_text (hash, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                    )?
                    .execute(params![&hash.0[..], text])?;
                news.brought = true;
            }
        }
        if drop_others(connection, &manifest)? {
            news.brought = true;
            meta.documents = response.documents;
        }
    }
    news.lacks = meta.documents != meta.documents_told;
    Ok(news)
}

/// Drops texts that the list does not name any more. Whether all that it names are held.
fn drop_others(connection: &Connection, manifest: &Manifest) -> Result<bool, ReplicaError> {
    let mut named: Vec<Hash> = manifest.versions.iter().filter_map(hash_of).collect();
    named.sort_unstable();
    named.dedup();
    let mut held = Vec::new();
    {
        let mut statement =
            connection.prepare_cached("SELECT hash FROM document_text ORDER BY hash")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            held.push(Hash(row.get(0)?));
        }
    }
    for hash in held
        .iter()
        .filter(|hash| named.binary_search(hash).is_err())
    {
        connection
            .prepare_cached("DELETE FROM document_text WHERE hash = ?1")?
            .execute([&hash.0[..]])?;
    }
    Ok(named.iter().all(|hash| held.binary_search(hash).is_ok()))
}
