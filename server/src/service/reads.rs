//! Reading records, the directory and snapshots for a caller. (Being written.)

use super::gridwork::Gridwork;
use super::{AcceptedCodings, Caller, SegmentFile, ServiceError};
use crate::language::Language;
use api_schema::directory::Directory;
use api_schema::record::{RecordDetail, RecordPage, RecordQuery};
use api_schema::snapshot::SnapshotList;
use uuid::Uuid;

impl Gridwork {
    pub(super) async fn list_records_of(
        &self,
        _: Caller,
        _: RecordQuery,
    ) -> Result<RecordPage, ServiceError> {
        Err(ServiceError::NotFound)
    }
    pub(super) async fn get_record_of(
        &self,
        _: Caller,
        _: Uuid,
        _: Language,
    ) -> Result<RecordDetail, ServiceError> {
        Err(ServiceError::NotFound)
    }
    pub(super) async fn directory_of(&self, _: Caller) -> Result<Directory, ServiceError> {
        Err(ServiceError::NotFound)
    }
    pub(super) async fn list_snapshots_of(&self, _: Caller) -> Result<SnapshotList, ServiceError> {
        Err(ServiceError::NotFound)
    }
    pub(super) async fn open_segment(
        &self,
        _: Caller,
        _: String,
        _: u32,
        _: AcceptedCodings,
    ) -> Result<SegmentFile, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

impl Gridwork {
    /// Prepares the snapshots for first syncs now.
    pub(super) async fn build_snapshots(
        &self,
        _: &std::sync::Arc<super::district::District>,
    ) -> Result<serde_json::Value, ServiceError> {
        Ok(serde_json::json!({}))
    }
}
