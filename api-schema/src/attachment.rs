//! Attachments as records show them, and the words of the tus protocol that bring their bytes.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The version of tus that is spoken.
pub const TUS_VERSION: &str = "1.0.0";
/// The extensions that are spoken.
pub const TUS_EXTENSIONS: &str = "creation,creation-with-upload,checksum,expiration,termination";
/// The check sums that a piece may come with.
pub const TUS_CHECKSUMS: &str = "sha256,sha1";
/// The content type of a piece.
pub const PIECE_CONTENT_TYPE: &str = "application/offset+octet-stream";
/// What an attachment may be.
pub const ATTACHMENT_CONTENT_TYPES: &[&str] = &[
    "image/jpeg",
    "image/png",
    "image/webp",
    "video/mp4",
    "audio/mp4",
];

/// What is known of an attachment that a record names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentState {
    /// What the change named: the SHA-256 of the bytes as they left the phone, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Whether the bytes are there. Until they are, the fields below are absent.
    pub present: bool,
    /// What the bytes turned out to be, such as `image/jpeg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// How many bytes are served: without metadata they are fewer than were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The SHA-256 of what is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_sha256: Option<String>,
    /// Whether there is a thumbnail.
    pub thumbnail: bool,
    /// Width in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// When it was taken, in milliseconds since 1970, as its metadata said before they were taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at_ms: Option<i64>,
    /// Where it was taken, as its metadata said before they were taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<AttachmentPlace>,
    /// When the bytes were whole, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_ms: Option<i64>,
}

/// A place out of a photo's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AttachmentPlace {
    /// WGS-84 degrees north, times 10^7.
    pub latitude_e7: i32,
    /// WGS-84 degrees east, times 10^7.
    pub longitude_e7: i32,
}
