//! Patrol rounds in the projection's file: one row a round for the calendar of coverage, its open doubts, and the photos of
//! its check-ins, by which a photo is found that stands in two rounds.

use super::IndexRead;
use super::index::IndexWrite;
use crate::store::StoreError;
use chrono::{Datelike, NaiveDate};
use rusqlite::{Connection, Rows, params};
use std::collections::BTreeSet;
use sync_core::change::Hash;
use sync_core::ids::{PersonId, Pos, RecordId, UnitId};
use sync_core::patrols::Completion;
use sync_core::patrols::coverage::{Planned, RoundLine};

/// Days are counted as chrono does, so that a range of them is a range of numbers.
pub(super) const SCHEMA: &str = "
    CREATE TABLE round (
        no INTEGER PRIMARY KEY,
        record BLOB NOT NULL,
        day INTEGER NOT NULL,
        team TEXT NOT NULL,
        slot TEXT NOT NULL,
        unit INTEGER NOT NULL,
        state TEXT NOT NULL,
        completion INTEGER NOT NULL,
        people INTEGER NOT NULL,
        people_min INTEGER NOT NULL,
        must INTEGER NOT NULL,
        visited INTEGER NOT NULL,
        open_doubts INTEGER NOT NULL,
        missed_reason TEXT
    ) STRICT;
    CREATE INDEX round_day ON round (day, no);

    -- Doubts that nobody has settled, the oldest first.
    CREATE TABLE doubt (
        time_ms INTEGER NOT NULL,
        no INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        kind TEXT NOT NULL,
        about TEXT NOT NULL,
        person INTEGER NOT NULL,
        PRIMARY KEY (time_ms, no, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX doubt_no ON doubt (no);

    -- Tracks that are still there, and when they are to be erased.
    CREATE TABLE track (pos INTEGER PRIMARY KEY, no INTEGER NOT NULL, due_ms INTEGER NOT NULL) STRICT;
    CREATE INDEX track_no ON track (no);
    CREATE INDEX track_due ON track (due_ms);

    CREATE TABLE check_in_photo (
        sha256 BLOB NOT NULL,
        no INTEGER NOT NULL,
        PRIMARY KEY (sha256, no)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX check_in_photo_no ON check_in_photo (no);
";

/// A round in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundRow {
    /// The unit that its record belongs to.
    pub unit: UnitId,
    /// Must-points of its route.
    pub must: u32,
    /// Those of them that were visited.
    pub visited: u32,
    /// What the calendar of coverage looks at.
    pub line: RoundLine<RecordId>,
}

/// A doubt that nobody has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubtRow {
    /// Of what kind.
    pub kind: String,
    /// The element that it is about.
    pub about: String,
    /// Whose check-in or joining that is.
    pub person: PersonId,
    /// When that was.
    pub time_ms: i64,
}

/// Where a doubt stands among all: its time, the number of its record, its place among those of the record.
pub type DoubtKey = (i64, i64, u32);

/// What the projection holds of one round.
#[derive(Clone, Debug)]
pub struct ProjectedRound {
    /// Its line.
    pub row: RoundRow,
    /// Its open doubts.
    pub doubts: Vec<DoubtRow>,
    /// The photos of its check-ins.
    pub photos: BTreeSet<Hash>,
    /// The changes with tracks that are still there, and when these are to be erased.
    pub tracks: Vec<(Pos, i64)>,
}

/// What is known of a round takes the place of what was.
pub(super) fn put(
    connection: &Connection,
    no: i64,
    round: Option<&ProjectedRound>,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM round WHERE no = ?1",
        "DELETE FROM doubt WHERE no = ?1",
        "DELETE FROM check_in_photo WHERE no = ?1",
        "DELETE FROM track WHERE no = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([no])?;
    }
    let Some(round) = round else { return Ok(()) };
    let (row, line) = (&round.row, &round.row.line);
    connection
        .prepare_cached(
            "INSERT INTO round (no, record, day, team, slot, unit, state, completion, people, people_min, must, visited,
                open_doubts, missed_reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            no,
            &line.id.as_bytes()[..],
            line.planned.day.num_days_from_ce(),
            line.planned.team,
            line.planned.slot,
            row.unit.0,
            line.state,
            completion_code(line.completion),
            line.people,
            line.people_min,
            row.must,
            row.visited,
            line.open_doubts,
            line.missed_reason,
        ])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO doubt (time_ms, no, ordinal, kind, about, person) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (ordinal, doubt) in round.doubts.iter().enumerate() {
        insert.execute(params![
            doubt.time_ms,
            no,
            ordinal as i64,
            doubt.kind,
            doubt.about,
            doubt.person.0
        ])?;
    }
    let mut insert = connection
        .prepare_cached("INSERT OR IGNORE INTO check_in_photo (sha256, no) VALUES (?1, ?2)")?;
    for photo in &round.photos {
        insert.execute(params![&photo.0[..], no])?;
    }
    for (pos, due_ms) in &round.tracks {
        connection
            .prepare_cached("INSERT INTO track (pos, no, due_ms) VALUES (?1, ?2, ?3)")?
            .execute(params![pos.0 as i64, no, due_ms])?;
    }
    Ok(())
}

fn completion_code(completion: Completion) -> u8 {
    match completion {
        Completion::Short => 1,
        Completion::Partial => 2,
        Completion::Complete => 3,
    }
}

fn completion_of(code: u8) -> Option<Completion> {
    let all = [Completion::Short, Completion::Partial, Completion::Complete];
    all.into_iter().find(|each| completion_code(*each) == code)
}

impl IndexWrite {
    /// The rounds whose check-ins show a photo.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_rounds_with(&self, photo: Hash) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT no FROM check_in_photo WHERE sha256 = ?1 ORDER BY no";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([&photo.0[..]], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The photos that a round's check-ins showed so far.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_check_in_photos(&self, no: i64) -> Result<BTreeSet<Hash>, StoreError> {
        let sql = "SELECT sha256 FROM check_in_photo WHERE no = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        read_photos(statement.query([no])?, no)
    }
}

fn read_photos(mut rows: Rows<'_>, no: i64) -> Result<BTreeSet<Hash>, StoreError> {
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(0)?;
        let photo = Hash::from_slice(&bytes);
        found.insert(photo.ok_or_else(|| StoreError::corrupt("check_in_photo", no, "a hash"))?);
    }
    Ok(found)
}

impl IndexRead {
    /// The changes whose tracks were to be erased by now.
    ///
    /// # Errors
    /// The database's own.
    pub fn list_tracks_due(&self, now_ms: i64) -> Result<Vec<Pos>, StoreError> {
        let sql = "SELECT pos FROM track WHERE due_ms <= ?1 ORDER BY due_ms, pos";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([now_ms], |row| row.get::<_, i64>(0))?;
        let rows = rows.map(|pos| pos.map(|pos| Pos(pos as u64)));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The photos of a round that another round shows as well.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn list_shared_photos(&self, no: i64) -> Result<BTreeSet<Hash>, StoreError> {
        let sql = "SELECT own.sha256 FROM check_in_photo own WHERE own.no = ?1 AND EXISTS
             (SELECT 1 FROM check_in_photo other WHERE other.sha256 = own.sha256 AND other.no <> ?1)";
        let mut statement = self.connection.prepare_cached(sql)?;
        read_photos(statement.query([no])?, no)
    }

    /// Hands every round of some days to `take`, by day and number.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn scan_rounds(
        &self,
        days: std::ops::RangeInclusive<NaiveDate>,
        mut take: impl FnMut(RoundRow),
    ) -> Result<(), StoreError> {
        let sql = "SELECT no, record, day, team, slot, unit, state, completion, people, people_min, must, visited,
                open_doubts, missed_reason
             FROM round WHERE day BETWEEN ?1 AND ?2 ORDER BY day, no";
        let mut statement = self.connection.prepare_cached(sql)?;
        let (from, to) = (
            days.start().num_days_from_ce(),
            days.end().num_days_from_ce(),
        );
        let mut rows = statement.query([from, to])?;
        while let Some(row) = rows.next()? {
            let no: i64 = row.get(0)?;
            let wrong = |what| StoreError::corrupt("round", no, what);
            let id = row.get_ref(1)?.as_blob().map_err(|_| wrong("record"))?;
            let day = NaiveDate::from_num_days_from_ce_opt(row.get(2)?);
            take(RoundRow {
                unit: UnitId(row.get(5)?),
                must: row.get(10)?,
                visited: row.get(11)?,
                line: RoundLine {
                    id: RecordId::from_slice(id).ok_or_else(|| wrong("record"))?,
                    planned: Planned {
                        day: day.ok_or_else(|| wrong("day"))?,
                        team: row.get(3)?,
                        slot: row.get(4)?,
                    },
                    state: row.get(6)?,
                    completion: completion_of(row.get(7)?).ok_or_else(|| wrong("completion"))?,
                    people: row.get(8)?,
                    people_min: row.get(9)?,
                    open_doubts: row.get(12)?,
                    missed_reason: row.get(13)?,
                },
            });
        }
        Ok(())
    }

    /// Hands open doubts to `take` with record, unit and team of the round, the oldest first and from after a key on,
    /// until `take` says stop.
    ///
    /// # Errors
    /// The database's own, or a corrupt row.
    pub fn scan_doubts(
        &self,
        after: Option<DoubtKey>,
        mut take: impl FnMut(DoubtKey, DoubtRow, (RecordId, UnitId, String)) -> bool,
    ) -> Result<(), StoreError> {
        let sql =
            "SELECT d.time_ms, d.no, d.ordinal, d.kind, d.about, d.person, r.record, r.unit, r.team
             FROM doubt d JOIN round r ON r.no = d.no
             WHERE (d.time_ms, d.no, d.ordinal) > (?1, ?2, ?3) ORDER BY d.time_ms, d.no, d.ordinal";
        let after = after.unwrap_or((i64::MIN, 0, 0));
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.0, after.1, after.2])?;
        while let Some(row) = rows.next()? {
            let key: DoubtKey = (row.get(0)?, row.get(1)?, row.get(2)?);
            let wrong = || StoreError::corrupt("doubt", key.1, "record");
            let id = row.get_ref(6)?.as_blob().map_err(|_| wrong())?;
            let round = (
                RecordId::from_slice(id).ok_or_else(wrong)?,
                UnitId(row.get(7)?),
                row.get(8)?,
            );
            let doubt = DoubtRow {
                kind: row.get(3)?,
                about: row.get(4)?,
                person: PersonId(row.get(5)?),
                time_ms: key.0,
            };
            if !take(key, doubt, round) {
                break;
            }
        }
        Ok(())
    }
}
