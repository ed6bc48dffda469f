//! Gridwork sync-core.
