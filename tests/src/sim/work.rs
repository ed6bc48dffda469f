//! What a person does on a phone: picks a record that the phone holds, and makes one change with a text that stands in
//! no other, by which it is found again in the server's log.

use super::district::{DEPARTMENTS, GRIDS, home_grid};
use super::other_work;
use super::plan::Work;
use super::world::World;
use serde_json::{Map, Value, json};
use server::demo::Dice;
use std::sync::OnceLock;
use sync_core::change::{ChangeId, Hash, Needs, PartClass};
use sync_core::ids::{LogPlace, RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::replica::{Draft, Filter, ListRow, Replica, SealedDraft};
use sync_core::words::Standing;

const CATEGORIES: [&str; 6] = ["SAN-01", "FAC-02", "FAC-03", "FIR-01", "ORD-01", "MED-01"];

/// One row of the case workflow, as the document has it.
struct Step {
    from: String,
    to: String,
    requires: Vec<String>,
}

fn steps() -> &'static [Step] {
    static STEPS: OnceLock<Vec<Step>> = OnceLock::new();
    STEPS.get_or_init(|| {
        let (_, text) = sync_core::documents::DEFAULTS
            .iter()
            .find(|(name, _)| *name == "case_workflow")
            .expect("BUG: no case workflow");
        let document: Value = serde_json::from_str(text).expect("BUG: a document is JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows = document["transitions"].as_array().expect("BUG: no steps");
        rows.iter()
            .map(|row| Step {
                from: text(&row["from"]),
                to: text(&row["to"]),
                requires: row["requires"]
                    .as_array()
                    .map(|names| names.iter().map(text).collect())
                    .unwrap_or_default(),
            })
            .collect()
    })
}

/// What is about to be made.
pub struct Wish {
    /// The draft, its open part still empty.
    pub draft: Draft,
    /// The open part.
    pub fields: Map<String, Value>,
    /// The text by which it is found again.
    pub mark: String,
}

pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("BUG: fields are an object"),
    }
}

pub(super) fn any<'a>(dice: &mut Dice, rows: &'a [ListRow]) -> Option<&'a ListRow> {
    (!rows.is_empty()).then(|| dice.pick(rows))
}

impl World {
    /// Decides what a piece of work comes to on this phone; `None` when there is nothing to do it to.
    pub(super) fn wish(&mut self, index: usize, work: Work, pick: u32) -> Option<Wish> {
        let mut dice = Dice::new(u64::from(pick));
        let mark = format!("m{}-{}#", index, self.made.len());
        let at = self.phones[index].clocks(&self.server);
        let person = self.phones[index].person;
        let home = home_grid(person, pick >> 8);
        let new = self.phones[index].new_record(&at);
        let replica = self.phones[index].replica.as_ref()?;
        let rows = |kind| replica.list(&Filter::of(kind)).unwrap_or_default();
        let make = |record, unit, intent: &str, value: Value| {
            Some(Wish {
                draft: Draft::new(record, unit, intent, Vec::new()),
                fields: fields(value),
                mark: mark.clone(),
            })
        };
        match work {
            Work::Report => make(new, home, "report.create", report(&mut dice, &mark)),
            Work::Poison => {
                let far = if home == UnitId(11) { 7 } else { 11 };
                make(new, UnitId(far), "report.create", report(&mut dice, &mark))
            }
            Work::Sealed => {
                let mut wish = make(new, home, "report.create", report(&mut dice, &mark))?;
                let salt = dice.next_u64().to_be_bytes().repeat(2);
                wish.draft.sealed.push(SealedDraft {
                    class: *dice.pick(&[PartClass::PERSON, PartClass::WHEREABOUTS]),
                    salt: salt.try_into().expect("BUG: twice 8 is 16"),
                    bytes: br#"{"contact":"13800000000"}"#.to_vec(),
                });
                Some(wish)
            }
            Work::Amend | Work::OldForm => {
                let rows = rows(Kind::Report);
                let row = any(&mut dice, &rows)?;
                let field = *dice.pick(&["title", "description", "address"]);
                let mut wish = make(row.record, row.unit, "report.amend", json!({ field: mark }))?;
                wish.draft.base = (work == Work::OldForm).then(LogPlace::default);
                Some(wish)
            }
            Work::Hearsay => {
                let (record, unit) = self.some_record(&mut dice)?;
                make(record, unit, "report.amend", json!({ "description": mark }))
            }
            Work::Needs => {
                let rows = rows(Kind::Report);
                let row = any(&mut dice, &rows)?;
                let (record, unit) = (row.record, row.unit);
                // A comment never waits, an amendment does.
                let mut wish = if dice.below(4) == 0 {
                    make(record, unit, "report.comment", json!({ "text": mark }))?
                } else {
                    make(record, unit, "report.amend", json!({ "address": mark }))?
                };
                let needs = if dice.below(2) == 0 {
                    Needs::Record(self.some_record(&mut dice)?.0)
                } else {
                    let other = dice.pick(&self.phones);
                    let (replica, seq, _) = other.last_made;
                    Needs::Change(ChangeId { replica, seq })
                };
                wish.draft.needs = Some(needs);
                Some(wish)
            }
            Work::Step => {
                let rows = rows(Kind::Report);
                let row = any(&mut dice, &rows)?;
                let other = any(&mut dice, &rows).map_or(new, |row| row.record);
                let value = step(&mut dice, row, other, at.wall_ms, &mark)?;
                make(row.record, row.unit, "report.transition", value)
            }
            Work::Comment => {
                let rows = rows(Kind::Report);
                let row = any(&mut dice, &rows)?;
                make(
                    row.record,
                    row.unit,
                    "report.comment",
                    json!({ "text": mark }),
                )
            }
            Work::Move => {
                let rows = rows(Kind::Report);
                let row = any(&mut dice, &rows)?;
                let unit = dice.pick(&GRIDS).0;
                let value = json!({ "unit": unit, "reason": mark });
                make(row.record, row.unit, "report.move", value)
            }
            Work::Repair => repair(replica, home, &mut dice, &mark),
            Work::Attach => {
                let rows = rows(*dice.pick(&[Kind::Report, Kind::Visit, Kind::Patrol]));
                let row = any(&mut dice, &rows)?;
                let sha256 = Hash::of(&[mark.as_bytes()]).to_string();
                let value =
                    json!({ "sha256": sha256, "size_bytes": 1_000, "media_type": "image/jpeg" });
                let mut wish = make(row.record, row.unit, "attachment.add", value)?;
                wish.mark = sha256;
                Some(wish)
            }
            Work::Visit
            | Work::AmendVisit
            | Work::VoidVisit
            | Work::Patrol
            | Work::CheckIn
            | Work::Join
            | Work::Finish
            | Work::Task
            | Work::Result
            | Work::Claim => rounds_and_visits(replica, work, &mut dice, (new, home), &mark),
            _ => other_work::wish(replica, work, &mut dice, (new, home), at.wall_ms, &mark),
        }
    }

    /// A report that somebody made, sent or not.
    fn some_record(&self, dice: &mut Dice) -> Option<(RecordId, UnitId)> {
        (!self.reports.is_empty()).then(|| *dice.pick(&self.reports))
    }
}

fn report(dice: &mut Dice, mark: &str) -> Value {
    json!({
        "category": dice.pick(&CATEGORIES),
        "title": "路灯不亮",
        "description": mark,
        "place": {"latitude_e7": 225_000_000 + dice.below(9_000), "longitude_e7": 1_140_000_000 + dice.below(9_000)},
    })
}

/// Mostly a step that the table has from here, with what it requires; sometimes one that it has from elsewhere.
fn step(
    dice: &mut Dice,
    row: &ListRow,
    other: RecordId,
    wall_ms: i64,
    mark: &str,
) -> Option<Value> {
    let state = row.state.as_deref()?;
    let known: Vec<&Step> = steps().iter().filter(|step| step.from == state).collect();
    let step = if known.is_empty() || dice.below(5) == 0 {
        dice.pick(steps())
    } else {
        *dice.pick(&known)
    };
    let mut value = json!({ "to": step.to, "note": mark });
    let later_ms = wall_ms.clamp(1_600_000_000_000, 4_000_000_000_000) + 86_400_000;
    for name in &step.requires {
        value[name] = match name.as_str() {
            "level" => json!("III"),
            "desk" => json!(dice.pick(&DEPARTMENTS).0),
            "due_ms" | "until_ms" => json!(later_ms),
            "merged_into" => json!(other.to_string()),
            "proof" => json!(["ab".repeat(32)]),
            "granted" => json!(dice.below(2) == 0),
            "rating" => json!(1 + dice.below(5)),
            _ => json!("理由"),
        };
    }
    if step.requires.iter().any(|name| name == "granted") {
        value["due_ms"] = json!(later_ms);
        value["reason"] = json!("理由");
    }
    Some(value)
}

/// The oldest quarantined creation, made again where its author has a right.
fn repair(replica: &Replica, home: UnitId, dice: &mut Dice, mark: &str) -> Option<Wish> {
    let outbox = replica.outbox().ok()?;
    let poison = outbox
        .into_iter()
        .find(|item| item.standing == Standing::Quarantined && item.intent == "report.create")?;
    let mut draft = Draft::new(poison.record, home, "report.create", Vec::new());
    draft.repairs = Some(ChangeId {
        replica: poison.replica,
        seq: poison.seq,
    });
    Some(Wish {
        draft,
        fields: fields(report(dice, mark)),
        mark: mark.to_owned(),
    })
}

fn rounds_and_visits(
    replica: &Replica,
    work: Work,
    dice: &mut Dice,
    (new, home): (RecordId, UnitId),
    mark: &str,
) -> Option<Wish> {
    let rows = |kind| replica.list(&Filter::of(kind)).unwrap_or_default();
    let of = |kind, dice: &mut Dice| {
        let rows = rows(kind);
        any(dice, &rows).map(|row| (row.record, row.unit))
    };
    let ((record, unit), intent, value) = match work {
        Work::Visit => (
            (new, home),
            "visit.log",
            json!({ "outcome": "done", "purpose": "care", "note": mark }),
        ),
        Work::AmendVisit => (
            of(Kind::Visit, dice)?,
            "visit.amend",
            json!({ "note": mark }),
        ),
        Work::VoidVisit => (
            of(Kind::Visit, dice)?,
            "visit.void",
            json!({ "reason": mark }),
        ),
        Work::Patrol => (
            (new, home),
            "patrol.start",
            json!({ "team": "T01", "slot": "A", "note": mark }),
        ),
        Work::CheckIn => {
            let point = format!("P{:02}", dice.below(10));
            let value = json!({ "point": point, "method": "code", "note": mark });
            (of(Kind::Patrol, dice)?, "patrol.check_in", value)
        }
        Work::Join => (
            of(Kind::Patrol, dice)?,
            "patrol.join",
            json!({ "code": mark }),
        ),
        Work::Finish => (
            of(Kind::Patrol, dice)?,
            "patrol.finish",
            json!({ "summary": mark }),
        ),
        Work::Task => ((new, home), "task.create", json!({ "title": mark })),
        Work::Result => {
            let to = *dice.pick(&["DONE", "DECLINED"]);
            let value = json!({ "to": to, "result": mark, "reason": "理由" });
            (of(Kind::Task, dice)?, "task.result", value)
        }
        Work::Claim => (
            (new, home),
            "points.claim",
            json!({ "activity": "ACT-EDU", "note": mark }),
        ),
        _ => unreachable!("BUG: {work:?} is done elsewhere"),
    };
    Some(Wish {
        draft: Draft::new(record, unit, intent, Vec::new()),
        fields: fields(value),
        mark: mark.to_owned(),
    })
}
