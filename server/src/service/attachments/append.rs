//! A piece of an upload, taken as it comes. An offset is noted, and told, only when the bytes below it are on the disk.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::StreamExt;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::fault::AttachmentFault;
use super::locks::Held;
use super::part_file::PartFile;
use super::{Checksum, Piece, PieceBytes, Shelf, UploadState, blocking};
use crate::service::{Caller, ServiceError};
use crate::store::sqlite::attachments::UploadRow;

/// How much is gathered before it is written.
const WRITE_BYTES: usize = 256 << 10;
/// How much may be lost to a crash: after so much an offset is noted.
const NOTE_BYTES: u64 = 4 << 20;

impl Shelf {
    /// See [`super::Attachments::append_upload`]. Goes on to its end although the client goes away: what came is kept.
    pub(super) async fn append(
        self: Arc<Self>,
        caller: Caller,
        upload: Uuid,
        offset_bytes: u64,
        piece: Piece,
    ) -> Result<UploadState, ServiceError> {
        let shelf = Arc::clone(&self);
        let work = async move { shelf.append_held(caller, upload, offset_bytes, piece).await };
        tokio::spawn(work)
            .await
            .map_err(|source| ServiceError::Internal {
                what: "taking a piece panicked",
                source: Box::new(source),
            })?
    }

    async fn append_held(
        self: Arc<Self>,
        caller: Caller,
        upload: Uuid,
        offset_bytes: u64,
        piece: Piece,
    ) -> Result<UploadState, ServiceError> {
        // A stranger must not cut anybody off.
        self.own_upload(caller, upload).await?;
        let held = self.locks.take(upload).await;
        let mut row = self.own_upload(caller, upload).await?;
        if row.offset_bytes != offset_bytes {
            let offset_bytes = row.offset_bytes;
            return Err(AttachmentFault::OffsetDiffers { offset_bytes }.into());
        }
        let left = row.size_bytes - row.offset_bytes;
        if piece
            .announced_bytes
            .is_some_and(|announced| announced > left)
        {
            return Err(over_size(&row));
        }
        if row.is_finished() {
            return Ok(UploadState::from(&row));
        }
        let fault = match self.take(&held, &mut row, piece).await {
            Ok(fault) => fault,
            Err(error) => {
                // What is not noted takes up room for nothing, and the disk may be full.
                self.cut_back(&row).await;
                return Err(error);
            }
        };
        match fault {
            // The last byte had come; how the connection ended is of no interest.
            Some(fault) if !row.is_finished() => Err(fault.into()),
            _ => Ok(UploadState::from(&row)),
        }
    }

    /// Takes a piece and notes how far the upload is; says what ended the piece early.
    async fn take(
        self: &Arc<Self>,
        held: &Held,
        row: &mut UploadRow,
        piece: Piece,
    ) -> Result<Option<AttachmentFault>, ServiceError> {
        let taking = Taking::begin(self, row, piece.checksum.as_ref()).await?;
        let (file, fault) = taking.take(held, row, piece.bytes).await?;
        if file.written() == row.size_bytes {
            blocking(move || Ok(file.sync()?)).await?;
            self.finish(row).await?;
        } else if file.written() > row.offset_bytes {
            note(self, row, file).await?;
        }
        Ok(fault)
    }

    /// Cuts the file of an upload back to what is noted; the next piece does it otherwise.
    async fn cut_back(self: &Arc<Self>, row: &UploadRow) {
        let (path, offset) = (self.part_path(row.id), row.offset_bytes);
        let cut = blocking(move || Ok(PartFile::open(&path, offset).map(drop)?)).await;
        if let Err(error) = cut {
            tracing::debug!(%error, "an upload's file was not cut back");
        }
    }
}

fn over_size(row: &UploadRow) -> ServiceError {
    ServiceError::LimitExceeded {
        limit: "upload_bytes",
        value: row.size_bytes,
    }
}

/// Makes the bytes durable, then their offset.
async fn note(
    shelf: &Arc<Shelf>,
    row: &mut UploadRow,
    file: PartFile,
) -> Result<PartFile, ServiceError> {
    let file = blocking(move || {
        file.sync()?;
        Ok(file)
    })
    .await?;
    let (id, written) = (row.id, file.written());
    shelf
        .with_store(move |store| store.set_offset(id, written))
        .await?;
    row.offset_bytes = written;
    Ok(file)
}

/// The check sum of a piece, as far as it has come.
enum Summing {
    Sha1(Sha1, Vec<u8>),
    Sha256(Sha256, Vec<u8>),
}

impl Summing {
    fn new(checksum: &Checksum) -> Self {
        match checksum {
            Checksum::Sha1(wanted) => Self::Sha1(Sha1::new(), wanted.clone()),
            Checksum::Sha256(wanted) => Self::Sha256(Sha256::new(), wanted.clone()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash, _) => hash.update(bytes),
            Self::Sha256(hash, _) => hash.update(bytes),
        }
    }

    fn agrees(self) -> bool {
        match self {
            Self::Sha1(hash, wanted) => hash.finalize()[..] == wanted[..],
            Self::Sha256(hash, wanted) => hash.finalize()[..] == wanted[..],
        }
    }
}

/// A piece being taken.
struct Taking<'a> {
    shelf: &'a Arc<Shelf>,
    file: PartFile,
    summing: Option<Summing>,
}

impl<'a> Taking<'a> {
    async fn begin(
        shelf: &'a Arc<Shelf>,
        row: &UploadRow,
        checksum: Option<&Checksum>,
    ) -> Result<Self, ServiceError> {
        let (path, offset) = (shelf.part_path(row.id), row.offset_bytes);
        Ok(Self {
            shelf,
            file: blocking(move || Ok(PartFile::open(&path, offset)?)).await?,
            summing: checksum.map(Summing::new),
        })
    }

    /// Takes what comes; the file then holds what is kept, unless this errs.
    async fn take(
        mut self,
        held: &Held,
        row: &mut UploadRow,
        mut bytes: PieceBytes,
    ) -> Result<(PartFile, Option<AttachmentFault>), ServiceError> {
        let mut gathered = BytesMut::new();
        let fault = loop {
            let next = tokio::select! {
                biased;
                () = held.wanted() => break Some(AttachmentFault::TakenOver),
                next = bytes.next() => next,
            };
            let more = match next {
                None => break None,
                Some(Err(fault)) => break Some(AttachmentFault::Body(fault)),
                Some(Ok(more)) => more,
            };
            let length = self.file.written() + (gathered.len() + more.len()) as u64;
            if length > row.size_bytes {
                return Err(over_size(row));
            }
            gathered.extend_from_slice(&more);
            if gathered.len() >= WRITE_BYTES {
                self = self.write(gathered.split()).await?;
                self = self.note_some(row).await?;
            }
        };
        self = self.write(gathered).await?;
        if let Some(summing) = self.summing.take() {
            // Without its end a piece cannot be checked, and what cannot be checked is not kept.
            let differs = (!summing.agrees()).then_some(AttachmentFault::ChecksumDiffers);
            if let Some(fault) = fault.or(differs) {
                return Err(fault.into());
            }
        }
        Ok((self.file, fault))
    }

    async fn write(mut self, bytes: BytesMut) -> Result<Self, ServiceError> {
        if bytes.is_empty() {
            return Ok(self);
        }
        let (file, summing) = blocking(move || {
            self.file.write(&bytes)?;
            if let Some(summing) = &mut self.summing {
                summing.update(&bytes);
            }
            Ok((self.file, self.summing))
        })
        .await?;
        Ok(Self {
            shelf: self.shelf,
            file,
            summing,
        })
    }

    /// Notes how far it is once there is enough to lose. The end is noted only together with the attachment.
    async fn note_some(self, row: &mut UploadRow) -> Result<Self, ServiceError> {
        let written = self.file.written();
        if self.summing.is_some()
            || written == row.size_bytes
            || written - row.offset_bytes < NOTE_BYTES
        {
            return Ok(self);
        }
        Ok(Self {
            file: note(self.shelf, row, self.file).await?,
            ..self
        })
    }
}
