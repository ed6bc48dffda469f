//! Tracks that were kept for as long as the plan says, and those that nobody had asked for: where somebody walked is erased,
//! that they walked and how long stays.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::log_writer::LogWriter;
use crate::store::StoreError;
use crate::store::sqlite::inbox::InboxSort;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use sync_core::entry::{Ruling, RulingKind};
use sync_core::ids::Pos;
use sync_core::kinds::Kind;
use sync_core::messages::{Catalogue, Language};
use sync_core::verdict::ProblemCode;

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
        let found = projection.read(|index| {
            let refused = index.list_waiting(InboxSort::Quarantined, Kind::Patrol)?;
            Ok((index.list_tracks_due(now_ms)?, refused))
        })?;
        let (mut due, refused) = found.unwrap_or_default();
        // Nobody waits for a person with what should not have been sent.
        due.extend(not_asked(district, refused).await?);
        let mut erased = 0;
        for some in due.chunks(TRACKS_MAX) {
            let some = some.to_vec();
            let step =
                move |log: &mut LogWriter<'_>, received_ms| log.erase_tracks(&some, received_ms);
            erased += district.writer().run(step).await?;
        }
        Ok(erased)
    }
    .boxed()
}

/// Those of these changes that are tracks which the plan does not ask for and that still say where somebody was.
async fn not_asked(
    district: &Arc<District>,
    quarantined: Vec<Pos>,
) -> Result<Vec<Pos>, ServiceError> {
    let work = district.read(move |read, _| {
        let mut found = Vec::new();
        for pos in quarantined {
            let entry = read.find_entry(pos)?;
            let is_track = entry.is_some_and(|entry| {
                let mut problems = entry.answer.problems.iter();
                problems.any(|problem| problem.code == ProblemCode::TrackNotAsked)
            });
            if is_track
                && read
                    .list_sealed(pos)?
                    .iter()
                    .any(|part| part.content.is_some())
            {
                found.push(pos);
            }
        }
        Ok(found)
    });
    work.await
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
