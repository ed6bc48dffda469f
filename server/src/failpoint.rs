//! Places where a test may kill the process: between the commit and the reply, say. Debug builds only.

/// Ends the process as `kill -9` would when the environment names this place: `GRIDWORK_FAILPOINT=NAME`.
/// A release build has none of this.
pub fn reach(name: &str) {
    if cfg!(debug_assertions)
        && std::env::var_os("GRIDWORK_FAILPOINT").is_some_and(|wanted| wanted == name)
    {
        std::process::abort();
    }
}
