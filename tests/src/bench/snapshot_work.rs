//! The work of the first-sync benchmarks: images of records and the prepared, compressed segments that carry them.

use axum::body::Bytes;
use uuid::Uuid;

use super::record_ids::{IdOrder, IdSource};
use super::reference_work::{Author, FIRST_MOMENT_MS};
use super::report::json_of;

/// The whole state of one record as a snapshot carries it.
#[derive(Clone, Debug)]
pub struct ImageRecord {
    /// The record.
    pub record: Uuid,
    /// The unit it lies in.
    pub unit: u32,
    /// Its kind's number.
    pub kind: u8,
    /// Its workflow state.
    pub state: &'static str,
    /// Its category code.
    pub category: String,
    /// When it was last written, in milliseconds since 1970.
    pub time_ms: i64,
    /// Its last place in the log.
    pub pos: u64,
    /// The image.
    pub image: Vec<u8>,
}

/// Records and the files made of them.
pub struct SnapshotWork {
    /// All records, unit by unit.
    pub records: Vec<ImageRecord>,
    /// The same, as lines of JSON in zstd (level 3), [`Self::segment_records`] a segment.
    pub segments: Vec<Bytes>,
    /// Records a segment; the last may hold fewer.
    pub segment_records: usize,
}

const STATES: [&str; 4] = ["submitted", "dispatched", "in_progress", "closed"];

impl SnapshotWork {
    /// Panics when a segment is to hold nothing.
    pub fn new(seed: u64, records: usize, segment_records: usize) -> Self {
        let mut ids = IdSource::new(IdOrder::TimeOrdered, seed);
        let mut author = Author::new(seed, 0);
        let records: Vec<ImageRecord> = (0..records)
            .map(|position| {
                // One author is one unit of about five hundred records.
                let unit = (position / 500) as u32;
                if position % 500 == 0 {
                    author = Author::new(seed, unit.into());
                }
                let report = author.next_report();
                ImageRecord {
                    record: ids.next_id(),
                    unit,
                    kind: 1,
                    state: STATES[position % STATES.len()],
                    category: report.category.clone(),
                    time_ms: FIRST_MOMENT_MS + position as i64,
                    pos: position as u64 + 1,
                    image: json_of(&report),
                }
            })
            .collect();
        let segments = records.chunks(segment_records).map(segment_of).collect();
        Self {
            records,
            segments,
            segment_records,
        }
    }

    /// Records of segment `number`.
    pub fn records_of(&self, number: usize) -> u64 {
        let from = number * self.segment_records;
        self.records
            .len()
            .saturating_sub(from)
            .min(self.segment_records) as u64
    }

    /// Bytes of the segments a record.
    pub fn wire_bytes_per_record(&self) -> f64 {
        let bytes: usize = self.segments.iter().map(Bytes::len).sum();
        bytes as f64 / self.records.len() as f64
    }
}

fn segment_of(records: &[ImageRecord]) -> Bytes {
    let mut lines = Vec::new();
    for record in records {
        lines.extend_from_slice(record.record.as_bytes());
        lines.extend_from_slice(&record.pos.to_be_bytes());
        lines.extend_from_slice(&record.image);
        lines.push(b'\n');
    }
    zstd::bulk::compress(&lines, 3)
        .expect("BUG: zstd refused memory")
        .into()
}
