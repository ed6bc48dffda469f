//! A GeoJSON FeatureCollection of units: read feature by feature, each fault told.

use super::boundary::{Boundary, parse_boundary};
use super::finding::{Finding, Findings, Parsed, Place, Reason};
use super::limits::{
    CODE_CHARS_MAX, CODE_PART_CHARS_MAX, CODE_PARTS_MAX, FEATURE_BYTES_MAX, NAME_CHARS_MAX,
    UNITS_FILE_BYTES_MAX, UNITS_MAX, VERTICES_PER_FILE_MAX,
};
use super::text::{decode_utf8, line_at, take_text};
use super::tree::{Candidate, judge_tree, warn_of_far_units};
use super::unit_kind::UnitKind;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Units that the district has already, by code. Empty for a new district.
pub type KnownUnits = BTreeMap<String, UnitKind>;

/// A unit as a file gives it; the permanent number comes with its admission.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitRow {
    /// The dated code, such as `440399.007.013`.
    pub code: String,
    /// The code of the unit above; `None` for the district.
    pub parent_code: Option<String>,
    /// The name, Chinese as a rule.
    pub name: String,
    /// The name in English, where there is one.
    pub name_en: Option<String>,
    /// What it is.
    pub kind: UnitKind,
    /// Its boundary; empty for a department.
    pub boundary: Boundary,
}

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    features: Features<'a>,
    crs: Option<Value>,
}

/// The first features as they were written; one more than the limit shows that there are too many.
struct Features<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Features<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstFeatures;
        impl<'de> Visitor<'de> for FirstFeatures {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array of features")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut features = Vec::new();
                while features.len() <= UNITS_MAX {
                    match items.next_element()? {
                        Some(feature) => features.push(feature),
                        None => return Ok(features),
                    }
                }
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(features)
            }
        }
        deserializer.deserialize_seq(FirstFeatures).map(Self)
    }
}

/// Reads a file of units. A code that is among `known` is an update of that unit; a parent may stand in the
/// file or among `known`. Rows come parents first. Never panics, whatever the bytes.
pub fn parse_units(bytes: &[u8], known: &KnownUnits) -> Parsed<UnitRow> {
    let mut findings = Findings::default();
    let candidates = match read_collection(bytes, &mut findings) {
        Some(candidates) => candidates,
        None => return findings.into_parsed(Vec::new()),
    };
    let rows = judge_tree(candidates, known, &mut findings);
    warn_of_far_units(&rows, &mut findings);
    findings.into_parsed(rows.into_iter().map(|(_, row)| row).collect())
}

fn read_collection(bytes: &[u8], findings: &mut Findings) -> Option<Vec<Candidate>> {
    if bytes.len() > UNITS_FILE_BYTES_MAX {
        findings
            .push(Finding::error(Place::File, Reason::FileTooLarge).limit(UNITS_FILE_BYTES_MAX));
        return None;
    }
    let text = match decode_utf8(bytes) {
        Ok(text) => text,
        Err(line) => {
            findings.push(Finding::error(Place::Line { line }, Reason::NotUtf8));
            return None;
        }
    };
    let collection: Collection<'_> = match serde_json::from_str(text) {
        Ok(collection) => collection,
        Err(error) => {
            let reason = if error.is_data() {
                Reason::NotFeatureCollection
            } else {
                Reason::NotJson
            };
            let place = Place::Line {
                line: error.line() as u64,
            };
            findings.push(Finding::error(place, reason).value(error.to_string()));
            return None;
        }
    };
    if collection.kind != "FeatureCollection" {
        findings
            .push(Finding::error(Place::File, Reason::NotFeatureCollection).value(collection.kind));
        return None;
    }
    if let Some(system) = collection.crs.as_ref().and_then(find_foreign_system) {
        findings.push(
            Finding::error(Place::File, Reason::ForeignCoordinateSystem)
                .field("crs")
                .value(system),
        );
    }
    let features = collection.features.0;
    if features.len() > UNITS_MAX {
        findings.push(Finding::error(Place::File, Reason::TooManyUnits).limit(UNITS_MAX));
        return None;
    }
    let mut candidates = Vec::with_capacity(features.len());
    let (mut line, mut offset, mut vertices) = (1, 0, 0);
    for (index, feature) in features.into_iter().enumerate() {
        let written = feature.get();
        // The raw value borrows from `text`: its address is its place in the file.
        let start = written.as_ptr() as usize - text.as_ptr() as usize;
        line += line_at(&text.as_bytes()[offset..], start - offset) - 1;
        offset = start;
        let place = Place::Feature {
            index: index as u64 + 1,
            line,
        };
        let candidate = read_feature(written, place, findings);
        let boundary = candidate
            .iter()
            .filter_map(|candidate| candidate.boundary.as_ref());
        vertices += boundary.flatten().map(Vec::len).sum::<usize>();
        if vertices > VERTICES_PER_FILE_MAX {
            findings
                .push(Finding::error(place, Reason::TooManyVertices).limit(VERTICES_PER_FILE_MAX));
            return None;
        }
        candidates.extend(candidate);
    }
    Some(candidates)
}

/// The name of a coordinate system that is not WGS-84 in the order longitude, latitude. The member `crs` is
/// from before RFC 7946; some programs still write it.
fn find_foreign_system(crs: &Value) -> Option<String> {
    let name = crs
        .pointer("/properties/name")
        .and_then(Value::as_str)
        .unwrap_or("?");
    let is_wgs_84 = crs.is_null() || name.ends_with(":CRS84") || name.ends_with(":4326");
    (!is_wgs_84).then(|| name.to_owned())
}

fn read_feature(written: &str, place: Place, findings: &mut Findings) -> Option<Candidate> {
    if written.len() > FEATURE_BYTES_MAX {
        findings.push(Finding::error(place, Reason::FeatureTooLarge).limit(FEATURE_BYTES_MAX));
        return None;
    }
    let feature: Value = match serde_json::from_str(written) {
        Ok(feature) => feature,
        Err(error) => {
            findings.push(Finding::error(place, Reason::NotJson).value(error.to_string()));
            return None;
        }
    };
    let properties = feature.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|_| feature["type"] == "Feature") else {
        findings.push(Finding::error(place, Reason::NotAFeature));
        return None;
    };
    let mut take = |field: &'static str, needed: bool, chars_max: usize| match properties.get(field)
    {
        None | Some(Value::Null) if !needed => Ok(None),
        Some(Value::String(text)) if !needed && text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => take_text(text, place, field, chars_max, findings)
            .map(Some)
            .ok_or(()),
        found => {
            let reason = if matches!(found, None | Some(Value::Null)) {
                Reason::Required
            } else {
                Reason::WrongType
            };
            findings.push(Finding::error(place, reason).field(field));
            Err(())
        }
    };
    let code = take("code", true, CODE_CHARS_MAX);
    let name = take("name", true, NAME_CHARS_MAX);
    let name_en = take("name_en", false, NAME_CHARS_MAX);
    let parent_code = take("parent", false, CODE_CHARS_MAX);
    let kind_word = take("kind", true, CODE_CHARS_MAX);
    let mut is_faulty = name.is_err() || name_en.is_err() || parent_code.is_err();
    let code = code.ok().flatten().filter(|code| {
        let is_well_formed = is_code(code);
        if !is_well_formed {
            findings.push(
                Finding::error(place, Reason::CodeMalformed)
                    .field("code")
                    .value(code),
            );
        }
        is_well_formed
    });
    let kind = kind_word.ok().flatten().and_then(|word| {
        let kind = UnitKind::parse(&word);
        if kind.is_none() {
            findings.push(
                Finding::error(place, Reason::KindUnknown)
                    .field("kind")
                    .value(&word),
            );
        }
        kind
    });
    let boundary = match feature.get("geometry") {
        Some(Value::Null) | None if kind.is_some_and(UnitKind::has_area) => {
            findings.push(Finding::error(place, Reason::GeometryMissing).field("geometry"));
            None
        }
        Some(Value::Null) | None => Some(Boundary::new()),
        Some(geometry) => parse_boundary(geometry, place, findings),
    };
    is_faulty |= code.is_none() || kind.is_none() || boundary.is_none();
    let flatten = |taken: Result<Option<String>, ()>| taken.ok().flatten();
    let (name, name_en, parent_code) = (flatten(name), flatten(name_en), flatten(parent_code));
    Some(Candidate {
        place,
        code,
        parent_code,
        name,
        name_en,
        kind,
        boundary,
        is_faulty,
    })
}

fn is_code(code: &str) -> bool {
    let is_part = |part: &str| {
        (1..=CODE_PART_CHARS_MAX).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    code.split('.').count() <= CODE_PARTS_MAX && code.split('.').all(is_part)
}

#[cfg(test)]
#[path = "units_tests.rs"]
mod tests;
