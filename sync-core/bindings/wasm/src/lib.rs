//! The replica for a browser: a thin shell that gives sync-core a connection to SQLite in the origin's private
//! file system (OPFS) and shows it to JavaScript.
//!
//! It runs in a dedicated worker only: nowhere else does a browser hand out synchronous file access. `storage` owns the
//! files and the one connection; every other module is a set of exported functions over it.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

mod probe;
mod storage;

use wasm_bindgen::prelude::wasm_bindgen;

/// Runs when the module starts: a panic is told in the browser's console with its place, not as a bare `unreachable`.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
