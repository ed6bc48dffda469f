//! Notices: what happened to a record that somebody must know, and who that is. The document of notice rules says which
//! event tells whom.

use super::people::home_of;
use super::{Due, after_ms, derived_id, holders_near, lineage_codes};
use crate::cases::{CaseClock, Stage};
use crate::directory::Directory;
use crate::documents::{Addressee, ClockKind, Documents, Near, NoticeRule};
use crate::ids::{PersonId, Pos, RecordId, UnitId};
use crate::kinds::Kind;
use crate::merge::{RecordState, Stamp, Step};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The event of a report of level I, whose notices go from one on duty to the next.
pub const LEVEL_I: &str = "LEVEL_I";
/// The event of a working calendar that lacks a year.
pub const CALENDAR_MISSING: &str = "CALENDAR_MISSING";
/// The role that is told when a roster has nobody further.
const LAST_ROLE: &str = "district_lead";

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occasion {
    /// The event, as the document names it.
    pub event: &'static str,
    /// What tells it from others of the event about the same record.
    pub key: String,
    /// Where it stands in the log, if it is an entry.
    pub pos: Option<Pos>,
    /// When.
    pub time_ms: i64,
    /// Who did it; nobody did what a clock says.
    pub actor: Option<PersonId>,
    /// For [`LEVEL_I`]: how many on duty were told before.
    pub rank: usize,
}

/// Whether clocks of this record remind anybody: a follow-up after a month is a task, and a round ends by itself.
pub fn reminds(record: &RecordState, documents: &Documents) -> bool {
    let clock = documents
        .workflow(record.kind)
        .zip(record.state.as_deref())
        .and_then(|(workflow, state)| workflow.state(state))
        .map_or(ClockKind::None, |state| state.clock);
    !matches!(
        clock,
        ClockKind::None | ClockKind::FollowUp | ClockKind::Window
    )
}

fn doer(stamp: &Stamp) -> PersonId {
    stamp.whose.unwrap_or(stamp.person)
}

/// The level of a report: what its last step said, what it says itself, or that of its category.
pub fn level_of(record: &RecordState, documents: &Documents) -> Option<String> {
    let said = record
        .steps
        .iter()
        .rev()
        .find_map(|step| step.fields.value::<String>("level"));
    said.or_else(|| record.shown_text("level")).or_else(|| {
        let category = record.shown_text("category")?;
        Some(documents.category(&category)?.level.clone())
    })
}

/// What happened to a record after a place of the log, and what its clock says now.
pub fn occasions(
    record: &RecordState,
    documents: &Documents,
    since: Pos,
    now_ms: i64,
) -> Vec<Occasion> {
    let mut found = Vec::new();
    if let Some(created) = record.created.filter(|created| created.place.pos > since) {
        let event = match record.kind {
            Kind::Task => Some("TASK_GIVEN"),
            Kind::Alert => Some("ALERT_RAISED"),
            _ => None,
        };
        found.extend(event.map(|event| entered(event, &created)));
    }
    for (index, step) in record.steps.iter().enumerate() {
        if step.stamp.place.pos > since {
            for event in events_of_step(record, documents, index, step) {
                found.push(entered(event, &step.stamp));
            }
        }
    }
    for attempt in &record.attempts {
        if attempt.stamp.place.pos > since {
            found.push(entered("STEP_NOT_APPLIED", &attempt.stamp));
        }
    }
    if record.kind == Kind::Task {
        // Whoever is given a task later hears of it like the first one.
        let given = record.writes().filter(|(stamp, fields)| {
            fields.has("assignee")
                && stamp.place.pos > since
                && record.created.is_some_and(|created| created != **stamp)
        });
        found.extend(given.map(|(stamp, _)| entered("TASK_GIVEN", stamp)));
    }
    found.extend(of_clock(record, documents, now_ms));
    found.extend(of_level_one(record, documents, now_ms));
    found
}

fn entered(event: &'static str, stamp: &Stamp) -> Occasion {
    Occasion {
        event,
        key: format!("{}.{}", stamp.replica.0, stamp.seq.0),
        pos: Some(stamp.place.pos),
        time_ms: stamp.time_ms,
        actor: Some(stamp.person),
        rank: 0,
    }
}

fn events_of_step(
    record: &RecordState,
    documents: &Documents,
    index: usize,
    step: &Step,
) -> Vec<&'static str> {
    let Some((from, to)) = step.states.as_ref().filter(|_| record.kind == Kind::Report) else {
        return Vec::new();
    };
    let mut events = match to.as_str() {
        "NEEDS_INFO" => vec!["CASE_RETURNED"],
        "REJECTED" => vec!["CASE_REJECTED"],
        "CLOSED" => vec!["CASE_CLOSED"],
        "DISPATCHED" => vec!["CASE_DISPATCHED"],
        "REWORK" => vec!["CASE_REWORK"],
        "BOUNCED" => vec!["CASE_BOUNCED"],
        _ => Vec::new(),
    };
    let before = || {
        record.steps[..index]
            .iter()
            .filter_map(|step| step.states.as_ref())
    };
    // An appeal is the way back from a decision; whatever is decided next decides it.
    let is_appeal = |(from, to): &(String, String)| {
        to == "SUBMITTED" && matches!(from.as_str(), "REJECTED" | "MERGED" | "CANCELLED")
    };
    if from == "SUBMITTED" && before().next_back().is_some_and(is_appeal) {
        events.push("CASE_APPEAL_DECIDED");
    }
    let escalation = documents
        .workflow(record.kind)
        .and_then(|workflow| workflow.step(from, to))
        .and_then(|step| step.escalate.as_ref());
    let times = before()
        .filter(|(one, other)| one == from && other == to)
        .count() as u32;
    if escalation.is_some_and(|escalation| times + 1 >= escalation.from_time) {
        events.push("CASE_REWORK_AGAIN");
    }
    events
}

/// What the clock of a case says: half, all, half as much again is used up. Of several only the last is news.
fn of_clock(record: &RecordState, documents: &Documents, now_ms: i64) -> Option<Occasion> {
    if !reminds(record, documents) {
        return None;
    }
    let clock = CaseClock::of(record, documents, now_ms)?;
    let event = match clock.stage() {
        Stage::InTime => return None,
        Stage::Reminded => "CLOCK_HALF",
        Stage::Overdue => "CLOCK_OVER",
        Stage::LongOverdue => "CLOCK_LONG_OVER",
    };
    // Another end that somebody set makes another clock of it.
    let key = format!(
        "{}.{}.{}",
        clock.kind.as_str(),
        clock.since_ms,
        clock.allowed_ms
    );
    Some(Occasion {
        event,
        key,
        pos: None,
        time_ms: now_ms,
        actor: None,
        rank: 0,
    })
}

/// A report of level I that nobody has taken up: the first on duty is told at once, others when it goes on.
fn of_level_one(record: &RecordState, documents: &Documents, now_ms: i64) -> Vec<Occasion> {
    let Some(created) = waits_as_level_one(record, documents) else {
        return Vec::new();
    };
    let after = &documents.notice_rules().level_one.next_after;
    let times = after
        .iter()
        .map(|after| after_ms(created.time_ms, *after, documents));
    std::iter::once(created.time_ms)
        .chain(times)
        .enumerate()
        .filter(|(_, at_ms)| *at_ms <= now_ms)
        .map(|(rank, at_ms)| Occasion {
            event: LEVEL_I,
            key: format!("duty.{rank}"),
            pos: None,
            time_ms: at_ms,
            actor: Some(created.person),
            rank,
        })
        .collect()
}

fn waits_as_level_one(record: &RecordState, documents: &Documents) -> Option<Stamp> {
    let is_waiting = record.kind == Kind::Report
        && record.state.as_deref() == Some("SUBMITTED")
        && record.steps.iter().all(|step| step.states.is_none());
    let is_first = || level_of(record, documents).as_deref() == Some("I");
    record.created.filter(|_| is_waiting && is_first())
}

/// When the next one on duty must be told of a report of level I, at the earliest; `None` for any other record.
pub fn next_on_duty_ms(record: &RecordState, documents: &Documents) -> Option<i64> {
    waits_as_level_one(record, documents).map(|created| created.time_ms)
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
