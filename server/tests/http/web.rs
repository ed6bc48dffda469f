//! The page's files: their types and headers, what is not among them, and a server that was built without them.

use std::fs;
use std::io;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use server::http::limits::HttpLimits;
use server::http::web::Web;
use tempfile::TempDir;

use crate::fake::Harness;
use crate::samples::get;

fn built() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["replica", "pkg"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for (path, text) in [
        ("replica/index.html", "<!doctype html>"),
        ("replica/main.js", "export {}"),
        ("replica/style.css", "body {}"),
        ("pkg/core_bg.wasm", "\0asm"),
        ("pkg/core.d.ts", "declare"),
        ("pkg/.linked", "0123"),
        ("secret.html", "outside"),
    ] {
        fs::write(folder.path().join(path), text).unwrap();
    }
    folder
}

fn serving(folder: &TempDir) -> Harness {
    let web = Web::load(Some(folder.path())).unwrap();
    Harness::serving(HttpLimits::default(), None, web)
}

#[tokio::test]
async fn files_have_their_type_and_a_strict_policy() {
    let folder = built();
    let harness = serving(&folder);
    for (path, content_type) in [
        ("/replica/", "text/html; charset=utf-8"),
        ("/replica/index.html", "text/html; charset=utf-8"),
        ("/replica/main.js", "text/javascript; charset=utf-8"),
        ("/replica/style.css?v=1", "text/css; charset=utf-8"),
        ("/pkg/core_bg.wasm", "application/wasm"),
    ] {
        let reply = harness.ask(get(path)).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(reply.header("content-type"), content_type, "{path}");
        assert_eq!(reply.header("cache-control"), "no-cache", "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'self'; script-src 'self' 'wasm-unsafe-eval';")
                && !policy.contains("unsafe-inline")
                && !policy.contains("'unsafe-eval'"),
            "{path}: {policy}"
        );
    }
    assert_eq!(harness.calls(), 0);
}

#[tokio::test]
async fn the_root_leads_to_the_page() {
    let folder = built();
    let harness = serving(&folder);
    for path in ["/", "/replica"] {
        let reply = harness.ask(get(path)).await;
        assert_eq!(reply.status, StatusCode::TEMPORARY_REDIRECT, "{path}");
        assert_eq!(reply.header("location"), "/replica/", "{path}");
    }
}

#[tokio::test]
async fn a_file_that_is_held_is_not_sent_again() {
    let folder = built();
    let harness = serving(&folder);
    let etag = harness
        .ask(get("/pkg/core_bg.wasm"))
        .await
        .header("etag")
        .to_owned();
    assert!(etag.starts_with("W/\"") && etag.len() == 36, "{etag}");
    for (held, status) in [
        (etag.clone(), StatusCode::NOT_MODIFIED),
        (format!("\"x\", {etag}"), StatusCode::NOT_MODIFIED),
        ("W/\"other\"".to_owned(), StatusCode::OK),
    ] {
        let request = Request::get("/pkg/core_bg.wasm")
            .header("if-none-match", &held)
            .body(Body::empty())
            .unwrap();
        let reply = harness.ask(request).await;
        assert_eq!(reply.status, status, "{held}");
        assert_eq!(reply.header("etag"), etag, "{held}");
    }
}

#[tokio::test]
async fn nothing_but_the_files_is_reached() {
    let folder = built();
    let harness = serving(&folder);
    for path in [
        "/secret.html",
        "/replica/../secret.html",
        "/replica/%2e%2e/secret.html",
        "/replica/..%2fsecret.html",
        "/replica//index.html",
        "/replica/index.html/",
        "/replica/nothing.js",
        "/pkg/",
        "/pkg/.linked",
        "/pkg/core.d.ts",
        "/pkg/%00",
    ] {
        let reply = harness.ask(get(path)).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(reply.problem().code, "not_found", "{path}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_not_followed() {
    let folder = built();
    let target = folder.path().join("secret.html");
    std::os::unix::fs::symlink(target, folder.path().join("replica/link.html")).unwrap();
    let reply = serving(&folder).ask(get("/replica/link.html")).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let folder = built();
    let harness = serving(&folder);
    for path in ["/", "/replica/", "/replica/main.js", "/pkg/core_bg.wasm"] {
        for method in ["POST", "PUT", "DELETE"] {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap();
            let reply = harness.ask(request).await;
            assert_eq!(
                reply.status,
                StatusCode::METHOD_NOT_ALLOWED,
                "{method} {path}"
            );
            assert_eq!(reply.header("allow"), "GET, HEAD", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_server_without_the_page_says_so() {
    let harness = Harness::new();
    for path in ["/", "/replica/", "/replica/main.js", "/pkg/core_bg.wasm"] {
        let reply = harness.ask(get(path)).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        let detail = reply.problem().detail;
        assert_eq!(
            detail.as_deref(),
            Some("this server was built without the page"),
            "{path}"
        );
    }
}

#[test]
fn a_folder_without_the_page_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let missing = Web::load(Some(empty.path())).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    let folder = built();
    fs::remove_file(folder.path().join("replica/index.html")).unwrap();
    let reason = Web::load(Some(folder.path())).unwrap_err().to_string();
    assert!(reason.contains("no replica/index.html"), "{reason}");
}
