//! The rows of packs: those that are frozen, and the text of one.

use utoipa::ToSchema;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::table::{json, no_parameters, parameter};
use super::{Answer, Auth, Content, Endpoint, Method};
use crate::pack::PackList;
use crate::problem::ProblemCode;

pub(super) const LIST: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/packs",
    operation: "list_packs",
    summary: "List the frozen packs of weeks, months and quarters; for roles that read the work of the whole district.",
    auth: Auth::Bearer,
    request: Content::Empty,
    body_bytes_max: 0,
    parameters: no_parameters,
    answers: &[json(200, PackList::name, "The packs.")],
    own_problems: &[ProblemCode::Forbidden],
};

pub(super) const GET: Endpoint = Endpoint {
    path: "/v1/packs/{label}",
    operation: "get_pack",
    summary: "Read the text of one frozen pack.",
    parameters: label_path,
    answers: &[Answer {
        status: 200,
        content: Content::AnyJson,
        description: "The text whose hash stands in the log, byte for byte.",
    }],
    own_problems: &[ProblemCode::Forbidden, ProblemCode::NotFound],
    ..LIST
};

fn label_path() -> Vec<Parameter> {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let description = "Which: 2026-W48, 2026-11, 2026-Q4.";
    vec![parameter(ParameterIn::Path, "label", description, text)]
}
