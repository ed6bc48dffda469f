//! The OpenAPI 3.1 document, built from the endpoint table and the component schemas.

use std::collections::BTreeMap;

use utoipa::OpenApi;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, PathItem, PathsBuilder};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Info, License, Required};

use crate::attachment::{PIECE_CONTENT_TYPE, TUS_VERSION};
use crate::endpoints::{Answer, Auth, Content, ENDPOINTS, Endpoint, Method};
use crate::links;
use crate::problem::{PROBLEM_CONTENT_TYPE, ProblemType};
use crate::{
    change, desk, directory, document, enrolment, fork, health, inbox, pack, patrol, problem,
    record, setup, snapshot,
};

#[derive(OpenApi)]
#[openapi(components(schemas(
    change::ChangeAnswer,
    change::ChangeRequest,
    desk::DeadlinePage,
    desk::DuplicateList,
    directory::Directory,
    document::DocumentImport,
    document::DocumentImportAnswer,
    document::DocumentList,
    enrolment::EnrolmentAnswer,
    enrolment::EnrolmentRequest,
    fork::ForkRequest,
    health::Live,
    inbox::InboxPage,
    inbox::RulingAnswer,
    inbox::RulingRequest,
    health::Ready,
    pack::PackList,
    patrol::Coverage,
    patrol::DoubtPage,
    patrol::PatrolRound,
    problem::Problem,
    record::RecordDetail,
    record::RecordPage,
    setup::SetupAnswer,
    setup::SetupRequest,
    snapshot::SnapshotList,
)))]
struct Components;

/// The document as pretty JSON with a closing line feed: what `openapi.json` holds and `GET /v1/openapi.json` serves.
///
/// # Panics
/// The table cannot be written as JSON, which is our own mistake.
pub fn document_json() -> String {
    let mut text = document()
        .to_pretty_json()
        .expect("BUG: the OpenAPI document is plain data");
    text.push('\n');
    text
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Components::openapi();
    document.info = Info::new("Gridwork", env!("CARGO_PKG_VERSION"));
    document.info.description =
        Some("Offline-first sync for people who work outdoors in small areas.".to_owned());
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    document.info.license = Some(license);

    let mut paths = PathsBuilder::new();
    for row in ENDPOINTS {
        paths = paths.path(
            row.path,
            PathItem::new(http_method(row.method), operation(row)),
        );
    }
    document.paths = paths.build();

    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        "access_token".to_owned(),
        SecurityScheme::Http(bearer).into(),
    );
    document
}

fn http_method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
        Method::Head => HttpMethod::Head,
        Method::Patch => HttpMethod::Patch,
        Method::Delete => HttpMethod::Delete,
        Method::Options => HttpMethod::Options,
    }
}

fn operation(row: &Endpoint) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(row.operation))
        .summary(Some(row.summary))
        .description(Some(description(row)));
    for parameter in (row.parameters)() {
        operation = operation.parameter(parameter);
    }
    if row.content_has_body() {
        operation = operation.request_body(Some(request_body(row)));
    }
    for answer in row.answers {
        operation = operation.response(answer.status.to_string(), response(row, answer));
    }
    for (status, response) in problem_responses(row) {
        operation = operation.response(status.to_string(), response);
    }
    match row.auth {
        Auth::Bearer => {
            operation = operation.security(SecurityRequirement::new(
                "access_token",
                Vec::<String>::new(),
            ))
        }
        Auth::None | Auth::OneTimeCode | Auth::ReplicaSignature => {
            operation = operation.securities(Some([]))
        }
    }
    operation.build()
}

fn description(row: &Endpoint) -> String {
    let auth = match row.auth {
        Auth::None => "Anyone may ask.",
        Auth::OneTimeCode => "The one-time code or token in the body shows who asks.",
        Auth::ReplicaSignature => "The replica's signature in the body shows who asks.",
        Auth::Bearer => "An access token shows who asks.",
    };
    if matches!(row.request, Content::Binary(PIECE_CONTENT_TYPE)) {
        format!(
            "{auth} The body is a piece of an upload as tus {TUS_VERSION} has it, not compressed and at most {} bytes.",
            row.body_bytes_max
        )
    } else if row.content_has_body() {
        format!(
            "{auth} The body may be compressed with gzip or zstd and is at most {} bytes after decompression.",
            row.body_bytes_max
        )
    } else {
        auth.to_owned()
    }
}

fn request_body(row: &Endpoint) -> RequestBody {
    let required = if row.body_is_required() {
        Required::True
    } else {
        Required::False
    };
    let mut body = RequestBodyBuilder::new().required(Some(required));
    for content_type in row.request.content_types() {
        body = body.content(*content_type, described(row.request));
    }
    body.build()
}

fn response(row: &Endpoint, answer: &Answer) -> Response {
    let mut response = ResponseBuilder::new().description(answer.description);
    for content_type in answer.content.content_types() {
        response = response.content(*content_type, described(answer.content));
    }
    links::add_to(row.operation, answer.status, response).build()
}

fn described(content: Content) -> ContentBuilder {
    match content {
        Content::Empty | Content::AnyJson | Content::Binary(_) | Content::BinaryOf(_) => {
            ContentBuilder::new()
        }
        Content::EventStream => {
            ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        }
        Content::Json(schema) => {
            ContentBuilder::new().schema(Some(Ref::from_schema_name(schema())))
        }
    }
}

/// One response a status; it names every code that comes with it.
fn problem_responses(row: &Endpoint) -> BTreeMap<u16, Response> {
    let mut by_status: BTreeMap<u16, Vec<&ProblemType>> = BTreeMap::new();
    for code in row.problems() {
        let registered = code.registered();
        by_status
            .entry(registered.status)
            .or_default()
            .push(registered);
    }
    let describe = |(status, rows): (u16, Vec<&ProblemType>)| {
        let lines: Vec<String> = rows
            .iter()
            .map(|known| format!("`{}`: {}", known.code, known.title_en))
            .collect();
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name("Problem")))
            .build();
        let mut response = ResponseBuilder::new()
            .description(lines.join("; "))
            .content(PROBLEM_CONTENT_TYPE, content);
        if rows.iter().any(|known| known.retry_after_s.is_some()) {
            let seconds = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0));
            let header = HeaderBuilder::new()
                .schema(Some(seconds))
                .description(Some("Seconds to wait before the next try."));
            response = response.header("Retry-After", header.build());
        }
        let response = links::add_to(row.operation, status, response);
        (status, response.build())
    };
    by_status.into_iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let committed = include_str!("../openapi.json");
        assert!(
            committed == document_json(),
            "openapi.json is stale: run `cargo run -p api-schema --bin openapi`"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&document_json()).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(references.len() > ENDPOINTS.len());
        for reference in references {
            let pointer = reference
                .strip_prefix('#')
                .expect("references stay inside the document");
            assert!(
                document.pointer(pointer).is_some(),
                "{reference} leads nowhere"
            );
        }
    }

    fn collect_references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(reference) = map.get("$ref").and_then(|it| it.as_str()) {
                    found.push(reference.to_owned());
                }
                map.values()
                    .for_each(|inner| collect_references(inner, found));
            }
            serde_json::Value::Array(items) => items
                .iter()
                .for_each(|inner| collect_references(inner, found)),
            _ => {}
        }
    }
}
