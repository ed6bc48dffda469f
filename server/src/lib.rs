//! The Gridwork server.

pub mod demo;
pub mod import;
