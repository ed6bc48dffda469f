//! The Gridwork server: http -> service -> store; sync-core decides.

pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod ids;
pub mod language;
pub mod logs;
pub mod service;
