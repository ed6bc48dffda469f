//! Notices: who must know of an occasion. The document of notice rules says which event tells whom.

use super::occasions::{Occasion, level_of};
use super::people::home_of;
use super::{Due, derived_id, holders_near, lineage_codes};
use crate::directory::Directory;
use crate::documents::{Addressee, Documents, Near, NoticeRule};
use crate::ids::{PersonId, RecordId, UnitId};
use crate::kinds::Kind;
use crate::merge::{RecordState, Stamp};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The event of a working calendar that lacks a year.
pub const CALENDAR_MISSING: &str = "CALENDAR_MISSING";
/// The role that is told when a roster has nobody further.
const LAST_ROLE: &str = "district_lead";

fn doer(stamp: &Stamp) -> PersonId {
    stamp.whose.unwrap_or(stamp.person)
}

/// All that a notice needs to know of the district.
pub struct Office<'a> {
    /// Units, people, roles.
    pub directory: &'a Directory,
    /// The documents in force.
    pub documents: &'a Documents,
    /// The moment.
    pub now_ms: i64,
}

impl Office<'_> {
    /// The notices that an occasion makes: one for each person whom the rules name, who can read notices, and who did not do
    /// it themselves.
    pub fn notices(&self, id: RecordId, record: &RecordState, occasion: &Occasion) -> Vec<Due> {
        let Some(rule) = self.documents.notice_rules().event(occasion.event) else {
            return Vec::new();
        };
        let mut people: BTreeSet<PersonId> = BTreeSet::new();
        for addressee in &rule.to {
            people.extend(self.people(addressee, record, occasion));
        }
        let about_oneself = rule.to.contains(&Addressee::Author);
        people
            .into_iter()
            .filter(|person| about_oneself || occasion.actor != Some(*person))
            .filter_map(|person| self.notice(id, record, occasion, rule, self.stands_in(person)))
            .collect()
    }

    /// The notices of those who were on duty before this one: whoever acknowledged one of them has it in hand.
    pub fn told_before(
        &self,
        id: RecordId,
        record: &RecordState,
        occasion: &Occasion,
    ) -> Vec<RecordId> {
        let earlier = (0..occasion.rank).flat_map(|rank| {
            let earlier = Occasion {
                key: format!("duty.{rank}"),
                rank,
                ..occasion.clone()
            };
            self.notices(id, record, &earlier)
        });
        earlier.map(|notice| notice.record).collect()
    }

    fn stands_in(&self, person: PersonId) -> PersonId {
        let day = self.documents.zone().day(self.now_ms);
        PersonId(self.documents.duty_roster().stands_in(person.0, day))
    }

    /// The id of the notice of an occasion for a person.
    pub fn id_of(id: RecordId, occasion: &Occasion, person: PersonId) -> RecordId {
        let (about, person) = (id.to_string(), person.0.to_string());
        let what = ["notice", occasion.event, &about, &occasion.key, &person];
        // What a clock says is one occasion, whenever it is looked at: its time is not part of the id.
        let time_ms = occasion.pos.map_or(0, |_| occasion.time_ms);
        derived_id(time_ms, &what)
    }

    fn notice(
        &self,
        id: RecordId,
        record: &RecordState,
        occasion: &Occasion,
        rule: &NoticeRule,
        person: PersonId,
    ) -> Option<Due> {
        let home = home_of(
            self.directory,
            self.documents,
            person,
            Kind::Notice,
            self.now_ms,
        )?;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("event", occasion.event.into());
        put("person", person.0.into());
        put("about", id.to_string().into());
        if let Some(pos) = occasion.pos {
            put("about_pos", pos.0.into());
        }
        if record.kind == Kind::Report
            && let Some(level) = level_of(record, self.documents)
        {
            put("level", level.into());
        }
        if rule.must_acknowledge {
            put("must_acknowledge", true.into());
        }
        Some(Due {
            record: Self::id_of(id, occasion, person),
            unit: home,
            intent: "notice.create",
            open: Value::Object(fields).to_string(),
        })
    }

    fn people(
        &self,
        addressee: &Addressee,
        record: &RecordState,
        occasion: &Occasion,
    ) -> BTreeSet<PersonId> {
        let near = |role: &str, unit: UnitId| holders_near(self.directory, role, unit, self.now_ms);
        let one = |person: Option<PersonId>| person.into_iter().collect();
        match addressee {
            Addressee::Reporter => one(record.created.as_ref().map(doer)),
            Addressee::Author => one(occasion.actor),
            Addressee::Assignee => self.assignees(record),
            Addressee::Holder => self.holders(record),
            Addressee::Leader => {
                let routes = self.documents.patrol_routes();
                let team = record.shown_text("team");
                let team = team.and_then(|team| routes.team(&team));
                one(team.and_then(|team| team.leader).map(PersonId))
            }
            Addressee::DutyOfUnit => self.on_duty(record.unit, occasion.rank),
            Addressee::Role { role, near: where_ } => match where_ {
                Near::Unit => near(role, record.unit),
                Near::Desk => record.desk.map(|desk| near(role, desk)).unwrap_or_default(),
                Near::District => self.everybody(role),
            },
        }
    }

    /// Everybody who has a role anywhere in the district.
    fn everybody(&self, role: &str) -> BTreeSet<PersonId> {
        let has = |person: &PersonId| {
            let grants = self.directory.grants(*person).iter();
            grants
                .filter(|grant| grant.holds_within(self.now_ms, self.now_ms))
                .any(|grant| grant.role == role)
        };
        self.directory.people().filter(has).collect()
    }

    /// The warning that the plan of a year is missing in the working calendar: one a day for each desk, from December on, or
    /// at once when it is this year's. China publishes each year's plan in the November before.
    pub fn calendar(&self) -> Vec<Due> {
        let day = self.documents.zone().day(self.now_ms);
        let Some(year) = self.documents.calendar().missing_year(day) else {
            return Vec::new();
        };
        let Some(rule) = self.documents.notice_rules().event(CALENDAR_MISSING) else {
            return Vec::new();
        };
        let mut people = BTreeSet::new();
        for addressee in &rule.to {
            if let Addressee::Role { role, .. } = addressee {
                people.extend(self.everybody(role));
            }
        }
        let (day, year) = (day.to_string(), year.to_string());
        people
            .into_iter()
            .filter_map(|person| {
                let home = home_of(
                    self.directory,
                    self.documents,
                    person,
                    Kind::Notice,
                    self.now_ms,
                )?;
                let mut fields = Map::new();
                fields.insert("event".to_owned(), CALENDAR_MISSING.into());
                fields.insert("person".to_owned(), person.0.into());
                fields.insert("must_acknowledge".to_owned(), rule.must_acknowledge.into());
                let whose = person.0.to_string();
                Some(Due {
                    record: derived_id(0, &["notice", CALENDAR_MISSING, &year, &day, &whose]),
                    unit: home,
                    intent: "notice.create",
                    open: Value::Object(fields).to_string(),
                })
            })
            .collect()
    }

    fn assignees(&self, record: &RecordState) -> BTreeSet<PersonId> {
        let assignee = record
            .shown("assignee")
            .and_then(|value| value.get().parse().ok())
            .map(PersonId);
        match assignee {
            Some(person) => BTreeSet::from([person]),
            None => holders_near(self.directory, "worker", record.unit, self.now_ms),
        }
    }

    /// Whoever must act now: the unit that has the case, whoever was given the task, or else the desk.
    fn holders(&self, record: &RecordState) -> BTreeSet<PersonId> {
        if record.kind == Kind::Task {
            return self.assignees(record);
        }
        if record.kind == Kind::Mediation {
            return holders_near(self.directory, "mediator", record.unit, self.now_ms);
        }
        let state = record.state.as_deref().unwrap_or_default();
        let (role, unit) = match record.desk {
            Some(_) if state == "FEEDBACK" => ("verifier", record.unit),
            Some(desk) => ("department_handler", desk),
            None => ("duty_desk", record.unit),
        };
        let found = holders_near(self.directory, role, unit, self.now_ms);
        if found.is_empty() {
            return holders_near(self.directory, "duty_desk", record.unit, self.now_ms);
        }
        found
    }

    /// The one on duty at this rank; where the roster has nobody, the desk, and after it the district.
    fn on_duty(&self, unit: UnitId, rank: usize) -> BTreeSet<PersonId> {
        use chrono::Timelike;
        let local = self.documents.zone().local(self.now_ms);
        let minute = local.hour() * 60 + local.minute();
        let codes = lineage_codes(self.directory, unit);
        let people = self
            .documents
            .duty_roster()
            .on_duty(&codes, local.date(), minute);
        if let Some(person) = people.get(rank) {
            return BTreeSet::from([PersonId(*person)]);
        }
        let role = match (people.is_empty(), rank) {
            (true, 0) => "duty_desk",
            _ => LAST_ROLE,
        };
        holders_near(self.directory, role, unit, self.now_ms)
    }
}

/// Whether a notice was acknowledged by whoever it is for.
pub fn is_acknowledged(notice: &RecordState) -> bool {
    let person = notice
        .shown("person")
        .and_then(|value| value.get().parse::<u32>().ok());
    notice
        .elements
        .iter()
        .any(|element| element.set == "acknowledgements" && Some(doer(&element.stamp).0) == person)
}
