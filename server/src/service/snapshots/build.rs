//! One pass over the records that writes the files of every unit and kind whose digest has changed.
//!
//! The log goes on meanwhile, and no state of it is held open for longer than a step. Every record is read once, at or
//! after the place the pass began at, and goes to the file of the unit it is in then; what moves or changes later comes
//! to the reader with the entries above that place.

use super::catalogue::{
    Catalogue, Prepared, Segment, SnapshotName, digest_text, failed, rename, write_durably,
};
use crate::service::district::District;
use crate::store::StoreError;
use crate::store::sqlite::{DistrictRead, RecordRow};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sync_core::change::Hash;
use sync_core::digest::SetDigest;
use sync_core::ids::{Epoch, Pos, UnitId};
use sync_core::kinds::Kind;
use sync_core::wire::{ImageItem, Item, write_item};

/// A unit's records of one kind.
type Pair = (Kind, UnitId);

/// Records of a segment at most.
const SEGMENT_RECORDS_MAX: u32 = 2_000;
/// Bytes of a segment at most, before compression, but for its last record.
const SEGMENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of all segments under way: with more units than fit, the fullest is written early.
const BUFFERS_BYTES_MAX: usize = 48 << 20;
/// zstd's level. Written once and read by every phone that starts anew. Reports of the reference work, 400 and 2,500 a
/// unit, came to 103 and 89 bytes each at level 12 (about 30,000 a second of one busy core), 98 and 84 at 17 (5,000),
/// 96 and 82 at 19 (1,500).
const LEVEL: i32 = 17;
/// Records of one step: bounds how long a state of the log is held open.
pub const STEP: usize = 2_000;

/// How a pass is to be made.
pub struct Pass<'a> {
    /// Of which district.
    pub district: &'a District,
    /// Where its snapshots lie.
    pub folder: &'a Path,
    /// The files before.
    pub before: Option<&'a Catalogue>,
    /// Records of one step.
    pub step: usize,
    /// Asked between steps; says whether to go on, after a rest as long as the caller finds right. Told how long the
    /// last step took.
    pub go_on: &'a dyn Fn(Duration) -> bool,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassReport {
    /// Files written.
    pub written: u64,
    /// Files that were still right.
    pub kept: u64,
    /// Records in the files written.
    pub records: u64,
    /// Their bytes before compression.
    pub raw_bytes: u64,
    /// Their bytes as stored.
    pub stored_bytes: u64,
}

impl Pass<'_> {
    /// Makes the files; `None` when it was told not to go on. Nothing is in force until the catalogue is saved.
    ///
    /// # Errors
    /// The log's or the file system's.
    pub fn run(&self) -> Result<Option<(Catalogue, PassReport)>, StoreError> {
        let state = self.district.state();
        let epoch = state.facts.epoch().0;
        let log = DistrictRead::open(self.district.path())?;
        let (pos, buckets) =
            log.snapshot(|log| Ok::<_, StoreError>((log.head()?.0, log.list_buckets()?)))?;
        let mut digests: BTreeMap<Pair, SetDigest> = BTreeMap::new();
        for (bucket, digest) in buckets {
            digests
                .entry((bucket.kind, bucket.unit))
                .or_default()
                .add_all(digest);
        }
        let mut catalogue = Catalogue::new(self.district.id(), epoch, pos);
        let still_right = |file: &&Prepared| {
            digests
                .get(&(file.kind, file.unit))
                .is_some_and(|digest| digest_text(*digest) == file.digest)
        };
        catalogue.files = self
            .before
            .iter()
            .flat_map(|before| before.files.iter().filter(still_right))
            .cloned()
            .collect();
        let kept: BTreeSet<Pair> = catalogue
            .files
            .iter()
            .map(|file| (file.kind, file.unit))
            .collect();
        let work = self.folder.join("building");
        remove_folder(&work)?;
        let mut writer = FilesWriter {
            folder: work.clone(),
            epoch,
            pos,
            files: BTreeMap::new(),
            bytes: 0,
            report: PassReport::default(),
        };
        writer.report.kept = kept.len() as u64;
        let mut from = 1;
        loop {
            let began = Instant::now();
            let mut records = Vec::new();
            let next = log.snapshot(|log| {
                let view = self.district.view(log, &state);
                log.scan_records(from, self.step, |row| {
                    // A record that came to a kept file's unit since the pass began is not in that file.
                    let known = kept.contains(&(row.kind, row.unit)) && row.pos <= pos;
                    if row.kind != Kind::Unknown && !known {
                        let image = view.image_of(&row)?;
                        records.push((row, image));
                    }
                    Ok::<_, StoreError>(true)
                })
            })?;
            for (row, image) in records {
                writer.add(&row, image)?;
            }
            if !(self.go_on)(began.elapsed()) {
                remove_folder(&work)?;
                return Ok(None);
            }
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        let report = writer.finish(self.folder, &mut catalogue)?;
        remove_folder(&work)?;
        Ok(Some((catalogue, report)))
    }
}

/// Removes a folder, if it is there.
pub fn remove_folder(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// Where a segment of a snapshot lies.
pub fn segment_path(folder: &Path, name: &str, segment: u32, suffix: &str) -> PathBuf {
    folder.join(name).join(format!("{segment}.{suffix}"))
}

#[derive(Default)]
struct Open {
    raw: Vec<u8>,
    raw_records: u32,
    records: u64,
    digest: SetDigest,
    segments: Vec<Segment>,
}

struct FilesWriter {
    folder: PathBuf,
    epoch: Epoch,
    pos: Pos,
    files: BTreeMap<Pair, Open>,
    bytes: usize,
    report: PassReport,
}

impl FilesWriter {
    fn name(&self, (kind, unit): Pair) -> String {
        SnapshotName {
            epoch: self.epoch,
            kind,
            unit,
            pos: self.pos,
        }
        .to_text()
    }

    fn add(&mut self, row: &RecordRow, image: Vec<u8>) -> Result<(), StoreError> {
        let pair = (row.kind, row.unit);
        let open = self.files.entry(pair).or_default();
        let before = open.raw.len();
        write_item(
            &mut open.raw,
            &Item::Image(ImageItem {
                record: row.id,
                pos: row.pos,
                image,
            }),
        );
        self.bytes += open.raw.len() - before;
        open.raw_records += 1;
        open.records += 1;
        open.digest.add(row.id, row.pos);
        if open.raw.len() >= SEGMENT_BYTES_MAX || open.raw_records >= SEGMENT_RECORDS_MAX {
            self.write_segment(pair)?;
        }
        while self.bytes > BUFFERS_BYTES_MAX {
            let fullest = self
                .files
                .iter()
                .max_by_key(|(_, open)| open.raw.len())
                .map(|(pair, _)| *pair);
            self.write_segment(fullest.expect("BUG: bytes without a buffer"))?;
        }
        Ok(())
    }

    fn write_segment(&mut self, pair: Pair) -> Result<(), StoreError> {
        let name = self.name(pair);
        let open = self
            .files
            .get_mut(&pair)
            .expect("BUG: a segment of no file");
        // A freed buffer keeps no memory: there may be thousands of units.
        let (raw, records) = (
            std::mem::take(&mut open.raw),
            std::mem::take(&mut open.raw_records),
        );
        self.bytes -= raw.len();
        let folder = self.folder.join(&name);
        std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let path = segment_path(&self.folder, &name, open.segments.len() as u32, "zst");
        let stored = zstd::bulk::compress(&raw, LEVEL).map_err(failed(&path))?;
        write_durably(&path, &stored)?;
        open.segments.push(Segment {
            records,
            size_bytes: raw.len() as u64,
            sha256: Hash::of(&[&raw]).to_string(),
        });
        self.report.records += u64::from(records);
        self.report.raw_bytes += raw.len() as u64;
        self.report.stored_bytes += stored.len() as u64;
        Ok(())
    }

    /// Writes what is left, puts every file in its place and into the catalogue.
    fn finish(
        mut self,
        folder: &Path,
        catalogue: &mut Catalogue,
    ) -> Result<PassReport, StoreError> {
        let pairs: Vec<Pair> = self.files.keys().copied().collect();
        for pair in pairs {
            if !self.files[&pair].raw.is_empty() {
                self.write_segment(pair)?;
            }
            let name = self.name(pair);
            let open = self.files.remove(&pair).expect("BUG: a file twice");
            // What an earlier pass left under this name was in no catalogue.
            let (from, to) = (self.folder.join(&name), folder.join(&name));
            std::fs::File::open(&from)
                .and_then(|folder| folder.sync_all())
                .map_err(failed(&from))?;
            remove_folder(&to)?;
            rename(&from, &to)?;
            self.report.written += 1;
            catalogue.files.push(Prepared {
                name,
                kind: pair.0,
                unit: pair.1,
                records: open.records,
                digest: digest_text(open.digest),
                segments: open.segments,
            });
        }
        Ok(self.report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_core::ids::RecordId;
    use sync_core::wire::read_items;

    /// The records of each segment of one unit's file, read back.
    fn written(sizes: impl Iterator<Item = usize>) -> Vec<Vec<RecordId>> {
        let folder = tempfile::tempdir().expect("a folder");
        let building = folder.path().join("building");
        let mut writer = FilesWriter {
            folder: building,
            epoch: Epoch(1),
            pos: Pos(9),
            files: BTreeMap::new(),
            bytes: 0,
            report: PassReport::default(),
        };
        for (no, size) in (1_i64..).zip(sizes) {
            let row = RecordRow {
                no,
                id: RecordId(uuid::Uuid::from_u128(no as u128)),
                kind: Kind::Report,
                unit: UnitId(3),
                desk: None,
                pos: Pos(no as u64),
                last: Pos(no as u64),
                image: None,
            };
            writer.add(&row, vec![b'x'; size]).expect("added");
        }
        let mut catalogue = Catalogue::new(
            sync_core::ids::DistrictId(uuid::Uuid::nil()),
            Epoch(1),
            Pos(9),
        );
        let report = writer
            .finish(folder.path(), &mut catalogue)
            .expect("finished");
        let Some(file) = catalogue.files.first() else {
            assert_eq!(report, PassReport::default());
            return Vec::new();
        };
        assert_eq!(
            (file.name.as_str(), file.records),
            ("e1-k1-u3-p9", report.records)
        );
        (0..)
            .zip(&file.segments)
            .map(|(number, segment)| {
                let stored = std::fs::read(segment_path(folder.path(), &file.name, number, "zst"))
                    .expect("stored");
                let raw = zstd::decode_all(&stored[..]).expect("zstd");
                assert_eq!(raw.len() as u64, segment.size_bytes);
                assert_eq!(Hash::of(&[&raw]).to_string(), segment.sha256);
                let items: Vec<_> = read_items(&raw)
                    .map(|item| item.expect("an item").expect("a known one"))
                    .collect();
                assert_eq!(items.len() as u32, segment.records);
                let record = |item| match item {
                    Item::Image(image) => image.record,
                    other => panic!("not an image: {other:?}"),
                };
                items.into_iter().map(record).collect()
            })
            .collect()
    }

    #[test]
    fn segments_are_cut_at_their_limits_and_lose_no_record() {
        let most = SEGMENT_RECORDS_MAX as usize;
        for (records, segments) in [
            (0, 0),
            (1, 1),
            (most - 1, 1),
            (most, 1),
            (most + 1, 2),
            (3 * most, 3),
        ] {
            let found = written(std::iter::repeat_n(3, records));
            assert_eq!(found.len(), segments, "{records} records");
            let all: Vec<_> = found.concat();
            assert!(all.len() == records && all.is_sorted(), "{records} records");
        }
        // One that is larger than a segment still goes somewhere.
        let large = SEGMENT_BYTES_MAX;
        assert_eq!(
            written([large, 1, large / 2, large / 2, 1].into_iter())
                .iter()
                .map(Vec::len)
                .collect::<Vec<_>>(),
            [1, 3, 1]
        );
    }
}
