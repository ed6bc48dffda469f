//! The rows of what a desk looks at besides lists.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::table::json;
use super::{Auth, Content, Endpoint, Method};
use crate::desk::{DeadlinePage, DeadlineQuery, DuplicateList, DuplicateQuery};
use crate::problem::ProblemCode;

pub(super) const DEADLINES: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/deadlines",
    operation: "list_deadlines",
    summary: "List records by when their clock is over, the first first, page by page.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: deadline_filters,
    answers: &[json(200, DeadlinePage::name, "A page of deadlines.")],
    own_problems: &[ProblemCode::FieldInvalid],
};

pub(super) const DUPLICATES: Endpoint = Endpoint {
    path: "/v1/duplicates",
    operation: "find_duplicates",
    summary: "Find open reports that may be the same as one that is about to be made.",
    parameters: duplicate_filters,
    answers: &[json(200, DuplicateList::name, "What may be the same.")],
    ..DEADLINES
};

fn deadline_filters() -> Vec<Parameter> {
    DeadlineQuery::into_params(|| Some(ParameterIn::Query))
}

fn duplicate_filters() -> Vec<Parameter> {
    DuplicateQuery::into_params(|| Some(ParameterIn::Query))
}
