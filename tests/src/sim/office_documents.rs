//! The office changes documents: what a role may do, which days are worked, which categories are left, which steps a case
//! has. From at once, or from a day to come.

use super::world::World;
use serde_json::{Value, json};
use server::demo::Dice;
use server::service::administration::AdminRequest;
use server::service::document_imports::DocumentFile;
use sync_core::change::Hash;
use sync_core::documents::DEFAULTS;

/// Steps of a case that a district may do without.
const OPTIONAL_STEPS: [(&str, &str); 4] = [
    ("SUBMITTED", "NEEDS_INFO"),
    ("IN_PROGRESS", "EXT_ASKED"),
    ("DISPATCHED", "BOUNCED"),
    ("SUBMITTED", "SELF_DONE"),
];
/// What the office gives to or takes from workers.
const RIGHTS: [&str; 4] = [
    "report.comment",
    "visit.log",
    "report.move",
    "attachment.add",
];

fn list<'a>(value: &'a mut Value, name: &str) -> &'a mut Vec<Value> {
    value[name].as_array_mut().expect("BUG: a list")
}

/// Adds the item, or takes it away when it is there.
fn toggle(list: &mut Vec<Value>, item: Value) {
    match list.iter().position(|each| *each == item) {
        Some(at) => drop(list.remove(at)),
        None => list.push(item),
    }
}

fn change_roles(value: &mut Value, dice: &mut Dice) {
    let right = *dice.pick(&RIGHTS);
    for role in list(value, "roles") {
        if role["code"] == "worker" {
            toggle(list(role, "intents"), json!(right));
        }
    }
}

fn change_categories(value: &mut Value, dice: &mut Dice) {
    let categories = list(value, "categories");
    let at = dice.below(categories.len() as u64) as usize;
    let category = &mut categories[at];
    if dice.below(2) == 0 {
        let allowed = category["self_handled_allowed"] == true;
        category["self_handled_allowed"] = json!(!allowed);
    } else {
        let required = category["proof"]["required"] == true;
        category["proof"]["required"] = json!(!required);
    }
}

fn change_calendar(value: &mut Value, dice: &mut Dice) {
    let day = *dice.pick(&["saturday", "friday", "wednesday"]);
    toggle(list(value, "weekend"), json!(day));
}

fn change_workflow(value: &mut Value, dice: &mut Dice) {
    let (from, to) = *dice.pick(&OPTIONAL_STEPS);
    let steps = list(value, "transitions");
    for step in steps
        .iter_mut()
        .filter(|step| step["from"] == from && step["to"] == to)
    {
        toggle(list(step, "roles"), json!("district_lead"));
    }
    let days = 1 + dice.below(8);
    for guard in list(value, "guards") {
        if guard["code"] == "within_5_working_days" {
            guard["within"]["value"] = json!(days);
        }
    }
}

impl World {
    /// The office brings in a further version of a document. Whether it was taken.
    pub(super) fn change_document(&mut self, pick: u32) -> bool {
        let mut dice = Dice::new(u64::from(pick));
        let (name, change): (&str, fn(&mut Value, &mut Dice)) = match dice.below(4) {
            0 => ("roles", change_roles),
            1 => ("categories", change_categories),
            2 => ("calendar", change_calendar),
            _ => ("case_workflow", change_workflow),
        };
        let Some(listed) = self.office(AdminRequest::Documents) else {
            return false;
        };
        let rows = listed["documents"].as_array().cloned().unwrap_or_default();
        let last = rows.iter().filter(|row| row["document"] == name);
        let version = last
            .filter_map(|row| row["version"].as_u64())
            .max()
            .unwrap_or(0);
        let shipped = DEFAULTS.iter().find(|(each, _)| *each == name);
        let (_, text) = shipped.expect("BUG: a document that ships");
        let mut value: Value = serde_json::from_str(text).expect("BUG: a document is JSON");
        // Each further version changes what ships anew, so that a version depends on nothing but the pick.
        change(&mut value, &mut dice);
        value["version"] = json!(version + 1);
        value["in_force_from"] = json!(self.day_from_now(dice.below(3)));
        let text = value.to_string();
        let hash = Hash::of(&[text.as_bytes()]).to_string();
        self.know_document(hash, text.clone());
        let request = AdminRequest::ImportDocuments {
            files: vec![DocumentFile {
                file: name.to_owned(),
                text,
            }],
            only_check: false,
        };
        self.office(request).is_some()
    }

    /// A day of the calendar, so many days after that of the server's clock.
    fn day_from_now(&self, days: u64) -> String {
        use server::clock::Clock as _;
        let at = chrono::DateTime::from_timestamp_millis(self.server.clock.wall_ms());
        let today = at.map(|at| at.date_naive()).unwrap_or_default();
        let day = today.checked_add_days(chrono::Days::new(days));
        day.unwrap_or(today).to_string()
    }
}
