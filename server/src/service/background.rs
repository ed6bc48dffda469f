//! What runs beside the districts' writers: their projections and their snapshots. It ends with its owner.

use super::ServiceError;
use super::attachments::{AttachmentLimits, AttachmentService};
use super::district::District;
use super::gridwork::Gridwork;
use super::projection::Projection;
use super::snapshots::Snapshots;
use crate::clock::Clock;
use crate::ids::Entropy;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use sync_core::ids::DistrictId;

/// What runs beside one district.
#[derive(Debug)]
pub struct Background {
    /// Lists and search.
    pub projection: Projection,
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
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
        attachments: AttachmentLimits,
    ) -> Result<BTreeMap<DistrictId, Arc<Self>>, ServiceError> {
        let mut started = BTreeMap::new();
        for (id, district) in districts {
            let background = Self {
                projection: Projection::start(Arc::clone(district))?,
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
