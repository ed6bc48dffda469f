//! Events: the nudge that says "there is something new in your scope" and nothing else.

/// The name of the one server-sent event.
pub const NUDGE_EVENT: &str = "nudge";
/// Its data: a constant, because browsers drop an event without data. It tells nothing about anyone.
pub const NUDGE_DATA: &str = "new";
