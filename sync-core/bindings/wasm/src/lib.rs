//! The replica for a browser: a thin shell that gives sync-core a connection to SQLite in the origin's private file
//! system (OPFS), random bytes and the page's words, and shows all of it to JavaScript.
//!
//! It runs in a dedicated worker only: nowhere else does a browser hand out synchronous file access. `storage` owns the
//! files, `phone` the one open replica with its session; every other module is a set of exported functions over it.
//! Structured values cross as JSON text; a failure is an `Error` whose message is the JSON of `failure::Failure`.
//! Nothing from outside panics.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

mod enrolment;
mod failure;
mod lists;
mod phone;
mod random;
mod reports;
mod storage;
mod sync;
mod texts;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs when the module starts: a panic is told in the browser's console with its place, not as a bare `unreachable`.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
