//! Gridwork's server: http translates, service orders the steps, store talks SQL; sync-core decides.

pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod device;
pub mod failpoint;
pub mod fleet;
pub mod http;
pub mod ids;
pub mod import;
pub mod language;
pub mod logs;
pub mod media;
pub mod service;
pub mod store;
