//! Packs: what a week, month or quarter came to, as one text that is the same whenever it is made again from the log as it
//! stood at a place. Integers only, keys in order, shares in thousandths.

mod cases;
mod counts;
mod people;
mod period;
#[cfg(test)]
mod tests;
mod walk;
mod work;
#[cfg(test)]
mod work_tests;

pub use counts::{Counts, NAMES, Share};
pub use people::{Observed, SeenReplica};
pub use period::Period;

use crate::cases::CaseClock;
use crate::change::Hash;
use crate::directory::Directory;
use crate::documents::{Documents, Every};
use crate::ids::{Pos, RecordId, UnitId};
use crate::kinds::Kind;
use crate::merge::RecordState;
use crate::patrols::coverage::RoundLine;
use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How the text is made; another number where other rules make another text of the same log.
pub const FORMAT: u32 = 1;
/// Which share of the cases that were closed is drawn to be verified again, in thousandths; one at least.
const SAMPLE_PERMILLE: usize = 50;

/// Days, first to last, and the documents that they are reckoned under.
pub type DaysUnder = (RangeInclusive<NaiveDate>, Arc<Documents>);

/// What a pack is made under.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The week, month or quarter.
    pub period: &'a Period,
    /// Up to which place of the log records are as they are handed in.
    pub pos: Pos,
    /// Until when: the end of the period, or earlier while it lasts.
    pub until_ms: i64,
    /// The directory as of that place.
    pub directory: &'a Directory,
    /// The documents in force at the end.
    pub documents: &'a Documents,
    /// The documents that each day is reckoned under, all days of the period in runs.
    pub days_under: &'a [DaysUnder],
    /// What the log does not hold.
    pub observed: &'a Observed,
}

/// Counts records one after the other, in any order, and makes the text of it.
pub struct Tally<'a> {
    scene: Scene<'a>,
    span: (i64, i64),
    total: Counts,
    units: BTreeMap<UnitId, Counts>,
    shares: BTreeMap<&'static str, Share>,
    overdue: BTreeMap<(&'static str, RecordId), Value>,
    /// Cases that were closed in the period.
    closed: Vec<RecordId>,
    rounds: BTreeMap<RecordId, (UnitId, RoundLine<RecordId>)>,
}

/// The clock that runs for a record at a moment.
fn clock_at(record: &RecordState, documents: &Documents, at_ms: i64) -> Option<CaseClock> {
    CaseClock::of(record, documents, at_ms)
}

impl<'a> Tally<'a> {
    /// Nothing is counted yet.
    pub fn new(scene: Scene<'a>) -> Self {
        let zone = scene.documents.zone();
        let to_ms = scene.period.to_ms(zone).min(scene.until_ms);
        Self {
            span: (scene.period.from_ms(zone), to_ms),
            scene,
            total: Counts::default(),
            units: BTreeMap::new(),
            shares: BTreeMap::new(),
            overdue: BTreeMap::new(),
            closed: Vec::new(),
            rounds: BTreeMap::new(),
        }
    }

    fn since_ms(&self) -> i64 {
        self.span.0
    }

    fn until_ms(&self) -> i64 {
        self.span.1
    }

    fn is_within(&self, at_ms: i64) -> bool {
        (self.span.0..self.span.1).contains(&at_ms)
    }

    fn count(&mut self, unit: UnitId, name: &'static str, more: u64) {
        if more > 0 {
            self.total.add(name, more);
            self.units.entry(unit).or_default().add(name, more);
        }
    }

    fn share(&mut self, name: &'static str, is_part: bool) {
        self.shares.entry(name).or_default().add(is_part);
    }

    /// Counts one record, as it stands at the pack's place. `open_doubts` is what nobody has settled of a round.
    pub fn add(&mut self, id: RecordId, record: &RecordState, open_doubts: u32) {
        let Some(created) = record.created.filter(|made| made.time_ms < self.until_ms()) else {
            return;
        };
        let is_new = self.is_within(created.time_ms);
        let for_others = record
            .stamps()
            .filter(|stamp| stamp.whose.is_some() && self.is_within(stamp.time_ms))
            .count();
        let is_work = matches!(
            record.kind,
            Kind::Report
                | Kind::Patrol
                | Kind::Visit
                | Kind::Inspection
                | Kind::Mediation
                | Kind::Task
        );
        if !is_work {
            return;
        }
        self.count(record.unit, "for_others", for_others as u64);
        match record.kind {
            Kind::Report => {
                self.count(record.unit, "reported", u64::from(is_new));
                self.add_case(id, record);
            }
            Kind::Patrol => self.add_round(id, record, open_doubts),
            Kind::Visit => self.add_visit(record, is_new),
            Kind::Inspection => self.add_inspection(record, is_new),
            Kind::Mediation => self.add_mediation(record, is_new),
            _ => self.add_task(id, record),
        }
    }

    /// How often something was counted so far, rounds left out.
    pub fn total(&self) -> &Counts {
        &self.total
    }

    /// The text.
    pub fn finish(mut self) -> String {
        self.count_rounds();
        let period = self.scene.period;
        let mut pack = Map::new();
        let mut put = |name: &str, value: Value| pack.insert(name.to_owned(), value);
        put("format", FORMAT.into());
        put("label", period.label().into());
        put("pos", self.scene.pos.0.into());
        put("from", period.first.to_string().into());
        put("to", period.last.to_string().into());
        put("from_ms", self.span.0.into());
        put("until_ms", self.span.1.into());
        put("total", self.total.to_map().into());
        put("units", self.units_told());
        if period.every == Every::Quarter {
            put("access", self.access());
        } else {
            put("overdue", self.overdue.values().cloned().collect());
        }
        if period.every == Every::Week {
            put("not_synced", self.not_synced());
        } else {
            put("indicators", self.indicators());
        }
        if period.every == Every::Month {
            put("sample", self.sample());
        }
        Value::Object(pack).to_string()
    }

    fn units_told(&self) -> Value {
        let told = self.units.iter().map(|(number, counts)| {
            let unit = self.scene.directory.unit(*number);
            let mut told = counts.to_map();
            told.insert("unit".to_owned(), number.0.into());
            told.insert("code".to_owned(), json!(unit.map(|unit| &unit.code)));
            Value::Object(told)
        });
        told.collect()
    }

    /// What the document of indicators asks for; one whose measure nobody knows has nothing to share.
    fn indicators(&self) -> Value {
        let asked = self.scene.documents.indicators().iter();
        let told = asked.filter(|asked| !asked.retired).map(|asked| {
            let share = self.shares.get(asked.measure.as_str());
            let mut told = share.copied().unwrap_or_default().to_json();
            told["code"] = asked.code.as_str().into();
            told["measure"] = asked.measure.as_str().into();
            told
        });
        told.collect()
    }

    /// The cases to be verified again: those whose hash with the label is least, which nobody can choose.
    fn sample(&self) -> Value {
        let label = self.scene.period.label();
        let drawn = |id: &RecordId| {
            let id = id.to_string();
            let what = b"gridwork/sample/1";
            (Hash::of(&[what, label.as_bytes(), id.as_bytes()]).0, id)
        };
        let mut drawn: Vec<_> = self.closed.iter().map(drawn).collect();
        drawn.sort();
        let size = (drawn.len() * SAMPLE_PERMILLE).div_ceil(1_000);
        let records: Vec<String> = drawn.into_iter().take(size).map(|(_, id)| id).collect();
        json!({ "of": self.closed.len(), "permille": SAMPLE_PERMILLE, "records": records })
    }
}
