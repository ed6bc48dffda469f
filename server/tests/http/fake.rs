//! The engine that the HTTP tests bring: fixed answers, one refusal on order, and a count of what reached it.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api_schema::change::{ChangeAnswer, ChangeRequest};
use api_schema::desk::{DeadlinePage, DeadlineQuery, DuplicateList, DuplicateQuery};
use api_schema::directory::Directory;
use api_schema::document::{DocumentImport, DocumentImportAnswer, DocumentList};
use api_schema::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use api_schema::fork::ForkRequest;
use api_schema::health::Ready;
use api_schema::inbox::{InboxPage, InboxQuery, RulingAnswer, RulingRequest};
use api_schema::pack::PackList;
use api_schema::patrol::{Coverage, CoverageQuery, DoubtPage, DoubtQuery, PatrolRound};
use api_schema::problem::Problem;
use api_schema::record::{RecordDetail, RecordPage, RecordQuery, RecordSummary};
use api_schema::setup::{SetupAnswer, SetupRequest};
use api_schema::snapshot::SnapshotList;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use ed25519_dalek::SigningKey;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use server::clock::FixedClock;
use server::http::limits::HttpLimits;
use server::http::web::Web;
use server::http::{App, router};
use server::ids::SeededEntropy;
use server::language::Language;
use server::service::access_token::TokenKey;
use server::service::attachments::{Checksum, UploadRequest};
use server::service::office::Office;
use server::service::packs::Packs;
use server::service::patrols::Patrols;
use server::service::{
    AcceptedCodings, Answer, Backend, Caller, Coding, SegmentFile, ServiceError,
};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::timeout;
use tower::ServiceExt;
use uuid::Uuid;

use crate::samples::signing_key;

/// Far longer than any of it takes; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub const NOW_MS: i64 = 1_760_000_000_000;
pub const KEY_ID: &str = "k1";
pub const DISTRICT: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);
pub const REPLICA: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8058);
/// A record at which the engine's code panics.
pub const PANICKING_RECORD: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_dead);
pub const SEGMENT: &[u8] = b"0123456789 not really compressed";

pub struct Fake {
    signing_key: SigningKey,
    pub calls: AtomicUsize,
    pub refusal: Mutex<Option<ServiceError>>,
    pub synced: Mutex<Vec<Bytes>>,
    pub queries: Mutex<Vec<RecordQuery>>,
    /// What uploads brought.
    pub pieces: Mutex<Vec<(Option<Checksum>, Vec<u8>)>>,
    pub uploads: Mutex<Vec<UploadRequest>>,
    pub nudges: broadcast::Sender<()>,
    /// When set, `sync` says that it began and waits to be let go.
    pub gate: Option<Gate>,
}

#[derive(Default)]
pub struct Gate {
    pub entered: Notify,
    pub open: Notify,
}

impl Fake {
    pub fn answer<T: Send + 'static>(&self, value: T) -> Answer<'_, T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let refusal = self.refusal.lock().unwrap().take();
        async move { refusal.map_or(Ok(value), Err) }.boxed()
    }
}

impl Office for Fake {
    fn make_change(
        &self,
        _caller: Caller,
        request: ChangeRequest,
        _language: Language,
    ) -> Answer<'_, ChangeAnswer> {
        self.answer(ChangeAnswer {
            record: request.record,
            replica: REPLICA,
            seq: 1,
            pos: 9,
            verdict: "accepted".to_owned(),
            standing: "in_force".to_owned(),
            marks: Vec::new(),
            problems: Vec::new(),
            time_ms: NOW_MS,
            state: None,
        })
    }

    fn list_inbox(
        &self,
        _caller: Caller,
        _query: InboxQuery,
        _language: Language,
    ) -> Answer<'_, InboxPage> {
        self.answer(InboxPage {
            items: Vec::new(),
            next: None,
            pos: 9,
        })
    }

    fn list_documents(&self, _caller: Caller) -> Answer<'_, DocumentList> {
        self.answer(DocumentList {
            documents: Vec::new(),
            calendar_missing_year: None,
        })
    }

    fn get_document(&self, _caller: Caller, _name: String, _version: u32) -> Answer<'_, String> {
        self.answer("{}".to_owned())
    }

    fn import_documents(
        &self,
        _caller: Caller,
        import: DocumentImport,
        _language: Language,
    ) -> Answer<'_, DocumentImportAnswer> {
        self.answer(DocumentImportAnswer {
            entered: Vec::new(),
            unchanged: import.files.len() as u64,
            only_checked: import.only_check,
            problems: Vec::new(),
        })
    }

    fn rule(&self, _caller: Caller, request: RulingRequest) -> Answer<'_, RulingAnswer> {
        self.answer(RulingAnswer {
            pos: 10,
            of: request.seq,
            verdict: "accepted".to_owned(),
        })
    }
}

impl Packs for Fake {
    fn list_packs(&self, _caller: Caller) -> Answer<'_, PackList> {
        self.answer(PackList::default())
    }

    fn get_pack(&self, _caller: Caller, _label: String) -> Answer<'_, String> {
        self.answer("{}".to_owned())
    }
}

impl Patrols for Fake {
    fn coverage(&self, _caller: Caller, query: CoverageQuery) -> Answer<'_, Coverage> {
        self.answer(Coverage {
            from: query.from,
            to: query.to,
            pos: 9,
            ..Coverage::default()
        })
    }

    fn round(&self, _caller: Caller, record: Uuid) -> Answer<'_, PatrolRound> {
        self.answer(PatrolRound {
            record,
            team: "T1".to_owned(),
            slot: "A".to_owned(),
            day: "2026-11-01".to_owned(),
            unit: 1,
            state: "STARTED".to_owned(),
            leader: 1,
            started_ms: NOW_MS,
            ended_ms: None,
            key_period: None,
            completion: "short".to_owned(),
            share_permille: 0,
            people: 1,
            people_min: 2,
            missed_reason: None,
            members: Vec::new(),
            points: Vec::new(),
            check_ins: Vec::new(),
            doubts: Vec::new(),
        })
    }

    fn list_doubts(&self, _caller: Caller, _query: DoubtQuery) -> Answer<'_, DoubtPage> {
        self.answer(DoubtPage {
            doubts: Vec::new(),
            next: None,
            pos: 9,
        })
    }

    fn sticker(&self, _caller: Caller, point: String) -> Answer<'_, String> {
        self.answer(format!("<svg>{point}</svg>"))
    }

    fn stickers(&self, _caller: Caller, unit: u32, _language: Language) -> Answer<'_, String> {
        self.answer(format!("<p>{unit}</p>"))
    }
}

impl Backend for Fake {
    fn token_key(&self, key_id: &str) -> Option<TokenKey> {
        let key = TokenKey {
            district: DISTRICT,
            public_key: self.signing_key.verifying_key(),
        };
        (key_id == KEY_ID).then_some(key)
    }

    fn sync(&self, body: Bytes) -> Answer<'_, Vec<u8>> {
        self.synced.lock().unwrap().push(body);
        let answer = self.answer(b"GWR1".repeat(100));
        async move {
            if let Some(gate) = &self.gate {
                gate.entered.notify_one();
                gate.open.notified().await;
            }
            answer.await
        }
        .boxed()
    }

    fn enrol(&self, request: EnrolmentRequest) -> Answer<'_, EnrolmentAnswer> {
        self.answer(enrolled(request.replica.as_u128() as u32))
    }

    fn set_up(&self, _request: SetupRequest) -> Answer<'_, SetupAnswer> {
        self.answer(SetupAnswer {
            person: 1,
            enrolment_code: "code".to_owned(),
        })
    }

    fn fork(&self, _request: ForkRequest) -> Answer<'_, EnrolmentAnswer> {
        self.answer(enrolled(2))
    }

    fn list_deadlines(&self, _caller: Caller, _query: DeadlineQuery) -> Answer<'_, DeadlinePage> {
        Box::pin(async {
            Ok(DeadlinePage {
                deadlines: Vec::new(),
                next: None,
                pos: 1,
            })
        })
    }

    fn find_duplicates(
        &self,
        _caller: Caller,
        _query: DuplicateQuery,
    ) -> Answer<'_, DuplicateList> {
        Box::pin(async { Ok(DuplicateList { hints: Vec::new() }) })
    }

    fn list_records(&self, _caller: Caller, query: RecordQuery) -> Answer<'_, RecordPage> {
        self.queries.lock().unwrap().push(query);
        self.answer(RecordPage {
            records: Vec::new(),
            next: None,
            pos: 9,
        })
    }

    fn get_record(
        &self,
        _caller: Caller,
        record: Uuid,
        _language: Language,
    ) -> Answer<'_, RecordDetail> {
        assert_ne!(record, PANICKING_RECORD, "secret payload");
        let summary = RecordSummary {
            record,
            kind: "report".to_owned(),
            unit: 7,
            desk: None,
            state: None,
            category: None,
            title: None,
            time_ms: NOW_MS,
            pos: 9,
            conflicts: 0,
        };
        self.answer(RecordDetail {
            summary,
            fields: Default::default(),
            sets: Default::default(),
            attachments: Vec::new(),
            timeline: Vec::new(),
            clock: None,
        })
    }

    fn directory(&self, _caller: Caller) -> Answer<'_, Directory> {
        let time_zone = "Asia/Shanghai".to_owned();
        self.answer(Directory {
            scope_version: 3,
            pos: 9,
            time_zone,
            units: Vec::new(),
            categories: Vec::new(),
            documents: Vec::new(),
        })
    }

    fn list_snapshots(&self, _caller: Caller) -> Answer<'_, SnapshotList> {
        self.answer(SnapshotList {
            epoch: 1,
            scope_version: 3,
            cursor_pos: 9,
            snapshots: Vec::new(),
        })
    }

    fn snapshot_segment(
        &self,
        _caller: Caller,
        _name: String,
        segment: u32,
        accepted: AcceptedCodings,
    ) -> Answer<'_, SegmentFile> {
        if segment != 0 {
            return async { Err(ServiceError::NotFound) }.boxed();
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(SEGMENT).unwrap();
        let coding = if accepted.zstd {
            Coding::Zstd
        } else {
            Coding::Gzip
        };
        self.answer(SegmentFile {
            file,
            size_bytes: SEGMENT.len() as u64,
            coding,
        })
    }

    fn subscribe(&self, _caller: Caller) -> Answer<'_, BoxStream<'static, ()>> {
        let nudges = tokio_stream::wrappers::BroadcastStream::new(self.nudges.subscribe());
        self.answer(nudges.map(|_| ()).boxed())
    }

    fn ready(&self) -> Answer<'_, Ready> {
        self.answer(Ready {
            ready: true,
            checks: vec!["store".to_owned()],
        })
    }
}

fn enrolled(replica_no: u32) -> EnrolmentAnswer {
    EnrolmentAnswer {
        district: DISTRICT,
        district_code: "440305".to_owned(),
        district_name: "示范区".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        replica_no,
        person: 17,
        person_name: "王芳".to_owned(),
        epoch: 1,
        server_keys: Vec::new(),
        token: "token".to_owned(),
        scope_version: 1,
        certificate: Vec::new(),
    }
}

/// Router, engine and clock of one test.
pub struct Harness {
    pub router: Router,
    pub fake: Arc<Fake>,
    pub clock: Arc<FixedClock>,
    pub shutdown: watch::Sender<bool>,
    pub limits: HttpLimits,
}

impl Harness {
    pub fn new() -> Self {
        Self::with(HttpLimits::default(), None)
    }

    pub fn with(limits: HttpLimits, gate: Option<Gate>) -> Self {
        Self::serving(limits, gate, Web::default())
    }

    pub fn serving(limits: HttpLimits, gate: Option<Gate>, web: Web) -> Self {
        let (shutdown, draining) = watch::channel(false);
        let fake = Arc::new(Fake {
            signing_key: signing_key(),
            calls: AtomicUsize::new(0),
            refusal: Mutex::new(None),
            synced: Mutex::default(),
            queries: Mutex::default(),
            pieces: Mutex::default(),
            uploads: Mutex::default(),
            nudges: broadcast::channel(16).0,
            gate,
        });
        let clock = Arc::new(FixedClock::at(NOW_MS));
        let entropy = Arc::new(SeededEntropy::new(1));
        let app = App::new(
            fake.clone(),
            clock.clone(),
            entropy,
            limits.clone(),
            draining,
        )
        .with_web(web);
        Self {
            router: router(app),
            fake,
            clock,
            shutdown,
            limits,
        }
    }

    pub async fn ask(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream that should have been refused never ends.
        let body = timeout(PATIENCE, body.collect())
            .await
            .expect("the answer ends");
        let body = body.expect("the answer is whole").to_bytes();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub fn calls(&self) -> usize {
        self.fake.calls.load(Ordering::SeqCst)
    }
}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    fn plain_body(&self) -> Vec<u8> {
        match self.header("content-encoding") {
            "zstd" => zstd::decode_all(&self.body[..]).unwrap(),
            _ => self.body.to_vec(),
        }
    }

    /// The problem that this answer is; checks the shape that every problem has.
    pub fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.plain_body()).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.type_uri, format!("/problems/{}", problem.code));
        assert_eq!(problem.request_id, self.header("x-request-id"));
        assert_eq!(problem.request_id.len(), 16);
        problem
    }
}
