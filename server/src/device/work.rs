//! Made-up work for a device: reports, amendments, comments and steps on what it holds, visits and patrols. What is made
//! follows from a seed and from what the device holds when it is made. Some of it is for a unit that nobody has, and some
//! needs a record that comes after it: the first is to be quarantined, the second held and then released.

use serde_json::{Value, json};
use sync_core::change::Needs;
use sync_core::ids::{RecordId, UnitId};
use sync_core::kinds::Kind;
use sync_core::replica::{Draft, Filter, ListRow};

use super::DeviceError;
use super::headless::Device;
use super::journal::Saved;
use crate::demo::Dice;

const CATEGORIES: [&str; 6] = ["SAN-01", "SAN-02", "FAC-01", "FIR-01", "ORD-01", "MED-01"];
/// Work gathers on the newest records, so that devices meet on them.
const NEWEST: u32 = 12;
/// A number that no district gives.
const UNIT_OF_NOBODY: u32 = 4_000_000_000;

/// The work of one device.
#[derive(Debug)]
pub struct Work {
    dice: Dice,
    /// A record that an earlier change needs and that is made next.
    promised: Option<RecordId>,
}

impl Work {
    /// Work of that seed.
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            promised: None,
        }
    }

    /// Makes the next change. `None` when the device has no scope yet and so does not know where to work.
    ///
    /// # Errors
    /// See [`DeviceError`].
    pub fn make(&mut self, device: &mut Device) -> Result<Option<Saved>, DeviceError> {
        let Some(unit) = self.unit(device)? else {
            return Ok(None);
        };
        let mark = device.next_mark();
        let draft = match self.dice.below(100) {
            _ if self.promised.is_some() => self.report(device, unit, &mark),
            0 | 1 => self.report(device, UnitId(UNIT_OF_NOBODY), &mark),
            2..25 => self.report(device, unit, &mark),
            25..70 => match self.newest(device, Kind::Report)? {
                Some(report) => self.on_report(&report, &mark),
                None => self.report(device, unit, &mark),
            },
            70..73 => match self.newest(device, Kind::Report)? {
                Some(report) => self.waiting_amendment(device, &report, &mark),
                None => self.visit(device, unit, &mark),
            },
            // Out of the scope of whoever has only the grid that it leaves.
            73..76 => match self.newest(device, Kind::Report)? {
                Some(report) if report.unit != unit => {
                    let open = json!({"unit": unit.0, "reason": mark});
                    draft(report.record, report.unit, "report.move", &open)
                }
                _ => self.visit(device, unit, &mark),
            },
            76..85 => self.visit(device, unit, &mark),
            _ => match self.newest(device, Kind::Patrol)? {
                Some(patrol) if self.dice.below(3) > 0 => self.on_patrol(&patrol, &mark),
                _ => self.patrol(device, unit, &mark),
            },
        };
        device.make(draft, Some(mark)).map(Some)
    }

    fn unit(&mut self, device: &Device) -> Result<Option<UnitId>, DeviceError> {
        let scope = device.replica().scope()?.unwrap_or_default();
        let units: Vec<UnitId> = scope
            .places()
            .filter(|(kind, _)| *kind == Kind::Report)
            .map(|(_, unit)| unit)
            .collect();
        Ok((!units.is_empty()).then(|| *self.dice.pick(&units)))
    }

    fn newest(&mut self, device: &Device, kind: Kind) -> Result<Option<ListRow>, DeviceError> {
        let rows = device.replica().list(&Filter {
            limit: NEWEST,
            ..Filter::of(kind)
        })?;
        Ok((!rows.is_empty()).then(|| self.dice.pick(&rows).clone()))
    }

    fn report(&mut self, device: &Device, unit: UnitId, mark: &str) -> Draft {
        let open = json!({
            "category": self.dice.pick(&CATEGORIES),
            "title": format!("第 {} 处", self.dice.below(1_000)),
            "description": format!("楼道堆放杂物，请尽快处理 {mark}"),
            "place": {
                "latitude_e7": 225_000_000 + self.dice.below(90_000),
                "longitude_e7": 1_140_000_000 + self.dice.below(90_000),
                "accuracy_m": 12,
            },
        });
        let record = self.promised.take().unwrap_or_else(|| device.new_record());
        draft(record, unit, "report.create", &open)
    }

    fn on_report(&mut self, report: &ListRow, mark: &str) -> Draft {
        let (intent, open) = match self.dice.below(10) {
            0..4 => {
                let text = format!("现场情况有变 {mark}");
                ("report.amend", json!({"description": text}))
            }
            4 => {
                let title = format!("改为第 {} 处", self.dice.below(1_000));
                let open = json!({"title": title, "description": mark, "urgency": "high"});
                ("report.amend", open)
            }
            5..8 => {
                let text = format!("已到现场 {mark}");
                ("report.comment", json!({"text": text}))
            }
            _ => ("report.transition", self.step(report, mark)),
        };
        draft(report.record, report.unit, intent, &open)
    }

    /// An amendment that needs a record which the next change makes.
    fn waiting_amendment(&mut self, device: &Device, report: &ListRow, mark: &str) -> Draft {
        let open = json!({"address": mark});
        let mut waiting = draft(report.record, report.unit, "report.amend", &open);
        let promised = device.new_record();
        waiting.needs = Some(Needs::Record(promised));
        self.promised = Some(promised);
        waiting
    }

    /// A step that may follow from the state that the device sees; others may have taken another by then.
    fn step(&mut self, report: &ListRow, mark: &str) -> Value {
        let unit = report.unit.0;
        let due_ms = report.time_ms.max(1_600_000_000_000) + 86_400_000;
        match report.state.as_deref().unwrap_or("SUBMITTED") {
            "SUBMITTED" | "NEEDS_INFO" if self.dice.below(4) > 0 => {
                json!({"to": "REGISTERED", "level": "II", "note": mark})
            }
            "SUBMITTED" => json!({"to": "NEEDS_INFO", "reason": mark}),
            "NEEDS_INFO" => json!({"to": "SUBMITTED", "note": mark}),
            "REGISTERED" => {
                json!({"to": "DISPATCHED", "desk": unit, "level": "II", "due_ms": due_ms, "note": mark})
            }
            "DISPATCHED" => json!({"to": "IN_PROGRESS", "note": mark}),
            "IN_PROGRESS" => json!({"to": "FEEDBACK", "proof": ["ab".repeat(32)], "note": mark}),
            _ => json!({"to": "CLOSED", "note": mark}),
        }
    }

    fn visit(&mut self, device: &Device, unit: UnitId, mark: &str) -> Draft {
        let outcome = *self.dice.pick(&["done", "not_home", "declined"]);
        let open = json!({"outcome": outcome, "purpose": "care", "note": mark});
        draft(device.new_record(), unit, "visit.log", &open)
    }

    fn patrol(&mut self, device: &Device, unit: UnitId, mark: &str) -> Draft {
        let open = json!({"team": "T07", "slot": "EVENING", "note": mark});
        draft(device.new_record(), unit, "patrol.start", &open)
    }

    fn on_patrol(&mut self, patrol: &ListRow, mark: &str) -> Draft {
        let (intent, open) = match self.dice.below(4) {
            0 => ("patrol.finish", json!({"summary": mark})),
            _ => {
                let point = format!("T07-P{:02}", 1 + self.dice.below(8));
                let open = json!({"point": point, "method": "code", "note": mark});
                ("patrol.check_in", open)
            }
        };
        draft(patrol.record, patrol.unit, intent, &open)
    }
}

fn draft(record: RecordId, unit: UnitId, intent: &str, open: &Value) -> Draft {
    Draft::new(record, unit, intent, open.to_string())
}
