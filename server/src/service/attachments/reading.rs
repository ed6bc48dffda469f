//! Attachments as records show them, and their bytes: whoever may read a record may read what it names.

use std::collections::BTreeSet;
use std::sync::Arc;

use api_schema::attachment::{AttachmentPlace, AttachmentState};
use serde_json::Value;
use sync_core::change::Hash;
use sync_core::hex;
use sync_core::kinds::{self, Form};
use sync_core::merge::RecordState;
use sync_core::payload::Payload;

use super::fault::AttachmentFault;
use super::objects::ReadFault;
use super::{AttachmentFile, Rendition, Shelf, names};
use crate::media::MediaType;
use crate::service::ServiceError;
use crate::store::StoreError;
use crate::store::sqlite::attachments::AttachmentRow;

/// The fields of the known intents that name attachments, also within objects and lists of them.
fn naming_fields() -> BTreeSet<&'static str> {
    fn names(form: &Form) -> bool {
        match form {
            Form::Digest => true,
            Form::List(inner) => names(inner),
            Form::Object(fields) => fields.iter().any(|field| names(&field.form)),
            _ => false,
        }
    }
    kinds::all()
        .flat_map(|intent| intent.fields)
        .filter(|field| names(&field.form))
        .map(|field| field.name)
        .collect()
}

/// What a record names: in its fields, also those that stand beside others, its elements and its steps.
pub(in crate::service) fn named_in(state: &RecordState) -> BTreeSet<Hash> {
    let fields = naming_fields();
    let mut found = BTreeSet::new();
    let mut look = |payload: &Payload| {
        for (name, value) in payload.iter().filter(|(name, _)| fields.contains(name)) {
            let value = serde_json::from_str::<Value>(value.get());
            debug_assert!(value.is_ok(), "BUG: {name} is not JSON");
            names::collect(&value.unwrap_or_default(), &mut found);
        }
    };
    state.writes().for_each(|(_, written)| look(written));
    state
        .elements
        .iter()
        .for_each(|element| look(&element.fields));
    state.steps.iter().for_each(|step| look(&step.fields));
    found
}

impl Shelf {
    /// What is known of each of these.
    pub(in crate::service) async fn states_of(
        self: &Arc<Self>,
        named: BTreeSet<Hash>,
    ) -> Result<Vec<AttachmentState>, ServiceError> {
        if named.is_empty() {
            return Ok(Vec::new());
        }
        self.with_store(move |store| {
            let mut states = Vec::new();
            for sha256 in named {
                let row = store.find_attachment(sha256)?;
                states.push(state_of(sha256, row.as_ref()));
            }
            Ok(states)
        })
        .await
    }

    /// The bytes of what a record names, once that record was found readable.
    pub(super) async fn file_of(
        self: &Arc<Self>,
        sha256: Hash,
        rendition: Rendition,
    ) -> Result<AttachmentFile, ServiceError> {
        let row = self
            .with_store(move |store| store.find_attachment(sha256))
            .await?
            .ok_or(AttachmentFault::Missing)?;
        let (media_type, kept, size_bytes) = match rendition {
            Rendition::Whole => {
                let media_type = MediaType::from_text(&row.media_type)
                    .ok_or_else(|| StoreError::corrupt("attachment", sha256, "media_type"))?;
                (media_type, row.kept_sha256, row.kept_bytes)
            }
            Rendition::Thumbnail => {
                let (kept, size_bytes) = row.small.ok_or(ServiceError::NotFound)?;
                (MediaType::Jpeg, kept, size_bytes)
            }
        };
        let shelf = Arc::clone(self);
        Ok(AttachmentFile {
            media_type,
            size_bytes,
            sha256: kept,
            open: Box::new(move |from, length| {
                Box::pin(async move {
                    match shelf.objects.read(kept, size_bytes, from, length).await {
                        Ok(bytes) => Ok(bytes),
                        Err(ReadFault::Failed(error)) => Err(error),
                        Err(ReadFault::Damaged) => shelf.give_up(sha256, kept).await,
                    }
                })
            }),
        })
    }

    /// What lies there is not what it was: it counts as missing from now on, so that a phone that still has it may send
    /// it again.
    async fn give_up<T>(self: &Arc<Self>, sha256: Hash, kept: Hash) -> Result<T, ServiceError> {
        tracing::error!(attachment = %sha256, stored = %kept, "a stored attachment is gone or damaged");
        let _putting = self.putting.write().await;
        self.objects.set_aside(kept).await?;
        self.with_store(move |store| store.delete_attachment(sha256))
            .await?;
        Err(AttachmentFault::Missing.into())
    }
}

fn state_of(sha256: Hash, row: Option<&AttachmentRow>) -> AttachmentState {
    let mut state = AttachmentState {
        sha256: hex::encode(&sha256.0),
        present: row.is_some(),
        ..AttachmentState::default()
    };
    if let Some(row) = row {
        state.media_type = Some(row.media_type.clone());
        state.size_bytes = Some(row.kept_bytes);
        state.kept_sha256 = Some(hex::encode(&row.kept_sha256.0));
        state.thumbnail = row.small.is_some();
        state.width = row.size.map(|(width, _)| width);
        state.height = row.size.map(|(_, height)| height);
        state.taken_at_ms = row.taken_at_ms;
        state.place = row
            .place_e7
            .map(|(latitude_e7, longitude_e7)| AttachmentPlace {
                latitude_e7,
                longitude_e7,
            });
        state.received_ms = Some(row.finished_ms);
    }
    state
}
