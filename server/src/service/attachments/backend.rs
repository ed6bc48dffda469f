//! Attachments as the HTTP side sees them: each call finds its district, asks the one evaluator, and hands over.

use std::sync::Arc;

use sync_core::change::Hash;
use sync_core::ids::RecordId;
use uuid::Uuid;

use super::reading::named_in;
use super::{AttachmentFile, Attachments, Piece, Rendition, UploadRequest, UploadState};
use crate::service::gridwork::Gridwork;
use crate::service::{Answer, Caller, ServiceError};

impl Attachments for Gridwork {
    fn create_upload(
        &self,
        caller: Caller,
        request: UploadRequest,
        piece: Option<Piece>,
    ) -> Answer<'_, UploadState> {
        Box::pin(async move {
            let district = Arc::clone(self.district_of(&caller)?);
            let shelf = self.shelf_of(&caller)?;
            let scope = self.scope_of(&district, &caller);
            let may_read = shelf.is_named_within(request.sha256, scope).await?;
            shelf.create(caller, request, piece, may_read).await
        })
    }

    fn find_upload(&self, caller: Caller, upload: Uuid) -> Answer<'_, UploadState> {
        Box::pin(async move { self.shelf_of(&caller)?.find(caller, upload).await })
    }

    fn append_upload(
        &self,
        caller: Caller,
        upload: Uuid,
        offset_bytes: u64,
        piece: Piece,
    ) -> Answer<'_, UploadState> {
        Box::pin(async move {
            let shelf = self.shelf_of(&caller)?;
            shelf.append(caller, upload, offset_bytes, piece).await
        })
    }

    fn end_upload(&self, caller: Caller, upload: Uuid) -> Answer<'_, ()> {
        Box::pin(async move { self.shelf_of(&caller)?.end(caller, upload).await })
    }

    fn attachment(
        &self,
        caller: Caller,
        record: Uuid,
        sha256: Hash,
        rendition: Rendition,
    ) -> Answer<'_, AttachmentFile> {
        Box::pin(async move {
            let district = Arc::clone(self.district_of(&caller)?);
            let shelf = self.shelf_of(&caller)?;
            let scope = self.scope_of(&district, &caller);
            let reader = Arc::clone(&district);
            let is_named = district
                .read(move |read, state| {
                    let row = read.find_record(RecordId(record))?;
                    let row = row.filter(|row| scope.contains(row.kind, row.unit, row.desk));
                    let row = row.ok_or(ServiceError::NotFound)?;
                    let found = reader.view(read, state).load_state(&row)?;
                    Ok(found.is_some_and(|found| named_in(&found).contains(&sha256)))
                })
                .await?;
            if !is_named {
                return Err(ServiceError::NotFound);
            }
            shelf.file_of(sha256, rendition).await
        })
    }
}

impl Gridwork {
    fn shelf_of(&self, caller: &Caller) -> Result<Arc<super::Shelf>, ServiceError> {
        let background = self.background(self.district_of(caller)?)?;
        Ok(Arc::clone(background.attachments.shelf()))
    }
}
