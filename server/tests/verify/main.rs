//! `gridwork verify` over a district that phones have filled: it agrees with what the engine wrote, and finds every change
//! made behind the engine's back.

mod after_release;
mod after_restore;
mod cases;
mod command;
mod day;
mod defects;
mod documents;
mod forks;
mod honest;
mod known_intents;
mod office;
mod phone;
mod readmission;
mod rotation;
mod rules;
mod tampering;
mod world;
