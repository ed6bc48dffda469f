//! The simulated file system below real SQLite: write-ahead logging works on it, power cuts take what was not synced and
//! nothing else, and each fault surfaces as the error SQLite knows.

#[path = "disk/copies.rs"]
mod copies;
#[path = "disk/faults.rs"]
mod faults;
#[path = "disk/power.rs"]
mod power;
#[path = "disk/real_stores.rs"]
mod real_stores;
#[path = "disk/sharing.rs"]
mod sharing;
#[path = "disk/workload.rs"]
mod workload;
