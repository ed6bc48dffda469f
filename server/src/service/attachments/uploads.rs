//! Uploads: begun within the day's quota, looked up, ended.

use std::sync::Arc;

use chrono::{DateTime, Datelike};
use sync_core::ids::{PersonId, ReplicaId};
use uuid::Uuid;

use super::fault::AttachmentFault;
use super::part_file::{self, PartFile};
use super::{Piece, Shelf, UploadRequest, UploadState, blocking};
use crate::ids::new_uuid;
use crate::service::{Caller, ServiceError};
use crate::store::sqlite::attachments::{DayQuota, Inserted, UploadRow};

/// The most bytes of an attachment, as the intent `attachment.add` has it.
pub const ATTACHMENT_BYTES_MAX: u64 = api_schema::endpoints::ATTACHMENT_BYTES_MAX as u64;

impl From<&UploadRow> for UploadState {
    fn from(row: &UploadRow) -> Self {
        Self {
            id: row.id,
            size_bytes: row.size_bytes,
            offset_bytes: row.offset_bytes,
            expires_ms: row.expires_ms,
            metadata: row.metadata.clone(),
        }
    }
}

impl Shelf {
    /// See [`super::Attachments::create_upload`]. `may_read` says whether the caller could read the bytes if they are there.
    pub(super) async fn create(
        self: &Arc<Self>,
        caller: Caller,
        request: UploadRequest,
        piece: Option<Piece>,
        may_read: bool,
    ) -> Result<UploadState, ServiceError> {
        self.check_size(&request)?;
        let now_ms = self.clock.wall_ms();
        let mut row = UploadRow {
            id: new_uuid(&*self.clock, &*self.entropy),
            replica: ReplicaId(caller.replica),
            person: PersonId(caller.person),
            sha256: request.sha256,
            media_type: request.media_type.as_str().to_owned(),
            size_bytes: request.size_bytes,
            offset_bytes: 0,
            metadata: request.metadata,
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(self.limits.upload_lives_ms),
        };
        let known = self
            .with_store(move |store| store.find_attachment(request.sha256))
            .await?;
        let is_own = known
            .as_ref()
            .is_some_and(|known| known.person == row.person);
        if let Some(known) = known.filter(|_| may_read || is_own)
            && known.size_bytes == row.size_bytes
        {
            row.offset_bytes = row.size_bytes;
            let state = UploadState::from(&row);
            self.with_store(move |store| store.insert_finished_upload(&row))
                .await?;
            return Ok(state);
        }
        self.begin(&row).await?;
        let state = UploadState::from(&row);
        match piece {
            None => Ok(state),
            Some(piece) => Arc::clone(self).append(caller, row.id, 0, piece).await,
        }
    }

    fn check_size(&self, request: &UploadRequest) -> Result<(), ServiceError> {
        let over = |limit, value| Err(ServiceError::LimitExceeded { limit, value });
        if request.size_bytes > ATTACHMENT_BYTES_MAX {
            return over("attachment_bytes", ATTACHMENT_BYTES_MAX);
        }
        let image_max = self.limits.media.image_bytes_max;
        if request.media_type.is_image() && request.size_bytes > image_max {
            return over("image_bytes", image_max);
        }
        Ok(())
    }

    async fn begin(self: &Arc<Self>, row: &UploadRow) -> Result<(), ServiceError> {
        let quota = DayQuota {
            day: self.today(),
            files_max: self.limits.day_files_max,
            bytes_max: self.limits.day_bytes_max,
        };
        let path = self.part_path(row.id);
        // The file first: a row without one could not go on, a file without a row is swept.
        blocking(move || Ok(PartFile::create(&path)?)).await?;
        let noted = row.clone();
        let inserted = self
            .with_store(move |store| store.insert_upload(&noted, quota))
            .await;
        match inserted {
            Ok(Inserted::Begun { superseded }) => {
                if let Some(old) = superseded {
                    // Whoever still sends to it finds the row gone.
                    let _held = self.locks.take(old).await;
                    self.remove_part(old).await?;
                }
                Ok(())
            }
            Ok(Inserted::OverFiles | Inserted::OverBytes) => {
                self.remove_part(row.id).await?;
                Err(ServiceError::Attachment(AttachmentFault::QuotaUsed))
            }
            Err(error) => {
                self.remove_part(row.id).await?;
                Err(error)
            }
        }
    }

    /// The day by the district's calendar, counted from 1970.
    pub(super) fn today(&self) -> i32 {
        let now = DateTime::from_timestamp_millis(self.clock.wall_ms()).unwrap_or_default();
        let days = |date: chrono::NaiveDate| date.num_days_from_ce() - 719_163;
        match self.time_zone() {
            Some(zone) => days(now.with_timezone(&zone).date_naive()),
            None => days(now.date_naive()),
        }
    }

    pub(super) fn time_zone(&self) -> Option<chrono_tz::Tz> {
        self.district.state().facts.time_zone.parse().ok()
    }

    /// An upload of the caller's that has not ended.
    pub(super) async fn own_upload(
        self: &Arc<Self>,
        caller: Caller,
        upload: Uuid,
    ) -> Result<UploadRow, ServiceError> {
        let now_ms = self.clock.wall_ms();
        let row = self
            .with_store(move |store| store.find_upload(upload))
            .await?;
        row.filter(|row| row.replica == ReplicaId(caller.replica) && row.expires_ms > now_ms)
            .ok_or(ServiceError::NotFound)
    }

    /// See [`super::Attachments::find_upload`].
    pub(super) async fn find(
        self: &Arc<Self>,
        caller: Caller,
        upload: Uuid,
    ) -> Result<UploadState, ServiceError> {
        // A stranger must not cut anybody off.
        self.own_upload(caller, upload).await?;
        let _held = self.locks.take(upload).await;
        let row = self.own_upload(caller, upload).await?;
        Ok(UploadState::from(&row))
    }

    /// See [`super::Attachments::end_upload`].
    pub(super) async fn end(
        self: &Arc<Self>,
        caller: Caller,
        upload: Uuid,
    ) -> Result<(), ServiceError> {
        self.own_upload(caller, upload).await?;
        let _held = self.locks.take(upload).await;
        self.own_upload(caller, upload).await?;
        self.discard(upload).await
    }

    /// Forgets an upload that the caller of this holds, and takes its bytes away.
    pub(super) async fn discard(self: &Arc<Self>, upload: Uuid) -> Result<(), ServiceError> {
        self.with_store(move |store| store.delete_upload(upload))
            .await?;
        self.remove_part(upload).await
    }

    pub(super) async fn remove_part(self: &Arc<Self>, upload: Uuid) -> Result<(), ServiceError> {
        let path = self.part_path(upload);
        blocking(move || Ok(part_file::remove(&path)?)).await
    }
}
