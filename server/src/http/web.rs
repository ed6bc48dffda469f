//! The page for browsers: plain files, held in memory, under `/replica/` and `/pkg/`. No API, so no row of the table.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use api_schema::problem::ProblemCode;
use axum::Router;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use sync_core::change::Hash;
use sync_core::hex;

use super::App;
use super::problem::HttpProblem;
use super::router::method_not_allowed;

/// What was there when this program was built: URL path without its first slash, and the bytes.
static BUILT_IN: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web_files.rs"));

/// The folders whose files are served.
const FOLDERS: [&str; 2] = ["pkg", "replica"];
/// The page itself.
const INDEX: &str = "replica/index.html";
/// The page is about 2 MB: a folder with more is not one that our build left.
const FOLDER_BYTES_MAX: u64 = 64 << 20;

/// Only our own files, and no inline code. `wasm-unsafe-eval` allows the module, not `eval`.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page's files by their paths. A request is looked up among these names, so it can reach nothing else on the disk.
#[derive(Clone, Debug, Default)]
pub struct Web {
    files: BTreeMap<String, WebFile>,
}

#[derive(Clone, Debug)]
struct WebFile {
    bytes: Bytes,
    content_type: &'static str,
    etag: HeaderValue,
}

impl Web {
    /// The files of a folder as `tests/web/build.sh` leaves it, or, without one, those built into this program.
    ///
    /// # Errors
    /// The folder cannot be read, is no such folder, or is too large.
    pub fn load(folder: Option<&Path>) -> io::Result<Self> {
        match folder {
            Some(folder) => Self::from_folder(folder),
            None => Ok(Self::built_in()),
        }
    }

    /// The files built into this program; none when the page was not built before it.
    pub fn built_in() -> Self {
        let mut web = Self::default();
        for (path, bytes) in BUILT_IN {
            web.add((*path).to_owned(), Bytes::from_static(bytes));
        }
        web
    }

    fn from_folder(folder: &Path) -> io::Result<Self> {
        let mut web = Self::default();
        let mut room = FOLDER_BYTES_MAX;
        for name in FOLDERS {
            web.add_folder(&folder.join(name), name, &mut room)
                .map_err(|error| {
                    io::Error::new(
                        error.kind(),
                        format!("{}: {error}", folder.join(name).display()),
                    )
                })?;
        }
        if web.is_empty() {
            let reason = format!("{}: no {INDEX} in it", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        Ok(web)
    }

    fn add_folder(&mut self, folder: &Path, prefix: &str, room: &mut u64) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            let path = format!("{prefix}/{name}");
            // Links are followed nowhere: what they point at was not built here.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.add_folder(&entry.path(), &path, room)?;
            } else if kind.is_file() {
                let size = entry.metadata()?.len();
                *room = room.checked_sub(size).ok_or_else(|| {
                    io::Error::other(format!("more than {FOLDER_BYTES_MAX} bytes"))
                })?;
                self.add(path, fs::read(entry.path())?.into());
            }
        }
        Ok(())
    }

    /// Takes a file in; one of an unknown type (a TypeScript declaration, say) is nothing for a browser.
    fn add(&mut self, path: String, bytes: Bytes) {
        let Some(content_type) = content_type(&path) else {
            return;
        };
        // Weak, because the answer may be compressed on its way.
        let tag = format!("W/\"{}\"", &hex::encode(&Hash::of(&[&bytes]).0)[..32]);
        let etag = HeaderValue::from_str(&tag).expect("BUG: hexadecimal digits are plain text");
        let file = WebFile {
            bytes,
            content_type,
            etag,
        };
        self.files.insert(path, file);
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        !self.files.contains_key(INDEX)
    }
}

fn content_type(path: &str) -> Option<&'static str> {
    let (stem, extension) = path.rsplit_once('.')?;
    match extension {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "wasm" => Some("application/wasm"),
        "svg" => Some("image/svg+xml"),
        "json" if !stem.ends_with("package") => Some("application/json"),
        _ => None,
    }
}

/// The routes of the page.
pub(super) fn routes() -> Router<App> {
    let route = |handler: MethodRouter<App>| {
        handler.fallback(|| async { method_not_allowed(&["GET", "HEAD"]) })
    };
    Router::new()
        .route("/", route(get(home)))
        .route("/replica", route(get(home)))
        .route("/replica/", route(get(page)))
        .route("/replica/{*file}", route(get(file)))
        .route("/pkg/{*file}", route(get(file)))
}

async fn home(State(app): State<App>) -> Result<Redirect, HttpProblem> {
    if app.web.is_empty() {
        return Err(not_built());
    }
    Ok(Redirect::temporary("/replica/"))
}

async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Response, HttpProblem> {
    let file = app.web.files.get(INDEX).ok_or_else(not_built)?;
    Ok(answer(file, &headers))
}

/// Names are compared as they stand in the request: ours need no escapes, so what has one is not ours.
async fn file(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, HttpProblem> {
    let name = uri.path().trim_start_matches('/');
    match app.web.files.get(name) {
        Some(file) => Ok(answer(file, &headers)),
        None if app.web.is_empty() => Err(not_built()),
        None => Err(HttpProblem::new(ProblemCode::NotFound)),
    }
}

fn not_built() -> HttpProblem {
    HttpProblem::with_detail(
        ProblemCode::NotFound,
        "this server was built without the page",
    )
}

fn answer(file: &WebFile, headers: &HeaderMap) -> Response {
    // Kept by the browser, asked about each time: a new version reaches everyone at once.
    let shared = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (ETAG, file.etag.clone()),
    ];
    let is_held = headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| tag.trim().as_bytes() == file.etag.as_bytes());
    if is_held {
        return (StatusCode::NOT_MODIFIED, shared).into_response();
    }
    let content_type = [(CONTENT_TYPE, HeaderValue::from_static(file.content_type))];
    (shared, content_type, file.bytes.clone()).into_response()
}
