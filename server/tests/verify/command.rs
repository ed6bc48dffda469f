//! The command itself: exit codes, one JSON object, the last known head.
