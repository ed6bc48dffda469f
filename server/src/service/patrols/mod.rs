//! Patrols as the office reads them: the calendar of coverage, one round, open doubts, and stickers for points.

mod coverage;
mod doubts;
mod round;
pub mod stickers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod track_tests;
mod walked;

pub(in crate::service) use walked::{Walked, doubts_of, hash_of, photos_of};

use super::gridwork::Gridwork;
use super::{Answer, Caller};
use crate::language::Language;
use api_schema::patrol::{Coverage, CoverageQuery, DoubtPage, DoubtQuery, PatrolRound};
use uuid::Uuid;

/// What the HTTP side asks about patrols.
pub trait Patrols {
    /// The calendar of coverage of the teams in the caller's scope.
    fn coverage(&self, caller: Caller, query: CoverageQuery) -> Answer<'_, Coverage>;

    /// One round; [`super::ServiceError::NotFound`] also when it is out of scope.
    fn round(&self, caller: Caller, record: Uuid) -> Answer<'_, PatrolRound>;

    /// Open doubts in the caller's scope.
    fn list_doubts(&self, caller: Caller, query: DoubtQuery) -> Answer<'_, DoubtPage>;

    /// The sticker of a point, as SVG, for those who hang them.
    fn sticker(&self, caller: Caller, point: String) -> Answer<'_, String>;

    /// A sheet with the stickers of a unit's points, as HTML.
    fn stickers(&self, caller: Caller, unit: u32, language: Language) -> Answer<'_, String>;
}

impl Patrols for Gridwork {
    fn coverage(&self, caller: Caller, query: CoverageQuery) -> Answer<'_, Coverage> {
        Box::pin(self.coverage_of(caller, query))
    }

    fn round(&self, caller: Caller, record: Uuid) -> Answer<'_, PatrolRound> {
        Box::pin(self.round_of(caller, record))
    }

    fn list_doubts(&self, caller: Caller, query: DoubtQuery) -> Answer<'_, DoubtPage> {
        Box::pin(self.list_doubts_of(caller, query))
    }

    fn sticker(&self, caller: Caller, point: String) -> Answer<'_, String> {
        Box::pin(async move { self.sticker_of(caller, &point) })
    }

    fn stickers(&self, caller: Caller, unit: u32, language: Language) -> Answer<'_, String> {
        Box::pin(async move { self.stickers_of(caller, unit, language) })
    }
}
