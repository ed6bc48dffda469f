//! The Gridwork server.

pub mod import;
