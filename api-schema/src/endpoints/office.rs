//! The rows of the office: what people do online.

use utoipa::ToSchema;

use super::table::{json, no_parameters};
use super::{Auth, CHANGE_BODY_BYTES_MAX, Content, Endpoint, Method};
use crate::change::{ChangeAnswer, ChangeRequest};
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
