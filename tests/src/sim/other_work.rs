//! Work besides cases, visits and rounds themselves: mediations, inspections, confirmations, ticks, doubts, households,
//! training, and tasks that are given to somebody else.

use super::plan::Work;
use super::work::{Wish, any, fields};
use serde_json::{Value, json};
use server::demo::Dice;
use std::sync::OnceLock;
use sync_core::change::{For, Source};
use sync_core::documents::{Documents, Transition};
use sync_core::ids::{PersonId, RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::replica::{Draft, Filter, ListRow, Replica};

const PEOPLE: u64 = 12;

fn steps(kind: Kind) -> &'static [Transition] {
    static DOCUMENTS: OnceLock<Documents> = OnceLock::new();
    let documents = DOCUMENTS.get_or_init(Documents::defaults);
    &documents.workflow(kind).expect("BUG: no table").transitions
}

/// Mostly a step that the table has from here, with what it requires.
fn step(kind: Kind, dice: &mut Dice, row: &ListRow, wall_ms: i64, mark: &str) -> Option<Value> {
    let state = row.state.as_deref()?;
    let known: Vec<&Transition> = steps(kind)
        .iter()
        .filter(|step| step.from == state)
        .collect();
    let step = if known.is_empty() || dice.below(5) == 0 {
        dice.pick(steps(kind))
    } else {
        *dice.pick(&known)
    };
    let mut value = json!({ "to": step.to, "note": mark });
    for name in &step.requires {
        value[name] = match name.as_str() {
            "until_ms" => {
                json!(wall_ms.clamp(1_600_000_000_000, 4_000_000_000_000) + 86_400_000)
            }
            "to_body" => json!("court"),
            "documents" => json!(["cd".repeat(32)]),
            "note" => json!(mark),
            _ => json!("理由"),
        };
    }
    Some(value)
}

/// Decides what a piece of this work comes to; `None` when there is nothing to do it to.
pub(super) fn wish(
    replica: &Replica,
    work: Work,
    dice: &mut Dice,
    (new, home): (RecordId, UnitId),
    wall_ms: i64,
    mark: &str,
) -> Option<Wish> {
    let mut of = |kind| {
        let rows = replica.list(&Filter::of(kind)).unwrap_or_default();
        any(dice, &rows).cloned()
    };
    let at = |row: &ListRow| (row.record, row.unit);
    let mut whose = None;
    let ((record, unit), intent, value) = match work {
        Work::Mediation => {
            let parties = 2 + dice.below(2);
            let value = json!({ "category": "MED-01", "parties": parties, "subject": mark });
            ((new, home), "mediation.create", value)
        }
        Work::Sign => {
            let row = of(Kind::Mediation)?;
            let sha256 = "ef".repeat(32);
            let value = json!({ "party": 1 + dice.below(3), "sha256": sha256, "note": mark });
            (at(&row), "mediation.sign", value)
        }
        Work::MediationStep => {
            let row = of(Kind::Mediation)?;
            let value = step(Kind::Mediation, dice, &row, wall_ms, mark)?;
            (at(&row), "mediation.transition", value)
        }
        Work::Inspection => {
            let answer = *dice.pick(&["ok", "fault"]);
            let answers =
                json!([{ "item": "EXIT", "answer": answer }, { "item": "GAS", "answer": "ok" }]);
            let value = json!({ "checklist": "CHK-SHOP", "answers": answers, "note": mark });
            ((new, home), "inspection.create", value)
        }
        Work::Recheck => {
            let row = of(Kind::Inspection)?;
            let (item, answer) = (
                *dice.pick(&["EXIT", "GAS"]),
                *dice.pick(&["ok", "ok", "fault"]),
            );
            let value = json!({ "item": item, "answer": answer, "note": mark });
            (at(&row), "inspection.recheck", value)
        }
        Work::InspectionStep => {
            let row = of(Kind::Inspection)?;
            let value = step(Kind::Inspection, dice, &row, wall_ms, mark)?;
            (at(&row), "inspection.transition", value)
        }
        Work::ConfirmVisit => {
            let row = of(Kind::Visit)?;
            let value =
                json!({ "agrees": dice.below(4) > 0, "body": 1 + dice.below(3), "note": mark });
            (at(&row), "visit.confirm", value)
        }
        Work::Tick => {
            let row = of(Kind::Patrol)?;
            let person = PersonId(1 + u32::try_from(dice.below(PEOPLE)).unwrap_or(0));
            whose = Some(For {
                person,
                source: Source::Leader,
                happened_at_ms: wall_ms,
            });
            (at(&row), "patrol.join", json!({ "code": mark }))
        }
        Work::Confirm => {
            let row = of(Kind::Patrol)?;
            let value = json!({ "was_there": dice.below(3) > 0, "reason": mark });
            (at(&row), "patrol.confirm", value)
        }
        Work::Doubt => {
            let row = of(Kind::Patrol)?;
            let outcome = *dice.pick(&["cleared", "upheld"]);
            let value =
                json!({ "doubt": "clock", "about": "1.1", "outcome": outcome, "reason": mark });
            (at(&row), "patrol.settle_doubt", value)
        }
        Work::Pause => {
            let row = of(Kind::Patrol)?;
            let to = *dice.pick(&["PAUSED", "STARTED", "ABANDONED"]);
            (
                at(&row),
                "patrol.transition",
                json!({ "to": to, "reason": mark }),
            )
        }
        Work::Household => {
            let value = json!({ "title": mark, "consented": true, "visit_every_days": 30 });
            ((new, home), "household.create", value)
        }
        Work::Training => {
            let held = wall_ms.clamp(1_600_000_000_000, 4_000_000_000_000);
            let value = json!({ "title": mark, "held_at_ms": held });
            ((new, home), "training.create", value)
        }
        Work::SignIn => {
            let row = of(Kind::Training)?;
            (at(&row), "training.sign_in", json!({ "code": mark }))
        }
        Work::GiveTask => {
            let row = of(Kind::Task)?;
            let value = json!({ "assignee": 1 + dice.below(PEOPLE), "description": mark });
            (at(&row), "task.amend", value)
        }
        _ => unreachable!("BUG: {work:?} is done elsewhere"),
    };
    let mut draft = Draft::new(record, unit, intent, Vec::new());
    draft.for_person = whose;
    Some(Wish {
        draft,
        fields: fields(value),
        mark: mark.to_owned(),
    })
}
