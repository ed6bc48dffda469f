//! Fuzzing of everything that reads bytes from outside. Each target is a function of bytes that panics when a promise is
//! broken; libFuzzer drives it (`tests/fuzz`), and so does a plain seeded mutator, which needs no tool.
//!
//! Where bytes alone would stay at the door (a signature, a check), a target takes them as choices: how to spoil a message
//! that is then signed or checked anew.

mod changes;
mod choices;
mod corpus;
mod imports;
mod mutator;
mod pages;
mod requests;
mod tokens;

pub use corpus::{corpus, folder};
pub use mutator::{Drive, drive};

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also of its folder in the corpus.
    pub name: &'static str,
    /// What it does with bytes.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    Target {
        name: "changes",
        run: changes::changes,
    },
    Target {
        name: "payloads",
        run: changes::payloads,
    },
    Target {
        name: "messages",
        run: changes::messages,
    },
    Target {
        name: "requests",
        run: requests::requests,
    },
    Target {
        name: "pages",
        run: pages::pages,
    },
    Target {
        name: "segments",
        run: pages::segments,
    },
    Target {
        name: "tokens",
        run: tokens::tokens,
    },
    Target {
        name: "units",
        run: imports::units,
    },
    Target {
        name: "people",
        run: imports::people,
    },
    Target {
        name: "documents",
        run: imports::documents,
    },
];

/// A target by its name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

/// Runs a target by its name.
///
/// # Panics
/// When there is none of that name, and when it breaks a promise.
pub fn run(name: &str, data: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("BUG: no target {name}"));
    (target.run)(data);
}
