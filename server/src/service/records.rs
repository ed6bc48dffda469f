//! Lists and search: which rows of the projection a caller sees, newest first, page by page.

use super::gridwork::Gridwork;
use super::search_text::{
    category_fact, desk_fact, facts_expression, kind_fact, state_fact, text_expression, unit_fact,
};
use super::{Caller, ServiceError};
use crate::store::StoreError;
use crate::store::sqlite::index::{IndexRow, first_key_at};
use crate::store::sqlite::{IndexFacts, IndexRead, IndexStream};
use api_schema::problem::FieldProblem;
use api_schema::record::{
    RECORD_PAGE_DEFAULT, RECORD_PAGE_MAX, RecordPage, RecordQuery, RecordSummary,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use sync_core::directory::Directory;
use sync_core::ids::{Pos, UnitId};
use sync_core::kinds::Kind;
use sync_core::scope::Scope;

/// Up to so many units each gets a stream of its own: a town's, so that one that has hardly any records is found as fast as
/// one that has many. A wider scope holds so much of the district that looking through all finds it soon.
/// (In tests so many that a district of six units has callers on both sides.)
const UNITS_STREAMS_MAX: usize = if cfg!(test) { 4 } else { 256 };
/// Up to so many units hold fewer records than a desk has, or than show a conflict.
const UNITS_FEW: usize = if cfg!(test) { 1 } else { 16 };
/// Up to so many units are part of a question for words.
const UNITS_WORDS_MAX: usize = 64;

impl Gridwork {
    pub(super) async fn list_records_of(
        &self,
        caller: Caller,
        query: RecordQuery,
    ) -> Result<RecordPage, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let background = self.background(&district)?;
        background
            .projection
            .wait_for(district.state().head.0)
            .await;
        // The scope is that of now, however old the projection.
        let scope = self.scope_of(&district, &caller);
        let question = Question::new(&query, scope, &district.state().directory)?;
        let read = move || background.projection.read(|index| question.answer(index));
        let found = tokio::task::spawn_blocking(read).await.map_err(|source| {
            ServiceError::Internal {
                what: "a reader panicked",
                source: Box::new(source),
            }
        })??;
        Ok(found.unwrap_or_else(|| RecordPage {
            records: Vec::new(),
            next: None,
            pos: 0,
        }))
    }
}

/// A record in a line.
pub(super) fn summary(row: IndexRow) -> RecordSummary {
    RecordSummary {
        record: row.id.0,
        kind: row.kind.as_str().to_owned(),
        unit: row.unit.0,
        desk: row.desk.map(|desk| desk.0),
        state: row.state,
        category: row.category,
        title: row.title,
        time_ms: row.time_ms,
        pos: row.pos.0,
        conflicts: row.conflicts,
    }
}

pub(super) fn invalid(field: &str, message: &str) -> ServiceError {
    ServiceError::FieldInvalid {
        errors: vec![FieldProblem {
            field: field.to_owned(),
            message: message.to_owned(),
        }],
    }
}

/// Where the next page goes on: below this key. Opaque to the caller.
fn write_after(key: i64) -> String {
    format!("1.{key:x}")
}

fn read_after(after: &str) -> Option<i64> {
    let key = i64::from_str_radix(after.strip_prefix("1.")?, 16).ok()?;
    // One spelling only, so that nothing else passes for a page's end.
    (key >= 0 && write_after(key) == after).then_some(key)
}

/// A query, made ready to be asked.
struct Question {
    scope: Scope,
    within: Option<BTreeSet<UnitId>>,
    desk: Option<UnitId>,
    conflict: Option<bool>,
    kind: Option<Kind>,
    state: Option<String>,
    category: Option<String>,
    from: i64,
    below: i64,
    limit: usize,
    streams: Vec<IndexStream>,
}

impl Question {
    fn new(query: &RecordQuery, scope: Scope, directory: &Directory) -> Result<Self, ServiceError> {
        let kind = match query.kind.as_deref() {
            None => None,
            Some(name) => match Kind::from_text(name) {
                None | Some(Kind::Unknown) => return Err(invalid("kind", "not a kind of record")),
                known => known,
            },
        };
        let mut below = query.to_ms.map_or(i64::MAX, first_key_at);
        if let Some(after) = &query.after {
            let after = read_after(after);
            below = below.min(after.ok_or_else(|| invalid("after", "not the `next` of a page"))?);
        }
        let limit = query
            .limit
            .unwrap_or(RECORD_PAGE_DEFAULT)
            .clamp(1, RECORD_PAGE_MAX);
        let mut question = Self {
            within: query
                .unit
                .map(|unit| directory.subtree(UnitId(unit)).collect()),
            desk: query.desk.map(UnitId),
            conflict: query.conflict,
            kind,
            state: query.state.clone(),
            category: query.category.clone(),
            from: query.from_ms.map_or(0, first_key_at),
            below,
            limit: limit as usize,
            streams: Vec::new(),
            scope,
        };
        question.streams = question.streams(query.text.as_deref());
        Ok(question)
    }

    fn of_kind(&self, kind: Kind) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
    }

    /// Which streams hold every record that is asked for, and as little else as the indexes allow.
    fn streams(&self, text: Option<&str>) -> Vec<IndexStream> {
        let within = |unit: &UnitId| {
            self.within
                .as_ref()
                .is_none_or(|within| within.contains(unit))
        };
        let of = |pairs: &mut dyn Iterator<Item = (Kind, UnitId)>| -> BTreeSet<UnitId> {
            pairs
                .filter(|(kind, _)| self.of_kind(*kind))
                .map(|(_, unit)| unit)
                .collect()
        };
        let mut units = of(&mut self.scope.places());
        units.retain(within);
        let desks = of(&mut self.scope.desks());
        let width = units.len() + desks.len();
        if width == 0 || self.from >= self.below {
            return Vec::new();
        }
        if let Some(text) = text {
            let narrow = (width <= UNITS_WORDS_MAX).then_some((units, desks));
            return self.words(text, narrow).into_iter().collect();
        }
        // Few records show a conflict, and a desk has fewer than most scopes; a few units may have fewer still.
        if let Some(desk) = self.desk
            && (width > UNITS_FEW || desks.contains(&desk))
        {
            return vec![self.desk_stream(desk)];
        }
        if self.conflict == Some(true) && (width > UNITS_FEW || !desks.is_empty()) {
            return vec![IndexStream::Conflict];
        }
        if width > UNITS_STREAMS_MAX {
            return vec![self.wide_stream()];
        }
        let units = units.into_iter().map(|unit| self.unit_stream(unit));
        units
            .chain(desks.into_iter().map(|desk| self.desk_stream(desk)))
            .collect()
    }

    fn wide_stream(&self) -> IndexStream {
        match (self.category.clone(), self.state.clone(), self.kind) {
            (Some(category), Some(state), _) => IndexStream::CategoryState(category, state),
            (Some(category), None, _) => IndexStream::Category(category),
            (None, Some(state), _) => IndexStream::State(state),
            (None, None, Some(kind)) => IndexStream::Kind(kind),
            (None, None, None) => IndexStream::All,
        }
    }

    fn unit_stream(&self, unit: UnitId) -> IndexStream {
        match (self.category.clone(), self.state.clone()) {
            (Some(category), _) => IndexStream::UnitCategory(unit, category),
            (None, Some(state)) => IndexStream::UnitState(unit, state),
            (None, None) => IndexStream::Unit(unit),
        }
    }

    fn desk_stream(&self, desk: UnitId) -> IndexStream {
        match (self.category.clone(), self.state.clone()) {
            (Some(category), Some(state)) => IndexStream::DeskCategoryState(desk, category, state),
            (None, Some(state)) => IndexStream::DeskState(desk, state),
            (Some(category), None) => IndexStream::DeskCategory(desk, category),
            (None, None) => IndexStream::Desk(desk),
        }
    }

    fn words(
        &self,
        text: &str,
        narrow: Option<(BTreeSet<UnitId>, BTreeSet<UnitId>)>,
    ) -> Option<IndexStream> {
        let mut parts = vec![text_expression(text)?];
        if let Some((units, desks)) = narrow {
            let units = units.into_iter().map(unit_fact);
            parts.push(facts_expression(
                units.chain(desks.into_iter().map(desk_fact)),
            ));
        }
        let facts = [
            self.kind.map(kind_fact),
            self.state.as_deref().map(state_fact),
            self.category.as_deref().map(category_fact),
            self.desk.map(desk_fact),
        ];
        parts.extend(
            facts
                .into_iter()
                .flatten()
                .map(|fact| facts_expression([fact])),
        );
        Some(IndexStream::Words(parts.join(" AND ")))
    }

    fn wants(&self, facts: IndexFacts<'_>) -> bool {
        self.scope.contains(facts.kind, facts.unit, facts.desk)
            && self.of_kind(facts.kind)
            && self
                .within
                .as_ref()
                .is_none_or(|within| within.contains(&facts.unit))
            && self.desk.is_none_or(|desk| facts.desk == Some(desk))
            && self
                .conflict
                .is_none_or(|wanted| wanted == (facts.conflicts > 0))
            && self
                .state
                .as_deref()
                .is_none_or(|state| facts.state == Some(state))
            && self
                .category
                .as_deref()
                .is_none_or(|category| facts.category == Some(category))
    }

    /// One page, and one row more, which says that another page follows.
    fn answer(&self, index: &IndexRead) -> Result<RecordPage, StoreError> {
        let place = index.place()?;
        let mut newest: BTreeMap<i64, IndexRow> = BTreeMap::new();
        for stream in &self.streams {
            // What lies below the page already found need not be looked at.
            let full = newest.len() > self.limit;
            let from = newest
                .first_key_value()
                .filter(|_| full)
                .map_or(self.from, |(key, _)| *key);
            index.scan(
                stream,
                from,
                self.below,
                |facts| self.wants(facts),
                |key, row| {
                    newest.insert(key, row);
                    if newest.len() > self.limit + 1 {
                        newest.pop_first();
                    }
                    // The stream falls: once its row is the least of a full page, the rest is of no use.
                    newest.len() <= self.limit
                        || newest
                            .first_key_value()
                            .is_some_and(|(least, _)| *least < key)
                },
            )?;
        }
        let next = if newest.len() > self.limit {
            newest.pop_first();
            newest.first_key_value().map(|(key, _)| write_after(*key))
        } else {
            None
        };
        let pos = if place.next_no == 0 {
            place.pos
        } else {
            Pos(0)
        };
        let records = newest.into_values().rev().map(summary).collect();
        Ok(RecordPage {
            records,
            next,
            pos: pos.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_ends_are_read() {
        assert_eq!(read_after(&write_after(0x1f)), Some(0x1f));
        assert_eq!(read_after(&write_after(i64::MAX)), Some(i64::MAX));
        for bad in [
            "",
            "1.",
            "1.-5",
            "1.+5",
            "1.05",
            "1.1F",
            "2.5",
            "5",
            "1.ffffffffffffffff",
            "1. 5",
        ] {
            assert_eq!(read_after(bad), None, "{bad:?}");
        }
    }
}
