//! The router, made from the endpoint table: every row has a handler and every handler a row, or the server does not start.

use std::collections::BTreeMap;

use api_schema::endpoints::{Auth, ENDPOINTS, Endpoint};
use api_schema::problem::ProblemCode;
use axum::http::HeaderValue;
use axum::http::header::ALLOW;
use axum::routing::{MethodRouter, delete, get, head, options, patch, post};
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{
    DefaultPredicate, NotForContentType, Predicate, SizeAbove,
};

use super::problem::HttpProblem;
use super::{
    App, attachments, bearer, changes, directory, documents, enrolments, events, forks, health,
    inbox, observe, openapi, packs, patrols, problem, records, setups, snapshots, sync, uploads,
    web,
};

/// Operation id and handler; the table says under which path, for whom and within which limits.
fn handlers() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("sync", post(sync::sync)),
        ("enrol", post(enrolments::enrol)),
        ("set_up", post(setups::set_up)),
        ("fork", post(forks::fork)),
        ("events", get(events::events)),
        ("list_records", get(records::list_records)),
        ("list_deadlines", get(records::list_deadlines)),
        ("find_duplicates", get(records::find_duplicates)),
        ("get_record", get(records::get_record)),
        ("list_inbox", get(inbox::list_inbox)),
        ("rule", post(inbox::rule)),
        ("list_documents", get(documents::list_documents)),
        ("get_document", get(documents::get_document)),
        ("import_documents", post(documents::import_documents)),
        ("make_change", post(changes::make_change)),
        ("list_packs", get(packs::list_packs)),
        ("get_pack", get(packs::get_pack)),
        ("patrol_coverage", get(patrols::coverage)),
        ("patrol_round", get(patrols::round)),
        ("list_doubts", get(patrols::list_doubts)),
        ("point_sticker", get(patrols::sticker)),
        ("point_stickers", get(patrols::stickers)),
        ("attachment", get(attachments::attachment)),
        ("attachment_thumbnail", get(attachments::thumbnail)),
        ("upload_options", options(uploads::upload_options)),
        ("create_upload", post(uploads::create_upload)),
        ("find_upload", head(uploads::find_upload)),
        ("append_upload", patch(uploads::append_upload)),
        ("end_upload", delete(uploads::end_upload)),
        ("directory", get(directory::directory)),
        ("list_snapshots", get(snapshots::list_snapshots)),
        ("snapshot_segment", get(snapshots::snapshot_segment)),
        ("openapi", get(openapi::openapi)),
        ("live", get(health::live)),
        ("ready", get(health::ready)),
    ]
}

/// The server's whole HTTP side.
///
/// # Panics
/// Table and handlers do not match, which is our own mistake.
pub fn router(app: App) -> Router {
    let mut handlers: BTreeMap<_, _> = handlers().into_iter().collect();
    let mut paths: BTreeMap<&'static str, (MethodRouter<App>, Vec<&'static str>)> = BTreeMap::new();
    for row in ENDPOINTS {
        let handler = handlers
            .remove(row.operation)
            .unwrap_or_else(|| panic!("BUG: {} has no handler", row.operation));
        let (routes, allowed) = paths.entry(row.path).or_default();
        *routes = std::mem::take(routes).merge(guarded(row, handler, &app));
        allowed.push(row.method.as_str());
        if row.method == api_schema::endpoints::Method::Get {
            allowed.push("HEAD");
        }
    }
    assert!(
        handlers.is_empty(),
        "BUG: handlers without a row: {:?}",
        handlers.keys()
    );

    let mut router = Router::new();
    for (path, (routes, allowed)) in paths {
        let mut routes = routes.fallback(move || async move { method_not_allowed(&allowed) });
        if path.starts_with(uploads::PATH) {
            routes = routes.layer(middleware::from_fn(uploads::protocol));
        }
        router = router.route(path, routes);
    }
    // The page's files are no endpoints: they stand beside the table, not in it.
    router
        .merge(web::routes())
        .fallback(|| async { HttpProblem::new(ProblemCode::NotFound) })
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(HttpProblem::new(ProblemCode::Internal))
        }))
        .layer(middleware::from_fn(problem::render))
        .layer(CompressionLayer::new().compress_when(worth_compressing()))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            observe::observe,
        ))
        .with_state(app)
}

/// Answers below this are mostly hashes and signatures, which do not shrink: a receipt for a hundred changes has 300 bytes.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

fn worth_compressing() -> impl Predicate {
    DefaultPredicate::new()
        .and(SizeAbove::new(COMPRESSED_BYTES_MIN))
        // Compressed already; images are left alone by the default.
        .and(NotForContentType::const_new("video/"))
        .and(NotForContentType::const_new("audio/"))
}

fn guarded(row: &'static Endpoint, handler: MethodRouter<App>, app: &App) -> MethodRouter<App> {
    let handler = handler.layer(Extension(row));
    match row.auth {
        Auth::Bearer => handler.layer(middleware::from_fn_with_state(app.clone(), bearer::require)),
        // What shows who asks stands in the body; the service checks it.
        Auth::None | Auth::OneTimeCode | Auth::ReplicaSignature => handler,
    }
}

pub(super) fn method_not_allowed(allowed: &[&str]) -> HttpProblem {
    let value = HeaderValue::from_str(&allowed.join(", ")).expect("BUG: methods are plain text");
    HttpProblem::new(ProblemCode::MethodNotAllowed).header(ALLOW, value)
}
