//! `GET /v1/inbox` and `POST /v1/rulings` as the engine sees them.

use super::changes::texts_of;
use super::inbox::step_change;
use crate::language::Language;
use crate::service::context::{LogView, read_ruling};
use crate::service::detail::{mark_names, problems, value_of, verdict_name, written};
use crate::service::gridwork::Gridwork;
use crate::service::projection::describe;
use crate::service::records::summary;
use crate::service::rulings::{self, may_rule};
use crate::service::{Caller, ServiceError};
use crate::store::StoreError;
use crate::store::sqlite::inbox::{InboxRow, InboxSort};
use api_schema::change::BaseRequest;
use api_schema::inbox::{
    self, INBOX_PAGE_DEFAULT, INBOX_PAGE_MAX, InboxChange, InboxItem, InboxPage, InboxQuery,
    RulingAnswer, RulingChoice, RulingRequest,
};
use api_schema::problem::FieldProblem;
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::change::Header;
use sync_core::entry::RulingKind;
use sync_core::ids::{PersonId, Pos, ReplicaId, Seq, UnitId};
use sync_core::kinds::Kind;
use sync_core::merge::RecordState;
use sync_core::messages::Catalogue;
use sync_core::payload::Payload;
use uuid::Uuid;

/// How long something may wait before it is marked.
const LATE_MS: i64 = 72 * 3_600_000;

impl Gridwork {
    pub(super) async fn list_inbox_of(
        &self,
        caller: Caller,
        query: InboxQuery,
        language: Language,
    ) -> Result<InboxPage, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        let head = district.state().head.0;
        background.projection.wait_for(head).await;
        let above = query.after.as_deref().map_or(Ok(-1), read_after)?;
        let limit = query.limit.unwrap_or(INBOX_PAGE_DEFAULT);
        let limit = limit.clamp(1, INBOX_PAGE_MAX) as usize;
        let scope = self.scope_of(&district, &caller);
        let now_ms = self.clock.wall_ms();
        let directory = Arc::clone(&district.state().directory);
        let within: Option<BTreeSet<UnitId>> =
            (query.unit).map(|unit| directory.subtree(UnitId(unit)).collect());
        let sort = query.sort.map(sort_of);
        let wants = move |item: &InboxRow| {
            let person = PersonId(caller.person);
            let unit = (item.unit.0 > 0).then_some(item.unit);
            let sees = match item.kind {
                // What nobody can say the kind of is for those who rule.
                Kind::Unknown => may_rule(&directory, person, RulingKind::Rejected, unit, now_ms),
                kind => scope.contains(kind, item.unit, item.desk),
            };
            sees && within
                .as_ref()
                .is_none_or(|within| within.contains(&item.unit))
        };
        let read = move || {
            background.projection.read(|index| {
                let mut found: Vec<(i64, InboxRow)> = Vec::new();
                index.scan_inbox(sort, above, |key, item| {
                    if wants(&item) {
                        found.push((key, item));
                    }
                    found.len() <= limit
                })?;
                let place = index.place()?;
                let pos = if place.next_no == 0 {
                    place.pos
                } else {
                    Pos(0)
                };
                Ok((found, pos))
            })
        };
        let found = tokio::task::spawn_blocking(read).await;
        let found = found.map_err(|source| ServiceError::Internal {
            what: "a reader panicked",
            source: Box::new(source),
        })??;
        let (mut rows, pos) = found.unwrap_or_default();
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| has_more)
            .map(|(key, _)| write_after(*key));
        let reader = Arc::clone(&district);
        let items = district
            .read(move |read, state| {
                let view = reader.view(read, state);
                let mut items = Vec::with_capacity(rows.len());
                for (_, row) in rows {
                    items.extend(item(&view, row, now_ms, texts_of(language))?);
                }
                Ok(items)
            })
            .await?;
        Ok(InboxPage {
            items,
            next,
            pos: pos.0,
        })
    }

    pub(super) async fn rule_as(
        &self,
        caller: Caller,
        request: RulingRequest,
    ) -> Result<RulingAnswer, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let state = district.state();
        let replica = state.directory.replica_by_id(ReplicaId(request.replica));
        let no = replica.ok_or(ServiceError::NotFound)?.no;
        let seq = Seq(request.seq);
        let of = district
            .read(move |read, _| Ok(read.find_pos(no, seq)?))
            .await?;
        let of = of.ok_or(ServiceError::NotFound)?;
        let ruled = district.rule(rulings::RulingRequest {
            of,
            ruling: match request.ruling {
                RulingChoice::Admit => RulingKind::Admitted,
                RulingChoice::Reject => RulingKind::Rejected,
                RulingChoice::Seen => RulingKind::Seen,
            },
            by: PersonId(caller.person),
            reason: request.reason,
        });
        let pos = ruled.await?;
        let verdict = district
            .read(move |read, _| {
                let entry = read.find_entry(pos)?.ok_or(ServiceError::NotFound)?;
                Ok(read_ruling(&entry)?.verdict)
            })
            .await?;
        Ok(RulingAnswer {
            pos: pos.0,
            of: of.0,
            verdict: verdict_name(verdict).to_owned(),
        })
    }
}

/// Where the next page goes on: above this key. Opaque to the caller.
fn write_after(key: i64) -> String {
    format!("1.{key:x}")
}

fn read_after(after: &str) -> Result<i64, ServiceError> {
    let digits = after.strip_prefix("1.").unwrap_or_default();
    let key = i64::from_str_radix(digits, 16).ok();
    // One spelling only, so that nothing else passes for a page's end.
    key.filter(|key| *key >= 0 && write_after(*key) == after)
        .ok_or_else(|| ServiceError::FieldInvalid {
            errors: vec![FieldProblem {
                field: "after".into(),
                message: "not the `next` of a page".into(),
            }],
        })
}

fn sort_of(sort: inbox::InboxSort) -> InboxSort {
    match sort {
        inbox::InboxSort::Conflict => InboxSort::Conflict,
        inbox::InboxSort::NotApplied => InboxSort::NotApplied,
        inbox::InboxSort::Held => InboxSort::Held,
        inbox::InboxSort::Quarantined => InboxSort::Quarantined,
        inbox::InboxSort::Forked => InboxSort::Forked,
    }
}

fn told_sort(sort: InboxSort) -> inbox::InboxSort {
    match sort {
        InboxSort::Conflict => inbox::InboxSort::Conflict,
        InboxSort::NotApplied => inbox::InboxSort::NotApplied,
        InboxSort::Held => inbox::InboxSort::Held,
        InboxSort::Quarantined => inbox::InboxSort::Quarantined,
        InboxSort::Forked => inbox::InboxSort::Forked,
    }
}

/// One thing as the API tells it; `None` when it was settled since.
fn item(
    view: &LogView<'_>,
    row: InboxRow,
    now_ms: i64,
    texts: &Catalogue,
) -> Result<Option<InboxItem>, StoreError> {
    let record = row
        .no
        .map(|no| view.read.get_record_by_no(no))
        .transpose()?;
    let made = record
        .as_ref()
        .filter(|record| record.kind != Kind::Unknown);
    let state = made
        .map(|made| view.load_state(made))
        .transpose()?
        .flatten();
    let mut values = Vec::new();
    if row.sort == InboxSort::Conflict {
        let conflicts = state
            .as_ref()
            .map(RecordState::conflicts)
            .unwrap_or_default();
        let conflict = conflicts.into_iter().find(|each| each.field == row.field);
        let Some(conflict) = conflict else {
            return Ok(None);
        };
        let told = conflict.values.iter();
        values = told
            .map(|(stamp, value)| written(stamp, value_of(value.get())))
            .collect();
    }
    let Some(change) = change(view, row.pos, state.as_ref(), texts)? else {
        return Ok(None);
    };
    let base = view.facts.place(view.head);
    Ok(Some(InboxItem {
        sort: told_sort(row.sort),
        since_ms: row.since_ms,
        is_late: now_ms.saturating_sub(row.since_ms) > LATE_MS,
        unit: row.unit.0,
        record_id: record.as_ref().map(|record| record.id.0),
        record: made
            .zip(state.as_ref())
            .map(|(made, state)| summary(describe(made, state))),
        base: BaseRequest {
            epoch: base.epoch.0,
            pos: base.pos.0,
        },
        field: (!row.field.is_empty()).then_some(row.field),
        values,
        change,
    }))
}

fn change(
    view: &LogView<'_>,
    pos: Pos,
    state: Option<&RecordState>,
    texts: &Catalogue,
) -> Result<Option<InboxChange>, StoreError> {
    let Some(entry) = step_change(view, pos)? else {
        return Ok(None);
    };
    let present = view.present(&entry)?.answer;
    let replica = view.directory.replica(entry.replica);
    let payload = entry
        .body
        .as_deref()
        .and_then(|body| Payload::read(body).ok());
    let attempts = state.iter().flat_map(|state| &state.attempts);
    let attempt = attempts
        .into_iter()
        .find(|attempt| (attempt.stamp.replica, attempt.stamp.seq) == (entry.replica, entry.seq));
    let met = attempt.zip(state).and_then(|(attempt, state)| {
        let is_earlier =
            |step: &&sync_core::merge::Step| step.stamp.order() < attempt.stamp.order();
        let steps = || state.steps.iter().filter(|step| step.states.is_some());
        let before = steps().rfind(is_earlier);
        let states = before.and_then(|step| step.states.as_ref());
        let first = steps().next().and_then(|step| step.states.as_ref());
        states
            .map(|(_, to)| to.clone())
            .or_else(|| first.map(|(from, _)| from.clone()))
            .or_else(|| state.state.clone())
    });
    Ok(Some(InboxChange {
        pos: entry.pos.0,
        replica: replica.map_or(Uuid::nil(), |replica| replica.replica.0),
        seq: entry.seq.0,
        person: entry.person.0,
        intent: Header::decode(&entry.header)
            .map(|header| header.intent)
            .unwrap_or_default(),
        time_ms: entry.time_ms,
        received_ms: entry.received_ms,
        wanted: attempt
            .map(|attempt| attempt.to.clone())
            .filter(|to| !to.is_empty()),
        met,
        verdict: verdict_name(present.verdict).to_owned(),
        marks: mark_names(present.marks),
        problems: problems(&present, payload.as_ref(), texts),
    }))
}
