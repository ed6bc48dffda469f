//! The messages of `POST /v1/sync`: request, answer, receipt, page. Bytes only; no decision, no storage.

mod certificate;
mod item;
mod key_link;
mod receipt;
mod request;
mod response;

pub use certificate::EnrolmentCertificate;
pub use item::{EntryItem, ImageItem, Item, RulingItem, read_items, write_item};
pub use key_link::KeyLink;
pub use receipt::{Receipt, SignedHead, WipeOrder};
pub use request::{Cursor, RequestBody, SyncRequest, TextMark};
pub use response::{Status, SyncResponse, check_of};

/// The protocol version that this crate speaks.
pub const PROTOCOL: u32 = 1;
/// The media type of both directions.
pub const MEDIA_TYPE: &str = "application/vnd.gridwork.sync";
