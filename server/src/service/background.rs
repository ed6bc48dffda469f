//! What runs beside the districts' writers: their projections and their snapshots. It ends with its owner.

use super::ServiceError;
use super::attachments::{AttachmentLimits, AttachmentService};
use super::district::District;
use super::gridwork::Gridwork;
use super::office::Hand;
use super::projection::Projection;
use super::snapshots::Snapshots;
use super::steward::{Rounds, Steward};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use sync_core::ids::DistrictId;

/// What runs beside one district.
#[derive(Debug)]
pub struct Background {
    /// What the server does by itself; ends first, since it works with the others.
    pub rounds: Rounds,
    /// Lists and search.
    pub projection: Arc<Projection>,
    /// Prepared files for first syncs.
    pub snapshots: Snapshots,
    /// Attachments.
    pub attachments: AttachmentService,
}

impl Background {
    /// Starts everything for these districts of a data directory.
    ///
    /// # Errors
    /// That the system gives no thread, or that the attachments' files do not open.
    pub fn start(
        data: &Path,
        districts: &BTreeMap<DistrictId, Arc<District>>,
        hand: &Hand,
        attachments: AttachmentLimits,
    ) -> Result<BTreeMap<DistrictId, Arc<Self>>, ServiceError> {
        let mut started = BTreeMap::new();
        for (id, district) in districts {
            let projection = Arc::new(Projection::start(Arc::clone(district))?);
            let (clock, entropy) = (&hand.clock, &hand.entropy);
            let steward = Steward::new(hand.clone(), Some(Arc::clone(&projection)));
            let background = Self {
                rounds: Rounds::start(steward, Arc::clone(district))?,
                projection,
                snapshots: Snapshots::start(data, Arc::clone(district), Arc::clone(clock))?,
                attachments: AttachmentService::start(
                    data,
                    Arc::clone(district),
                    Arc::clone(clock),
                    Arc::clone(entropy),
                    attachments,
                )?,
            };
            started.insert(*id, Arc::new(background));
        }
        Ok(started)
    }
}

impl Gridwork {
    /// What runs beside a district of this directory.
    pub(super) fn background(&self, district: &District) -> Result<Arc<Background>, ServiceError> {
        self.background
            .get(&district.id())
            .map(Arc::clone)
            .ok_or(ServiceError::NotFound)
    }
}
