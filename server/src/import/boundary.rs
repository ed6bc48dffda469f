//! A unit's boundary out of a GeoJSON geometry: one WGS-84 polygon, checked whole before it is believed.

use super::finding::{Finding, Findings, Place, Reason};
use super::limits::{COORDINATE_DECIMALS, RINGS_PER_UNIT_MAX, VERTICES_PER_UNIT_MAX};
use super::ring::{find_clash, signed_area_doubled};
use geo::coordinate_position::{CoordPos, CoordinatePosition};
use geo::{Coord, LineString, Polygon};
use serde_json::Value;

/// A closed ring of `[longitude, latitude]` in degrees; the last point is the first.
pub type Ring = Vec<[f64; 2]>;

/// The rings of one polygon: the outer one counter-clockwise, then its holes clockwise (RFC 7946).
/// Empty for a unit without an area.
pub type Boundary = Vec<Ring>;

/// Reads the geometry of a feature; `None`, with every fault among the findings, when it is not one
/// valid polygon. Coordinates are rounded, repeated points dropped and rings turned to the standard's sense.
pub(super) fn parse_boundary(
    geometry: &Value,
    place: Place,
    findings: &mut Findings,
) -> Option<Boundary> {
    let error = |reason| Finding::error(place, reason).field("geometry");
    let rings = match find_rings(geometry) {
        Ok(rings) => rings,
        Err(kind) => {
            findings.push(error(Reason::GeometryUnsupported).value(kind));
            return None;
        }
    };
    if rings.len() > RINGS_PER_UNIT_MAX {
        findings.push(error(Reason::TooManyRings).limit(RINGS_PER_UNIT_MAX));
        return None;
    }
    let vertices = rings
        .iter()
        .map(|ring| ring.as_array().map_or(0, Vec::len))
        .sum::<usize>();
    if vertices > VERTICES_PER_UNIT_MAX {
        findings.push(error(Reason::TooManyVertices).limit(VERTICES_PER_UNIT_MAX));
        return None;
    }
    let mut boundary = Boundary::with_capacity(rings.len());
    for (index, ring) in rings.iter().enumerate() {
        match parse_ring(ring) {
            Ok((ring, repeated)) => {
                if repeated {
                    findings
                        .push(Finding::warning(place, Reason::RepeatedVertex).field("geometry"));
                }
                boundary.push(ring);
            }
            Err((reason, value)) => {
                let value = format!(
                    "ring {}{}{value}",
                    index + 1,
                    if value.is_empty() { "" } else { ", " }
                );
                findings.push(error(reason).value(value));
            }
        }
    }
    if boundary.len() < rings.len() {
        return None;
    }
    if let Some([longitude, latitude]) = find_clash(&boundary) {
        findings.push(error(Reason::SelfIntersection).value(format!("{longitude}, {latitude}")));
        return None;
    }
    for (index, ring) in boundary.iter_mut().enumerate() {
        let area = signed_area_doubled(ring);
        if area == 0.0 {
            findings.push(error(Reason::NoArea).value(format!("ring {}", index + 1)));
            return None;
        }
        if (area > 0.0) != (index == 0) {
            ring.reverse();
        }
    }
    if holes_are_misplaced(&boundary) {
        findings.push(error(Reason::HoleOutside));
        return None;
    }
    Some(boundary)
}

/// The rings of a Polygon, or of a MultiPolygon of one; otherwise what stood there.
fn find_rings(geometry: &Value) -> Result<&[Value], String> {
    let kind = geometry.get("type").and_then(Value::as_str).unwrap_or("?");
    let coordinates = geometry
        .get("coordinates")
        .and_then(Value::as_array)
        .map(Vec::as_slice);
    match (kind, coordinates) {
        ("Polygon", Some(rings @ [_, ..])) => Ok(rings),
        ("MultiPolygon", Some([one])) => match one.as_array().map(Vec::as_slice) {
            Some(rings @ [_, ..]) => Ok(rings),
            _ => Err("MultiPolygon".to_owned()),
        },
        ("MultiPolygon", Some(many)) => Err(format!("MultiPolygon x {}", many.len())),
        (kind, _) => Err(kind.to_owned()),
    }
}

/// One ring with its coordinates rounded, and whether repeated points were dropped.
fn parse_ring(ring: &Value) -> Result<(Ring, bool), (Reason, String)> {
    let Some(positions) = ring.as_array() else {
        return Err((Reason::RingMalformed, String::new()));
    };
    let mut points = Ring::with_capacity(positions.len());
    for (index, position) in positions.iter().enumerate() {
        // A third number is an altitude, which a boundary has no use for.
        let numbers = position
            .as_array()
            .filter(|numbers| (2..=3).contains(&numbers.len()));
        let pair = numbers.and_then(|numbers| Some((numbers[0].as_f64()?, numbers[1].as_f64()?)));
        let Some((longitude, latitude)) = pair else {
            return Err((Reason::RingMalformed, format!("point {}", index + 1)));
        };
        if !(-180.0..=180.0).contains(&longitude) || !(-90.0..=90.0).contains(&latitude) {
            let value = format!("point {}: {longitude}, {latitude}", index + 1);
            return Err((Reason::CoordinateOutOfRange, value));
        }
        points.push([round(longitude), round(latitude)]);
    }
    if points.len() < 4 {
        return Err((Reason::RingTooShort, String::new()));
    }
    if points.first() != points.last() {
        return Err((Reason::RingUnclosed, String::new()));
    }
    let written = points.len();
    points.dedup();
    if points.len() < 4 {
        return Err((Reason::RingTooShort, String::new()));
    }
    let repeated = points.len() < written;
    Ok((points, repeated))
}

/// The nearest coordinate with the decimals that are kept. Dividing a whole number gives the double nearest
/// to the decimal, so that what is exported reads back as the very same number.
fn round(degrees: f64) -> f64 {
    let scale = 10_f64.powi(COORDINATE_DECIMALS);
    // `+ 0.0` turns a negative zero into zero.
    (degrees * scale).round() / scale + 0.0
}

/// Whether a hole lies outside the outer ring or inside another hole. The rings are known not to meet, so
/// one point of a hole speaks for all.
fn holes_are_misplaced(boundary: &Boundary) -> bool {
    let Some((outer, holes)) = boundary.split_first() else {
        return false;
    };
    let area = |ring: &Ring| Polygon::new(LineString::from(ring.clone()), Vec::new());
    let is_inside = |hole: &Ring, polygon: &Polygon<f64>| {
        polygon.coordinate_position(&Coord::from(hole[0])) == CoordPos::Inside
    };
    let outer = area(outer);
    let hole_areas: Vec<_> = holes.iter().map(area).collect();
    holes.iter().enumerate().any(|(index, hole)| {
        !is_inside(hole, &outer)
            || hole_areas
                .iter()
                .enumerate()
                .any(|(other, area)| other != index && is_inside(hole, area))
    })
}

/// The least and greatest longitude and latitude: `[west, south, east, north]`. `None` without an area.
pub(super) fn bounding_box(boundary: &Boundary) -> Option<[f64; 4]> {
    let outer = boundary.first()?;
    let start = [
        f64::INFINITY,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NEG_INFINITY,
    ];
    Some(
        outer
            .iter()
            .fold(start, |[west, south, east, north], [x, y]| {
                [west.min(*x), south.min(*y), east.max(*x), north.max(*y)]
            }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(geometry: Value) -> (Option<Boundary>, Vec<Reason>) {
        let mut findings = Findings::default();
        let boundary = parse_boundary(&geometry, Place::File, &mut findings);
        let reasons = findings
            .into_parsed(Vec::<()>::new())
            .findings
            .iter()
            .map(|found| found.reason)
            .collect();
        (boundary, reasons)
    }

    fn polygon(rings: Value) -> (Option<Boundary>, Vec<Reason>) {
        parse(json!({"type": "Polygon", "coordinates": rings}))
    }

    #[test]
    fn a_square_with_a_hole_is_taken_and_turned_to_the_standards_sense() {
        let outer = json!([[0, 0], [0, 4], [4, 4], [4, 0], [0, 0]]);
        let hole = json!([[1, 1], [2, 1], [2, 2], [1, 2, 33.5], [1, 1]]);
        let (boundary, reasons) = polygon(json!([outer, hole]));
        assert_eq!(reasons, []);
        let boundary = boundary.expect("valid");
        assert!(signed_area_doubled(&boundary[0]) > 0.0);
        assert!(signed_area_doubled(&boundary[1]) < 0.0);
        let (multi, _) = parse(json!({"type": "MultiPolygon", "coordinates": [[outer]]}));
        assert_eq!(multi.map(|rings| rings.len()), Some(1));
    }

    #[test]
    fn faulty_geometries_are_refused_by_name() {
        let square = json!([[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]);
        for (rings, reason) in [
            (json!([]), Reason::GeometryUnsupported),
            (json!("x"), Reason::GeometryUnsupported),
            (json!([5]), Reason::RingMalformed),
            (json!([[[0, 0], [1]]]), Reason::RingMalformed),
            (json!([[[0, 0], ["1", 2]]]), Reason::RingMalformed),
            (json!([[[0, 0], [1, 2, 3, 4]]]), Reason::RingMalformed),
            (json!([[[0, 0], [1, 1], [0, 0]]]), Reason::RingTooShort),
            (
                json!([[[0, 0], [0, 0], [0, 0], [0, 0]]]),
                Reason::RingTooShort,
            ),
            (
                json!([[[0, 0], [4, 0], [4, 4], [0, 4]]]),
                Reason::RingUnclosed,
            ),
            (
                json!([[[22.5, 114.0], [22.6, 114.0], [22.6, 114.1], [22.5, 114.0]]]),
                Reason::CoordinateOutOfRange,
            ),
            (
                json!([[[181, 0], [4, 0], [4, 4], [181, 0]]]),
                Reason::CoordinateOutOfRange,
            ),
            (
                json!([[[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]]),
                Reason::SelfIntersection,
            ),
            (
                json!([[[0, 0], [1, 1], [2, 2], [0, 0]]]),
                Reason::SelfIntersection,
            ),
            (
                json!([square, [[5, 5], [6, 5], [6, 6], [5, 5]]]),
                Reason::HoleOutside,
            ),
            (
                json!([
                    square,
                    [[1, 1], [3, 1], [3, 3], [1, 3], [1, 1]],
                    [[1.5, 1.5], [2, 1.5], [2, 2], [1.5, 1.5]]
                ]),
                Reason::HoleOutside,
            ),
        ] {
            assert_eq!(polygon(rings.clone()), (None, vec![reason]), "{rings}");
        }
        for geometry in [
            json!(null),
            json!([]),
            json!({"type": "Point", "coordinates": [1, 2]}),
            json!({"type": "MultiPolygon", "coordinates": [[square], [square]]}),
        ] {
            assert_eq!(parse(geometry).1, [Reason::GeometryUnsupported]);
        }
    }

    #[test]
    fn too_many_rings_or_vertices_are_refused_before_any_work() {
        let ring = json!([[0, 0], [4, 0], [4, 4], [0, 0]]);
        assert_eq!(
            polygon(json!(vec![ring; RINGS_PER_UNIT_MAX + 1])).1,
            [Reason::TooManyRings]
        );
        assert_eq!(
            polygon(json!([vec![[0, 0]; VERTICES_PER_UNIT_MAX + 1]])).1,
            [Reason::TooManyVertices]
        );
    }

    #[test]
    fn repeated_points_are_dropped_with_a_warning() {
        let (boundary, reasons) =
            polygon(json!([[[0, 0], [4, 0], [4, 0.000000001], [4, 4], [0, 0]]]));
        assert_eq!(reasons, [Reason::RepeatedVertex]);
        assert_eq!(boundary.map(|rings| rings[0].len()), Some(4));
    }
}
