//! `GET /v1/records` and `GET /v1/records/{record}`: what the office reads.

use api_schema::desk::{DeadlinePage, DeadlineQuery, DuplicateList, DuplicateQuery};
use api_schema::problem::ProblemCode;
use api_schema::record::{RecordDetail, RecordPage, RecordQuery};
use api_schema::shapes::parse_canonical_uuid;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::App;
use super::changes::language_of;
use super::problem::HttpProblem;
use crate::service::Caller;

pub(super) async fn list_records(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<RecordPage>, HttpProblem> {
    let query: RecordQuery = parse_query(&uri)?;
    Ok(Json(app.backend.list_records(caller, query).await?))
}

pub(super) async fn list_deadlines(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<DeadlinePage>, HttpProblem> {
    let query: DeadlineQuery = parse_query(&uri)?;
    Ok(Json(app.backend.list_deadlines(caller, query).await?))
}

pub(super) async fn find_duplicates(
    State(app): State<App>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<DuplicateList>, HttpProblem> {
    let query: DuplicateQuery = parse_query(&uri)?;
    Ok(Json(app.backend.find_duplicates(caller, query).await?))
}

pub(super) async fn get_record(
    State(app): State<App>,
    caller: Caller,
    Path(record): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RecordDetail>, HttpProblem> {
    // An id in another spelling names nothing, like any id that nobody has.
    let record =
        parse_canonical_uuid(&record).ok_or_else(|| HttpProblem::new(ProblemCode::NotFound))?;
    let language = language_of(&headers);
    Ok(Json(
        app.backend.get_record(caller, record, language).await?,
    ))
}

/// A query of a list; what is wrong is told by its name.
pub(super) fn parse_query<T: DeserializeOwned>(uri: &Uri) -> Result<T, HttpProblem> {
    use std::error::Error;
    type QueryError = serde_path_to_error::Error<serde::de::value::Error>;

    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|rejection| {
            let mut cause: Option<&(dyn Error + 'static)> = Some(&rejection);
            while let Some(error) = cause {
                if let Some(error) = error.downcast_ref::<QueryError>() {
                    return HttpProblem::field(error.path().to_string(), error.inner().to_string());
                }
                cause = error.source();
            }
            HttpProblem::field("query", rejection.body_text())
        })
}
