//! Frozen packs as people read them: those who read the work of the whole district.

use super::hash_of;
use crate::service::gridwork::Gridwork;
use crate::service::{Answer, Caller, ServiceError};
use api_schema::pack::{PackList, PackSummary};
use std::sync::Arc;
use sync_core::kinds::Kind;

/// What a pack tells of: whoever reads all of it anyway may read the pack.
const TOLD: [Kind; 6] = [
    Kind::Report,
    Kind::Visit,
    Kind::Patrol,
    Kind::Inspection,
    Kind::Mediation,
    Kind::Task,
];

/// What the HTTP side asks about packs.
pub trait Packs {
    /// The packs that are frozen.
    fn list_packs(&self, caller: Caller) -> Answer<'_, PackList>;

    /// The text of one.
    fn get_pack(&self, caller: Caller, label: String) -> Answer<'_, String>;
}

impl Packs for Gridwork {
    fn list_packs(&self, caller: Caller) -> Answer<'_, PackList> {
        Box::pin(async move {
            let district = Arc::clone(self.district_of(&caller)?);
            self.may_read_packs(&caller)?;
            let packs = district.read(|read, _| Ok(read.list_packs()?)).await?;
            let summary = |pack: crate::store::sqlite::PackRow| PackSummary {
                hash: hash_of(&pack.text),
                label: pack.label,
                pos: pack.pos.0,
                frozen_ms: pack.frozen_ms,
            };
            Ok(PackList {
                packs: packs.into_iter().map(summary).collect(),
            })
        })
    }

    fn get_pack(&self, caller: Caller, label: String) -> Answer<'_, String> {
        Box::pin(async move {
            let district = Arc::clone(self.district_of(&caller)?);
            self.may_read_packs(&caller)?;
            let find =
                move |read: &crate::store::sqlite::DistrictRead, _: &_| Ok(read.find_pack(&label)?);
            let pack = district.read(find).await?;
            Ok(pack.ok_or(ServiceError::NotFound)?.text)
        })
    }
}

impl Gridwork {
    fn may_read_packs(&self, caller: &Caller) -> Result<(), ServiceError> {
        let district = self.district_of(caller)?;
        let scope = self.scope_of(district, caller);
        let state = district.state();
        let mut roots = state.directory.units().filter(|unit| unit.parent.is_none());
        let reads_all = |unit| TOLD.iter().all(|kind| scope.contains(*kind, unit, None));
        match roots.all(|root| reads_all(root.unit)) {
            true => Ok(()),
            false => Err(ServiceError::Forbidden),
        }
    }
}
