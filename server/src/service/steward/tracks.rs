//! Tracks that were kept for as long as the plan says: where somebody walked is erased, that they walked and how long stays.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::log_writer::LogWriter;
use crate::store::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use sync_core::entry::{Ruling, RulingKind};
use sync_core::ids::Pos;
use sync_core::messages::{Catalogue, Language};

/// Tracks of one commit: bounds how long others wait for the writer.
const TRACKS_MAX: usize = 100;

/// Erases every track whose time is over. Without a projection, as in a simulator, there is nobody to say which.
pub(super) fn erase_due<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let Some(projection) = steward.projection.clone() else {
            return Ok(0);
        };
        projection.wait_for(district.state().head.0).await;
        let due = projection.read(|index| index.list_tracks_due(now_ms))?;
        let mut erased = 0;
        for some in due.unwrap_or_default().chunks(TRACKS_MAX) {
            let some = some.to_vec();
            let step =
                move |log: &mut LogWriter<'_>, received_ms| log.erase_tracks(&some, received_ms);
            erased += district.writer().run(step).await?;
        }
        Ok(erased)
    }
    .boxed()
}

impl LogWriter<'_> {
    /// Erases the sealed parts of these changes, those that still have any, and says how many that were.
    fn erase_tracks(&mut self, tracks: &[Pos], now_ms: i64) -> Result<u64, StoreError> {
        let mut erased = 0;
        for pos in tracks {
            let sealed = self.write().list_sealed(*pos)?;
            let Some(entry) = self.write().find_entry(*pos)? else {
                continue;
            };
            if sealed.iter().all(|part| part.content.is_none()) {
                continue;
            }
            let ruling = Ruling {
                ruling: RulingKind::Erased,
                of: *pos,
                replica: entry.replica,
                seq: entry.seq,
                by: None,
                reason: Catalogue::of(Language::Chinese).text("steward.reason.track", &[]),
                verdict: entry.answer.verdict,
                marks: entry.answer.marks,
                problems: entry.answer.problems.clone(),
            };
            self.rule(&ruling, now_ms)?;
            erased += 1;
        }
        Ok(erased)
    }
}
