//! Notices and tasks that follow from what happens: the steward follows the log, and looks again at records whose time has
//! come.

use super::Steward;
use super::made::missing;
use crate::service::ServiceError;
use crate::service::context::LogView;
use crate::service::district::District;
use crate::store::StoreError;
use crate::store::sqlite::RecordRow;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::duties::{Due, notices, occasions, tasks};
use sync_core::ids::Pos;
use sync_core::kinds::Kind;

/// Entries of one step: bounds how long a state of the log is held open.
const STEP: usize = 2_000;

/// Follows the log up to its head: what happened since the last time tells whom it must, and makes its tasks.
pub(super) fn follow<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let mut made = 0;
        let head = district.state().head.0;
        let Some(mut from) = district.read(|read, _| Ok(read.steward_pos()?)).await? else {
            // What happened before the server knew of notices tells nobody any more.
            return steward.make(district, Vec::new(), Some(head)).await;
        };
        // What the steward makes itself is looked at in the next round.
        while from < head {
            let (due, reached) = look_at_new(district, from, now_ms).await?;
            made += steward.make(district, due, Some(reached)).await?;
            if reached == from {
                break;
            }
            from = reached;
        }
        Ok(made)
    }
    .boxed()
}

/// What follows from the entries after a place, and the place up to which they were looked at.
async fn look_at_new(
    district: &Arc<District>,
    from: Pos,
    now_ms: i64,
) -> Result<(Vec<Due>, Pos), ServiceError> {
    let reader = Arc::clone(district);
    district
        .read(move |read, state| {
            let view = reader.view(read, state);
            let (mut touched, mut reached) = (BTreeSet::new(), from);
            read.scan_entries(from, STEP, |entry| {
                reached = entry.pos;
                touched.extend(entry.record);
                Ok::<_, StoreError>(true)
            })?;
            let mut due = Vec::new();
            for no in touched {
                let row = read.get_record_by_no(no)?;
                due.extend(of_record(&view, &row, from, now_ms)?);
            }
            Ok((missing(read, due)?, reached))
        })
        .await
}

/// Looks again at the records whose time has come: clocks, those on duty, tasks that come some time after.
pub(super) fn look_again<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        let candidates = steward.candidates(district, now_ms).await?;
        let reader = Arc::clone(district);
        let due = district
            .read(move |read, state| {
                let view = reader.view(read, state);
                let mut due = Vec::new();
                for no in candidates {
                    let row = read.get_record_by_no(no)?;
                    due.extend(of_record(&view, &row, Pos(u64::MAX), now_ms)?);
                }
                Ok(missing(read, due)?)
            })
            .await?;
        steward.make(district, due, None).await
    }
    .boxed()
}

/// What there should be about a record: for what happened to it after a place, and for what its clock says.
fn of_record(
    view: &LogView<'_>,
    row: &RecordRow,
    since: Pos,
    now_ms: i64,
) -> Result<Vec<Due>, StoreError> {
    if matches!(row.kind, Kind::Unknown | Kind::Notice) {
        return Ok(Vec::new());
    }
    let Some(record) = view.load_state(row)? else {
        return Ok(Vec::new());
    };
    let (directory, documents) = (view.directory, view.documents);
    let office = notices::Office {
        directory,
        documents,
        now_ms,
    };
    let mut due = Vec::new();
    for occasion in occasions::occasions(&record, documents, since, now_ms) {
        if is_in_hand(view, &office.told_before(row.id, &record, &occasion))? {
            continue;
        }
        due.extend(office.notices(row.id, &record, &occasion));
    }
    let office = tasks::Office {
        directory,
        documents,
        now_ms,
    };
    due.extend(office.of_states(row.id, &record, since));
    Ok(due)
}

/// Whether somebody has acknowledged one of these notices.
fn is_in_hand(
    view: &LogView<'_>,
    told_before: &[sync_core::ids::RecordId],
) -> Result<bool, StoreError> {
    for id in told_before {
        let row = view.read.find_record(*id)?;
        let notice = row.map(|row| view.load_state(&row)).transpose()?.flatten();
        if notice.is_some_and(|notice| notices::is_acknowledged(&notice)) {
            return Ok(true);
        }
    }
    Ok(false)
}
