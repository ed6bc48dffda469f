//! One row of the record table: the server's image, and the columns that lists read without folding anything.

use super::ReplicaError;
use super::meta::Meta;
use crate::ids::{Epoch, LogPlace, PersonId, Pos, RecordId, UnitId};
use crate::kinds::Kind;
use crate::merge::{RecordState, Stamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Deserialize;
use std::borrow::Cow;

/// What lists read of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub kind: Kind,
    pub unit: UnitId,
    pub desk: Option<UnitId>,
    pub state: Option<String>,
    pub category: Option<String>,
    pub title: Option<String>,
    pub time_ms: i64,
    pub mine: bool,
    pub conflict: bool,
}

fn is_of(stamp: &Stamp, person: PersonId) -> bool {
    stamp.person == person || stamp.whose == Some(person)
}

impl Columns {
    pub fn of_state(state: &RecordState, person: PersonId) -> Self {
        let first = state
            .created
            .as_ref()
            .or_else(|| state.stamps().next())
            .copied();
        Self {
            kind: state.kind,
            unit: state.unit,
            desk: state.desk,
            state: state.state.clone(),
            category: state.shown_text("category"),
            title: state.shown_text("title"),
            time_ms: first.map_or(0, |stamp| stamp.time_ms),
            mine: first.is_some_and(|stamp| is_of(&stamp, person)),
            conflict: state.has_conflict(),
        }
    }

    /// The columns of an image, reading no more of it than they need where that is possible. An image that this
    /// version cannot read gives columns that no list shows: its bytes are kept all the same.
    pub fn of_image(image: &[u8], person: PersonId) -> Self {
        match Peek::read(image) {
            Some(peek) => peek.columns(person),
            None => RecordState::from_image(image)
                .map(|state| Self::of_state(&state, person))
                .unwrap_or_else(|_| Self::unreadable()),
        }
    }

    pub fn unreadable() -> Self {
        Self {
            kind: Kind::Unknown,
            unit: UnitId(0),
            desk: None,
            state: None,
            category: None,
            title: None,
            time_ms: 0,
            mine: false,
            conflict: false,
        }
    }
}

/// The part of an image that lists need; everything else is skipped unread. Serves the common image only: one with a
/// maker and at most one visible write, so that the first value of a field is the shown one.
#[derive(Deserialize)]
struct Peek<'a> {
    k: Kind,
    u: u32,
    #[serde(default)]
    d: Option<u32>,
    c: Stamp,
    #[serde(borrow, default)]
    w: Vec<PeekWrite<'a>>,
    #[serde(borrow, default)]
    q: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct PeekWrite<'a> {
    #[serde(borrow)]
    f: PeekFields<'a>,
}

#[derive(Deserialize)]
struct PeekFields<'a> {
    #[serde(borrow, default)]
    category: Option<Text<'a>>,
    #[serde(borrow, default)]
    title: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Peek<'a> {
    fn read(image: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(image)
            .ok()
            .filter(|peek: &Self| peek.w.len() <= 1)
    }

    fn columns(self, person: PersonId) -> Columns {
        let text = |text: Text<'_>| text.0.into_owned();
        let (category, title) = self
            .w
            .into_iter()
            .next()
            .map_or((None, None), |write| (write.f.category, write.f.title));
        Columns {
            kind: self.k,
            unit: UnitId(self.u),
            desk: self.d.map(UnitId),
            state: self.q.map(text),
            category: category.map(text),
            title: title.map(text),
            time_ms: self.c.time_ms,
            mine: is_of(&self.c, person),
            conflict: false,
        }
    }
}

/// A row as read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub no: i64,
    /// The epoch and place of the image; place 0 where there is none.
    pub place: LogPlace,
    pub image: Option<Vec<u8>>,
    pub in_scope: bool,
    pub frozen: bool,
    pub stale: bool,
    /// Up to where the copy is complete, where the cursor does not say so.
    pub complete: LogPlace,
}

pub(super) fn read(
    connection: &Connection,
    record: RecordId,
) -> Result<Option<Row>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT no, epoch, pos, image, in_scope, frozen, stale, complete_epoch, complete_pos
             FROM record WHERE id = ?1",
        )?
        .query_row([&record.as_bytes()[..]], |row| {
            Ok(Row {
                no: row.get(0)?,
                place: place(row, 1)?,
                image: row.get(3)?,
                in_scope: row.get(4)?,
                frozen: row.get(5)?,
                stale: row.get(6)?,
                complete: place(row, 7)?,
            })
        })
        .optional()
}

/// Reads an epoch and a place from two neighbouring columns.
pub(super) fn place(row: &rusqlite::Row<'_>, index: usize) -> rusqlite::Result<LogPlace> {
    Ok(LogPlace {
        epoch: Epoch(row.get(index)?),
        pos: Pos(row.get::<_, i64>(index + 1)? as u64),
    })
}

/// Reads a record's id from a column.
pub(super) fn id(row: &rusqlite::Row<'_>, index: usize) -> Result<RecordId, ReplicaError> {
    let bytes: [u8; 16] = row.get(index)?;
    Ok(RecordId(uuid::Uuid::from_bytes(bytes)))
}

/// What is to stand in a row: the server's side of it.
#[derive(Clone, Debug)]
pub(super) struct Stored<'a> {
    pub place: LogPlace,
    pub image: Option<&'a [u8]>,
    pub in_scope: bool,
    pub frozen: bool,
    pub stale: bool,
    pub complete: LogPlace,
    pub columns: &'a Columns,
}

/// Writes a row, new or not, and keeps the digest of the scope in step.
pub(super) fn write(
    connection: &Connection,
    meta: &mut Meta,
    record: RecordId,
    before: Option<&Row>,
    stored: &Stored<'_>,
) -> Result<(), ReplicaError> {
    if let Some(before) = before {
        uncount(meta, record, before);
    }
    if stored.in_scope && stored.image.is_some() {
        meta.digest.add(record, stored.place.pos);
    }
    let columns = stored.columns;
    let mut statement = match before {
        Some(_) => connection.prepare_cached(
            "UPDATE record SET epoch = ?2, pos = ?3, image = ?4, in_scope = ?5, frozen = ?6, stale = ?7,
                asked = asked * ?7, round = ?8, complete_epoch = ?9, complete_pos = ?10, kind = ?11, unit = ?12,
                desk = ?13, state = ?14, category = ?15, title = ?16, time_ms = ?17, mine = ?18, pending = 0,
                conflict = ?19 WHERE id = ?1",
        )?,
        None => connection.prepare_cached(
            "INSERT INTO record (id, epoch, pos, image, in_scope, frozen, stale, asked, round, complete_epoch,
                complete_pos, kind, unit, desk, state, category, title, time_ms, mine, pending, conflict)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, 0, ?19)",
        )?,
    };
    statement.execute(params![
        &record.as_bytes()[..],
        stored.place.epoch.0,
        stored.place.pos.0 as i64,
        stored.image,
        stored.in_scope,
        stored.frozen,
        stored.stale,
        meta.round,
        stored.complete.epoch.0,
        stored.complete.pos.0 as i64,
        columns.kind as i64,
        columns.unit.0,
        columns.desk.map(|desk| desk.0),
        columns.state,
        columns.category,
        columns.title,
        columns.time_ms,
        columns.mine,
        columns.conflict,
    ])?;
    Ok(())
}

/// Takes a row's share out of the digest, before it is changed or removed.
pub(super) fn uncount(meta: &mut Meta, record: RecordId, row: &Row) {
    if row.in_scope && row.image.is_some() {
        meta.digest.remove(record, row.place.pos);
    }
}

/// Removes a row.
pub(super) fn remove(
    connection: &Connection,
    meta: &mut Meta,
    record: RecordId,
    row: &Row,
) -> Result<(), rusqlite::Error> {
    uncount(meta, record, row);
    connection
        .prepare_cached("DELETE FROM record WHERE no = ?1")?
        .execute([row.no])?;
    Ok(())
}

/// Makes a row for a record of which nothing is held: own work only, or one to be asked for.
pub(super) fn insert_empty(
    connection: &Connection,
    meta: &mut Meta,
    record: RecordId,
    stale: bool,
) -> Result<(), ReplicaError> {
    write(
        connection,
        meta,
        record,
        None,
        &Stored {
            place: LogPlace::default(),
            image: None,
            in_scope: false,
            frozen: false,
            stale,
            complete: LogPlace::default(),
            columns: &Columns::unreadable(),
        },
    )
}

/// Marks a record as not whole, so that it is asked for as an image. Its copy counts as complete up to `complete`.
pub(super) fn mark_stale(
    connection: &Connection,
    record: RecordId,
    complete: LogPlace,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "UPDATE record SET stale = 1, asked = 0,
                complete_pos = CASE WHEN (complete_epoch, complete_pos) < (?2, ?3) THEN ?3 ELSE complete_pos END,
                complete_epoch = max(complete_epoch, ?2)
             WHERE id = ?1 AND stale = 0",
        )?
        .execute(params![
            &record.as_bytes()[..],
            complete.epoch.0,
            complete.pos.0 as i64
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ReplicaNo, Seq};
    use crate::merge::{Act, Event};
    use crate::payload::Payload;

    #[test]
    fn the_short_way_to_the_columns_agrees_with_the_long_one() {
        let stamp = Stamp {
            place: LogPlace {
                epoch: Epoch(1),
                pos: Pos(9),
            },
            first_place: None,
            time_ms: 77,
            person: PersonId(4),
            whose: None,
            replica: ReplicaNo(2),
            seq: Seq(1),
        };
        for fields in [
            r#"{"category":"SAN-01","title":"a \"quoted\" 标题","place":{"latitude_e7":1}}"#,
            r#"{"category":"SAN-01"}"#,
            r#"{"category":7,"title":["x"]}"#,
            "{}",
        ] {
            let event = Event {
                stamp,
                base: LogPlace::default(),
                unit: UnitId(5),
                act: Act::Create {
                    kind: Kind::Report,
                    state: Some("SUBMITTED".into()),
                    fields: Payload::read(fields.as_bytes()).expect("json"),
                },
            };
            let state = RecordState::advance(None, event);
            for person in [4, 5].map(PersonId) {
                assert_eq!(
                    Columns::of_image(&state.to_image(), person),
                    Columns::of_state(&state, person),
                    "{fields}"
                );
            }
        }
        assert_eq!(
            Columns::of_image(b"{\"k\":\"later\"}", PersonId(1)),
            Columns::unreadable()
        );
    }
}
