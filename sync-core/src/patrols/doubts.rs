//! What is doubtful about a round. A doubt refuses nothing and takes nothing away: the person sees it and may explain, and
//! another person settles it.

use super::codes::{PointCode, ShownCode};
use super::round::{CheckIn, Round, subject};
pub use super::settled::Settled;
use super::settled::settled;
use crate::change::VerifyingKey;
use crate::documents::{PatrolPlan, PatrolRoutes};
use crate::geo::Place;
use crate::ids::{DistrictId, PersonId, RecordId, ReplicaId, ReplicaNo, Seq};
use crate::merge::RecordState;
use std::collections::{BTreeMap, BTreeSet};

/// A doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Which, one of [`crate::kinds::patrol::DOUBTS`].
    pub kind: &'static str,
    /// The element that it is about: replica and place in its chain.
    pub about: String,
    /// Whose check-in or joining it is.
    pub person: PersonId,
    /// When that was.
    pub time_ms: i64,
    /// What a person said; `None` while nobody has.
    pub settled: Option<Settled>,
}

/// What the doubts look at outside of the round.
pub struct Outside<'a> {
    /// The district, whose key signs stickers.
    pub district: DistrictId,
    /// Its keys, past ones too.
    pub keys: &'a [VerifyingKey],
    /// The round itself.
    pub record: RecordId,
    /// A replica's key and person, by its id.
    pub replica: &'a dyn Fn(ReplicaId) -> Option<(VerifyingKey, PersonId)>,
    /// Whether a photo stands in another record as well.
    pub is_photo_elsewhere: &'a dyn Fn(&str) -> bool,
    /// The changes whose clock had to be bounded.
    pub clock_bounded: &'a BTreeSet<(ReplicaNo, Seq)>,
}

/// Everything doubtful, in the order of the check-ins.
pub fn doubts(
    record: &RecordState,
    round: &Round,
    plan: &PatrolPlan,
    routes: &PatrolRoutes,
    outside: &Outside<'_>,
) -> Vec<Doubt> {
    let mut found = Vec::new();
    for check_in in &round.check_ins {
        of_one(check_in, plan, routes, outside, &mut found);
    }
    of_photos(round, outside, &mut found);
    of_speed(round, plan, &mut found);
    of_phones(round, &mut found);
    of_codes(record, round, plan, outside, &mut found);
    let settled = settled(record);
    for doubt in &mut found {
        let key = (doubt.kind.to_owned(), doubt.about.clone());
        doubt.settled = settled.get(&key).cloned();
    }
    found
}

fn doubt(kind: &'static str, check_in: &CheckIn) -> Doubt {
    Doubt {
        kind,
        about: check_in.subject(),
        person: check_in.person,
        time_ms: check_in.time_ms,
        settled: None,
    }
}

/// What one check-in shows by itself.
fn of_one(
    check_in: &CheckIn,
    plan: &PatrolPlan,
    routes: &PatrolRoutes,
    outside: &Outside<'_>,
    found: &mut Vec<Doubt>,
) {
    if check_in.mock {
        found.push(doubt("mock_location", check_in));
    }
    let key = (check_in.replica, check_in.seq);
    if outside.clock_bounded.contains(&key) {
        found.push(doubt("clock", check_in));
    }
    let point = routes.point(&check_in.point);
    if let Some(text) = &check_in.code {
        let code = PointCode::parse(text)
            .filter(|code| code.point == check_in.point)
            .filter(|code| code.is_signed(outside.district, outside.keys));
        match (code, point) {
            (None, _) => found.push(doubt("foreign_code", check_in)),
            (Some(code), Some(point))
                if point.revoked.contains(&code.serial) || code.serial > point.serial =>
            {
                found.push(doubt("revoked_code", check_in));
            }
            _ => {}
        }
    }
    let place = point.and_then(|point| point.place).map(|place| Place {
        latitude_e7: place.latitude_e7,
        longitude_e7: place.longitude_e7,
        accuracy_m: 0,
    });
    if let (Some(there), Some(here)) = (place, check_in.place) {
        let near_m = i64::from(plan.near_m).max(here.accuracy_m);
        if here.distance_m(&there) > near_m as f64 {
            found.push(doubt("far_from_point", check_in));
        }
    }
}

/// The same photo in two check-ins, here or in another record.
fn of_photos(round: &Round, outside: &Outside<'_>, found: &mut Vec<Doubt>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for check_in in &round.check_ins {
        let is_again =
            |photo: &String| seen.contains(photo.as_str()) || (outside.is_photo_elsewhere)(photo);
        if check_in.photos.iter().any(is_again) {
            found.push(doubt("same_photo", check_in));
        }
        seen.extend(check_in.photos.iter().map(String::as_str));
    }
}

/// Two check-ins of one person that lie farther apart than anybody walks in the time between.
fn of_speed(round: &Round, plan: &PatrolPlan, found: &mut Vec<Doubt>) {
    let mut last: BTreeMap<PersonId, &CheckIn> = BTreeMap::new();
    let mut in_time: Vec<&CheckIn> = round.check_ins.iter().collect();
    in_time.sort_by_key(|check_in| (check_in.time_ms, check_in.replica, check_in.seq));
    for check_in in in_time {
        let Some(here) = check_in.place else { continue };
        if let Some(before) = last.insert(check_in.person, check_in)
            && let Some(there) = before.place
        {
            // What the places may be off by is given to the walker.
            let slack = (here.accuracy_m + there.accuracy_m) as f64;
            let metres = here.distance_m(&there) - slack;
            let seconds = (check_in.time_ms - before.time_ms) as f64 / 1_000.0;
            let reach = f64::from(plan.doubts.speed_kmh) / 3.6 * seconds.max(1.0);
            if metres > reach {
                found.push(doubt("impossible_speed", check_in));
            }
        }
    }
}

/// One person who checks in themselves on two phones.
fn of_phones(round: &Round, found: &mut Vec<Doubt>) {
    let mut first: BTreeMap<PersonId, ReplicaNo> = BTreeMap::new();
    for check_in in &round.check_ins {
        let phone = *first.entry(check_in.person).or_insert(check_in.replica);
        if phone != check_in.replica {
            found.push(doubt("one_person_two_phones", check_in));
        }
    }
}

/// Joining by a code that was shown for another round, by somebody else than its leader, or too long ago.
fn of_codes(
    record: &RecordState,
    round: &Round,
    plan: &PatrolPlan,
    outside: &Outside<'_>,
    found: &mut Vec<Doubt>,
) {
    for element in record
        .elements
        .iter()
        .filter(|element| element.set == "members")
    {
        let Some(text) = element.fields.value::<String>("code") else {
            continue;
        };
        let stamp = &element.stamp;
        let kind = match ShownCode::parse(&text) {
            None => Some("foreign_code"),
            Some(code) => {
                let leaders = (outside.replica)(code.replica)
                    .filter(|(key, person)| code.is_signed(key) && *person == round.leader);
                match leaders {
                    None => Some("foreign_code"),
                    Some(_) if code.record != outside.record => Some("reused_code"),
                    Some(_) if !code.is_fresh(stamp.time_ms, plan.join_code_minutes) => {
                        Some("reused_code")
                    }
                    Some(_) => None,
                }
            }
        };
        if let Some(kind) = kind {
            found.push(Doubt {
                kind,
                about: subject(stamp.replica, stamp.seq),
                person: stamp.whose.unwrap_or(stamp.person),
                time_ms: stamp.time_ms,
                settled: None,
            });
        }
    }
}
