//! The rows of patrols: the calendar of coverage, rounds, doubts, stickers.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::{IntoParams, ToSchema};

use super::table::{json, parameter};
use super::{Answer, Auth, Content, Endpoint, Method};
use crate::patrol::{Coverage, CoverageQuery, DoubtPage, DoubtQuery, PatrolRound, StickerQuery};
use crate::problem::ProblemCode;

pub(super) const COVERAGE: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/patrols/coverage",
    operation: "patrol_coverage",
    summary: "Read the calendar of coverage: each round that the plan asks for, with what became of it.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: coverage_filters,
    answers: &[json(200, Coverage::name, "The calendar, by team and day.")],
    own_problems: &[ProblemCode::FieldInvalid],
};

pub(super) const ROUND: Endpoint = Endpoint {
    path: "/v1/patrols/rounds/{record}",
    operation: "patrol_round",
    summary: "Read one round: members with their own word, check-ins, must-points, doubts.",
    parameters: round_path,
    answers: &[json(200, PatrolRound::name, "The round.")],
    own_problems: &[ProblemCode::NotFound],
    ..COVERAGE
};

pub(super) const DOUBTS: Endpoint = Endpoint {
    path: "/v1/patrols/doubts",
    operation: "list_doubts",
    summary: "List open doubts in scope, the oldest first, page by page.",
    parameters: doubt_filters,
    answers: &[json(200, DoubtPage::name, "A page of doubts.")],
    ..COVERAGE
};

pub(super) const STICKER: Endpoint = Endpoint {
    path: "/v1/patrols/points/{point}/sticker",
    operation: "point_sticker",
    summary: "Print the sticker of a point: its code, signed by the district.",
    parameters: point_path,
    answers: &[Answer {
        status: 200,
        content: Content::Binary("image/svg+xml"),
        description: "A drawing to print.",
    }],
    own_problems: &[ProblemCode::NotFound],
    ..COVERAGE
};

pub(super) const STICKERS: Endpoint = Endpoint {
    path: "/v1/patrols/stickers",
    operation: "point_stickers",
    summary: "Print the stickers of a unit's points.",
    parameters: sticker_filters,
    answers: &[Answer {
        status: 200,
        content: Content::Binary("text/html; charset=utf-8"),
        description: "A sheet to print.",
    }],
    own_problems: &[ProblemCode::FieldInvalid, ProblemCode::NotFound],
    ..COVERAGE
};

fn coverage_filters() -> Vec<Parameter> {
    CoverageQuery::into_params(|| Some(ParameterIn::Query))
}

fn doubt_filters() -> Vec<Parameter> {
    DoubtQuery::into_params(|| Some(ParameterIn::Query))
}

fn sticker_filters() -> Vec<Parameter> {
    StickerQuery::into_params(|| Some(ParameterIn::Query))
}

fn round_path() -> Vec<Parameter> {
    let uuid = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
    vec![parameter(
        ParameterIn::Path,
        "record",
        "The record of the round, in canonical form.",
        uuid,
    )]
}

fn point_path() -> Vec<Parameter> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    vec![parameter(
        ParameterIn::Path,
        "point",
        "The point's code.",
        text,
    )]
}
