//! The demo day: real replicas and the real engine through a working day, with all that goes wrong on one.

mod check;
mod disaster;
mod incidents;
mod phone;
mod summary;
mod work;
mod world;

pub use summary::DaySummary;

use crate::service::ServiceError;
use std::path::Path;
use world::World;

/// 06:30 on Monday 23 November 2026 in Shanghai.
pub const MORNING_MS: i64 = 1_795_386_600_000;

/// Which day it is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The same seed and beginning give the same day.
    pub seed: u64,
    /// How many phones.
    pub phones: usize,
    /// When it begins, milliseconds since 1970.
    pub begins_ms: i64,
}

/// Tells how far the day is, from 0 to 100, and what goes on.
pub type Progress<'a> = &'a dyn Fn(u64, &str);

/// Runs the day in `data`, which must be empty.
///
/// # Errors
/// Whatever the engine or a replica refused that it should not have.
pub async fn run(
    data: &Path,
    plan: &Plan,
    progress: Progress<'_>,
) -> Result<DaySummary, ServiceError> {
    progress(0, "seed");
    let mut world = World::found(data, plan).await?;
    progress(10, "first_sync");
    world.first_sync().await?;
    progress(20, "morning");
    world.morning().await?;
    progress(35, "incidents");
    world.incidents().await?;
    progress(60, "restore");
    world.lose_and_restore_the_server().await?;
    progress(75, "evening");
    world.evening().await?;
    progress(90, "check");
    let summary = world.check().await?;
    progress(100, "done");
    Ok(summary)
}
