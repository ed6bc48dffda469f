//! The sweep: uploads that ended, whole bytes that no record names, and what crashes have left.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sync_core::change::Hash;
use uuid::Uuid;

use super::objects::path_of;
use super::{Shelf, blocking, disk_failed, part_file};
use crate::service::ServiceError;
use crate::service::worker::Bell;

/// How often ended uploads are looked for.
const LOOK: Duration = Duration::from_secs(300);
/// How often the whole store is listed for what no row knows: once after the start, then daily.
const LIST: Duration = Duration::from_secs(24 * 3_600);
/// How old something must be that no row knows: a write under way is not.
const STRAY_MS: i64 = 3_600_000;

/// What a sweep took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Uploads that ended unfinished.
    pub uploads: u64,
    /// Whole attachments that no record names.
    pub orphans: u64,
    /// Files that no row knows.
    pub strays: u64,
}

/// The thread.
pub(super) fn keep(shelf: &Arc<Shelf>, bell: &Bell) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "attachments are not swept");
            return;
        }
    };
    let mut listed: Option<Instant> = None;
    // A server that starts has better things to do.
    while bell.sleep(if listed.is_none() { LOOK / 10 } else { LOOK }) {
        bell.answer();
        let lists = listed.is_none_or(|listed| listed.elapsed() > LIST);
        match runtime.block_on(shelf.sweep(lists, &|| !bell.is_stopped())) {
            Ok(Swept {
                uploads: 0,
                orphans: 0,
                strays: 0,
            }) => {}
            Ok(swept) => tracing::info!(?swept, "attachments swept"),
            Err(error) => tracing::warn!(%error, "attachments could not be swept"),
        }
        if lists {
            listed = Some(Instant::now());
        }
    }
}

impl Shelf {
    /// Sweeps once; with `lists`, also what no row knows.
    pub(super) async fn sweep(
        self: &Arc<Self>,
        lists: bool,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Swept, ServiceError> {
        let mut swept = Swept {
            uploads: self.sweep_uploads().await?,
            ..Swept::default()
        };
        let today = self.today();
        self.with_store(move |store| store.forget_days_before(today - 1))
            .await?;
        self.follow_names(go_on)?;
        if !go_on() {
            return Ok(swept);
        }
        swept.orphans = self.sweep_orphans().await?;
        if lists {
            swept.strays = self.sweep_parts().await? + self.sweep_strays(go_on).await?;
        }
        Ok(swept)
    }

    async fn sweep_uploads(self: &Arc<Self>) -> Result<u64, ServiceError> {
        let now_ms = self.clock.wall_ms();
        let ended = self
            .with_store(move |store| store.list_uploads(Some(now_ms)))
            .await?;
        let mut count = 0;
        for row in ended {
            // Whoever is at it finds it ended soon enough.
            let Some(_held) = self.locks.try_take(row.id) else {
                continue;
            };
            self.discard(row.id).await?;
            count += u64::from(!row.is_finished());
        }
        Ok(count)
    }

    async fn sweep_orphans(self: &Arc<Self>) -> Result<u64, ServiceError> {
        let until_ms = self.clock.wall_ms() - self.limits.orphan_lives_ms;
        let orphans = self
            .with_store(move |store| store.list_unnamed(until_ms))
            .await?;
        let mut count = 0;
        for row in orphans {
            let _putting = self.putting.write().await;
            self.with_store(move |store| store.delete_attachment(row.sha256))
                .await?;
            self.delete_unkept(row.kept_sha256).await?;
            if let Some((small, _)) = row.small {
                self.delete_unkept(small).await?;
            }
            count += 1;
        }
        Ok(count)
    }

    /// Takes bytes away unless another attachment keeps the same.
    async fn delete_unkept(self: &Arc<Self>, stored: Hash) -> Result<bool, ServiceError> {
        if self.with_store(move |store| store.is_kept(stored)).await? {
            return Ok(false);
        }
        self.objects.delete(&path_of(stored)).await?;
        Ok(true)
    }

    /// Part files without a row.
    async fn sweep_parts(self: &Arc<Self>) -> Result<u64, ServiceError> {
        let shelf = Arc::clone(self);
        let found = blocking(move || {
            let folder = &shelf.parts;
            let entries =
                std::fs::read_dir(folder).map_err(|source| disk_failed(folder, source))?;
            Ok(entries
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<PathBuf>>())
        })
        .await?;
        // Listed after the files: an upload that begins meanwhile has no file among those found.
        let rows = self.with_store(|store| store.list_uploads(None)).await?;
        let known: BTreeSet<Uuid> = rows
            .iter()
            .filter(|row| !row.is_finished())
            .map(|row| row.id)
            .collect();
        let old_ms = self.clock.wall_ms() - STRAY_MS;
        let mut count = 0;
        for path in found {
            let id = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .and_then(|stem| Uuid::try_parse(stem).ok());
            let is_known = id.is_some_and(|id| known.contains(&id));
            if !is_known && modified_ms(&path).is_some_and(|modified_ms| modified_ms < old_ms) {
                blocking(move || Ok(part_file::remove(&path)?)).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Objects without a row.
    async fn sweep_strays(self: &Arc<Self>, go_on: &dyn Fn() -> bool) -> Result<u64, ServiceError> {
        let old_ms = self.clock.wall_ms() - STRAY_MS;
        let objects = self.objects.clone();
        blocking(move || Ok(objects.clear_unfinished(old_ms)?)).await?;
        let mut count = 0;
        for stored in self.objects.list().await? {
            if !go_on() {
                break;
            }
            let Some(hash) = stored.hash.filter(|_| stored.modified_ms < old_ms) else {
                continue;
            };
            let _putting = self.putting.write().await;
            count += u64::from(self.delete_unkept(hash).await?);
        }
        Ok(count)
    }
}

/// When a file was last written, in milliseconds since 1970.
pub(super) fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(chrono::DateTime::<chrono::Utc>::from(modified).timestamp_millis())
}
