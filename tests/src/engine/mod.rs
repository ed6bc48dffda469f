//! The engine beside the floors: each benchmark's subject, with nothing taken out that a phone or an office relies on.

pub mod apply;
pub mod growth;
pub mod ingest;
mod list_rows;
pub mod lists;
pub mod merge;
pub mod rollout;
pub mod serve;
pub mod wire;

use std::path::PathBuf;

use server::fleet::FleetError;
use server::service::ServiceError;
use sync_core::ids::{LogPlace, PersonId, Pos, ReplicaNo, Seq};
use sync_core::merge::Stamp;
use sync_core::payload::Payload;

use crate::bench::merge_work::{FIELD_NAMES, FieldEdit};
use crate::bench::suite::EngineUnderTest;
use crate::bench::under_test::BenchError;

/// Everything that can be measured with the program `gridwork` at this path.
pub fn under_test(gridwork: PathBuf, connections: usize) -> EngineUnderTest {
    let growth = gridwork.clone();
    let (lists, rollout) = (gridwork.clone(), gridwork.clone());
    let serve = |readers| serve::EngineServe {
        gridwork: gridwork.clone(),
        readers,
    };
    let phones = serve::Readers::Phones {
        phones: 100,
        records: 5_000,
    };
    EngineUnderTest {
        ingest: Some(Box::new(ingest::EngineIngest {
            gridwork: gridwork.clone(),
        })),
        merge: Some(Box::new(merge::EngineMerge)),
        merge_into_sqlite: Some(Box::new(merge::EngineMergeIntoSqlite)),
        serve: Some(Box::new(serve(serve::Readers::Share(connections)))),
        hundred_phones: Some(Box::new(serve(phones))),
        apply: Some(Box::new(apply::EngineApply)),
        wire: Some(Box::new(|plan, _| wire::measure(plan))),
        growth: Some(Box::new(move |plan, scratch| {
            growth::measure(&growth, plan, scratch)
        })),
        lists: Some(Box::new(move |plan, scratch| {
            lists::measure(&lists, plan, scratch)
        })),
        rollout: Some(Box::new(move |plan, scratch| {
            rollout::measure(&rollout, plan, scratch)
        })),
    }
}

impl From<FleetError> for BenchError {
    fn from(error: FleetError) -> Self {
        Self::Subject(with_causes(&error))
    }
}

impl From<ServiceError> for BenchError {
    fn from(error: ServiceError) -> Self {
        Self::Subject(with_causes(&error))
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn subject(error: impl std::error::Error) -> BenchError {
    BenchError::Subject(with_causes(&error))
}

/// The epoch of everything here.
const EPOCH: sync_core::ids::Epoch = sync_core::ids::Epoch(1);

fn stamp(pos: u64, time_ms: i64, author: u32, seq: u64) -> Stamp {
    Stamp {
        place: LogPlace {
            epoch: EPOCH,
            pos: Pos(pos),
        },
        first_place: None,
        time_ms,
        person: PersonId(author),
        whose: None,
        replica: ReplicaNo(author),
        seq: Seq(seq),
    }
}

/// The open payload of the amendment that writes these fields, as its author would write it.
fn amendment(edits: &[FieldEdit]) -> Vec<u8> {
    let fields = edits.iter().map(|edit| {
        let name = FIELD_NAMES[usize::from(edit.field.0)].to_owned();
        let value = serde_json::value::to_raw_value(&edit.value.to_json());
        (name, value.expect("BUG: a value has no JSON"))
    });
    serde_json::to_vec(&Payload::from_fields(fields)).expect("BUG: a payload has no JSON")
}
