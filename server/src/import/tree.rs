//! Judges units out of a file as a tree: one district, codes once, every unit under a fitting and sound parent.

use super::boundary::{Boundary, bounding_box};
use super::finding::{Finding, Findings, Place, Reason};
use super::unit_kind::UnitKind;
use super::units::{KnownUnits, UnitRow};
use std::collections::{BTreeMap, BTreeSet};

/// A feature that could be read, and whether it has errors of its own.
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) code: Option<String>,
    pub(super) parent_code: Option<String>,
    pub(super) name: Option<String>,
    pub(super) name_en: Option<String>,
    pub(super) kind: Option<UnitKind>,
    pub(super) boundary: Option<Boundary>,
    pub(super) is_faulty: bool,
}

/// Judges every unit by its parent, parents first, and keeps those without errors.
pub(super) fn judge_tree(
    mut candidates: Vec<Candidate>,
    known: &KnownUnits,
    findings: &mut Findings,
) -> Vec<(Place, UnitRow)> {
    let mut first_with_code: BTreeMap<String, u64> = BTreeMap::new();
    for (index, candidate) in candidates.iter_mut().enumerate() {
        let Some(code) = &candidate.code else {
            continue;
        };
        let number = match candidate.place {
            Place::Feature { index, .. } => index,
            _ => index as u64 + 1,
        };
        if let Some(first) = first_with_code.get(code) {
            let finding = Finding::error(candidate.place, Reason::CodeDuplicate).field("code");
            findings.push(finding.value(code).limit(*first));
            candidate.is_faulty = true;
        } else {
            first_with_code.insert(code.clone(), number);
        }
    }
    // A parent's code is always the shorter one, so this order has parents first even in a hostile file.
    candidates.sort_by_key(|candidate| {
        candidate
            .code
            .as_deref()
            .map_or(0, |code| code.split('.').count())
    });
    let mut district = known
        .iter()
        .find(|(_, kind)| **kind == UnitKind::District)
        .map(|(code, _)| code.clone());
    let mut kinds = known.clone();
    let mut sound: BTreeSet<String> = known.keys().cloned().collect();
    let mut rows = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Candidate {
            place,
            code: Some(code),
            kind: Some(kind),
            ..
        } = &candidate
        else {
            continue;
        };
        let mut is_faulty = candidate.is_faulty;
        if let Some(finding) = judge_kind(*place, code, *kind, known, &mut district) {
            findings.push(finding);
            is_faulty = true;
        }
        if let Some(finding) =
            judge_parent(&candidate, code, *kind, &kinds, &sound, &first_with_code)
        {
            findings.push(finding);
            is_faulty = true;
        }
        kinds.entry(code.clone()).or_insert(*kind);
        if is_faulty {
            sound.remove(code);
            continue;
        }
        sound.insert(code.clone());
        let Candidate {
            place,
            code,
            parent_code,
            name,
            name_en,
            kind,
            boundary,
            ..
        } = candidate;
        let broken = "BUG: a candidate without faults is whole";
        let (code, name) = (code.expect(broken), name.expect(broken));
        let (kind, boundary) = (kind.expect(broken), boundary.expect(broken));
        rows.push((
            place,
            UnitRow {
                code,
                parent_code,
                name,
                name_en,
                kind,
                boundary,
            },
        ));
    }
    rows
}

/// One district a tree, and a code never changes its kind.
fn judge_kind(
    place: Place,
    code: &str,
    kind: UnitKind,
    known: &KnownUnits,
    district: &mut Option<String>,
) -> Option<Finding> {
    if known.get(code).is_some_and(|earlier| *earlier != kind) {
        return Some(
            Finding::error(place, Reason::KindChanged)
                .field("kind")
                .value(code),
        );
    }
    if kind != UnitKind::District {
        return None;
    }
    let first = district.get_or_insert_with(|| code.to_owned());
    (first.as_str() != code).then(|| Finding::error(place, Reason::SecondDistrict).field("kind"))
}

fn judge_parent(
    candidate: &Candidate,
    code: &str,
    kind: UnitKind,
    kinds: &KnownUnits,
    sound: &BTreeSet<String>,
    in_file: &BTreeMap<String, u64>,
) -> Option<Finding> {
    let error = |reason| Finding::error(candidate.place, reason).field("parent");
    let Some(parent) = &candidate.parent_code else {
        return (kind != UnitKind::District).then(|| error(Reason::ParentMissing));
    };
    let is_one_part_more = code
        .rsplit_once('.')
        .is_some_and(|(above, _)| above == parent);
    let is_in_file = in_file.contains_key(parent);
    if !is_in_file && !kinds.contains_key(parent) {
        Some(error(Reason::ParentUnknown).value(parent))
    } else if !is_one_part_more {
        Some(error(Reason::CodeNotUnderParent).value(code))
    } else if kinds
        .get(parent)
        .is_some_and(|parent_kind| !kind.may_stand_under(*parent_kind))
    {
        Some(error(Reason::KindNotUnderParent).value(parent))
    } else if !sound.contains(parent) {
        Some(error(Reason::ParentFaulty).value(parent))
    } else {
        None
    }
}

/// Warns of units whose boundary does not even come near their parent's: swapped coordinates or a wrong code.
pub(super) fn warn_of_far_units(rows: &[(Place, UnitRow)], findings: &mut Findings) {
    let boxes: BTreeMap<&str, [f64; 4]> = rows
        .iter()
        .filter_map(|(_, row)| Some((row.code.as_str(), bounding_box(&row.boundary)?)))
        .collect();
    for (place, row) in rows {
        let parent = row
            .parent_code
            .as_deref()
            .and_then(|parent| boxes.get(parent));
        let (Some([west, south, east, north]), Some(own)) = (parent, boxes.get(row.code.as_str()))
        else {
            continue;
        };
        if own[0] > *east || own[2] < *west || own[1] > *north || own[3] < *south {
            findings.push(Finding::warning(*place, Reason::FarFromParent).field("geometry"));
        }
    }
}
