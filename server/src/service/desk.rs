//! What a desk looks at besides lists: clocks that are over next, and reports that may be the same.

use super::gridwork::Gridwork;
use super::records::{invalid, summary};
use super::{Caller, ServiceError};
use crate::store::StoreError;
use crate::store::sqlite::IndexRead;
use crate::store::sqlite::index::first_key_at;
use api_schema::desk::{
    Deadline, DeadlinePage, DeadlineQuery, DuplicateHint, DuplicateList, DuplicateQuery,
};
use api_schema::record::{RECORD_PAGE_DEFAULT, RECORD_PAGE_MAX};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::cases::duplicates::{self, Sighting};
use sync_core::geo::Place;
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::scope::Scope;

/// Clocks that are looked at in one go.
const STEP: usize = 500;
/// Reports of one category that are held against a new one.
const REPORTS_MAX: usize = 2_000;

/// Where the next page goes on: after this time and number. Opaque to the caller.
fn write_after((over_ms, no): (i64, i64)) -> String {
    format!("2.{over_ms:x}.{no:x}")
}

fn read_after(text: &str) -> Option<(i64, i64)> {
    let (over_ms, no) = text.strip_prefix("2.")?.split_once('.')?;
    let number = |text| {
        i64::from_str_radix(text, 16)
            .ok()
            .filter(|number| *number >= 0)
    };
    let after = (number(over_ms)?, number(no)?);
    // One spelling only, so that nothing else passes for a page's end.
    (write_after(after) == text).then_some(after)
}

/// A question about deadlines, made ready to be asked.
struct Question {
    scope: Scope,
    within: Option<BTreeSet<UnitId>>,
    desk: Option<UnitId>,
    kind: Option<Kind>,
    state: Option<String>,
    until_ms: i64,
    after: (i64, i64),
    limit: usize,
}

impl Question {
    fn answer(&self, index: &IndexRead) -> Result<DeadlinePage, StoreError> {
        let place = index.place()?;
        let (mut found, mut after) = (Vec::new(), self.after);
        let (mut next, mut more) = (None, true);
        while more {
            let page = index.list_over(after, self.until_ms, STEP)?;
            more = page.len() == STEP;
            for (over_ms, no) in page {
                after = (over_ms, no);
                let Some(row) = index.find_row(no)? else {
                    continue;
                };
                let is_wanted = self.scope.contains(row.kind, row.unit, row.desk)
                    && self.kind.is_none_or(|kind| kind == row.kind)
                    && self.desk.is_none_or(|desk| row.desk == Some(desk))
                    && self
                        .state
                        .as_ref()
                        .is_none_or(|state| row.state.as_ref() == Some(state))
                    && self
                        .within
                        .as_ref()
                        .is_none_or(|units| units.contains(&row.unit));
                if !is_wanted {
                    continue;
                }
                if found.len() == self.limit {
                    // Another one follows: the page ends with the one before it.
                    let last: &(Deadline, i64) = &found[self.limit - 1];
                    next = Some(write_after((last.0.due_ms, last.1)));
                    more = false;
                    break;
                }
                let deadline = Deadline {
                    record: summary(row),
                    due_ms: over_ms,
                };
                found.push((deadline, no));
            }
        }
        Ok(DeadlinePage {
            deadlines: found.into_iter().map(|(deadline, _)| deadline).collect(),
            next,
            pos: if place.next_no == 0 { place.pos.0 } else { 0 },
        })
    }
}

impl Gridwork {
    pub(super) async fn list_deadlines_of(
        &self,
        caller: Caller,
        query: DeadlineQuery,
    ) -> Result<DeadlinePage, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let kind = match query.kind.as_deref() {
            None => None,
            Some(name) => match Kind::from_text(name) {
                None | Some(Kind::Unknown) => return Err(invalid("kind", "not a kind of record")),
                known => known,
            },
        };
        let after = match &query.after {
            None => (-1, 0),
            Some(text) => {
                read_after(text).ok_or_else(|| invalid("after", "not the `next` of a page"))?
            }
        };
        let limit = query.limit.unwrap_or(RECORD_PAGE_DEFAULT);
        let directory = Arc::clone(&district.state().directory);
        let question = Question {
            scope: self.scope_of(&district, &caller),
            within: query
                .unit
                .map(|unit| directory.subtree(UnitId(unit)).collect()),
            desk: query.desk.map(UnitId),
            kind,
            state: query.state,
            until_ms: query.until_ms.unwrap_or(i64::MAX),
            after,
            limit: limit.clamp(1, RECORD_PAGE_MAX) as usize,
        };
        let projection = Arc::clone(&background.projection);
        projection.wait_for(district.state().head.0).await;
        let read = move || projection.read(|index| question.answer(index));
        let found = tokio::task::spawn_blocking(read)
            .await
            .map_err(panicked)??;
        Ok(found.unwrap_or_else(|| DeadlinePage {
            deadlines: Vec::new(),
            next: None,
            pos: 0,
        }))
    }

    pub(super) async fn find_duplicates_of(
        &self,
        caller: Caller,
        query: DuplicateQuery,
    ) -> Result<DuplicateList, ServiceError> {
        let out_of_range = |value: i32, max: i32| value.unsigned_abs() > max.unsigned_abs();
        if out_of_range(query.latitude_e7, 900_000_000) {
            return Err(invalid("latitude_e7", "not a latitude"));
        }
        if out_of_range(query.longitude_e7, 1_800_000_000) {
            return Err(invalid("longitude_e7", "not a longitude"));
        }
        let accuracy_m = query.accuracy_m.unwrap_or(0);
        if accuracy_m > 10_000 {
            return Err(invalid("accuracy_m", "more than 10,000 m"));
        }
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let scope = self.scope_of(&district, &caller);
        let documents = district.documents();
        let now_ms = self.clock.wall_ms();
        let own = query.record.map(RecordId);
        let new = Sighting {
            // No record has this number.
            id: 0,
            category: query.category,
            place: Some(Place {
                latitude_e7: i64::from(query.latitude_e7),
                longitude_e7: i64::from(query.longitude_e7),
                accuracy_m: i64::from(accuracy_m),
            }),
            address: None,
            time_ms: now_ms,
        };
        let projection = Arc::clone(&background.projection);
        projection.wait_for(district.state().head.0).await;
        let read = move |index: &IndexRead| {
            let from = first_key_at(now_ms - duplicates::RECENT_MS);
            let reports = index.list_sighted(&new.category, from, REPORTS_MAX)?;
            let is_open = |state: &str| {
                let state = documents
                    .workflow(Kind::Report)
                    .and_then(|workflow| workflow.state(state));
                state.is_some_and(|state| state.has_work())
            };
            let open = reports
                .into_iter()
                .filter(|report| is_open(&report.state) && Some(report.id) != own)
                .map(|report| Sighting {
                    id: report.no,
                    category: report.category,
                    place: report.place,
                    address: None,
                    time_ms: report.time_ms,
                });
            let mut hints = Vec::new();
            for hint in duplicates::hints(&new, open) {
                let row = index.find_row(hint.id)?;
                // Whoever may not read it is not told that it is there.
                let row = row.filter(|row| scope.contains(row.kind, row.unit, row.desk));
                hints.extend(row.map(|row| DuplicateHint {
                    record: summary(row),
                    distance_m: hint.distance_m,
                    age_ms: hint.age_ms,
                }));
            }
            Ok(DuplicateList { hints })
        };
        let work = move || projection.read(read);
        let found = tokio::task::spawn_blocking(work)
            .await
            .map_err(panicked)??;
        Ok(found.unwrap_or_else(|| DuplicateList { hints: Vec::new() }))
    }
}

fn panicked(source: tokio::task::JoinError) -> ServiceError {
    ServiceError::Internal {
        what: "a reader panicked",
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_ends_are_read() {
        let after = (0x19a_0000, 17);
        assert_eq!(read_after(&write_after(after)), Some(after));
        for bad in [
            "", "2.", "2.1", "2.-1.1", "2.01.1", "1.1.1", "2.1.1.1", "2.A.1",
        ] {
            assert_eq!(read_after(bad), None, "{bad:?}");
        }
    }
}
