//! People who act online: each through a replica that the server holds for them, so that there is one way only to alter a
//! record, and the log, its chains and `gridwork verify` know no difference.

mod author;
mod changes;
mod documents;
#[cfg(test)]
mod documents_tests;
pub(in crate::service) mod inbox;
#[cfg(test)]
mod inbox_tests;
mod reading;
mod replicas;
#[cfg(test)]
mod tests;

use super::{Answer, Caller};
use crate::clock::Clock;
use crate::ids::Entropy;
use crate::language::Language;
use crate::store::sqlite::control::Control;
use api_schema::change::{ChangeAnswer, ChangeRequest};
use api_schema::document::{DocumentImport, DocumentImportAnswer, DocumentList};
use api_schema::inbox::{InboxPage, InboxQuery, RulingAnswer, RulingRequest};
use std::sync::{Arc, Mutex};
use sync_core::change::Hash;
use sync_core::ids::{Pos, RecordId, ReplicaId, Seq};
use sync_core::replica::Draft;
use uuid::Uuid;

/// What the HTTP side asks of the office.
pub trait Office {
    /// Makes a change in the caller's name.
    fn make_change(
        &self,
        caller: Caller,
        request: ChangeRequest,
        language: Language,
    ) -> Answer<'_, ChangeAnswer>;

    /// Lists what waits for a person, of the caller's scope.
    fn list_inbox(
        &self,
        caller: Caller,
        query: InboxQuery,
        language: Language,
    ) -> Answer<'_, InboxPage>;

    /// Lists the documents of the caller's district.
    fn list_documents(&self, caller: Caller) -> Answer<'_, DocumentList>;

    /// Reads the text of one version of a document.
    fn get_document(&self, caller: Caller, name: String, version: u32) -> Answer<'_, String>;

    /// Takes or checks further versions of documents.
    fn import_documents(
        &self,
        caller: Caller,
        import: DocumentImport,
        language: Language,
    ) -> Answer<'_, DocumentImportAnswer>;

    /// Rules about a change in the caller's name.
    fn rule(&self, caller: Caller, request: RulingRequest) -> Answer<'_, RulingAnswer>;
}

/// What acting online needs besides the district: the keys of the server's own replicas, the clock and randomness.
#[derive(Clone)]
pub struct Hand {
    control: Arc<Mutex<Control>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Hand {
    pub(super) fn new(
        control: Arc<Mutex<Control>>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            control,
            clock,
            entropy,
        }
    }
}

/// A change that somebody is about to make online.
#[derive(Clone, Debug)]
pub struct OfficeDraft {
    /// What they want done. Without a base it is made looking at all that the log has.
    pub draft: Draft,
    /// Their own id for it, with the hash of all that they asked: the same asked again gives the answer of the first time.
    pub asked: Option<(Uuid, Hash)>,
}

impl From<Draft> for OfficeDraft {
    fn from(draft: Draft) -> Self {
        Self { draft, asked: None }
    }
}

/// What became of a change that was made online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The record.
    pub record: RecordId,
    /// The replica under whose name it stands in the log.
    pub replica: ReplicaId,
    /// Its place in that replica's chain.
    pub seq: Seq,
    /// Its place in the log.
    pub pos: Pos,
    /// The verdict, with marks and problems.
    pub answer: sync_core::verdict::Answer,
    /// When it was done.
    pub time_ms: i64,
    /// Where the record's workflow stood afterwards.
    pub state: Option<String>,
}
