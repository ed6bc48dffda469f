//! The last byte has come: the whole is held against what was named, looked at, put away and noted, in this order. Until
//! it is noted the upload's offset stays below its length, so a crash anywhere in here only means that the last piece
//! comes once more.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeZone;
use sha2::{Digest, Sha256};
use sync_core::change::Hash;

use super::fault::AttachmentFault;
use super::{Shelf, disk_failed};
use crate::media::{self, CleanBytes, InspectError, Inspected, MediaType, TakenAt};
use crate::service::ServiceError;
use crate::store::StoreError;
use crate::store::sqlite::attachments::{AttachmentRow, UploadRow};

/// What was checked and waits to be put away.
struct Checked {
    inspected: Inspected,
    kept: (Hash, u64),
    small: Option<(Hash, u64)>,
}

impl Shelf {
    /// Finishes an upload that the caller of this holds and whose bytes are all on the disk.
    pub(super) async fn finish(self: &Arc<Self>, row: &mut UploadRow) -> Result<(), ServiceError> {
        match self.finish_or_refuse(row).await {
            Ok(()) => {
                row.offset_bytes = row.size_bytes;
                // What cannot be taken away now is swept.
                if let Err(error) = self.remove_part(row.id).await {
                    tracing::warn!(%error, "the bytes of a finished upload are left over");
                }
                Ok(())
            }
            Err(error) => {
                if let ServiceError::Attachment(fault) = &error {
                    tracing::info!(%fault, "attachment refused");
                    self.discard(row.id).await?;
                }
                Err(error)
            }
        }
    }

    async fn finish_or_refuse(self: &Arc<Self>, row: &UploadRow) -> Result<(), ServiceError> {
        let _turn = self
            .finishing
            .acquire()
            .await
            .expect("BUG: nobody closes this semaphore");
        let checked = self.check(row).await?;
        let attachment = self.describe(row, &checked);
        let _putting = self.putting.read().await;
        let small = checked.inspected.thumbnail.unwrap_or_default();
        self.objects
            .put(attachment.kept_sha256, checked.inspected.clean)
            .await?;
        if let Some((hash, _)) = attachment.small {
            let small = CleanBytes::Memory(small.into());
            self.objects.put(hash, small).await?;
        }
        crate::failpoint::reach("attachment_put");
        let id = row.id;
        self.with_store(move |store| store.finish_upload(id, &attachment))
            .await
    }

    async fn check(self: &Arc<Self>, row: &UploadRow) -> Result<Checked, ServiceError> {
        let path = self.part_path(row.id);
        let wanted = row.sha256;
        let named = MediaType::from_text(&row.media_type)
            .ok_or_else(|| StoreError::corrupt("upload", row.id, "media_type"))?;
        let limits = self.limits.media;
        let work = move || {
            if hash_of(&path)?.0 != wanted {
                return Err(AttachmentFault::HashDiffers.into());
            }
            let inspected = media::inspect(&path, named, &limits).map_err(|error| match error {
                InspectError::Refused(refusal) => AttachmentFault::Refused(refusal).into(),
                InspectError::Io(source) => ServiceError::from(disk_failed(&path, source)),
            })?;
            let mut clean = inspected
                .clean
                .open()
                .map_err(|source| disk_failed(&path, source))?;
            let kept = hash_reader(&mut clean).map_err(|source| disk_failed(&path, source))?;
            drop(clean);
            let small = inspected
                .thumbnail
                .as_ref()
                .map(|bytes| (Hash::of(&[bytes]), bytes.len() as u64));
            Ok(Checked {
                inspected,
                kept,
                small,
            })
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(checked) => checked,
            // A decoder that panics has met bytes that it cannot read.
            Err(panicked) => {
                tracing::error!(%panicked, "a decoder panicked");
                Err(
                    AttachmentFault::Refused(media::Refusal::Malformed("it cannot be decoded"))
                        .into(),
                )
            }
        }
    }

    fn describe(&self, row: &UploadRow, checked: &Checked) -> AttachmentRow {
        let metadata = checked.inspected.metadata;
        AttachmentRow {
            sha256: row.sha256,
            media_type: row.media_type.clone(),
            size_bytes: row.size_bytes,
            kept_sha256: checked.kept.0,
            kept_bytes: checked.kept.1,
            small: checked.small,
            size: checked.inspected.size,
            taken_at_ms: metadata.taken_at.and_then(|taken_at| self.moment(taken_at)),
            place_e7: metadata.place_e7,
            replica: row.replica,
            person: row.person,
            finished_ms: self.clock.wall_ms(),
        }
    }

    /// A camera's time as a moment; by the district's time zone when the camera did not say which.
    fn moment(&self, taken_at: TakenAt) -> Option<i64> {
        let utc_ms = taken_at.local.and_utc().timestamp_millis();
        match taken_at.offset_minutes {
            Some(minutes) => Some(utc_ms - i64::from(minutes) * 60_000),
            None => self
                .time_zone()?
                .from_local_datetime(&taken_at.local)
                .earliest()
                .map(|moment| moment.timestamp_millis()),
        }
    }
}

/// Hash and length of a file.
pub(super) fn hash_of(path: &Path) -> Result<(Hash, u64), StoreError> {
    File::open(path)
        .and_then(|mut file| hash_reader(&mut file))
        .map_err(|source| disk_failed(path, source))
}

fn hash_reader(reader: &mut dyn Read) -> std::io::Result<(Hash, u64)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        let read = reader.read(&mut buffer)?;
        if read == 0 {
            let digest: [u8; 32] = hash.finalize().into();
            return Ok((Hash(digest), total));
        }
        hash.update(&buffer[..read]);
        total += read as u64;
    }
}
