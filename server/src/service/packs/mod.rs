//! Packs of a week, month or quarter: frozen once with the hash in the log, and made again from the log whenever asked for.

mod make;
mod reading;
#[cfg(test)]
mod tests;

pub(in crate::service) use make::{Source, make, observe};
pub use reading::Packs;

use super::ServiceError;
use super::district::District;
use super::documents::zone_of;
use super::gridwork::Gridwork;
use super::log_writer::{LogWriter, WriterState};
use crate::store::StoreError;
use crate::store::sqlite::{DistrictRead, PackRow};
use api_schema::problem::FieldProblem;
use serde_json::{Value, json};
use std::sync::Arc;
use sync_core::change::Hash;
use sync_core::directory::DirectoryChange;
use sync_core::packs::{FORMAT, Period};

/// The SHA-256 of a pack's text, as the log names it.
pub(in crate::service) fn hash_of(text: &str) -> String {
    Hash::of(&[text.as_bytes()]).to_string()
}

/// Whether a text was made by the rules that hold now; one of other rules cannot be made again.
pub(in crate::service) fn is_of_this_format(text: &str) -> bool {
    let pack: Value = serde_json::from_str(text).unwrap_or_default();
    pack["format"] == FORMAT
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::FieldInvalid {
        errors: vec![FieldProblem {
            field: "label".to_owned(),
            message: message.to_owned(),
        }],
    }
}

impl Gridwork {
    /// Freezes the pack of a period that is over, or makes the frozen one again and says that it is the same; a preview
    /// keeps nothing.
    ///
    /// # Errors
    /// That there is no such period, that it is not over, or that the frozen pack does not follow from the log.
    pub(super) async fn pack(
        &self,
        district: &Arc<District>,
        label: &str,
        preview: bool,
    ) -> Result<Value, ServiceError> {
        let period = Period::parse(label).ok_or_else(|| {
            invalid("not a week, month or quarter such as 2026-W48, 2026-11, 2026-Q4")
        })?;
        let now_ms = self.clock.wall_ms();
        let zone = zone_of(&district.state().facts.time_zone);
        if now_ms <= period.from_ms(&zone) {
            return Err(invalid("this period has not begun"));
        }
        if !preview && now_ms < period.to_ms(&zone) {
            return Err(ServiceError::Conflict {
                reason: "this period is not over: it can only be previewed",
            });
        }
        if !preview {
            freeze(district, period.clone(), now_ms).await?;
        }
        let done = district.read(move |read, state| match preview {
            true => Ok(shown(&draft(read, state, &period, now_ms)?)),
            false => made_again(read, state, &period),
        });
        done.await
    }
}

/// A pack as the log has it now.
fn draft(
    read: &DistrictRead,
    state: &WriterState,
    period: &Period,
    now_ms: i64,
) -> Result<PackRow, ServiceError> {
    let pos = read.head()?.0;
    let observed = observe(read, &state.directory)?;
    let source = Source {
        read,
        facts: &state.facts,
        pos,
        now_ms,
        observed: &observed,
    };
    Ok(PackRow {
        label: period.label(),
        text: make(source, period)?,
        pos,
        frozen_ms: now_ms,
        observed,
    })
}

/// Freezes a pack that nobody has frozen, and says whether it did: text and hash in one commit.
pub(in crate::service) async fn freeze(
    district: &Arc<District>,
    period: Period,
    now_ms: i64,
) -> Result<bool, ServiceError> {
    if district.state().directory.pack(&period.label()).is_some() {
        return Ok(false);
    }
    let drafted = district.read(move |read, state| draft(read, state, &period, now_ms));
    let pack = drafted.await?;
    let step = move |log: &mut LogWriter<'_>, now_ms: i64| {
        if log.directory().pack(&pack.label).is_some() {
            return Ok(false);
        }
        let pack = PackRow {
            frozen_ms: now_ms,
            ..pack
        };
        let change = DirectoryChange::Pack {
            label: pack.label.clone(),
            pos: pack.pos,
            hash: hash_of(&pack.text),
        };
        log.write().insert_pack(&pack)?;
        log.change_directory(change, now_ms)?;
        Ok(true)
    };
    district.writer().run(step).await
}

fn shown(pack: &PackRow) -> Value {
    let text: Value = serde_json::from_str(&pack.text).unwrap_or_default();
    json!({
        "label": pack.label, "pos": pack.pos, "hash": hash_of(&pack.text), "text": pack.text, "pack": text,
    })
}

/// A frozen pack, made again from the log at its place.
fn made_again(
    read: &DistrictRead,
    state: &WriterState,
    period: &Period,
) -> Result<Value, ServiceError> {
    let pack = read
        .find_pack(&period.label())?
        .ok_or(ServiceError::NotFound)?;
    let named = state.directory.pack(&pack.label);
    let differs = |what: &str| StoreError::corrupt("pack", &pack.label, what);
    if named.is_none_or(|named| named.hash != hash_of(&pack.text) || named.pos != pack.pos) {
        return Err(differs("it is not the one that the log names").into());
    }
    let same = match is_of_this_format(&pack.text) {
        false => None,
        true if again(read, state, &pack, period)? != pack.text => {
            return Err(differs("made again from the log it is another").into());
        }
        true => Some(true),
    };
    let mut told = shown(&pack);
    told["frozen_ms"] = pack.frozen_ms.into();
    told["same"] = json!(same);
    Ok(told)
}

fn again(
    read: &DistrictRead,
    state: &WriterState,
    pack: &PackRow,
    period: &Period,
) -> Result<String, StoreError> {
    let source = Source {
        read,
        facts: &state.facts,
        pos: pack.pos,
        now_ms: i64::MAX,
        observed: &pack.observed,
    };
    make(source, period)
}

/// The packs that are frozen, without their texts.
pub(super) async fn list_packs(district: &Arc<District>) -> Result<Value, ServiceError> {
    let rows = district
        .read(|read, _| {
            let told = |pack: PackRow| {
                json!({
                    "label": pack.label, "pos": pack.pos, "frozen_ms": pack.frozen_ms, "hash": hash_of(&pack.text),
                })
            };
            Ok(read.list_packs()?.into_iter().map(told).collect::<Vec<_>>())
        })
        .await?;
    Ok(json!({ "packs": rows }))
}
