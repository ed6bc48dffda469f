//! Hostile and ordinary files of units.

use super::*;
use serde_json::json;

fn square(west: f64, south: f64) -> Value {
    let (east, north) = (west + 0.1, south + 0.1);
    json!({"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]})
}

fn unit(code: &str, parent: Option<&str>, kind: &str) -> Value {
    let geometry = if kind == "department" {
        Value::Null
    } else {
        square(115.0, 22.0)
    };
    json!({"type": "Feature", "geometry": geometry,
        "properties": {"code": code, "name": format!("单位{code}"), "parent": parent, "kind": kind, "colour": "red"}})
}

fn file(features: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = features.iter().map(Value::to_string).collect();
    format!(
        "{{\"type\":\"FeatureCollection\",\"features\":[\n{}\n]}}",
        lines.join(",\n")
    )
    .into_bytes()
}

fn reasons(bytes: &[u8]) -> Vec<(Place, Option<&'static str>, Reason)> {
    let parsed = parse_units(bytes, &KnownUnits::new());
    parsed
        .findings
        .iter()
        .map(|found| (found.place, found.field, found.reason))
        .collect()
}

fn at(index: u64) -> Place {
    // The helper `file` writes one feature a line after a first line of its own.
    Place::Feature {
        index,
        line: index + 1,
    }
}

#[test]
fn a_small_tree_is_taken_parents_first_whatever_its_order() {
    let bytes = file(&[
        unit("440399.001.001", Some("440399.001"), "community"),
        unit("440399.901", Some("440399"), "department"),
        unit("440399", None, "district"),
        unit("440399.001", Some("440399"), "town"),
    ]);
    let parsed = parse_units(&bytes, &KnownUnits::new());
    assert_eq!(parsed.findings, []);
    let codes: Vec<&str> = parsed.rows.iter().map(|row| row.code.as_str()).collect();
    assert_eq!(
        codes,
        ["440399", "440399.901", "440399.001", "440399.001.001"]
    );
    assert!(parsed.rows[1].boundary.is_empty());
    let with_mark = [b"\xef\xbb\xbf".as_slice(), &bytes].concat();
    assert_eq!(parse_units(&with_mark, &KnownUnits::new()), parsed);
}

#[test]
fn every_fault_of_every_feature_is_told_at_once() {
    let mut broken = unit("440399.01 ; DROP", Some("440399"), "village");
    broken["properties"]["name"] = json!("=HYPERLINK(1)");
    broken["geometry"] = square(115.0, 114.0);
    let bytes = file(&[
        unit("440399", None, "district"),
        broken,
        json!(7),
        json!({"type": "Feature"}),
    ]);
    assert_eq!(
        reasons(&bytes),
        [
            (at(2), Some("name"), Reason::FormulaLike),
            (at(2), Some("code"), Reason::CodeMalformed),
            (at(2), Some("kind"), Reason::KindUnknown),
            (at(2), Some("geometry"), Reason::CoordinateOutOfRange),
            (at(3), None, Reason::NotAFeature),
            (at(4), None, Reason::NotAFeature),
        ]
    );
}

#[test]
fn the_tree_is_judged() {
    let district = unit("440399", None, "district");
    let town = unit("440399.001", Some("440399"), "town");
    for (others, reason) in [
        (
            vec![unit("440399.002", Some("440398"), "town")],
            Reason::ParentUnknown,
        ),
        (
            vec![unit("440399.002", None, "town")],
            Reason::ParentMissing,
        ),
        (
            vec![unit("440399.002", Some("440399"), "grid")],
            Reason::KindNotUnderParent,
        ),
        (
            vec![unit("440399.001", Some("440399"), "town")],
            Reason::CodeDuplicate,
        ),
        (
            vec![unit("440399.005.001", Some("440399.001"), "community")],
            Reason::CodeNotUnderParent,
        ),
        (
            vec![unit("440388", None, "district")],
            Reason::SecondDistrict,
        ),
        (
            vec![unit("440399.003", Some("440399.003"), "town")],
            Reason::CodeNotUnderParent,
        ),
    ] {
        let features = [vec![district.clone(), town.clone()], others].concat();
        assert_eq!(
            reasons(&file(&features)).last(),
            Some(&(at(3), field_of(reason), reason))
        );
        let parsed = parse_units(&file(&features), &KnownUnits::new());
        assert!(!parsed.is_acceptable());
        assert_eq!(
            parsed.rows.len(),
            2,
            "the sound ones are shown, the faulty one is not"
        );
    }
}

fn field_of(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::CodeDuplicate => "code",
        Reason::SecondDistrict => "kind",
        _ => "parent",
    })
}

#[test]
fn below_a_faulty_unit_nothing_is_taken() {
    let mut town = unit("440399.001", Some("440399"), "town");
    town["geometry"] = Value::Null;
    let features = [
        unit("440399", None, "district"),
        town,
        unit("440399.001.001", Some("440399.001"), "community"),
    ];
    let parsed = parse_units(&file(&features), &KnownUnits::new());
    let found: Vec<Reason> = parsed.findings.iter().map(|found| found.reason).collect();
    assert_eq!(found, [Reason::GeometryMissing, Reason::ParentFaulty]);
    assert_eq!(parsed.rows.len(), 1);
}

#[test]
fn known_units_may_be_parents_and_be_updated_but_not_change_kind() {
    let known = KnownUnits::from([
        ("440399".into(), UnitKind::District),
        ("440399.001".into(), UnitKind::Town),
    ]);
    let fine = file(&[
        unit("440399.001", Some("440399"), "town"),
        unit("440399.001.001", Some("440399.001"), "community"),
    ]);
    assert_eq!(parse_units(&fine, &known).findings, []);
    let changed = parse_units(
        &file(&[unit("440399.001", Some("440399"), "department")]),
        &known,
    );
    assert_eq!(changed.findings[0].reason, Reason::KindChanged);
    let second = parse_units(&file(&[unit("440388", None, "district")]), &known);
    assert_eq!(second.findings[0].reason, Reason::SecondDistrict);
}

#[test]
fn codes_given_as_numbers_are_refused_because_zeros_were_lost() {
    let mut district = unit("440399", None, "district");
    district["properties"]["code"] = json!(440399);
    assert_eq!(
        reasons(&file(&[district])),
        [(at(1), Some("code"), Reason::WrongType)]
    );
}

#[test]
fn files_that_are_no_feature_collection_are_refused() {
    let reason_of = |bytes: &[u8]| {
        let parsed = parse_units(bytes, &KnownUnits::new());
        assert!(!parsed.is_acceptable() && parsed.rows.is_empty());
        parsed.findings[0].reason
    };
    let deep = [
        b"{\"type\":\"FeatureCollection\",\"features\":[".to_vec(),
        vec![b'['; 100_000],
    ]
    .concat();
    for (bytes, reason) in [
        (&b""[..], Reason::NotJson),
        (
            b"{\"type\":\"FeatureCollection\",\"features\":[",
            Reason::NotJson,
        ),
        (b"[1, 2]", Reason::NotFeatureCollection),
        (
            b"{\"type\":\"Feature\",\"features\":[]}",
            Reason::NotFeatureCollection,
        ),
        (
            b"{\"type\":\"FeatureCollection\"}",
            Reason::NotFeatureCollection,
        ),
        (
            b"{\"type\":\"FeatureCollection\",\"features\":7}",
            Reason::NotFeatureCollection,
        ),
        (
            b"{\"type\":\"FeatureCollection\",\"features\":[],\"features\":[]}",
            Reason::NotFeatureCollection,
        ),
        (b"\xd6\xd0\xce\xc4", Reason::NotUtf8),
        (b"\xff\xfe{\0", Reason::NotUtf8),
        (&deep, Reason::NotJson),
        (&vec![b' '; UNITS_FILE_BYTES_MAX + 1], Reason::FileTooLarge),
        (&file(&vec![json!(0); UNITS_MAX + 1]), Reason::TooManyUnits),
    ] {
        assert_eq!(
            reason_of(bytes),
            reason,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(60)])
        );
    }
}

#[test]
fn deep_nesting_and_giants_inside_a_feature_end_with_that_feature() {
    let mut nested = Value::Null;
    for _ in 0..126 {
        nested = json!([nested]);
    }
    let mut deep = unit("440399", None, "district");
    deep["properties"]["x"] = json!([nested]);
    let giant = json!("x".repeat(FEATURE_BYTES_MAX));
    assert_eq!(
        reasons(&file(&[deep, giant])),
        [
            (at(1), None, Reason::NotJson),
            (at(2), None, Reason::FeatureTooLarge),
        ]
    );
}

#[test]
fn only_wgs_84_is_taken() {
    let with_crs = |name: &str| {
        let crs = json!({"type": "name", "properties": {"name": name}});
        json!({"type": "FeatureCollection", "crs": crs, "features": [unit("440399", None, "district")]}).to_string()
    };
    assert_eq!(
        reasons(with_crs("urn:ogc:def:crs:OGC:1.3:CRS84").as_bytes()),
        []
    );
    let foreign = [(Place::File, Some("crs"), Reason::ForeignCoordinateSystem)];
    assert_eq!(
        reasons(with_crs("urn:ogc:def:crs:EPSG::4547").as_bytes()),
        foreign
    );
}

#[test]
fn a_unit_far_from_its_parent_is_flagged_but_taken() {
    let mut town = unit("440399.001", Some("440399"), "town");
    town["geometry"] = square(10.0, 50.0);
    let parsed = parse_units(
        &file(&[unit("440399", None, "district"), town]),
        &KnownUnits::new(),
    );
    assert_eq!(parsed.findings[0].reason, Reason::FarFromParent);
    assert!(parsed.is_acceptable());
}

#[test]
fn no_cut_of_a_sound_file_makes_the_reader_panic() {
    let bytes = file(&[
        unit("440399", None, "district"),
        unit("440399.001", Some("440399"), "town"),
    ]);
    for end in 0..bytes.len() {
        assert!(!parse_units(&bytes[..end], &KnownUnits::new()).is_acceptable());
    }
}
