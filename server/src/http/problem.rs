//! The one place that turns meanings into statuses: service errors and our own refusals become `application/problem+json`.

use api_schema::problem::{FieldProblem, PROBLEM_CONTENT_TYPE, Problem, ProblemCode, ProblemLimit};
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::observe::RequestId;
use super::uploads;
use crate::language::Language;
use crate::media::Refusal;
use crate::service::ServiceError;
use crate::service::attachments::{AttachmentFault, BodyFault};

/// A refusal on its way out; the body is written by [`render`], which knows the language and the request's id.
#[derive(Clone, Debug)]
pub struct HttpProblem {
    code: ProblemCode,
    detail: Option<String>,
    limit: Option<ProblemLimit>,
    errors: Vec<FieldProblem>,
    // Boxed because few problems have one and every result carries the room for it.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

impl HttpProblem {
    /// A problem that its code says all about.
    pub fn new(code: ProblemCode) -> Self {
        Self {
            code,
            detail: None,
            limit: None,
            errors: Vec::new(),
            header: None,
        }
    }

    /// A problem with what is wrong this time.
    pub fn with_detail(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(code)
        }
    }

    /// A problem with one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        let errors = vec![FieldProblem {
            field: field.into(),
            message: message.into(),
        }];
        Self {
            errors,
            ..Self::new(ProblemCode::FieldInvalid)
        }
    }

    /// A limit that was exceeded, by name and value.
    pub fn limit(name: &str, value: u64) -> Self {
        let limit = Some(ProblemLimit {
            name: name.to_owned(),
            value,
        });
        Self {
            limit,
            ..Self::new(ProblemCode::LimitExceeded)
        }
    }

    /// The same with a header that the status asks for.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    fn body(&self, language: Language, request_id: &str) -> Problem {
        let registered = self.code.registered();
        let title = match language {
            Language::Chinese => registered.title_zh,
            Language::English => registered.title_en,
        };
        Problem {
            type_uri: registered.type_uri(),
            title: title.to_owned(),
            status: registered.status,
            code: registered.code.to_owned(),
            detail: self.detail.clone(),
            request_id: request_id.to_owned(),
            limit: self.limit.clone(),
            errors: self.errors.clone(),
        }
    }
}

impl From<ServiceError> for HttpProblem {
    fn from(error: ServiceError) -> Self {
        let code = match error {
            ServiceError::NotFound => ProblemCode::NotFound,
            ServiceError::ChangeIdReused => ProblemCode::ChangeIdReused,
            ServiceError::Forbidden => ProblemCode::Forbidden,
            ServiceError::Revoked => ProblemCode::Revoked,
            ServiceError::CodeRefused => ProblemCode::CodeRefused,
            ServiceError::SignatureRefused => ProblemCode::SignatureRefused,
            ServiceError::ReplicaUnknown => ProblemCode::ReplicaUnknown,
            ServiceError::PersonUnknown => ProblemCode::PersonUnknown,
            ServiceError::UpgradeRequired => ProblemCode::UpgradeRequired,
            ServiceError::EncodingNotAcceptable => ProblemCode::EncodingNotAcceptable,
            ServiceError::TooManyRequests => ProblemCode::TooManyRequests,
            ServiceError::StorageFull => ProblemCode::StorageFull,
            ServiceError::Overloaded => ProblemCode::Overloaded,
            ServiceError::ClockUnsafe => ProblemCode::ClockUnsafe,
            ServiceError::MalformedFrame { reason } => {
                return Self::with_detail(ProblemCode::MalformedFrame, reason);
            }
            ServiceError::Conflict { reason } => {
                return Self::with_detail(ProblemCode::Conflict, reason);
            }
            ServiceError::LimitExceeded { limit, value } => return Self::limit(limit, value),
            ServiceError::FieldInvalid { errors } => {
                return Self {
                    errors,
                    ..Self::new(ProblemCode::FieldInvalid)
                };
            }
            ServiceError::NotReady { failed } => {
                return Self::with_detail(ProblemCode::NotReady, failed.join(", "));
            }
            ServiceError::Attachment(fault) => return fault.into(),
            ServiceError::Internal { .. } => {
                // Handled here, so logged here, once, with every cause; the client gets none of it.
                tracing::error!(error = %chain(&error), "internal error");
                ProblemCode::Internal
            }
        };
        Self::new(code)
    }
}

impl From<AttachmentFault> for HttpProblem {
    fn from(fault: AttachmentFault) -> Self {
        let code = match fault {
            AttachmentFault::OffsetDiffers { offset_bytes } => {
                return uploads::offset_differs(offset_bytes);
            }
            AttachmentFault::Refused(Refusal::TooManyPixels { limit }) => {
                return Self::limit("image_pixels", limit);
            }
            AttachmentFault::Refused(Refusal::ImageTooLarge { limit }) => {
                return Self::limit("image_bytes", limit);
            }
            AttachmentFault::Refused(refusal) => {
                return Self::with_detail(ProblemCode::AttachmentRefused, refusal.to_string());
            }
            AttachmentFault::TakenOver => ProblemCode::UploadTakenOver,
            AttachmentFault::ChecksumDiffers => ProblemCode::ChecksumDiffers,
            AttachmentFault::Body(BodyFault::Broken) => ProblemCode::MalformedBody,
            AttachmentFault::Body(BodyFault::TimedOut) => ProblemCode::BodyTimeout,
            AttachmentFault::HashDiffers => ProblemCode::AttachmentHashDiffers,
            AttachmentFault::QuotaUsed => ProblemCode::AttachmentQuotaUsed,
            AttachmentFault::Missing => ProblemCode::AttachmentMissing,
        };
        Self::new(code)
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.registered().status)
            .expect("BUG: the registry holds valid statuses");
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of every problem on its way out.
pub(super) async fn render(request: Request, next: Next) -> Response {
    let accept_language = request
        .headers()
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let language = accept_language.map_or_else(Language::default, Language::preferred);
    let request_id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<HttpProblem>() else {
        return response;
    };

    let body = problem.body(language, request_id.as_ref().map_or("", RequestId::as_str));
    let bytes = serde_json::to_vec(&body).expect("BUG: a problem is plain data");
    *response.body_mut() = Body::from(bytes);
    let headers = response.headers_mut();
    headers.remove(axum::http::header::CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    if let Some(seconds) = problem.code.registered().retry_after_s {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match problem.code {
        ProblemCode::TokenMissing => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
        ProblemCode::TokenRefused | ProblemCode::TokenExpired => headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer error=\"invalid_token\""),
        ),
        _ => None,
    };
    if let Some(header) = problem.header {
        let (name, value) = *header;
        headers.insert(name, value);
    }
    response
}
