//! Scripts: one JSON object a line, each a change to make.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use sync_core::change::{ChangeId, Needs, PartClass};
use sync_core::ids::{RecordId, ReplicaId, Seq, UnitId};
use sync_core::kinds::{self, Kind};
use sync_core::replica::{Draft, SealedDraft};
use uuid::Uuid;

use super::DeviceError;
use super::headless::Device;
use super::journal::Saved;

/// What a payload may hold to be found again: it is replaced by a text that stands in this change alone.
const MARK: &str = "{mark}";

/// A line of a script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    intent: String,
    /// A UUID, or a name such as `@bin`: fresh where it is first used, the same wherever it is used again. A fresh
    /// record without one.
    record: Option<String>,
    /// The unit's number. The record's own where the device holds it, otherwise the first in which the person reads that kind.
    unit: Option<u32>,
    payload: Box<RawValue>,
    #[serde(default)]
    sealed: Vec<Sealed>,
    needs_record: Option<String>,
    /// The seq of a quarantined change of this device that this one replaces.
    repairs: Option<u64>,
}

/// A sealed part of a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    class: SealedClass,
    payload: Box<RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SealedClass {
    Person,
    Whereabouts,
}

/// A script that is being run: its names of records.
#[derive(Debug, Default)]
pub struct Script {
    names: BTreeMap<String, RecordId>,
    line: usize,
}

impl Script {
    /// Makes the change of the next line; `None` for an empty one. What a line asks for is whole or not at all.
    ///
    /// # Errors
    /// A line that is none, naming it, or see [`DeviceError`].
    pub fn make(&mut self, device: &mut Device, text: &str) -> Result<Option<Saved>, DeviceError> {
        self.line += 1;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let line: Line = serde_json::from_str(text).map_err(|error| self.wrong(error))?;
        let record = match &line.record {
            Some(name) => self.record(device, name)?,
            None => device.new_record(),
        };
        let unit = match line.unit {
            Some(unit) => UnitId(unit),
            None => self.unit(device, record, &line.intent)?,
        };
        let mark = line
            .payload
            .get()
            .contains(MARK)
            .then(|| device.next_mark());
        let open = match &mark {
            Some(mark) => line.payload.get().replace(MARK, mark),
            None => line.payload.get().to_owned(),
        };
        let mut draft = Draft::new(record, unit, &line.intent, open);
        draft.sealed = line
            .sealed
            .iter()
            .map(|part| sealed(device, part))
            .collect();
        if let Some(name) = &line.needs_record {
            draft.needs = Some(Needs::Record(self.record(device, name)?));
        }
        draft.repairs = line.repairs.map(|seq| ChangeId {
            replica: ReplicaId(device.replica().replica_id().0),
            seq: Seq(seq),
        });
        match device.make(draft, mark) {
            Err(error @ DeviceError::Invalid(_)) => Err(self.wrong(error)),
            made => made.map(Some),
        }
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> DeviceError {
        DeviceError::Script {
            line: self.line,
            reason: reason.to_string(),
        }
    }

    fn record(&mut self, device: &Device, name: &str) -> Result<RecordId, DeviceError> {
        if name.starts_with('@') {
            let known = self.names.entry(name.to_owned());
            return Ok(*known.or_insert_with(|| device.new_record()));
        }
        match name.parse::<Uuid>() {
            Ok(id) => Ok(RecordId(id)),
            Err(_) => Err(self.wrong("record: not a UUID and not a name such as @bin")),
        }
    }

    fn unit(&self, device: &Device, record: RecordId, intent: &str) -> Result<UnitId, DeviceError> {
        if let Some(view) = device.replica().record_view(record)? {
            return Ok(view.state.unit);
        }
        let kind = intent.split('.').next().and_then(Kind::from_text);
        let kind = kind.filter(|_| kinds::find(intent).is_some());
        let scope = device.replica().scope()?.unwrap_or_default();
        let found = scope.places().find(|(each, _)| Some(*each) == kind);
        found.map(|(_, unit)| unit).ok_or_else(|| {
            self.wrong("unit: not given, and the device has none for this intent (sync first)")
        })
    }
}

fn sealed(device: &Device, part: &Sealed) -> SealedDraft {
    SealedDraft {
        class: match part.class {
            SealedClass::Person => PartClass::PERSON,
            SealedClass::Whereabouts => PartClass::WHEREABOUTS,
        },
        salt: device.salt(),
        bytes: part.payload.get().as_bytes().to_vec(),
    }
}
