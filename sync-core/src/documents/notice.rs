//! Which event makes which notice, when it may leave by a channel, and who is on duty.

use super::{LocalMoment, Name, TimeOfDay};
use crate::calendar::Duration;
use chrono::NaiveDate;
use serde::Deserialize;

/// Whose notice it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Addressee {
    /// Whoever reported it, or for whom it was reported.
    Reporter,
    /// The author of the change that it is about.
    Author,
    /// Who was given the task.
    Assignee,
    /// Whoever must act now: the desk of the case, or else the desk of its unit.
    Holder,
    /// The leader of the round's team.
    Leader,
    /// Whoever is on duty for the unit, and the next one when nobody acknowledges.
    DutyOfUnit,
    /// Everybody who has a role near the record.
    Role {
        /// The role.
        role: String,
        /// Near what.
        near: Near,
    },
}

/// Where a role is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Near {
    /// In the unit of the record, or the nearest one above it where somebody has the role.
    Unit,
    /// In the unit that must act.
    Desk,
    /// Anywhere in the district.
    District,
}

impl TryFrom<String> for Addressee {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let role = || {
            let (role, near) = text.strip_prefix("role:")?.split_once('@')?;
            let near = match near {
                "unit" => Near::Unit,
                "desk" => Near::Desk,
                "district" => Near::District,
                _ => return None,
            };
            let role = role.to_owned();
            Some(Self::Role { role, near })
        };
        match text.as_str() {
            "reporter" => Ok(Self::Reporter),
            "author" => Ok(Self::Author),
            "assignee" => Ok(Self::Assignee),
            "holder" => Ok(Self::Holder),
            "leader" => Ok(Self::Leader),
            "duty:unit" => Ok(Self::DutyOfUnit),
            _ => role().ok_or_else(|| format!("{text} names nobody")),
        }
    }
}

/// An event that makes notices.
#[derive(Clone, Debug, Deserialize)]
pub struct NoticeRule {
    /// The event, which notices name.
    pub code: String,
    /// What the notice says.
    pub name: Name,
    /// Whose it is.
    pub to: Vec<Addressee>,
    /// Whether each must acknowledge it.
    pub must_acknowledge: bool,
    /// Whether it may leave by the district's channel.
    pub channel: bool,
    /// Whether it makes no more notices.
    #[serde(default)]
    pub retired: bool,
}

/// What happens to a notice of level I that nobody acknowledges.
#[derive(Clone, Debug, Deserialize)]
pub struct LevelOne {
    /// After how long, each time, the next one on duty is told.
    pub next_after: Vec<Duration>,
}

/// When no channel is used.
#[derive(Clone, Debug, Deserialize)]
pub struct Quiet {
    /// From this time of day.
    pub from: TimeOfDay,
    /// Until this one; before the first: of the next day.
    pub until: TimeOfDay,
    /// Events that do not wait.
    pub except: Vec<String>,
}

impl Quiet {
    /// Whether a notice of this event waits at this minute of the day.
    pub fn holds(&self, event: &str, minute: u32) -> bool {
        let (from, until) = (self.from.0, self.until.0);
        let is_quiet = if from <= until {
            (from..until).contains(&minute)
        } else {
            minute >= from || minute < until
        };
        is_quiet && !self.except.iter().any(|each| each == event)
    }
}

/// The rules of notices.
#[derive(Clone, Debug, Deserialize)]
pub struct NoticeRules {
    /// All events.
    pub events: Vec<NoticeRule>,
    /// Level I.
    pub level_one: LevelOne,
    /// Quiet hours.
    pub quiet: Quiet,
}

impl NoticeRules {
    /// The rule of an event; none when the event is retired or unknown.
    pub fn event(&self, code: &str) -> Option<&NoticeRule> {
        self.events
            .iter()
            .find(|rule| rule.code == code && !rule.retired)
    }
}

/// Who is on duty for a unit over some hours, the first one first.
#[derive(Clone, Debug, Deserialize)]
pub struct Shift {
    /// The code of the unit.
    pub unit: String,
    /// Its beginning.
    pub from: LocalMoment,
    /// Its end.
    pub until: LocalMoment,
    /// The numbers of the people, in the order in which they are called.
    pub people: Vec<u32>,
}

/// Who is away, and who acts for them.
#[derive(Clone, Debug, Deserialize)]
pub struct Leave {
    /// The number of whoever is away.
    pub person: u32,
    /// The first day.
    pub from: NaiveDate,
    /// The last day.
    pub to: NaiveDate,
    /// The number of whoever gets their notices meanwhile. Rights are given by roles with dates.
    #[serde(default)]
    pub deputy: Option<u32>,
}

/// The roster.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct DutyRoster {
    /// Shifts.
    pub shifts: Vec<Shift>,
    /// Leave.
    pub leave: Vec<Leave>,
}

impl DutyRoster {
    /// Those on duty for the unit nearest to a place that has anybody on duty, `lineage` being the codes of the unit and
    /// of all above it.
    pub fn on_duty(&self, lineage: &[&str], day: NaiveDate, minute: u32) -> &[u32] {
        let now = LocalMoment {
            day,
            time: TimeOfDay(minute),
        };
        lineage
            .iter()
            .find_map(|code| {
                let of_unit =
                    |shift: &&Shift| shift.unit == *code && shift.from <= now && now < shift.until;
                self.shifts.iter().find(of_unit)
            })
            .map(|shift| shift.people.as_slice())
            .unwrap_or_default()
    }

    /// Who gets the notices of a person on a day: the deputy while they are away.
    pub fn stands_in(&self, person: u32, day: NaiveDate) -> u32 {
        let away = self
            .leave
            .iter()
            .find(|leave| leave.person == person && (leave.from..=leave.to).contains(&day));
        away.and_then(|leave| leave.deputy).unwrap_or(person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn quiet_hours_go_past_midnight_and_some_events_do_not_wait() {
        let quiet: Quiet =
            serde_json::from_str(r#"{"from": "22:00", "until": "07:00", "except": ["LEVEL_I"]}"#)
                .expect("hours");
        let holds = |minute| quiet.holds("TASK_GIVEN", minute);
        assert_eq!(
            [22 * 60 - 1, 22 * 60, 0, 7 * 60 - 1, 7 * 60].map(holds),
            [false, true, true, true, false]
        );
        assert!(!quiet.holds("LEVEL_I", 0));
        let noon: Quiet =
            serde_json::from_str(r#"{"from": "12:00", "until": "13:00", "except": []}"#)
                .expect("hours");
        assert!(noon.holds("X", 750) && !noon.holds("X", 800) && !noon.holds("X", 0));
    }

    #[test]
    fn the_nearest_unit_with_anybody_on_duty_is_called_and_a_deputy_stands_in() {
        let roster: DutyRoster = serde_json::from_str(
            r#"{"shifts": [
                {"unit": "44", "from": "2026-11-28 08:00", "until": "2026-11-29 08:00", "people": [1]},
                {"unit": "44.007", "from": "2026-11-28 20:00", "until": "2026-11-29 08:00", "people": [7, 8]}],
              "leave": [{"person": 7, "from": "2026-11-28", "to": "2026-11-30", "deputy": 9}, {"person": 8, "from": "2026-11-28", "to": "2026-11-30"}]}"#,
        )
        .expect("a roster");
        let lineage = ["44.007.001", "44.007", "44"];
        let today = day("2026-11-28");
        assert_eq!(roster.on_duty(&lineage, today, 20 * 60), [7, 8]);
        assert_eq!(roster.on_duty(&lineage, today, 20 * 60 - 1), [1]);
        assert!(
            roster
                .on_duty(&lineage, day("2026-11-29"), 8 * 60)
                .is_empty()
        );
        assert_eq!(roster.stands_in(7, today), 9);
        assert_eq!(roster.stands_in(8, today), 8);
        assert_eq!(roster.stands_in(7, day("2026-12-01")), 7);
    }

    #[test]
    fn addressees_are_read_and_others_refused() {
        let read = |text: &str| Addressee::try_from(text.to_owned());
        assert_eq!(read("duty:unit"), Ok(Addressee::DutyOfUnit));
        assert_eq!(
            read("role:duty_desk@unit"),
            Ok(Addressee::Role {
                role: "duty_desk".into(),
                near: Near::Unit
            })
        );
        assert!(read("role:x@moon").is_err() && read("everybody").is_err());
    }
}
