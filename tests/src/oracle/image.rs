//! The engine's image of a record (`docs/merge.md`, section 6) read into what the models compare.

use super::fold::{Attempt, Element, OracleRecord, Standing, Taken};
use super::plain::{Fields, Place, Stamp};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

type RawFields = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Image {
    k: String,
    u: u32,
    d: Option<u32>,
    p: u64,
    l: Place,
    c: Option<Vec<i64>>,
    #[serde(default)]
    w: Vec<Piece>,
    q: Option<String>,
    #[serde(default)]
    t: Vec<Piece>,
    #[serde(default)]
    e: Vec<Piece>,
    #[serde(default)]
    a: Vec<Piece>,
}

/// One of the image's writes, steps, elements or attempts.
#[derive(Deserialize)]
struct Piece {
    s: Option<Vec<i64>>,
    #[serde(default)]
    f: RawFields,
    q: Option<Value>,
    u: Option<(u32, u32)>,
    n: Option<String>,
    c: Option<String>,
}

fn fields(raw: &RawFields) -> Fields {
    raw.iter()
        .map(|(name, value)| (name.clone(), value.get().to_owned()))
        .collect()
}

/// A stamp is an array with its trailing zeros cut.
fn stamp(numbers: &[i64]) -> Stamp {
    let at = |index: usize| numbers.get(index).copied().unwrap_or(0);
    let count = |index: usize| u64::try_from(at(index)).expect("BUG: a negative number");
    let small = |index: usize| u32::try_from(at(index)).expect("BUG: a great number");
    Stamp {
        place: (small(5) + 1, count(0)),
        time_ms: at(1),
        person: small(2),
        replica: small(3),
        seq: count(4),
        whose: Some(small(6)).filter(|person| *person != 0),
        first: Some((small(7), count(8))).filter(|place| *place != (0, 0)),
    }
}

impl Piece {
    fn stamp(&self) -> Stamp {
        stamp(self.s.as_deref().unwrap_or_default())
    }

    fn states(&self) -> Option<(String, String)> {
        serde_json::from_value(self.q.clone()?).ok()
    }
}

/// Reads an image.
///
/// # Errors
/// What serde_json says.
pub fn read(image: &[u8]) -> Result<OracleRecord, serde_json::Error> {
    let image: Image = serde_json::from_slice(image)?;
    let created = image.c.as_deref().map(stamp);
    let mut registers: BTreeMap<String, Vec<Standing>> = BTreeMap::new();
    for write in &image.w {
        // A write without a stamp is the one that made the record.
        let stamp = match (&write.s, &created) {
            (None, Some(created)) => created.clone(),
            _ => write.stamp(),
        };
        for (name, raw) in fields(&write.f) {
            let stamp = stamp.clone();
            registers
                .entry(name)
                .or_default()
                .push(Standing { raw, stamp });
        }
    }
    for values in registers.values_mut() {
        values.sort_by_key(|value| (value.stamp.time_ms, value.stamp.order()));
        values.reverse();
    }
    let steps = image.t.iter().map(|step| Taken {
        stamp: step.stamp(),
        states: step.states(),
        units: step.u,
        fields: fields(&step.f),
    });
    let elements = image.e.iter().map(|element| Element {
        stamp: element.stamp(),
        set: element.n.clone().unwrap_or_default(),
        fields: fields(&element.f),
    });
    let attempts = image.a.iter().map(|attempt| Attempt {
        stamp: attempt.stamp(),
        wanted: attempt
            .q
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        code: attempt.c.clone().unwrap_or_default(),
    });
    Ok(OracleRecord {
        steps: steps.collect(),
        elements: elements.collect(),
        attempts: attempts.collect(),
        kind: image.k,
        unit: image.u,
        desk: image.d,
        own_pos: image.p,
        last: image.l,
        created,
        registers,
        state: image.q,
    })
}
