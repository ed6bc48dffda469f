//! The packs of the last week, month and quarter, frozen when these are over.

use super::Steward;
use crate::service::ServiceError;
use crate::service::district::District;
use crate::service::packs::freeze;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use sync_core::documents::Every;
use sync_core::ids::Pos;
use sync_core::packs::Period;

/// Freezes what is over and not frozen. There is nothing to tell of a time when the district was not there; simulators, which
/// have no projection, keep their logs to themselves.
pub(super) fn freeze_due<'a>(
    steward: &'a Steward,
    district: &'a Arc<District>,
    now_ms: i64,
) -> BoxFuture<'a, Result<u64, ServiceError>> {
    async move {
        if steward.projection.is_none() {
            return Ok(0);
        }
        let zone = district.documents().zone().clone();
        let today = zone.day(now_ms);
        let mut frozen = 0;
        for every in [Every::Week, Every::Month, Every::Quarter] {
            let Some(period) = Period::before(every, today) else {
                continue;
            };
            if district.state().directory.pack(&period.label()).is_some() {
                continue;
            }
            let begun_ms = district
                .read(|read, _| Ok(read.find_received_ms(Pos(1))?))
                .await?;
            if begun_ms.is_some_and(|begun_ms| begun_ms < period.to_ms(&zone)) {
                frozen += u64::from(freeze(district, period, now_ms).await?);
            }
        }
        Ok(frozen)
    }
    .boxed()
}
