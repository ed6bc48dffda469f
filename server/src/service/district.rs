//! One district, open: its writer, its readers, its keys.

use super::ServiceError;
use super::access_token;
use super::context::LogView;
use super::documents::PastDocuments;
use super::keys::ServerKeys;
use super::log_writer::WriterState;
use super::page::{Page, PageRequest, read_page};
use super::reconcile::{BatchOutcome, PreparedBatch};
use super::writer::{Writer, WriterSetup};
use crate::clock::Clock;
use crate::ids::{Entropy, new_uuid};
use crate::store::sqlite::control::StoredKey;
use crate::store::sqlite::{DistrictRead, DistrictWrite};
use crate::store::{StoreError, sync_folder_of};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use sync_core::change::Hash;
use sync_core::decide::prepare;
use sync_core::directory::Directory;
use sync_core::documents::Documents;
use sync_core::ids::{DistrictId, DocumentsVersion, PersonId, Pos, ReplicaId, ReplicaNo, Seq};
use sync_core::kinds::KnownIntents;
use sync_core::limits;
use sync_core::wire::{
    KeyLink, Receipt, RequestBody, SignedHead, Status, SyncRequest, SyncResponse, WipeOrder,
};

/// What a district needs to open.
pub struct DistrictSetup {
    /// Its file.
    pub path: PathBuf,
    /// Its keys for receipts and heads, the oldest first.
    pub head_keys: Vec<StoredKey>,
    /// Its keys for access tokens, the oldest first.
    pub token_keys: Vec<StoredKey>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Whether to start although the clock lies before the last entry.
    pub clock_agreed: bool,
    /// The intents that the server knows.
    pub known: KnownIntents,
    /// Whether everything is done on the caller's thread.
    pub here: bool,
}

/// One district, open.
pub struct District {
    id: DistrictId,
    code: String,
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<DistrictRead>>,
    keys: Arc<ServerKeys>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    signed_head: Mutex<Option<SignedHead>>,
    past_documents: PastDocuments,
}

impl District {
    /// Opens a district and starts its writer.
    ///
    /// # Errors
    /// Storage's own, a file of a newer version, or a clock that lies before the last entry.
    pub fn open(setup: DistrictSetup) -> Result<Self, ServiceError> {
        let write = DistrictWrite::open(&setup.path)?;
        let now_ms = setup.clock.wall_ms();
        let code = write.facts()?.code;
        let keys = Arc::new(ServerKeys::new(&code, &setup.head_keys, &setup.token_keys));
        super::keys::enter_missing(&write, &setup.head_keys, now_ms)?;
        super::known_intents::learn(&write, &keys.head(), setup.known, now_ms)?;
        super::documents::enter_missing(&write, &keys.head(), now_ms)?;
        let writer_setup = WriterSetup {
            write,
            keys: Arc::clone(&keys),
            clock: Arc::clone(&setup.clock),
            clock_agreed: setup.clock_agreed,
        };
        let writer = if setup.here {
            Writer::start_here(writer_setup)?
        } else {
            Writer::start(writer_setup)?
        };
        let facts = writer.state().facts.clone();
        Ok(Self {
            id: facts.id,
            code: facts.code,
            path: setup.path,
            writer,
            readers: Mutex::new(Vec::new()),
            keys,
            clock: setup.clock,
            entropy: setup.entropy,
            signed_head: Mutex::new(None),
            past_documents: PastDocuments::default(),
        })
    }

    /// Its id.
    pub fn id(&self) -> DistrictId {
        self.id
    }

    /// Its code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The path of its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its writer.
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// The state as of the last commit.
    pub fn state(&self) -> Arc<WriterState> {
        self.writer.state()
    }

    /// The documents that were in force at the last entry.
    pub fn documents(&self) -> Arc<Documents> {
        Arc::clone(&self.state().documents.documents)
    }

    /// The documents that were in force at a moment.
    ///
    /// # Errors
    /// Storage's own; a text that is not the one that its entry names is corrupt.
    pub fn documents_at(
        &self,
        read: &DistrictRead,
        state: &WriterState,
        at_ms: i64,
    ) -> Result<Arc<Documents>, StoreError> {
        self.past_documents.at(read, state, at_ms)
    }

    /// The keys that it signs with.
    pub(super) fn keys(&self) -> &ServerKeys {
        &self.keys
    }

    /// The public half of a key for access tokens, while tokens that it signed may live.
    pub fn token_key(&self, id: &str) -> Option<ed25519_dalek::VerifyingKey> {
        self.keys.find_token(id, self.clock.wall_ms())
    }

    /// Whether the writer still takes work.
    pub fn is_writing(&self) -> bool {
        self.writer.is_running()
    }

    /// Stops the writer and waits until it has closed its file.
    pub fn stop(&self) {
        if let Ok(mut readers) = self.readers.lock() {
            readers.clear();
        }
        self.writer.stop();
    }

    /// Runs `read` on a reading connection, over one state of the database, off the async threads; with a writer that
    /// has no thread, on this one.
    ///
    /// # Errors
    /// Storage's own, or what `read` says.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&DistrictRead, &Arc<WriterState>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        if self.writer.is_here() {
            return self.read_here(|connection| read(connection, &self.state()));
        }
        let district = Arc::clone(self);
        let work = move || district.read_here(|connection| read(connection, &district.state()));
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|source| ServiceError::Internal {
                what: "a reader panicked",
                source: Box::new(source),
            })?
    }

    /// The same on this thread.
    ///
    /// # Errors
    /// Storage's own, or what `read` says.
    pub fn read_here<T>(
        &self,
        read: impl FnOnce(&DistrictRead) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let pooled = self
            .readers
            .lock()
            .ok()
            .and_then(|mut readers| readers.pop());
        let connection = match pooled {
            Some(connection) => connection,
            None => DistrictRead::open(&self.path)?,
        };
        let result = connection.snapshot(read);
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < 16
        {
            readers.push(connection);
        }
        result
    }

    /// A fresh access token.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn mint_token(&self, person: PersonId, replica: ReplicaId) -> Result<String, ServiceError> {
        let token_id = new_uuid(&*self.clock, &*self.entropy);
        let (key_id, key) = self.keys.token();
        access_token::mint(
            &key_id,
            &key,
            self.id.0,
            person.0,
            replica.0,
            token_id,
            self.clock.wall_ms(),
        )
    }

    /// Takes a sync request, decompressed, and answers it after the commit is durable.
    ///
    /// # Errors
    /// A frame that cannot be read, a signature that is not the replica's, storage's own.
    pub async fn sync(self: &Arc<Self>, body: &Bytes) -> Result<SyncResponse, ServiceError> {
        let batch = match self.prepare(body) {
            Err(ServiceError::ReplicaUnknown) => {
                self.readmit(body).await?;
                self.prepare(body)?
            }
            prepared => prepared?,
        };
        let (request, replica) = (batch.request.clone(), batch.replica);
        let outcome = self.writer.reconcile(batch).await?;
        self.respond(request, replica, outcome).await
    }

    /// Everything that needs no transaction: frame, signature, chain, header, payload. Runs beside the writer.
    fn prepare(&self, body: &[u8]) -> Result<PreparedBatch, ServiceError> {
        let body = RequestBody::read(body)?;
        let request = &body.request;
        let state = self.state();
        if request.district != self.id {
            return Err(ServiceError::SignatureRefused);
        }
        let replica = state
            .directory
            .replica_by_id(request.replica)
            .ok_or(ServiceError::ReplicaUnknown)?;
        if !body.is_signed_by(&replica.key) {
            return Err(ServiceError::SignatureRefused);
        }
        let batch = body.batch()?;
        let hashes = batch.chain(
            self.id,
            request.replica,
            request.first_seq,
            request.prev_hash,
        );
        check_chain(request, &hashes)?;
        // As of the present head; what it knows does not change while it runs.
        let known = state.facts.known_at(Pos(u64::MAX));
        let changes = batch
            .changes
            .iter()
            .zip(&hashes)
            .zip(request.first_seq.0..)
            .map(|((change, hash), seq)| prepare(change, Seq(seq), *hash, known))
            .collect();
        let receipts = request
            .receipts
            .iter()
            .filter_map(|bytes| self.check_receipt(&state, replica.replica, bytes));
        Ok(PreparedBatch {
            replica: replica.no,
            changes,
            receipts: receipts.collect(),
            shown_head: self.check_head(&state, &request.last_head),
            request: request.clone(),
        })
    }

    /// A receipt of an earlier epoch, when it is this replica's and this server's.
    fn check_receipt(
        &self,
        state: &WriterState,
        replica: ReplicaId,
        bytes: &[u8],
    ) -> Option<Receipt> {
        let receipt = Receipt::decode(bytes).ok()?;
        let key = state.directory.server_key(&receipt.key_id)?;
        let earlier = receipt.epoch < state.facts.epoch().0;
        (earlier && receipt.replica == replica && receipt.is_signed_by(self.id, key))
            .then_some(receipt)
    }

    /// The head that a request shows, when it is this server's.
    fn check_head(&self, state: &WriterState, bytes: &[u8]) -> Option<SignedHead> {
        let head = SignedHead::decode(bytes).ok()?;
        let key = state.directory.server_key(&head.key_id)?;
        head.is_signed_by(self.id, key).then_some(head)
    }

    async fn respond(
        self: &Arc<Self>,
        request: SyncRequest,
        replica: ReplicaNo,
        outcome: BatchOutcome,
    ) -> Result<SyncResponse, ServiceError> {
        let status = match (&outcome, request.image_version) {
            (BatchOutcome { fork: true, .. }, _) => Status::Fork,
            (
                BatchOutcome {
                    revoked_ms: Some(_),
                    ..
                },
                _,
            ) => Status::Revoked,
            (_, 0) => Status::UpgradeRequired,
            _ => Status::Ok,
        };
        let token = if request.wants_token && outcome.revoked_ms.is_none() && !outcome.fork {
            Some(self.mint_token(outcome.person, request.replica)?)
        } else {
            None
        };
        let state = self.state();
        let (epoch, epoch_start) = state.facts.epoch();
        let asked = request.cursor.epoch;
        let epoch_start = if asked == epoch {
            epoch_start
        } else {
            state.facts.common_with(asked)
        };
        let mut response = SyncResponse {
            request_no: request.request_no,
            status,
            epoch,
            epoch_start,
            mark: outcome.mark,
            duplicates: outcome.duplicates,
            receipts: outcome.receipts,
            received_ms: outcome.received_ms,
            safe_seq: outcome.safe_seq,
            scope: None,
            items: Vec::new(),
            cursor: request.cursor,
            more: false,
            digest: None,
            head: None,
            token,
            documents: DocumentsVersion(state.directory.documents_version),
            replica_no: replica,
            wipe: outcome.revoked_ms.map(|revoked_ms| {
                let key = self.keys.head();
                WipeOrder::sign(self.id, request.replica, revoked_ms, &key.0, &key.1)
            }),
            keys: new_keys(&state.directory, request.known_keys),
            manifest: None,
            texts: Vec::new(),
        };
        if status != Status::Ok || request.page_bytes_max == 0 {
            response.head = Some(self.sign_head(state.head)?);
            return Ok(response);
        }
        if let Some(held) = &request.documents_held {
            let bytes_max = usize::try_from(request.page_bytes_max).unwrap_or(usize::MAX);
            let bytes_max = bytes_max.min(limits::PAGE_BYTES_MAX);
            state.documents.tell(held, bytes_max, &mut response);
        }
        let (scope, scope_version, person) = (outcome.scope, outcome.scope_version, outcome.person);
        let district = Arc::clone(self);
        let (page, scope) = self
            .read(move |read, state| {
                let view = district.view(read, state);
                let bytes_max = usize::try_from(request.page_bytes_max).unwrap_or(usize::MAX);
                let page = read_page(
                    &view,
                    &PageRequest {
                        replica,
                        person,
                        scope: &scope,
                        scope_version,
                        cursor: request.cursor,
                        wanted: &request.wanted,
                        bytes_max: bytes_max.min(limits::PAGE_BYTES_MAX),
                    },
                )?;
                Ok((page, scope))
            })
            .await?;
        let Page {
            items,
            cursor,
            more,
            digest,
            scope_is_new,
            head,
        } = page;
        response.head = Some(self.sign_head(head)?);
        (
            response.items,
            response.cursor,
            response.more,
            response.digest,
        ) = (items, cursor, more, digest);
        response.scope = scope_is_new.then_some(scope);
        Ok(response)
    }

    /// The log as it stands in a reader's snapshot. The directory may be a commit ahead of it, which no page looks at.
    pub fn view<'a>(&'a self, read: &'a DistrictRead, state: &'a WriterState) -> LogView<'a> {
        LogView {
            read,
            facts: &state.facts,
            directory: &state.directory,
            documents: &state.documents.documents,
            head: state.head.0,
            open_range: None,
            repaired: None,
            has_origins: true,
        }
    }

    /// The head under the server's name; one signature a head, however many ask.
    ///
    /// # Errors
    /// Never now; a key in a hardware module may.
    pub fn sign_head(&self, head: (Pos, Hash)) -> Result<SignedHead, ServiceError> {
        let epoch = self.state().facts.epoch().0;
        let mut cached = self
            .signed_head
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*cached {
            Some(signed) if (signed.epoch, signed.pos) == (epoch, head.0) => Ok(signed.clone()),
            _ => {
                let key = self.keys.head();
                let signed = SignedHead::sign(self.id, epoch, head.0, head.1, &key.0, &key.1);
                *cached = Some(signed.clone());
                Ok(signed)
            }
        }
    }

    /// Makes a consistent copy of the district's file, and notes that the log has reached it up to its head.
    ///
    /// # Errors
    /// Storage's own, or the file system's.
    pub async fn copy_to(&self, to: PathBuf) -> Result<Pos, ServiceError> {
        let source = self.path.clone();
        let copied = tokio::task::spawn_blocking(move || -> Result<(Pos, Hash), StoreError> {
            DistrictRead::open(&source)?.copy_to(&to)?;
            sync_folder_of(&to)?;
            DistrictRead::open(&to)?.head()
        });
        let head = copied.await.map_err(|source| ServiceError::Internal {
            what: "a copy panicked",
            source: Box::new(source),
        })??;
        self.note_second_place(head).await?;
        Ok(head.0)
    }

    /// Notes that the log has reached the second place up to a head of its own.
    ///
    /// # Errors
    /// That it is no head of this log; storage's own.
    pub async fn note_second_place(&self, head: (Pos, Hash)) -> Result<(), ServiceError> {
        if head.0 == Pos(0) {
            return Ok(());
        }
        self.writer
            .run(move |log, _| {
                if log.write().list_heads_before(head.0, 1)?.first() != Some(&head) {
                    return Err(StoreError::Missing(format!(
                        "the log has no such head at place {}",
                        head.0
                    )));
                }
                log.set_safe(head.0)
            })
            .await
    }
}

/// The keys after those that a replica knows.
fn new_keys(directory: &Directory, known: u64) -> Vec<KeyLink> {
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    directory
        .key_links()
        .get(known..)
        .unwrap_or_default()
        .to_vec()
}

fn check_chain(request: &SyncRequest, hashes: &[Hash]) -> Result<(), ServiceError> {
    let Some(last) = hashes.last() else {
        return Ok(());
    };
    let last_seq = request.first_seq.0.checked_add(hashes.len() as u64 - 1);
    let fits = *last == request.end_hash
        && last_seq.is_some_and(|seq| {
            seq < request.head_seq.0 || (seq == request.head_seq.0 && *last == request.head_hash)
        });
    // The signature covers the last hash; another one means that the batch is not what was signed.
    if fits {
        Ok(())
    } else {
        Err(ServiceError::SignatureRefused)
    }
}
