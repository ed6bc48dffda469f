//! What `verify` can find: one code a kind of fault, the place where it shows, and the first of them kept.

use crate::store::StoreError;
use serde::Serialize;
use sync_core::ids::Pos;

/// How many faults of a district are told; all are counted.
pub const FAULTS_TOLD_MAX: usize = 20;
/// How many are kept until the end, where they are sorted by place.
const FAULTS_KEPT_MAX: usize = 2_000;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// A kind of fault. The text is stable and names the message `verify.fault.<text>` of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FaultKind { $($(#[$doc])* $variant,)+ }

        impl FaultKind {
            /// All of them, for the catalogue's tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

kinds! {
    /// A file or row cannot be read.
    Damaged = "damaged",
    /// A district's file is not there.
    FileMissing = "file_missing",
    /// A name or id differs from what the control file says.
    MetaDiffers = "meta_differs",
    /// The epochs do not follow each other.
    EpochWrong = "epoch_wrong",
    /// A place of the log has no entry.
    PlaceMissing = "place_missing",
    /// The log's chain has another hash at a committed head.
    ChainDiffers = "chain_differs",
    /// The log does not end at a committed head.
    HeadMissing = "head_missing",
    /// A committed head names a place that the log does not have.
    HeadBeyond = "head_beyond",
    /// The last known head has no valid signature of this district.
    KnownHeadUnsigned = "known_head_unsigned",
    /// The log has another hash at the last known head.
    KnownHeadDiffers = "known_head_differs",
    /// The log ends below the last known head.
    KnownHeadBeyond = "known_head_beyond",
    /// The log does not extend the head that the control file noted.
    NotedHeadDiffers = "noted_head_differs",
    /// A column holds what an entry of its kind cannot have.
    ColumnWrong = "column_wrong",
    /// The time of arrival falls.
    TimeFell = "time_fell",
    /// A directory entry cannot be read, or gives a number twice.
    DirectoryWrong = "directory_wrong",
    /// A server key is not signed with the one before it.
    KeyUnsigned = "key_unsigned",
    /// A document's text is not the one that the directory names.
    DocumentDiffers = "document_differs",
    /// A frozen pack is not the one that the directory names, or does not follow from the log.
    PackDiffers = "pack_differs",
    /// The author's replica is not in the directory.
    ReplicaUnknown = "replica_unknown",
    /// The author is not the person of the replica.
    AuthorDiffers = "author_differs",
    /// A replica's changes are not contiguous.
    SeqGap = "seq_gap",
    /// A change's hash is not that of its header, parts and the change before.
    HashDiffers = "hash_differs",
    /// A replica's row differs from its chain.
    MarkDiffers = "mark_differs",
    /// A sealed part is not the one that was committed to.
    SealedDiffers = "sealed_differs",
    /// A sealed part was deleted without a ruling.
    SealedGone = "sealed_gone",
    /// A sealed part is still there although it was ruled erased.
    SealedLeft = "sealed_left",
    /// No receipt covers a change, or more than one.
    ReceiptMissing = "receipt_missing",
    /// A receipt is not signed by a key of the directory.
    ReceiptUnsigned = "receipt_unsigned",
    /// A receipt says something else than the log.
    ReceiptDiffers = "receipt_differs",
    /// Decided again, the change gets another answer.
    DecisionDiffers = "decision_differs",
    /// Decided again, the change gets another event time.
    TimeDiffers = "time_differs",
    /// An entry does not stand where it may.
    OrderWrong = "order_wrong",
    /// A ruling cannot be read.
    RulingWrong = "ruling_wrong",
    /// What a ruling is about is not there, or did not wait for it.
    RulingTarget = "ruling_target",
    /// Who ruled had no right to.
    RulingRight = "ruling_right",
    /// Ruled again, the change gets another answer.
    RulingDiffers = "ruling_differs",
    /// A repair did not end what it repairs.
    RepairOpen = "repair_open",
    /// An entry names another record, or another entry before it, than the log says.
    HistoryDiffers = "history_differs",
    /// An entry says of its record's former unit or desk something else than the log.
    WasDiffers = "was_differs",
    /// A record's row is not what its entries fold into.
    RecordDiffers = "record_differs",
    /// A digest is not that of its records.
    BucketDiffers = "bucket_differs",
    /// What waits for a ruling differs from the log.
    WaitingDiffers = "waiting_differs",
    /// A held change waits although nothing is missing.
    StillWaits = "still_waits",
    /// Which ruling ended a change's waiting differs from the log.
    RuledDiffers = "ruled_differs",
    /// Where a forked change was repeated differs from the log.
    OriginDiffers = "origin_differs",
    /// A table has rows that the log does not account for.
    RowsStray = "rows_stray",
}

/// One fault.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// The place of the log where it shows; `None` when it belongs to none.
    pub place: Option<u64>,
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub row: String,
    /// What kind of fault.
    pub what: FaultKind,
    /// What was found, and what it should be, as far as that can be said without personal data.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Vec<Fault>,
    count: u64,
}

impl Findings {
    /// Notes a fault.
    pub fn note(
        &mut self,
        place: Option<Pos>,
        table: &'static str,
        row: impl ToString,
        what: FaultKind,
        detail: impl Into<String>,
    ) {
        self.count += 1;
        if self.faults.len() < FAULTS_KEPT_MAX {
            self.faults.push(Fault {
                place: place.map(|pos| pos.0),
                table,
                row: row.to_string(),
                what,
                detail: detail.into(),
            });
        }
    }

    /// Notes what storage said.
    pub fn note_error(&mut self, place: Option<Pos>, error: &StoreError) {
        match error {
            StoreError::Corrupt { table, row, what } => {
                self.note(place, table, row, FaultKind::Damaged, what.clone());
            }
            other => {
                let mut detail = other.to_string();
                let mut source = std::error::Error::source(other);
                while let Some(cause) = source {
                    detail = format!("{detail}: {cause}");
                    source = cause.source();
                }
                let row = place.map_or(String::new(), |pos| pos.to_string());
                self.note(place, "entry", row, FaultKind::Damaged, detail);
            }
        }
    }

    /// How many there are, and the first of them: what is wrong with the district as a whole, then by place, then what
    /// belongs to no place.
    pub fn finish(mut self) -> (u64, Vec<Fault>) {
        self.faults.sort_by_key(|fault| match fault.place {
            Some(place) => place,
            None if ["file", "meta", "epoch"].contains(&fault.table) => 0,
            None => u64::MAX,
        });
        self.faults.truncate(FAULTS_TOLD_MAX);
        (self.count, self.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_core::messages::{Catalogue, Language};

    #[test]
    fn every_fault_has_a_text_in_both_languages() {
        for language in [Language::Chinese, Language::English] {
            let missing: Vec<_> = FaultKind::ALL
                .iter()
                .map(|kind| format!("verify.fault.{}", kind.as_str()))
                .filter(|key| !Catalogue::of(language).has(key))
                .collect();
            assert!(missing.is_empty(), "{language:?} {missing:?}");
        }
    }
}
