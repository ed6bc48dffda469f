//! The demo day: real replicas and the real engine through a working day, with all that goes wrong on one.

mod check;
mod incidents;
mod phone;
mod summary;
mod work;
mod world;

pub use summary::DaySummary;

use crate::service::ServiceError;
use std::path::Path;
use world::World;

/// Tells how far the day is, from 0 to 100, and what goes on.
pub type Progress<'a> = &'a dyn Fn(u64, &str);

/// Runs the day in `data`, which must be empty.
///
/// # Errors
/// Whatever the engine or a replica refused that it should not have.
pub async fn run(
    data: &Path,
    seed: u64,
    phones: usize,
    progress: Progress<'_>,
) -> Result<DaySummary, ServiceError> {
    progress(0, "seed");
    let mut world = World::found(data, seed, phones).await?;
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
