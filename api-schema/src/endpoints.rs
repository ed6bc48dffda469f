//! The endpoint table: one row an endpoint; router, OpenAPI document and tests are made from it.

mod attachments;
mod desk;
mod office;
mod packs;
mod patrols;
mod table;

use std::borrow::Cow;

use utoipa::openapi::path::Parameter;

use crate::problem::ProblemCode;

pub use table::ENDPOINTS;

/// The most bytes of a sync request, after decompression: batches are cut at 1 MiB of changes, and the rest leaves room for marks.
pub const SYNC_BODY_BYTES_MAX: usize = 2 << 20;
/// The most bytes of a JSON request, after decompression: the largest is a few hundred bytes of keys and names.
pub const JSON_BODY_BYTES_MAX: usize = 16 << 10;

/// The most bytes of a change made online: an open part and a sealed one, and what is around them.
pub const CHANGE_BODY_BYTES_MAX: usize = 136 << 10;

/// The most bytes of a request that brings documents in: the longest that ship are some tens of kilobytes.
pub const DOCUMENTS_BODY_BYTES_MAX: usize = 4 << 20;

/// The most bytes of an attachment, as the intent `attachment.add` has it.
pub const ATTACHMENT_BYTES_MAX: usize = 104_857_600;

/// How a caller shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anyone may ask.
    None,
    /// A one-time code or token in the body.
    OneTimeCode,
    /// A signature by the replica's key in the body.
    ReplicaSignature,
    /// An access token in `Authorization: Bearer`.
    Bearer,
}

/// A verb of HTTP that the table uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Does something.
    Post,
    /// Reads without content, where there is no `Get`.
    Head,
    /// Adds to something.
    Patch,
    /// Takes something away.
    Delete,
    /// Says what is possible.
    Options,
}

impl Method {
    /// The verb as it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Head => "HEAD",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
        }
    }
}

/// The name of a component schema, taken from its type.
pub type SchemaName = fn() -> Cow<'static, str>;

/// What a request or an answer holds.
#[derive(Clone, Copy)]
pub enum Content {
    /// Nothing.
    Empty,
    /// JSON of a component schema.
    Json(SchemaName),
    /// JSON without a schema of its own (the OpenAPI document).
    AnyJson,
    /// Bytes of this content type.
    Binary(&'static str),
    /// Bytes of one of these content types.
    BinaryOf(&'static [&'static str]),
    /// Server-sent events.
    EventStream,
}

impl Content {
    /// The content types that it may have; none when there is no content.
    pub fn content_types(&self) -> &[&'static str] {
        match self {
            Content::Empty => &[],
            Content::Json(_) | Content::AnyJson => &["application/json"],
            Content::Binary(content_type) => std::slice::from_ref(content_type),
            Content::BinaryOf(content_types) => content_types,
            Content::EventStream => &["text/event-stream"],
        }
    }

    /// The content type of a request, when there is content.
    pub fn content_type(&self) -> Option<&'static str> {
        self.content_types().first().copied()
    }
}

/// A good answer.
#[derive(Clone, Copy)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What it holds.
    pub content: Content,
    /// What it means.
    pub description: &'static str,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub struct Endpoint {
    /// The verb.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// The operation id; names the handler.
    pub operation: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// How the caller shows who it is.
    pub auth: Auth,
    /// What the request holds.
    pub request: Content,
    /// The most bytes of the request after decompression; 0 when there is no body.
    pub body_bytes_max: usize,
    /// The parameters in path, query and headers.
    pub parameters: fn() -> Vec<Parameter>,
    /// The good answers.
    pub answers: &'static [Answer],
    /// The problems that are this endpoint's own; see [`Endpoint::problems`] for all.
    own_problems: &'static [ProblemCode],
}

impl Endpoint {
    /// Every problem that the endpoint may answer with: its own and those that come with its kind of auth and body.
    pub fn problems(&self) -> Vec<ProblemCode> {
        use ProblemCode::*;
        let mut codes = self.own_problems.to_vec();
        codes.push(Internal);
        if self.auth == Auth::Bearer {
            codes.extend([
                TokenMissing,
                TokenRefused,
                TokenExpired,
                Revoked,
                Overloaded,
            ]);
        }
        if self.content_has_body() {
            codes.extend([
                ContentTypeUnsupported,
                ContentEncodingUnsupported,
                MalformedBody,
                BodyTimeout,
                LimitExceeded,
                Overloaded,
            ]);
        }
        if matches!(self.request, Content::Json(_)) {
            codes.extend([MalformedJson, FieldInvalid]);
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// Whether a request without its body is refused: the creation of an upload may leave its first piece for later.
    pub fn body_is_required(&self) -> bool {
        self.content_has_body() && self.operation != "create_upload"
    }

    /// Whether a request has a body.
    pub fn content_has_body(&self) -> bool {
        !matches!(self.request, Content::Empty)
    }
}

/// The row of an operation.
///
/// # Panics
/// The operation is in no row, which is our own mistake.
pub fn endpoint(operation: &str) -> &'static Endpoint {
    ENDPOINTS
        .iter()
        .find(|row| row.operation == operation)
        .unwrap_or_else(|| panic!("BUG: no endpoint is called {operation}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use utoipa::openapi::path::ParameterIn;

    #[test]
    fn every_row_has_its_own_operation_and_route() {
        let mut operations = BTreeSet::new();
        let mut routes = BTreeSet::new();
        for row in ENDPOINTS {
            assert!(
                operations.insert(row.operation),
                "{} stands twice",
                row.operation
            );
            assert!(
                routes.insert((row.method, row.path)),
                "{} stands twice",
                row.path
            );
            assert_eq!(
                row.content_has_body(),
                row.body_bytes_max > 0,
                "{}: a body has a limit",
                row.operation
            );
            assert_eq!(
                row.content_has_body(),
                matches!(row.method, Method::Post | Method::Patch),
                "{}: what writes has a body",
                row.operation
            );
            assert!(
                row.answers
                    .iter()
                    .all(|answer| (200..400).contains(&answer.status))
            );
        }
    }

    #[test]
    fn every_parameter_of_a_path_is_described() {
        for row in ENDPOINTS {
            let named: BTreeSet<String> = row
                .path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .map(str::to_owned)
                .collect();
            let described: BTreeSet<String> = (row.parameters)()
                .into_iter()
                .filter(|p| matches!(p.parameter_in, ParameterIn::Path))
                .map(|p| p.name)
                .collect();
            assert_eq!(named, described, "{}", row.path);
        }
    }

    #[test]
    fn only_these_endpoints_answer_strangers() {
        let open: Vec<_> = ENDPOINTS
            .iter()
            .filter(|row| row.auth == Auth::None)
            .map(|row| row.path)
            .collect();
        assert_eq!(
            open,
            ["/v1/openapi.json", "/livez", "/readyz"],
            "this list may only shrink"
        );
    }
}
