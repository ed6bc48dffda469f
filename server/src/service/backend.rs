//! The engine as the HTTP side sees it: each call finds its district and hands over.

use super::access_token::TokenKey;
use super::gridwork::Gridwork;
use super::{AcceptedCodings, Answer, Backend, Caller, SegmentFile, ServiceError};
use crate::language::Language;
use crate::store::sqlite::Bucket;
use api_schema::desk::{DeadlinePage, DeadlineQuery, DuplicateList, DuplicateQuery};
use api_schema::directory::Directory;
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::fork::ForkRequest;
use api_schema::health::Ready;
use api_schema::record::{RecordDetail, RecordPage, RecordQuery};
use api_schema::setup::{SetupAnswer, SetupRequest};
use api_schema::snapshot::SnapshotList;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use std::sync::Arc;
use sync_core::ids::{PersonId, ReplicaId};
use sync_core::scope::Scope;
use sync_core::wire::RequestBody;
use tokio_stream::wrappers::BroadcastStream;
use uuid::Uuid;

impl Backend for Gridwork {
    fn token_key(&self, key_id: &str) -> Option<TokenKey> {
        self.districts.values().find_map(|district| {
            let public_key = district.token_key(key_id)?;
            Some(TokenKey {
                district: district.id().0,
                public_key,
            })
        })
    }

    fn sync(&self, body: Bytes) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let district = RequestBody::read(&body)?.request.district;
            let district = self
                .districts
                .get(&district)
                .ok_or(ServiceError::SignatureRefused)?;
            Ok(district.sync(&body).await?.encode())
        })
    }

    fn enrol(&self, request: EnrolmentRequest) -> Answer<'_, EnrolmentAnswer> {
        Box::pin(self.enrol_replica(request))
    }

    fn set_up(&self, request: SetupRequest) -> Answer<'_, SetupAnswer> {
        Box::pin(self.set_up_administrator(request))
    }

    fn fork(&self, request: ForkRequest) -> Answer<'_, EnrolmentAnswer> {
        Box::pin(self.continue_fork(request))
    }

    fn list_deadlines(&self, caller: Caller, query: DeadlineQuery) -> Answer<'_, DeadlinePage> {
        Box::pin(self.list_deadlines_of(caller, query))
    }

    fn find_duplicates(&self, caller: Caller, query: DuplicateQuery) -> Answer<'_, DuplicateList> {
        Box::pin(self.find_duplicates_of(caller, query))
    }

    fn list_records(&self, caller: Caller, query: RecordQuery) -> Answer<'_, RecordPage> {
        Box::pin(self.list_records_of(caller, query))
    }

    fn get_record(
        &self,
        caller: Caller,
        record: Uuid,
        language: Language,
    ) -> Answer<'_, RecordDetail> {
        Box::pin(self.get_record_of(caller, record, language))
    }

    fn directory(&self, caller: Caller) -> Answer<'_, Directory> {
        Box::pin(self.directory_of(caller))
    }

    fn list_snapshots(&self, caller: Caller) -> Answer<'_, SnapshotList> {
        Box::pin(self.list_snapshots_of(caller))
    }

    fn snapshot_segment(
        &self,
        caller: Caller,
        name: String,
        segment: u32,
        accepted: AcceptedCodings,
    ) -> Answer<'_, SegmentFile> {
        Box::pin(self.open_segment(caller, name, segment, accepted))
    }

    fn subscribe(&self, caller: Caller) -> Answer<'_, BoxStream<'static, ()>> {
        Box::pin(async move {
            let district = self.district_of(&caller)?;
            let district = Arc::clone(district);
            let clock = Arc::clone(&self.clock);
            let commits = BroadcastStream::new(district.writer().subscribe());
            let replica = ReplicaId(caller.replica);
            let nudges = commits
                // A receiver that fell behind may have missed its own news: it is nudged, and asks.
                .take_while(move |commit| {
                    let revoked = commit.as_ref().is_ok_and(|state| {
                        state
                            .directory
                            .replica_by_id(replica)
                            .is_none_or(|found| found.revoked_ms.is_some())
                    });
                    std::future::ready(!revoked)
                })
                .filter_map(move |commit| {
                    let nudge = match commit {
                        Err(_) => true,
                        Ok(state) => {
                            let scope = Scope::of(
                                &state.directory,
                                &state.documents.documents,
                                PersonId(caller.person),
                                clock.wall_ms(),
                            );
                            let sees = |bucket: &Bucket| {
                                scope.contains(bucket.kind, bucket.unit, bucket.desk)
                            };
                            state.touched.iter().any(sees) || state.directory_changed
                        }
                    };
                    std::future::ready(nudge.then_some(()))
                });
            Ok(nudges.boxed())
        })
    }

    fn ready(&self) -> Answer<'_, Ready> {
        Box::pin(async move {
            let mut failed = Vec::new();
            for district in self.districts.values() {
                if !district.is_writing()
                    || district
                        .writer()
                        .run(|log, now_ms| log.touch(now_ms))
                        .await
                        .is_err()
                {
                    failed.push(format!("write:{}", district.code()));
                }
            }
            if failed.is_empty() {
                Ok(Ready {
                    ready: true,
                    checks: vec!["write".into(), "clock".into()],
                })
            } else {
                Err(ServiceError::NotReady { failed })
            }
        })
    }
}
