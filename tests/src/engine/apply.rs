//! A first sync's records into a phone's database: compressed pieces of images in, committed rows out.

use std::path::Path;

use sync_core::ids::{LogPlace, Pos, RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::merge::{Act, Event, RecordState};
use sync_core::payload::Payload;
use sync_core::replica::Replica;
use sync_core::wire::{ImageItem, Item, read_items, write_item};

use super::merge::new_replica;
use super::{stamp, subject};
use crate::bench::snapshot_work::{ImageRecord, SnapshotWork};
use crate::bench::under_test::{BenchError, LocalUnderTest, PreparedRun};

/// The engine of the apply benchmark.
#[derive(Clone, Copy, Debug)]
pub struct EngineApply;

/// The image that the engine keeps of a record.
pub fn image_of(record: &ImageRecord) -> Result<Vec<u8>, BenchError> {
    let author = record.unit + 1;
    let event = Event {
        stamp: stamp(record.pos, record.time_ms, author, record.pos),
        base: LogPlace::default(),
        unit: UnitId(record.unit + 1),
        act: Act::Create {
            kind: Kind::Report,
            state: Some(record.state.to_uppercase()),
            fields: Payload::read(&record.image).map_err(subject)?,
        },
    };
    Ok(RecordState::advance(None, event).to_image())
}

/// Pieces of so many records, compressed at zstd's level 3.
fn segments(work: &SnapshotWork) -> Result<Vec<Vec<u8>>, BenchError> {
    let mut segments = Vec::new();
    for records in work.records.chunks(work.segment_records) {
        let mut items = Vec::new();
        for record in records {
            let image = ImageItem {
                record: RecordId(record.record),
                pos: Pos(record.pos),
                image: image_of(record)?,
            };
            write_item(&mut items, &Item::Image(image));
        }
        segments.push(zstd::bulk::compress(&items, 3)?);
    }
    Ok(segments)
}

struct Apply {
    replica: Replica,
    segments: Vec<Vec<u8>>,
    records: u64,
}

impl LocalUnderTest<SnapshotWork> for EngineApply {
    fn prepare(
        &self,
        work: &SnapshotWork,
        data: &Path,
    ) -> Result<Box<dyn PreparedRun>, BenchError> {
        Ok(Box::new(Apply {
            replica: new_replica(data)?,
            segments: segments(work)?,
            records: work.records.len() as u64,
        }))
    }
}

impl PreparedRun for Apply {
    fn run(&mut self) -> Result<u64, BenchError> {
        let mut applied = 0;
        for segment in &self.segments {
            let bytes = zstd::stream::decode_all(&segment[..])?;
            let mut images = Vec::new();
            for item in read_items(&bytes) {
                if let Some(Item::Image(image)) = item.map_err(subject)? {
                    images.push(image);
                }
            }
            let borrowed = images
                .iter()
                .map(|image| (image.record, image.pos, &image.image[..]));
            applied += self.replica.apply_images(borrowed).map_err(subject)?;
        }
        Ok(applied)
    }

    fn verify(&mut self) -> Result<(), BenchError> {
        let sql =
            "SELECT count(*) FROM record WHERE in_scope = 1 AND kind = 1 AND title IS NOT NULL";
        let held: i64 = self
            .replica
            .connection()
            .query_row(sql, [], |row| row.get(0))?;
        if held as u64 == self.records {
            Ok(())
        } else {
            Err(BenchError::WrongAnswer(format!(
                "{held} records instead of {}",
                self.records
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::timing::measure_local;

    #[test]
    fn every_record_arrives() {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let work = SnapshotWork::new(3, 250, 100);
        let figures = measure_local(&EngineApply, &work, scratch.path()).expect("applied");
        assert_eq!(figures.units, 250);
    }
}
