//! One round whole, reckoned from its record when it is asked for.

use super::walked::{Reckoned, hash_of, reckon};
use crate::service::gridwork::Gridwork;
use crate::service::{Caller, ServiceError};
use crate::store::sqlite::RecordRow;
use api_schema::patrol::{
    PatrolRound, RoundCheckIn, RoundDoubt, RoundMember, RoundPoint, SettledDoubt,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use sync_core::ids::RecordId;
use sync_core::kinds::Kind;
use sync_core::patrols::doubts::Doubt;
use sync_core::patrols::{CheckIn, Round};
use uuid::Uuid;

impl Gridwork {
    pub(super) async fn round_of(
        &self,
        caller: Caller,
        record: Uuid,
    ) -> Result<PatrolRound, ServiceError> {
        let district = Arc::clone(self.district_of(&caller)?);
        let projection = Arc::clone(&self.background(&district)?.projection);
        projection.wait_for(district.state().head.0).await;
        let scope = self.scope_of(&district, &caller);
        let reader = Arc::clone(&district);
        district
            .read(move |read, state| {
                let row = read.find_record(RecordId(record))?;
                let row = row
                    .filter(|row| row.kind == Kind::Patrol)
                    .filter(|row| scope.contains(row.kind, row.unit, row.desk))
                    .ok_or(ServiceError::NotFound)?;
                let view = reader.view(read, state);
                let found = view.load_state(&row)?.ok_or(ServiceError::NotFound)?;
                // Which photos stand in other rounds is known to the projection alone.
                let shared = projection
                    .read(|index| index.list_shared_photos(row.no))?
                    .unwrap_or_default();
                let is_elsewhere =
                    |photo: &str| hash_of(photo).is_some_and(|photo| shared.contains(&photo));
                let reckoned = reckon(&reader, state, &view, (&row, &found), &is_elsewhere)?;
                let reckoned = reckoned.ok_or(ServiceError::NotFound)?;
                Ok(told(&row, &reckoned))
            })
            .await
    }
}

fn told(row: &RecordRow, reckoned: &Reckoned) -> PatrolRound {
    let round = &reckoned.round;
    PatrolRound {
        record: row.id.0,
        team: round.team.clone(),
        slot: round.slot.clone(),
        day: round.day.to_string(),
        unit: row.unit.0,
        state: round.state.clone(),
        leader: round.leader.0,
        started_ms: round.started_ms,
        ended_ms: round.ended_ms,
        key_period: reckoned
            .key_period
            .as_ref()
            .map(|period| period.code.clone()),
        completion: reckoned.completion.as_str().to_owned(),
        share_permille: round.share_permille(),
        people: u32::try_from(round.people()).unwrap_or(u32::MAX),
        people_min: reckoned.people_min,
        missed_reason: round.missed_reason.clone(),
        members: members(round),
        points: points(reckoned),
        check_ins: round.check_ins.iter().map(check_in).collect(),
        doubts: reckoned.doubts.iter().map(doubt).collect(),
    }
}

fn members(round: &Round) -> Vec<RoundMember> {
    let member = |member: &sync_core::patrols::Member| RoundMember {
        person: member.person.0,
        joined_ms: member.joined_ms,
        ticked: member.ticked,
        own_word: member.own_word,
        counts: member.counts(),
    };
    round.members.iter().map(member).collect()
}

fn points(reckoned: &Reckoned) -> Vec<RoundPoint> {
    let (round, routes) = (&reckoned.round, reckoned.documents.patrol_routes());
    let visited: &BTreeSet<String> = &round.visited;
    let must = round.must_points.iter();
    must.map(|code| {
        let point = routes.point(code);
        RoundPoint {
            point: code.clone(),
            name: point.map_or_else(String::new, |point| point.name.clone()),
            red: point.is_some_and(|point| point.red),
            visited: visited.contains(code),
        }
    })
    .collect()
}

fn check_in(check_in: &CheckIn) -> RoundCheckIn {
    RoundCheckIn {
        about: check_in.subject(),
        point: check_in.point.clone(),
        person: check_in.person.0,
        time_ms: check_in.time_ms,
        method: check_in.method.clone(),
        latitude_e7: check_in.place.map(|place| place.latitude_e7),
        longitude_e7: check_in.place.map(|place| place.longitude_e7),
        accuracy_m: check_in.place.map(|place| place.accuracy_m),
        photos: check_in.photos.clone(),
    }
}

fn doubt(doubt: &Doubt) -> RoundDoubt {
    RoundDoubt {
        doubt: doubt.kind.to_owned(),
        about: doubt.about.clone(),
        person: doubt.person.0,
        time_ms: doubt.time_ms,
        settled: doubt.settled.as_ref().map(|settled| SettledDoubt {
            outcome: if settled.is_upheld {
                "upheld"
            } else {
                "cleared"
            }
            .to_owned(),
            by: settled.by.0,
            time_ms: settled.time_ms,
            reason: settled.reason.clone(),
        }),
    }
}
