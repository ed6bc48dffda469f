//! Documents that decisions read: workflows, roles, categories, the working calendar. Data that a district can change,
//! never code.

mod category;
mod checklist;
mod fault;
mod manifest;
pub mod model;
mod notice;
mod patrol;
mod role;
mod routing;
mod rules;
mod time_of_day;
mod workflow;

pub use category::{Category, Level, Proof};
pub use checklist::{Checklist, ChecklistFor, ChecklistItem, Choice};
pub use fault::Fault;
pub use manifest::{Manifest, ManifestVersion};
pub use notice::{
    Addressee, DutyRoster, Leave, LevelOne, Near, NoticeRule, NoticeRules, Quiet, Shift,
};
pub use patrol::{
    Crew, DoubtLimits, KeyPeriod, MissedReason, PatrolPlan, PatrolPoint, PatrolRoute, PatrolRoutes,
    PatrolTeam, PointPlace, Slot, SlotWhen, TrackRule,
};
pub use role::{Reads, Role};
pub use routing::{NodeKind, Routing, RoutingNode};
pub use rules::{AlertKind, AlertRule, Every, Indicator, TaskRule, TaskWhen};
pub use time_of_day::{LocalMoment, TimeOfDay};
pub use workflow::{ClockKind, Escalation, Guard, State, Transition, Workflow};

use crate::calendar::{Calendar, Duration, Zone};
use crate::kinds::Kind;
use category::CategoriesFile;
use checklist::ChecklistsFile;
use role::RolesFile;
use rules::{AlertRulesFile, IndicatorsFile, TaskRulesFile};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A text in the languages of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Name {
    /// Chinese, the first language of every screen.
    pub zh: String,
    /// English.
    pub en: String,
}

/// The documents in force.
#[derive(Clone, Debug)]
pub struct Documents {
    workflows: BTreeMap<Kind, Workflow>,
    roles: BTreeMap<String, Role>,
    levels: BTreeMap<String, Level>,
    categories: BTreeMap<String, Category>,
    verify: Duration,
    calendar: Calendar,
    zone: Zone,
    checklists: Vec<Checklist>,
    routing: Routing,
    patrol_plan: PatrolPlan,
    patrol_routes: PatrolRoutes,
    task_rules: Vec<TaskRule>,
    alert_rules: Vec<AlertRule>,
    indicators: Vec<Indicator>,
    notice_rules: NoticeRules,
    duty_roster: DutyRoster,
}

/// The default documents as they ship, name and text.
pub const DEFAULTS: &[(&str, &str)] = &[
    (
        "categories",
        include_str!("../../documents/categories.json"),
    ),
    (
        "case_workflow",
        include_str!("../../documents/case_workflow.json"),
    ),
    (
        "patrol_workflow",
        include_str!("../../documents/patrol_workflow.json"),
    ),
    (
        "task_workflow",
        include_str!("../../documents/task_workflow.json"),
    ),
    (
        "claim_workflow",
        include_str!("../../documents/claim_workflow.json"),
    ),
    (
        "mediation_workflow",
        include_str!("../../documents/mediation_workflow.json"),
    ),
    (
        "inspection_workflow",
        include_str!("../../documents/inspection_workflow.json"),
    ),
    (
        "alert_workflow",
        include_str!("../../documents/alert_workflow.json"),
    ),
    ("roles", include_str!("../../documents/roles.json")),
    ("calendar", include_str!("../../documents/calendar.json")),
    (
        "checklists",
        include_str!("../../documents/checklists.json"),
    ),
    ("routing", include_str!("../../documents/routing.json")),
    (
        "patrol_plan",
        include_str!("../../documents/patrol_plan.json"),
    ),
    (
        "patrol_routes",
        include_str!("../../documents/patrol_routes.json"),
    ),
    (
        "task_rules",
        include_str!("../../documents/task_rules.json"),
    ),
    (
        "alert_rules",
        include_str!("../../documents/alert_rules.json"),
    ),
    (
        "indicators",
        include_str!("../../documents/indicators.json"),
    ),
    (
        "notice_rules",
        include_str!("../../documents/notice_rules.json"),
    ),
    (
        "duty_roster",
        include_str!("../../documents/duty_roster.json"),
    ),
    (
        "points_rules",
        include_str!("../../documents/points_rules.json"),
    ),
];

/// The transition tables, and the kind that each must be for.
const WORKFLOWS: [(&str, Kind); 7] = [
    ("case_workflow", Kind::Report),
    ("patrol_workflow", Kind::Patrol),
    ("task_workflow", Kind::Task),
    ("claim_workflow", Kind::Claim),
    ("mediation_workflow", Kind::Mediation),
    ("inspection_workflow", Kind::Inspection),
    ("alert_workflow", Kind::Alert),
];

/// Minutes that Asia/Shanghai lies east of UTC.
const SHANGHAI_MINUTES: i32 = 8 * 60;

impl Documents {
    /// The documents that ship with the product, in the zone of Asia/Shanghai.
    pub fn defaults() -> Self {
        let texts = DEFAULTS.iter().copied();
        match Self::read(texts, Zone::fixed(SHANGHAI_MINUTES)) {
            Ok(documents) => documents,
            Err(faults) => panic!("BUG: the default documents are wrong: {faults:?}"),
        }
    }

    /// Reads a whole set of documents, name and text. A later text of a name takes the place of an earlier one.
    ///
    /// # Errors
    /// All that is wrong, with document and line.
    pub fn read<'a>(
        texts: impl IntoIterator<Item = (&'a str, &'a str)>,
        zone: Zone,
    ) -> Result<Self, Vec<Fault>> {
        let texts: BTreeMap<&str, &str> = texts.into_iter().collect();
        let mut faults = Vec::new();
        let mut workflows = BTreeMap::new();
        for (name, kind) in WORKFLOWS {
            let read = read_one::<Workflow>(&texts, name, &mut faults);
            let Some(workflow) = read else { continue };
            if workflow.kind == kind {
                workflows.insert(kind, workflow);
            } else {
                let reason = format!("kind is {}, not {}", workflow.kind.as_str(), kind.as_str());
                faults.push(Fault::at(name, texts[name], "\"kind\"", reason));
            }
        }
        let roles = read_one::<RolesFile>(&texts, "roles", &mut faults);
        let categories = read_one::<CategoriesFile>(&texts, "categories", &mut faults);
        let calendar = read_one::<Calendar>(&texts, "calendar", &mut faults);
        let checklists = read_one::<ChecklistsFile>(&texts, "checklists", &mut faults);
        let routing = read_one::<Routing>(&texts, "routing", &mut faults);
        let patrol_plan = read_one::<PatrolPlan>(&texts, "patrol_plan", &mut faults);
        let patrol_routes = read_one::<PatrolRoutes>(&texts, "patrol_routes", &mut faults);
        let task_rules = read_one::<TaskRulesFile>(&texts, "task_rules", &mut faults);
        let alert_rules = read_one::<AlertRulesFile>(&texts, "alert_rules", &mut faults);
        let indicators = read_one::<IndicatorsFile>(&texts, "indicators", &mut faults);
        let notice_rules = read_one::<NoticeRules>(&texts, "notice_rules", &mut faults);
        let duty_roster = read_one::<DutyRoster>(&texts, "duty_roster", &mut faults);
        let (Some(roles), Some(categories), Some(calendar)) = (roles, categories, calendar) else {
            return Err(faults);
        };
        let (Some(checklists), Some(routing), Some(patrol_plan), Some(patrol_routes)) =
            (checklists, routing, patrol_plan, patrol_routes)
        else {
            return Err(faults);
        };
        let (Some(task_rules), Some(alert_rules), Some(indicators)) =
            (task_rules, alert_rules, indicators)
        else {
            return Err(faults);
        };
        let (Some(notice_rules), Some(duty_roster)) = (notice_rules, duty_roster) else {
            return Err(faults);
        };
        let by_code = |code: &str| code.to_owned();
        let documents = Self {
            workflows,
            roles: roles
                .roles
                .into_iter()
                .map(|role| (by_code(&role.code), role))
                .collect(),
            levels: categories
                .levels
                .into_iter()
                .map(|level| (by_code(&level.code), level))
                .collect(),
            categories: categories
                .categories
                .into_iter()
                .map(|category| (by_code(&category.code), category))
                .collect(),
            verify: categories.verify,
            calendar,
            zone,
            checklists: checklists.checklists,
            routing,
            patrol_plan,
            patrol_routes,
            task_rules: task_rules.rules,
            alert_rules: alert_rules.rules,
            indicators: indicators.indicators,
            notice_rules,
            duty_roster,
        };
        if faults.is_empty() {
            Ok(documents)
        } else {
            Err(faults)
        }
    }

    /// The transition table of a kind; `None` for kinds that have no workflow.
    pub fn workflow(&self, kind: Kind) -> Option<&Workflow> {
        self.workflows.get(&kind)
    }

    /// All transition tables.
    pub fn workflows(&self) -> impl Iterator<Item = &Workflow> {
        self.workflows.values()
    }

    /// A role by its code.
    pub fn role(&self, code: &str) -> Option<&Role> {
        self.roles.get(code)
    }

    /// All roles, by code.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// A level by its code.
    pub fn level(&self, code: &str) -> Option<&Level> {
        self.levels.get(code)
    }

    /// A category by its code.
    pub fn category(&self, code: &str) -> Option<&Category> {
        self.categories.get(code)
    }

    /// All categories, by code.
    pub fn categories(&self) -> impl Iterator<Item = &Category> {
        self.categories.values()
    }

    /// Until when what was handled must be verified.
    pub fn verify(&self) -> Duration {
        self.verify
    }

    /// The working calendar.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// A checklist by its code.
    pub fn checklist(&self, code: &str) -> Option<&Checklist> {
        self.checklists.iter().find(|list| list.code == code)
    }

    /// All checklists.
    pub fn checklists(&self) -> &[Checklist] {
        &self.checklists
    }

    /// The routing tree.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// When patrols walk.
    pub fn patrol_plan(&self) -> &PatrolPlan {
        &self.patrol_plan
    }

    /// Teams, routes and points.
    pub fn patrol_routes(&self) -> &PatrolRoutes {
        &self.patrol_routes
    }

    /// The rules by which tasks come about.
    pub fn task_rules(&self) -> &[TaskRule] {
        &self.task_rules
    }

    /// The rules that raise alerts.
    pub fn alert_rules(&self) -> &[AlertRule] {
        &self.alert_rules
    }

    /// The figures of a month.
    pub fn indicators(&self) -> &[Indicator] {
        &self.indicators
    }

    /// The rules of notices.
    pub fn notice_rules(&self) -> &NoticeRules {
        &self.notice_rules
    }

    /// Who is on duty.
    pub fn duty_roster(&self) -> &DutyRoster {
        &self.duty_roster
    }

    /// The district's zone, in which the calendar's days and hours are reckoned.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }
}

fn read_one<T: DeserializeOwned>(
    texts: &BTreeMap<&str, &str>,
    name: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let Some(text) = texts.get(name) else {
        faults.push(Fault::missing(name));
        return None;
    };
    match serde_json::from_str(text) {
        Ok(read) => Some(read),
        Err(error) => {
            faults.push(Fault::of_json(name, &error));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decide::guards, kinds};
    use std::collections::BTreeSet;

    #[test]
    fn every_step_names_known_states_roles_and_guards() {
        let documents = Documents::defaults();
        assert_eq!(documents.categories().count(), 25);
        for workflow in documents.workflows.values() {
            let states: BTreeSet<_> = workflow
                .states
                .iter()
                .map(|state| state.code.as_str())
                .collect();
            assert!(states.contains(workflow.initial.as_str()));
            for step in &workflow.transitions {
                assert!(
                    states.contains(step.from.as_str()) && states.contains(step.to.as_str()),
                    "{step:?}"
                );
                assert!(
                    step.roles.iter().all(|role| documents.role(role).is_some()),
                    "{step:?}"
                );
                for guard in &step.guards {
                    assert!(guards::is_known(guard), "{guard}");
                }
            }
        }
    }

    #[test]
    fn every_role_names_known_intents_and_a_volunteer_reads_no_report_and_no_visit() {
        let documents = Documents::defaults();
        for role in documents.roles.values() {
            assert!(
                role.intents
                    .iter()
                    .all(|intent| kinds::find(intent).is_some()),
                "{role:?}"
            );
        }
        for volunteer in ["patrol_member", "patrol_leader"] {
            let reads = &documents.role(volunteer).expect("a default role").reads;
            assert!(
                reads
                    .keys()
                    .all(|kind| matches!(kind, Kind::Patrol | Kind::Notice))
            );
        }
    }
}
