//! Open doubts, page by page: the oldest first, as whatever waits for a person.

use crate::service::gridwork::Gridwork;
use crate::service::{Caller, ServiceError};
use crate::store::sqlite::rounds::DoubtKey;
use api_schema::patrol::{DOUBT_PAGE_DEFAULT, DOUBT_PAGE_MAX, DoubtPage, DoubtQuery, OpenDoubt};
use api_schema::problem::FieldProblem;
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::ids::UnitId;
use sync_core::kinds::Kind;

impl Gridwork {
    pub(super) async fn list_doubts_of(
        &self,
        caller: Caller,
        query: DoubtQuery,
    ) -> Result<DoubtPage, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let projection = Arc::clone(&self.background(&district)?.projection);
        projection.wait_for(district.state().head.0).await;
        let scope = self.scope_of(&district, &caller);
        let within: Option<BTreeSet<UnitId>> = query.unit.map(|unit| {
            let directory = &district.state().directory;
            directory.subtree(UnitId(unit)).collect()
        });
        let after = query.after.as_deref().map(|after| {
            read_after(after).ok_or_else(|| ServiceError::FieldInvalid {
                errors: vec![FieldProblem {
                    field: "after".to_owned(),
                    message: "not the `next` of a page".to_owned(),
                }],
            })
        });
        let after = after.transpose()?;
        let limit = query.limit.unwrap_or(DOUBT_PAGE_DEFAULT);
        let limit = limit.clamp(1, DOUBT_PAGE_MAX) as usize;
        let read = move || {
            projection.read(|index| {
                let mut found: Vec<(DoubtKey, OpenDoubt)> = Vec::new();
                index.scan_doubts(after, |key, doubt, (record, unit, team)| {
                    let is_asked = query.doubt.as_ref().is_none_or(|kind| *kind == doubt.kind)
                        && within.as_ref().is_none_or(|within| within.contains(&unit));
                    if is_asked && scope.contains(Kind::Patrol, unit, None) {
                        let told = OpenDoubt {
                            record: record.0,
                            team,
                            unit: unit.0,
                            doubt: doubt.kind,
                            about: doubt.about,
                            person: doubt.person.0,
                            time_ms: doubt.time_ms,
                        };
                        found.push((key, told));
                    }
                    // One more says that another page follows.
                    found.len() <= limit
                })?;
                Ok((found, index.place()?))
            })
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.map_err(|source| ServiceError::Internal {
            what: "a reader panicked",
            source: Box::new(source),
        })??;
        let Some((mut found, place)) = read else {
            return Ok(DoubtPage {
                doubts: Vec::new(),
                next: None,
                pos: 0,
            });
        };
        let has_more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| has_more);
        Ok(DoubtPage {
            next: last.map(|(key, _)| write_after(*key)),
            pos: if place.next_no == 0 { place.pos.0 } else { 0 },
            doubts: found.into_iter().map(|(_, doubt)| doubt).collect(),
        })
    }
}

/// Where the next page goes on: after this doubt. Opaque to the caller.
fn write_after((time_ms, no, ordinal): DoubtKey) -> String {
    format!("1.{time_ms}.{no}.{ordinal}")
}

fn read_after(after: &str) -> Option<DoubtKey> {
    let mut parts = after.strip_prefix("1.")?.split('.');
    let (time_ms, no, ordinal) = (parts.next()?, parts.next()?, parts.next()?);
    let key = (
        time_ms.parse().ok()?,
        no.parse().ok()?,
        ordinal.parse().ok()?,
    );
    // One spelling only, so that nothing else passes for a page's end.
    (write_after(key) == after).then_some(key)
}
