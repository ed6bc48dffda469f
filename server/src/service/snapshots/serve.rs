//! What a caller gets of the prepared files: the list for its scope, and segments of units that it may read now.

use super::build::segment_path;
use super::catalogue::{Catalogue, SnapshotName, failed, rename};
use crate::service::gridwork::Gridwork;
use crate::service::{AcceptedCodings, Caller, Coding, SegmentFile, ServiceError};
use crate::store::StoreError;
use api_schema::snapshot::{Snapshot, SnapshotList, SnapshotSegment};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use sync_core::scope::Scope;

impl Gridwork {
    /// An empty list says that pages are the way: there are no files yet, or the scope reads by desk, which no file is
    /// cut by.
    pub(in crate::service) async fn list_snapshots_of(
        &self,
        caller: Caller,
    ) -> Result<SnapshotList, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let (scope, scope_version) = self.versioned_scope_of(&district, &caller).await?;
        let mut list = SnapshotList {
            epoch: district.state().facts.epoch().0.0,
            scope_version: scope_version.0,
            cursor_pos: 0,
            snapshots: Vec::new(),
        };
        // Whether to make them, or make them anew, is for the thread to judge.
        background.snapshots.bell.ring();
        let current = background.snapshots.current();
        if let Some(current) = current.filter(|_| scope.desks().next().is_none()) {
            list.snapshots = snapshots_of(&current, &scope);
            if !list.snapshots.is_empty() {
                // A unit without a file had no record there; what it has since comes with the entries above.
                list.cursor_pos = current.pos.0;
            }
        }
        Ok(list)
    }

    pub(in crate::service) async fn open_segment(
        &self,
        caller: Caller,
        name: String,
        segment: u32,
        accepted: AcceptedCodings,
    ) -> Result<SegmentFile, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let parsed = SnapshotName::parse(&name).ok_or(ServiceError::NotFound)?;
        let scope = self.scope_of(&district, &caller);
        let current = background
            .snapshots
            .current()
            .filter(|current| scope.contains(parsed.kind, parsed.unit, None) && current.has(&name));
        current.ok_or(ServiceError::NotFound)?;
        let coding = match accepted {
            AcceptedCodings { zstd: true, .. } => Coding::Zstd,
            AcceptedCodings { gzip: true, .. } => Coding::Gzip,
            _ => return Err(ServiceError::EncodingNotAcceptable),
        };
        let open = move || open(&background.snapshots.files.folder, &name, segment, coding);
        tokio::task::spawn_blocking(open)
            .await
            .map_err(|source| ServiceError::Internal {
                what: "a reader panicked",
                source: Box::new(source),
            })?
    }
}

fn snapshots_of(current: &Catalogue, scope: &Scope) -> Vec<Snapshot> {
    let files = current
        .files
        .iter()
        .filter(|file| scope.contains(file.kind, file.unit, None));
    files
        .map(|file| Snapshot {
            name: file.name.clone(),
            unit: file.unit.0,
            pos: current.pos.0,
            records: file.records,
            segments: (0..)
                .zip(&file.segments)
                .map(|(number, segment)| SnapshotSegment {
                    segment: number,
                    records: segment.records,
                    size_bytes: segment.size_bytes,
                    sha256: segment.sha256.clone(),
                })
                .collect(),
        })
        .collect()
}

fn open(
    folder: &Path,
    name: &str,
    segment: u32,
    coding: Coding,
) -> Result<SegmentFile, ServiceError> {
    let zstd = segment_path(folder, name, segment, "zst");
    let path = match coding {
        Coding::Zstd => zstd,
        Coding::Gzip => {
            let gzip = segment_path(folder, name, segment, "gz");
            if !gzip.exists() && zstd.exists() {
                recompress(&zstd, &gzip)?;
            }
            gzip
        }
    };
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((size_bytes, file)) => Ok(SegmentFile {
            file,
            size_bytes,
            coding,
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ServiceError::NotFound),
        Err(error) => Err(failed(&path)(error).into()),
    }
}

/// Prepares a segment for the few who cannot read zstd, once, when the first of them asks.
fn recompress(zstd: &Path, gzip: &Path) -> Result<(), StoreError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Two may ask at the same time: each writes a file of its own, with the same bytes.
    let fresh = gzip.with_extension(format!("gz-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let write = || {
        let mut reader = zstd::Decoder::new(File::open(zstd)?)?;
        let mut writer = GzEncoder::new(File::create(&fresh)?, Compression::best());
        std::io::copy(&mut reader, &mut writer)?;
        writer.finish()?.sync_all()
    };
    write().map_err(failed(&fresh))?;
    rename(&fresh, gzip)
}
