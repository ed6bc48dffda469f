//! The rows of the endpoint table, and the parameters that they name.

use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::{IntoParams, ToSchema};

use super::{
    Answer, Auth, Content, Endpoint, JSON_BODY_BYTES_MAX, Method, SYNC_BODY_BYTES_MAX, SchemaName,
    attachments, desk, office, packs, patrols,
};
use crate::directory::Directory;
use crate::enrolment::{EnrolmentAnswer, EnrolmentRequest};
use crate::fork::ForkRequest;
use crate::health::{Live, Ready};
use crate::problem::ProblemCode;
use crate::record::{RecordDetail, RecordPage, RecordQuery};
use crate::setup::{SetupAnswer, SetupRequest};
use crate::snapshot::SnapshotList;
use crate::{SNAPSHOT_CONTENT_TYPE, SYNC_CONTENT_TYPE};

/// Every endpoint of the server.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::Post,
        path: "/v1/sync",
        operation: "sync",
        summary: "Hand in changes, receive verdicts, a signed receipt, what is new, and a fresh access token.",
        auth: Auth::ReplicaSignature,
        request: Content::Binary(SYNC_CONTENT_TYPE),
        body_bytes_max: SYNC_BODY_BYTES_MAX,
        parameters: no_parameters,
        answers: &[Answer {
            status: 200,
            content: Content::Binary(SYNC_CONTENT_TYPE),
            description: "One verdict a change, a receipt and a page.",
        }],
        own_problems: &[
            ProblemCode::MalformedFrame,
            ProblemCode::SignatureRefused,
            ProblemCode::UpgradeRequired,
            ProblemCode::TooManyRequests,
            ProblemCode::StorageFull,
            ProblemCode::ClockUnsafe,
        ],
    },
    Endpoint {
        method: Method::Post,
        path: "/v1/enrolments",
        operation: "enrol",
        summary: "Enrol a replica with a one-time code and a proof of its key.",
        auth: Auth::OneTimeCode,
        request: Content::Json(EnrolmentRequest::name),
        body_bytes_max: JSON_BODY_BYTES_MAX,
        parameters: no_parameters,
        answers: &[json(201, EnrolmentAnswer::name, "The replica is enrolled.")],
        own_problems: &[
            ProblemCode::CodeRefused,
            ProblemCode::SignatureRefused,
            ProblemCode::Conflict,
            ProblemCode::TooManyRequests,
            ProblemCode::StorageFull,
            ProblemCode::ClockUnsafe,
        ],
    },
    Endpoint {
        method: Method::Post,
        path: "/v1/setups",
        operation: "set_up",
        summary: "Make the first administrator of an empty district with its one-time set-up token.",
        auth: Auth::OneTimeCode,
        request: Content::Json(SetupRequest::name),
        body_bytes_max: JSON_BODY_BYTES_MAX,
        parameters: no_parameters,
        answers: &[json(
            201,
            SetupAnswer::name,
            "The administrator, and a code to enrol a first replica with.",
        )],
        own_problems: &[
            ProblemCode::CodeRefused,
            ProblemCode::TooManyRequests,
            ProblemCode::StorageFull,
            ProblemCode::ClockUnsafe,
        ],
    },
    Endpoint {
        method: Method::Post,
        path: "/v1/forks",
        operation: "fork",
        summary: "Continue a cloned or restored replica as a new one.",
        auth: Auth::ReplicaSignature,
        request: Content::Json(ForkRequest::name),
        body_bytes_max: JSON_BODY_BYTES_MAX,
        parameters: no_parameters,
        answers: &[json(
            201,
            EnrolmentAnswer::name,
            "The new replica is enrolled.",
        )],
        own_problems: &[
            ProblemCode::SignatureRefused,
            ProblemCode::Revoked,
            ProblemCode::Conflict,
            ProblemCode::TooManyRequests,
            ProblemCode::StorageFull,
            ProblemCode::ClockUnsafe,
        ],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/events",
        operation: "events",
        summary: "Wait for nudges: event `nudge` says that there is something new in scope, and nothing else.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: no_parameters,
        answers: &[Answer {
            status: 200,
            content: Content::EventStream,
            description: "Nudges until the access token expires.",
        }],
        own_problems: &[],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/records",
        operation: "list_records",
        summary: "List records in scope, newest first, page by page.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: record_filters,
        answers: &[json(200, RecordPage::name, "A page of records.")],
        own_problems: &[ProblemCode::FieldInvalid],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/records/{record}",
        operation: "get_record",
        summary: "Read one record with its timeline.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: record_path,
        answers: &[json(200, RecordDetail::name, "The record.")],
        own_problems: &[ProblemCode::NotFound],
    },
    office::MAKE_CHANGE,
    office::LIST_INBOX,
    office::RULE,
    office::LIST_DOCUMENTS,
    office::GET_DOCUMENT,
    office::IMPORT_DOCUMENTS,
    desk::DEADLINES,
    desk::DUPLICATES,
    packs::LIST,
    packs::GET,
    patrols::COVERAGE,
    patrols::ROUND,
    patrols::DOUBTS,
    patrols::STICKER,
    patrols::STICKERS,
    attachments::WHOLE,
    attachments::THUMBNAIL,
    attachments::OPTIONS,
    attachments::CREATE,
    attachments::FIND,
    attachments::APPEND,
    attachments::END,
    Endpoint {
        method: Method::Get,
        path: "/v1/directory",
        operation: "directory",
        summary: "Read the units, categories and documents in scope.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: if_none_match,
        answers: &[
            json(200, Directory::name, "The directory, with an ETag."),
            Answer {
                status: 304,
                content: Content::Empty,
                description: "Unchanged since the ETag sent.",
            },
        ],
        own_problems: &[],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/snapshots",
        operation: "list_snapshots",
        summary: "List the prepared files that cover the scope, for a first sync.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: no_parameters,
        answers: &[json(
            200,
            SnapshotList::name,
            "The files and their segments.",
        )],
        own_problems: &[],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/snapshots/{name}/{segment}",
        operation: "snapshot_segment",
        summary: "Read one compressed, immutable segment of a prepared file; ranges are of the compressed bytes.",
        auth: Auth::Bearer,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: segment_path,
        answers: &[
            Answer {
                status: 200,
                content: Content::Binary(SNAPSHOT_CONTENT_TYPE),
                description: "The segment, Content-Encoding zstd or gzip.",
            },
            Answer {
                status: 206,
                content: Content::Binary(SNAPSHOT_CONTENT_TYPE),
                description: "The range of the segment that was asked for.",
            },
        ],
        own_problems: &[
            ProblemCode::NotFound,
            ProblemCode::EncodingNotAcceptable,
            ProblemCode::RangeNotSatisfiable,
        ],
    },
    Endpoint {
        method: Method::Get,
        path: "/v1/openapi.json",
        operation: "openapi",
        summary: "Read this document.",
        auth: Auth::None,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: no_parameters,
        answers: &[Answer {
            status: 200,
            content: Content::AnyJson,
            description: "The OpenAPI 3.1 document.",
        }],
        own_problems: &[],
    },
    Endpoint {
        method: Method::Get,
        path: "/livez",
        operation: "live",
        summary: "Is the process alive?",
        auth: Auth::None,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: no_parameters,
        answers: &[json(200, Live::name, "It is.")],
        own_problems: &[],
    },
    Endpoint {
        method: Method::Get,
        path: "/readyz",
        operation: "ready",
        summary: "Can the server take work?",
        auth: Auth::None,
        request: Content::Empty,
        body_bytes_max: 0,
        parameters: no_parameters,
        answers: &[json(200, Ready::name, "It can.")],
        own_problems: &[ProblemCode::NotReady],
    },
];

pub(super) const fn json(status: u16, schema: SchemaName, description: &'static str) -> Answer {
    Answer {
        status,
        content: Content::Json(schema),
        description,
    }
}

pub(super) fn no_parameters() -> Vec<Parameter> {
    Vec::new()
}

fn record_filters() -> Vec<Parameter> {
    RecordQuery::into_params(|| Some(ParameterIn::Query))
}

fn record_path() -> Vec<Parameter> {
    let uuid = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    vec![parameter(
        ParameterIn::Path,
        "record",
        "The record's id, in canonical form.",
        uuid,
    )]
}

fn segment_path() -> Vec<Parameter> {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0));
    vec![
        parameter(
            ParameterIn::Path,
            "name",
            "The file's name, from the list.",
            text(),
        ),
        parameter(
            ParameterIn::Path,
            "segment",
            "The segment's number, from 0.",
            number,
        ),
        parameter(
            ParameterIn::Header,
            "Range",
            "One range of bytes, `bytes=FROM-` or `bytes=FROM-TO`, to resume.",
            text(),
        ),
    ]
}

fn if_none_match() -> Vec<Parameter> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    vec![parameter(
        ParameterIn::Header,
        "If-None-Match",
        "The ETag of the directory that the caller holds.",
        text,
    )]
}

pub(super) fn parameter(
    place: ParameterIn,
    name: &str,
    description: &str,
    schema: ObjectBuilder,
) -> Parameter {
    let required = if matches!(place, ParameterIn::Path) {
        Required::True
    } else {
        Required::False
    };
    ParameterBuilder::new()
        .parameter_in(place)
        .name(name)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
