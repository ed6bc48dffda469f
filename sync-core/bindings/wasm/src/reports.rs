//! Making changes from the page's forms.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sync_core::change::PartClass;
use sync_core::ids::{RecordId, UnitId};
use sync_core::replica::{Draft, SealedDraft};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::failure::{Failure, json};
use crate::{phone, random};

/// A form as JSON. The parts' bytes are kept exactly as they stand in the text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    /// The record, in the canonical spelling of its id; a new one when it is left out.
    record: Option<String>,
    /// The unit's permanent number.
    unit: u32,
    /// Such as `report.create`.
    intent: String,
    /// The open part.
    #[serde(borrow)]
    open: &'a RawValue,
    /// Personal fields, sealed.
    #[serde(borrow)]
    person: Option<&'a RawValue>,
    /// Whereabouts, sealed.
    #[serde(borrow)]
    whereabouts: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Made {
    record: String,
    seq: u64,
}

/// Makes a change of a form (`{"unit":1,"intent":"report.create","open":{…}}`, optionally `record`, and `person` and
/// `whereabouts` as sealed parts) and answers `{"record":…,"seq":…}`. When it returns, the change is durable.
///
/// # Errors
/// `invalid` with every problem, `input` when the form is not one, or what the database said; nothing is stored then.
#[wasm_bindgen]
pub fn make_change(form: &str, now: &str) -> Result<String, JsError> {
    Ok(make(form, now)?)
}

fn make(form: &str, now: &str) -> Result<String, Failure> {
    let form: Form<'_> = serde_json::from_str(form)?;
    let now = phone::evidence(now)?;
    let record = match &form.record {
        Some(text) => RecordId::parse_canonical(text)
            .ok_or_else(|| Failure::input("record: not a canonical UUID"))?,
        None => random::record_id(now.wall_ms)?,
    };
    let mut draft = Draft::new(record, UnitId(form.unit), &form.intent, form.open.get());
    let sealed = [
        (PartClass::PERSON, form.person),
        (PartClass::WHEREABOUTS, form.whereabouts),
    ];
    for (class, part) in sealed {
        let Some(part) = part else { continue };
        draft.sealed.push(SealedDraft {
            class,
            salt: random::bytes()?,
            bytes: part.get().into(),
        });
    }
    let seq = phone::with(|phone| Ok(phone.replica.make_change(draft, now)?))?;
    Ok(json(&Made {
        record: record.0.to_string(),
        seq: seq.0,
    }))
}
