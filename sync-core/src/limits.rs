//! Every limit of the protocol and the payloads, each with its reason. A list, body or queue without one is a defect.

/// Changes in one batch: keeps a server transaction and a phone's memory small; more simply follow.
pub const BATCH_CHANGES_MAX: usize = 500;
/// Bytes of a whole request after decompression: 500 ordinary changes and their receipts fit twice.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of one header. Ours take about 70; the rest is room for later versions.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one part of a change. A text of 4,000 Chinese characters takes 12 KB.
pub const PART_BYTES_MAX: usize = 64 * 1024;
/// Parts of one change: one open and one for each retention class, with room for later classes.
pub const PARTS_MAX: usize = 8;
/// Top-level fields of one payload.
pub const PAYLOAD_FIELDS_MAX: usize = 64;
/// How deep an unknown field's value may nest.
pub const PAYLOAD_DEPTH_MAX: usize = 16;
/// Entries of a list field, such as the photos of a report.
pub const LIST_MAX: usize = 64;
/// Bytes of items in one page that goes down; a 2G link takes about 20 s for it.
pub const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Rows of the log that the server looks at for one page, in scope or not, so that one request is bounded.
pub const PAGE_SCAN_MAX: usize = 20_000;
/// Records that a replica may ask for by id in one request (repair after a restore or a divergence).
pub const WANTED_RECORDS_MAX: usize = 1_000;
/// Receipts that a replica hands back in one request after a restore.
pub const REOFFERED_RECEIPTS_MAX: usize = 600;
/// The last epoch: scope versions are numbered by epochs in 24 bits, 4,096 to each, and what a phone lays over the log
/// counts as of a later one.
pub const EPOCH_MAX: u32 = 4_095;
/// Event times outside of 2020-01-01 ..= 2100-01-01 are typing errors or attacks, not work.
pub const TIME_MS_MIN: i64 = 1_577_836_800_000;
/// See [`TIME_MS_MIN`].
pub const TIME_MS_MAX: i64 = 4_102_444_800_000;
/// How far back an offline stretch may reach for a right that has ended since (design section 7).
pub const RIGHT_REACH_MS: i64 = 35 * 24 * 3_600_000;
/// Attempts (transitions that were not applied) that a record's state lists; older ones stay in the log.
pub const ATTEMPTS_SHOWN_MAX: usize = 20;

/// How long a phone keeps the bytes of own changes at least, although they have reached the second place: as long as an
/// older backup than the last one may be the one that is put back.
pub const OWN_KEPT_MS: i64 = 30 * 24 * 3_600_000;
/// Texts of documents that a replica names as held, and versions that a manifest may have.
pub const DOCUMENT_TEXTS_MAX: usize = 256;
/// Bytes of a document's text.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
