//! Snapshots: prepared, compressed, immutable files of record images for a first sync.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The prepared files that cover the caller's scope.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SnapshotList {
    /// The log's epoch.
    pub epoch: u32,
    /// The scope version that the list covers.
    pub scope_version: u32,
    /// Where the cursor starts once every file is applied: the lowest pos of the files.
    pub cursor_pos: u64,
    /// The files, one a unit.
    pub snapshots: Vec<Snapshot>,
}

/// The images of one unit's records at one pos.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The file's name in the path of its segments.
    pub name: String,
    /// The unit.
    pub unit: u32,
    /// The pos at which the images were taken.
    pub pos: u64,
    /// How many records it holds.
    pub records: u64,
    /// Its segments; each is usable as soon as it is there.
    pub segments: Vec<SnapshotSegment>,
}

/// One segment of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SnapshotSegment {
    /// The segment's number in the path, from 0.
    pub segment: u32,
    /// How many records it holds.
    pub records: u32,
    /// Its size before compression, in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the uncompressed bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}
