//! What the server does by itself, in its own name: a short list of duties, gone through once a minute. Each looks for what is
//! due and does it inside one writer step that looks again, so that nothing is done twice, and nothing that somebody has
//! done meanwhile.

mod automatic;
#[cfg(test)]
mod duties_tests;
mod events;
mod hand;
mod made;
mod packs;
mod rules;
#[cfg(test)]
mod tests;
mod tracks;

use super::ServiceError;
use super::district::District;
use super::gridwork::Gridwork;
use super::office::Hand;
use super::projection::Projection;
use super::worker::{Bell, Worker};
use crate::store::StoreError;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use sync_core::ids::Pos;

pub(super) use hand::is_system;

/// How often the duties are gone through.
const ROUND: Duration = Duration::from_secs(60);

/// One duty: what is due at a moment is done, and counted.
type Duty =
    for<'a> fn(&'a Steward, &'a Arc<District>, i64) -> BoxFuture<'a, Result<u64, ServiceError>>;

/// How often a duty is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Often {
    /// In each round.
    Round,
    /// In the first round of each hour: what is reckoned in days, and goes through all units or households for it.
    Hour,
}

/// All duties, by name, in the order in which they are gone through.
const DUTIES: &[(&str, Often, Duty)] = &[
    ("automatic_steps", Often::Round, automatic::take_due),
    ("events", Often::Round, events::follow),
    ("clocks", Often::Round, events::look_again),
    ("cycles", Often::Hour, rules::assign_cycles),
    ("due_again", Often::Hour, rules::assign_again),
    ("alerts", Often::Round, rules::raise_alerts),
    ("calendar", Often::Hour, rules::warn_of_calendar),
    ("tracks_erased", Often::Round, tracks::erase_due),
    ("packs", Often::Hour, packs::freeze_due),
];

const HOUR_MS: i64 = 3_600_000;

/// What one duty came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discharged {
    /// Which duty.
    pub duty: &'static str,
    /// How much was done.
    pub done: u64,
}

/// Who does it.
pub struct Steward {
    hand: Hand,
    /// Where the candidates are looked up; without it all records are gone through, as in a simulator.
    projection: Option<Arc<Projection>>,
    /// The hour, since 1970, whose first round was gone through; -1 before any.
    hour: AtomicI64,
}

impl Steward {
    pub(super) fn new(hand: Hand, projection: Option<Arc<Projection>>) -> Self {
        Self {
            hand,
            projection,
            hour: AtomicI64::new(-1),
        }
    }

    /// Goes through all duties once. One that fails does not keep the others from being done.
    ///
    /// # Errors
    /// That of the first duty that failed, after all.
    pub async fn go_round(
        &self,
        district: &Arc<District>,
        now_ms: i64,
    ) -> Result<Vec<Discharged>, ServiceError> {
        let (mut discharged, mut failed) = (Vec::new(), None);
        if district.state().head.0 == Pos(0) {
            return Ok(discharged);
        }
        let hour = now_ms.div_euclid(HOUR_MS);
        let is_new_hour = self.hour.load(Ordering::Relaxed) != hour;
        for (name, often, duty) in DUTIES {
            if *often == Often::Hour && !is_new_hour {
                continue;
            }
            match duty(self, district, now_ms).await {
                Ok(done) => discharged.push(Discharged { duty: name, done }),
                Err(error) => {
                    tracing::warn!(duty = name, %error, "a duty was not done");
                    failed = failed.or(Some(error));
                }
            }
        }
        if failed.is_none() {
            self.hour.store(hour, Ordering::Relaxed);
        }
        failed.map_or(Ok(discharged), Err)
    }
}

impl Gridwork {
    /// Does what is due at a moment, at once. What a record's clock says counts at the time of the commit, if that is earlier.
    ///
    /// # Errors
    /// Storage's own.
    pub async fn run_due(
        &self,
        district: &Arc<District>,
        now_ms: i64,
    ) -> Result<Vec<Discharged>, ServiceError> {
        let background = self.background(district).ok();
        let projection = background.map(|background| Arc::clone(&background.projection));
        let steward = Steward::new(self.hand(), projection);
        steward.go_round(district, now_ms).await
    }
}

/// The thread that goes through the duties.
#[derive(Debug)]
pub struct Rounds {
    _worker: Worker,
}

impl Rounds {
    /// Starts it; the first round comes after a minute.
    ///
    /// # Errors
    /// That the system gives no thread.
    pub fn start(steward: Steward, district: Arc<District>) -> Result<Self, StoreError> {
        let bell = Arc::new(Bell::default());
        let rung = Arc::clone(&bell);
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "no rounds: no runtime"),
            };
            while rung.sleep(ROUND) {
                let now_ms = steward.hand.clock.wall_ms();
                // What failed was logged by name; the next round tries again.
                let _ = runtime.block_on(steward.go_round(&district, now_ms));
            }
        };
        Ok(Self {
            _worker: Worker::start("steward", bell, work)?,
        })
    }
}
