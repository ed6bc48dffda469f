//! The rows of the office: what people do online.

use utoipa::ToSchema;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::table::{json, no_parameters, parameter};
use super::{
    Answer, Auth, CHANGE_BODY_BYTES_MAX, Content, DOCUMENTS_BODY_BYTES_MAX, Endpoint,
    JSON_BODY_BYTES_MAX, Method,
};
use crate::change::{ChangeAnswer, ChangeRequest};
use crate::document::{DocumentImport, DocumentImportAnswer, DocumentList};
use crate::inbox::{InboxPage, InboxQuery, RulingAnswer, RulingRequest};
use crate::problem::ProblemCode;

pub(super) const MAKE_CHANGE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/changes",
    operation: "make_change",
    summary: "Make a change online: it stands in the log under a replica that the server holds for the caller. Refused in part is a verdict, not an error.",
    auth: Auth::Bearer,
    request: Content::Json(ChangeRequest::name),
    body_bytes_max: CHANGE_BODY_BYTES_MAX,
    parameters: no_parameters,
    answers: &[json(200, ChangeAnswer::name, "The verdict.")],
    own_problems: &[
        ProblemCode::ChangeIdReused,
        ProblemCode::StorageFull,
        ProblemCode::ClockUnsafe,
    ],
};

pub(super) const LIST_INBOX: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/inbox",
    operation: "list_inbox",
    summary: "List what waits for a person, in scope, the oldest first, page by page.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: inbox_filters,
    answers: &[json(200, InboxPage::name, "A page of what waits.")],
    own_problems: &[ProblemCode::FieldInvalid],
};

pub(super) const RULE: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/rulings",
    operation: "rule",
    summary: "Rule about a change that waits: admit or reject it, or say that it was seen. Its author is told.",
    auth: Auth::Bearer,
    request: Content::Json(RulingRequest::name),
    body_bytes_max: JSON_BODY_BYTES_MAX,
    parameters: no_parameters,
    answers: &[json(200, RulingAnswer::name, "The ruling.")],
    own_problems: &[
        ProblemCode::NotFound,
        ProblemCode::Forbidden,
        ProblemCode::Conflict,
        ProblemCode::StorageFull,
        ProblemCode::ClockUnsafe,
    ],
};

fn inbox_filters() -> Vec<Parameter> {
    InboxQuery::into_params(|| Some(ParameterIn::Query))
}

pub(super) const LIST_DOCUMENTS: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/documents",
    operation: "list_documents",
    summary: "List the documents of the district with all their versions.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: no_parameters,
    answers: &[json(200, DocumentList::name, "The documents.")],
    own_problems: &[],
};

pub(super) const GET_DOCUMENT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/documents/{document}/{version}",
    operation: "get_document",
    summary: "Read the text of one version of a document.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: document_path,
    answers: &[Answer {
        status: 200,
        content: Content::AnyJson,
        description: "The text, byte for byte as it was taken.",
    }],
    own_problems: &[ProblemCode::NotFound],
};

pub(super) const IMPORT_DOCUMENTS: Endpoint = Endpoint {
    method: Method::Post,
    path: "/v1/documents",
    operation: "import_documents",
    summary: "Take further versions of documents, all or none, or only check them; for roles that administer documents.",
    auth: Auth::Bearer,
    request: Content::Json(DocumentImport::name),
    body_bytes_max: DOCUMENTS_BODY_BYTES_MAX,
    parameters: no_parameters,
    answers: &[json(
        200,
        DocumentImportAnswer::name,
        "What was taken, or what a check found.",
    )],
    own_problems: &[
        ProblemCode::Forbidden,
        ProblemCode::StorageFull,
        ProblemCode::ClockUnsafe,
    ],
};

fn document_path() -> Vec<Parameter> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    let path = ParameterIn::Path;
    vec![
        parameter(path.clone(), "document", "The document's name.", text),
        parameter(path, "version", "The version, from 1.", number),
    ]
}
