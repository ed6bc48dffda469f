//! Packs of a week, month or quarter that are frozen.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The frozen packs of a district.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackList {
    /// By label.
    pub packs: Vec<PackSummary>,
}

/// One frozen pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackSummary {
    /// Which: `2026-W48`, `2026-11`, `2026-Q4`.
    pub label: String,
    /// The place of the log that it was made at.
    pub pos: u64,
    /// When it was frozen, milliseconds since 1970.
    pub frozen_ms: i64,
    /// SHA-256 of its text, as the log names it, in lower-case hexadecimal digits.
    pub hash: String,
}
