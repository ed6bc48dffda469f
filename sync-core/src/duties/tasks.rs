//! Tasks that come about by rules: when a record enters a state or some time after, when a visit or an inspection is due
//! again, and once in each week, month or quarter.

use super::people::holders_near;
use super::{Due, after_ms, derived_id};
use crate::directory::Directory;
use crate::documents::{Documents, Every, TaskRule, TaskWhen};
use crate::ids::{PersonId, Pos, RecordId, UnitId};
use crate::merge::{RecordState, Step};
use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value};

/// The steps by which a record entered a state of a rule.
fn steps_into<'a>(record: &'a RecordState, state: &'a str) -> impl Iterator<Item = &'a Step> {
    record.steps.iter().filter(move |step| {
        let to = step.states.as_ref().map(|(_, to)| to.as_str());
        to == Some(state)
    })
}

/// When the first task that comes some time after a state is due; `None` when none is.
pub fn first_due_ms(record: &RecordState, documents: &Documents) -> Option<i64> {
    documents
        .task_rules()
        .iter()
        .filter(|rule| !rule.retired)
        .filter_map(|rule| match &rule.when {
            TaskWhen::Entered {
                kind,
                state,
                after: Some(after),
            } if *kind == record.kind && record.state.as_deref() == Some(state) => {
                let entered = steps_into(record, state).last()?;
                Some(after_ms(entered.stamp.time_ms, *after, documents))
            }
            _ => None,
        })
        .min()
}

/// What tasks need to know of the district.
pub struct Office<'a> {
    /// Units, people, roles.
    pub directory: &'a Directory,
    /// The documents in force.
    pub documents: &'a Documents,
    /// The moment.
    pub now_ms: i64,
}

impl Office<'_> {
    fn rules(&self) -> impl Iterator<Item = &TaskRule> {
        self.documents
            .task_rules()
            .iter()
            .filter(|rule| !rule.retired)
    }

    /// The tasks that follow from states which the record entered after a place of the log, or long enough ago.
    pub fn of_states(&self, id: RecordId, record: &RecordState, since: Pos) -> Vec<Due> {
        let mut found = Vec::new();
        for rule in self.rules() {
            let TaskWhen::Entered { kind, state, after } = &rule.when else {
                continue;
            };
            if *kind != record.kind {
                continue;
            }
            for step in steps_into(record, state) {
                let is_due = match after {
                    None => step.stamp.place.pos > since,
                    Some(after) => {
                        let is_still_there = record
                            .last_step()
                            .is_some_and(|last| last.stamp == step.stamp);
                        is_still_there
                            && after_ms(step.stamp.time_ms, *after, self.documents) <= self.now_ms
                    }
                };
                if is_due {
                    let key = format!("{}.{}", step.stamp.replica.0, step.stamp.seq.0);
                    let assignee = self.assignee(rule, record.unit, None);
                    found.push(self.task(rule, record.unit, Some(id), assignee, &key));
                }
            }
        }
        found
    }

    /// The task to visit or inspect again, when so many days have gone by since the last time, or since the record was made.
    pub fn of_due_field(
        &self,
        id: RecordId,
        record: &RecordState,
        last_ms: Option<i64>,
    ) -> Vec<Due> {
        let is_void = record.elements.iter().any(|element| element.set == "voids");
        let refused = record
            .shown("consented")
            .is_some_and(|value| value.get() == "false");
        let Some(created) = record.created.filter(|_| !is_void && !refused) else {
            return Vec::new();
        };
        let since_ms = last_ms.unwrap_or(created.time_ms);
        let number =
            |field: &str| -> Option<i64> { serde_json::from_str(record.shown(field)?.get()).ok() };
        self.rules()
            .filter_map(|rule| {
                let TaskWhen::Due { kind, due_field } = &rule.when else {
                    return None;
                };
                let days = number(due_field).filter(|_| *kind == record.kind)?;
                let due_ms = since_ms + days * 86_400_000;
                (due_ms <= self.now_ms).then(|| {
                    let given = number("assignee").and_then(|person| u32::try_from(person).ok());
                    let assignee = self.assignee(rule, record.unit, given.map(PersonId));
                    self.task(rule, record.unit, Some(id), assignee, &since_ms.to_string())
                })
            })
            .collect()
    }

    /// The tasks of the present week, month and quarter, one in each unit of the rule's kind.
    pub fn of_cycles(&self) -> Vec<Due> {
        let day = self.documents.zone().day(self.now_ms);
        let mut found = Vec::new();
        for rule in self.rules() {
            let TaskWhen::Cycle { every, unit_kind } = &rule.when else {
                continue;
            };
            let label = label_of(*every, day);
            let units = self
                .directory
                .units()
                .filter(|unit| unit.kind == *unit_kind);
            for unit in units {
                let assignee = self.assignee(rule, unit.unit, None);
                let key = format!("{}.{label}", unit.unit.0);
                let mut task = self.task(rule, unit.unit, None, assignee, &key);
                task.open = with(&task.open, "cycle", label.clone().into());
                found.push(task);
            }
        }
        found
    }

    /// Whose task it is: whoever looks after the record, or the only one with the role nearby. With several it is anybody's.
    fn assignee(&self, rule: &TaskRule, unit: UnitId, given: Option<PersonId>) -> Option<PersonId> {
        given.or_else(|| {
            let holders = holders_near(self.directory, &rule.role, unit, self.now_ms);
            let mut holders = holders.into_iter();
            match (holders.next(), holders.next()) {
                (Some(person), None) => Some(person),
                _ => None,
            }
        })
    }

    fn task(
        &self,
        rule: &TaskRule,
        unit: UnitId,
        about: Option<RecordId>,
        assignee: Option<PersonId>,
        key: &str,
    ) -> Due {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put(
            "title",
            rule.name.zh.chars().take(100).collect::<String>().into(),
        );
        put("rule", rule.code.as_str().into());
        put("activity", rule.activity.as_str().into());
        let due_ms = after_ms(self.now_ms, rule.due, self.documents);
        put("due_at_ms", due_ms.min(crate::limits::TIME_MS_MAX).into());
        if let Some(person) = assignee {
            put("assignee", person.0.into());
        }
        if let Some(about) = about {
            put("about", about.to_string().into());
        }
        let about = about.map(|about| about.to_string()).unwrap_or_default();
        Due {
            record: derived_id(0, &["task", &rule.code, &about, key]),
            unit,
            intent: "task.create",
            open: Value::Object(fields).to_string(),
        }
    }
}

fn with(json: &str, name: &str, value: Value) -> String {
    let mut fields: Map<String, Value> = serde_json::from_str(json).expect("BUG: own JSON");
    fields.insert(name.to_owned(), value);
    Value::Object(fields).to_string()
}

/// What a week (ISO 8601), month or quarter is called: `2026-W48`, `2026-11`, `2026-Q4`.
pub fn label_of(every: Every, day: NaiveDate) -> String {
    match every {
        Every::Week => {
            let week = day.iso_week();
            format!("{}-W{:02}", week.year(), week.week())
        }
        Every::Month => format!("{}-{:02}", day.year(), day.month()),
        Every::Quarter => format!("{}-Q{}", day.year(), day.month0() / 3 + 1),
    }
}
