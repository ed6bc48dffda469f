//! One round as people look at it: members, check-ins, the share of must-points.

use super::coverage::ends_ms;
use super::settled;
use crate::documents::{Documents, PatrolPlan, PatrolRoutes, Slot};
use crate::geo::Place;
use crate::ids::{PersonId, ReplicaNo, Seq};
use crate::merge::{Element, RecordState, Stamp};
use chrono::{NaiveDate, NaiveDateTime, Timelike};
use std::collections::{BTreeMap, BTreeSet};

/// Somebody who walked along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person: PersonId,
    /// Since when.
    pub joined_ms: i64,
    /// Whether the leader entered it for them.
    pub ticked: bool,
    /// What they said about it themselves: that they were there, or that they were not.
    pub own_word: Option<bool>,
}

impl Member {
    /// Whether they count: nobody counts who says that they were not there.
    pub fn counts(&self) -> bool {
        self.own_word != Some(false)
    }
}

/// A check-in at a point.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckIn {
    /// The point.
    pub point: String,
    /// Who was there.
    pub person: PersonId,
    /// On which replica.
    pub replica: ReplicaNo,
    /// Its place in that replica's chain.
    pub seq: Seq,
    /// When.
    pub time_ms: i64,
    /// `nfc`, `code`, `place` or `note`.
    pub method: String,
    /// Where the phone was.
    pub place: Option<Place>,
    /// The photos that prove it.
    pub photos: Vec<String>,
    /// What was read from the tag or the sticker.
    pub code: Option<String>,
    /// Whether the phone said that its place was made up.
    pub mock: bool,
}

impl CheckIn {
    /// What a doubt about it names: replica and place in its chain.
    pub fn subject(&self) -> String {
        subject(self.replica, self.seq)
    }
}

/// What a doubt about an element names.
pub(super) fn subject(replica: ReplicaNo, seq: Seq) -> String {
    format!("{}.{}", replica.0, seq.0)
}

/// How much of its must-points a round has visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Completion {
    /// Less than what counts as partial.
    Short,
    /// Enough to count as partial.
    Partial,
    /// Complete.
    Complete,
}

impl Completion {
    /// Its name in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Partial => "partial",
            Self::Complete => "complete",
        }
    }
}

/// A round.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Its team.
    pub team: String,
    /// Its slot.
    pub slot: String,
    /// The day it belongs to: of a slot that goes past midnight, the one before.
    pub day: NaiveDate,
    /// Who leads it: who started it.
    pub leader: PersonId,
    /// When it began.
    pub started_ms: i64,
    /// When it ended; `None` while it is under way.
    pub ended_ms: Option<i64>,
    /// Where its workflow stands.
    pub state: String,
    /// Members, in order of their numbers, the leader among them.
    pub members: Vec<Member>,
    /// Check-ins, in the order of the log.
    pub check_ins: Vec<CheckIn>,
    /// What must be visited.
    pub must_points: Vec<String>,
    /// Which of these were.
    pub visited: BTreeSet<String>,
    /// Reason codes of points or rounds that were missed.
    pub missed_reason: Option<String>,
}

fn doer(stamp: &Stamp) -> PersonId {
    stamp.whose.unwrap_or(stamp.person)
}

/// The day that a round belongs to, when its author names none: a slot that goes past midnight began the day before.
fn day_of(slot: Option<&Slot>, local: NaiveDateTime) -> NaiveDate {
    let (local_day, minute) = (local.date(), local.hour() * 60 + local.minute());
    let is_after_midnight = slot.is_some_and(|slot| {
        slot.until < slot.from && minute < slot.from.0 && minute <= slot.until.0 + 60
    });
    match is_after_midnight {
        true => local_day.pred_opt().unwrap_or(local_day),
        false => local_day,
    }
}

impl Round {
    /// The round that a record is, by the documents that were in force when it began; `None` for one that is no patrol or
    /// that nobody has started yet.
    pub fn of(record: &RecordState, documents: &Documents) -> Option<Self> {
        let (plan, routes) = (documents.patrol_plan(), documents.patrol_routes());
        let created = record.created.as_ref()?;
        let team = record.shown_text("team")?;
        let slot = record.shown_text("slot")?;
        let local = documents.zone().local(created.time_ms);
        let day = record
            .shown_text("date")
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| day_of(plan.slot(&slot), local));
        let state = record.state.clone().unwrap_or_default();
        let ended_ms = record
            .last_step()
            .filter(|_| matches!(state.as_str(), "FINISHED" | "ABANDONED"))
            .map(|step| step.stamp.time_ms)
            .or_else(|| (state == "MISSED").then_some(created.time_ms));
        let check_ins: Vec<_> = record.elements.iter().filter_map(check_in).collect();
        let must_points = must_points(routes, &team, record.shown_text("route").as_deref());
        let upheld = settled::upheld(record);
        let visited = check_ins
            .iter()
            .filter(|check_in| !upheld.contains(&check_in.subject()))
            .filter(|check_in| must_points.contains(&check_in.point))
            .map(|check_in| check_in.point.clone())
            .collect();
        let missed_reason = match state.as_str() {
            "MISSED" => record.shown_text("reason"),
            _ => record
                .last_step()
                .and_then(|step| step.fields.value("missed_reason")),
        };
        Some(Self {
            leader: doer(created),
            started_ms: created.time_ms,
            ended_ms,
            members: members(record, created),
            team,
            slot,
            day,
            state,
            check_ins,
            must_points,
            visited,
            missed_reason,
        })
    }

    /// The share of must-points that were visited, in thousandths; all of it where nothing must be.
    pub fn share_permille(&self) -> u32 {
        match self.must_points.len() {
            0 => 1_000,
            all => (self.visited.len() * 1_000 / all) as u32,
        }
    }

    /// How complete it is. In a key period every red point must be visited as well.
    pub fn completion(
        &self,
        plan: &PatrolPlan,
        routes: &PatrolRoutes,
        in_key_period: bool,
    ) -> Completion {
        let share = self.share_permille();
        let red_missing = in_key_period
            && self.must_points.iter().any(|code| {
                let is_red = routes.point(code).is_some_and(|point| point.red);
                is_red && !self.visited.contains(code)
            });
        if share >= plan.complete_percent * 10 && !red_missing {
            Completion::Complete
        } else if share >= plan.partial_percent * 10 {
            Completion::Partial
        } else {
            Completion::Short
        }
    }

    /// How many people count.
    pub fn people(&self) -> usize {
        self.members.iter().filter(|member| member.counts()).count()
    }
}

/// When a round ends by itself: with its slot, or when it has been walked as long as a round may be, whichever is later.
/// `None` for a slot that nobody knows.
pub fn window_end_ms(record: &RecordState, documents: &Documents) -> Option<i64> {
    let plan = documents.patrol_plan();
    let round = Round::of(record, documents)?;
    let slot = plan.slot(&round.slot)?;
    let minutes = plan.normal.minutes_max.max(plan.key_period.minutes_max);
    let walked_ms = round.started_ms + i64::from(minutes) * 60_000;
    Some(ends_ms(slot, round.day, documents.zone()).max(walked_ms))
}

/// The points of the route that was walked: the one that the round names, or the first of its team.
fn must_points(routes: &PatrolRoutes, team: &str, route: Option<&str>) -> Vec<String> {
    let of_team = || routes.team(team)?.routes.first().map(String::as_str);
    let route = route.or_else(of_team).and_then(|code| routes.route(code));
    let is_there = |code: &&String| routes.point(code).is_some_and(|point| !point.retired);
    route
        .map(|route| route.points.iter().filter(is_there).cloned().collect())
        .unwrap_or_default()
}

fn check_in(element: &Element) -> Option<CheckIn> {
    if element.set != "check_ins" {
        return None;
    }
    let fields = &element.fields;
    Some(CheckIn {
        point: fields.value("point")?,
        person: doer(&element.stamp),
        replica: element.stamp.replica,
        seq: element.stamp.seq,
        time_ms: element.stamp.time_ms,
        method: fields.value("method").unwrap_or_default(),
        place: fields.value("place"),
        photos: fields.value("photos").unwrap_or_default(),
        code: fields.value("code"),
        mock: fields.value("mock").unwrap_or(false),
    })
}

/// The leader, those whom the leader ticked, those who joined themselves, and what each said about it.
fn members(record: &RecordState, created: &Stamp) -> Vec<Member> {
    let mut members: BTreeMap<PersonId, Member> = BTreeMap::new();
    let mut join = |person: PersonId, joined_ms: i64, ticked: bool| {
        let member = members.entry(person).or_insert(Member {
            person,
            joined_ms,
            ticked,
            own_word: None,
        });
        // Whoever joined themselves has said so, whatever the leader ticked before or after.
        member.ticked &= ticked;
        member.joined_ms = member.joined_ms.min(joined_ms);
    };
    join(doer(created), created.time_ms, false);
    for element in record
        .elements
        .iter()
        .filter(|element| element.set == "members")
    {
        let stamp = &element.stamp;
        // `member` is how the first version of the intent names whom the leader ticked.
        let named = element.fields.value::<u32>("member").map(PersonId);
        let person = stamp.whose.or(named).unwrap_or(stamp.person);
        join(person, stamp.time_ms, person != stamp.person);
    }
    for element in record
        .elements
        .iter()
        .filter(|element| element.set == "confirmations")
    {
        if let Some(member) = members.get_mut(&doer(&element.stamp)) {
            member.own_word = element.fields.value("was_there");
        }
    }
    members.into_values().collect()
}
