//! Gridwork's server: http translates, service orders the steps, store talks SQL; sync-core decides.

pub mod demo;
pub mod import;
pub mod service;
pub mod store;
