//! What may be wrong with an upload or an attachment.

use crate::media::Refusal;

/// Why a body ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFault {
    /// The connection broke.
    Broken,
    /// It paused for too long.
    TimedOut,
}

/// Why an upload does not go on, or an attachment is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentFault {
    /// A piece begins elsewhere than the upload ends.
    #[error("the upload stands at {offset_bytes}")]
    OffsetDiffers {
        /// Where it stands.
        offset_bytes: u64,
    },
    /// Another request of the same client wants the upload.
    #[error("another request took the upload over")]
    TakenOver,
    /// A piece is not what its check sum says; none of it was kept.
    #[error("a check sum differs")]
    ChecksumDiffers,
    /// The body ended early; what had come without a check sum was kept.
    #[error("the body ended early")]
    Body(BodyFault),
    /// The whole is not what the change names; nothing was kept.
    #[error("the bytes are not those that were named")]
    HashDiffers,
    /// The bytes are of a kind that is not taken; nothing was kept.
    #[error("the bytes are not taken: {0}")]
    Refused(Refusal),
    /// The phone sent as much today as it may.
    #[error("the day's quota is used up")]
    QuotaUsed,
    /// A record names it, and its bytes have not come.
    #[error("the bytes have not come yet")]
    Missing,
}
