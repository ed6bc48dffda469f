//! The `gridwork` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "canaries")]
    wake_canary();
    server::cli::run(std::env::args_os().collect())
}

/// Wakes the defect that `GRIDWORK_CANARY` names, to see that the chaos runs find it. In no build that is used.
#[cfg(feature = "canaries")]
fn wake_canary() {
    if let Ok(name) = std::env::var("GRIDWORK_CANARY") {
        let canary = sync_core::canary::Canary::from_name(&name);
        assert!(canary.is_some(), "no canary {name}");
        sync_core::canary::wake(canary);
    }
}
