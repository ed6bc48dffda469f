//! What the demo district promises: its size, its land without gaps or overlaps, its place in the default data.

use super::super::staff::VOLUNTEERS;
use super::*;
use crate::import::{
    KnownUnits, Ring, RoleCatalogue, export_people, export_units, parse_people, parse_units,
};
use geo::{Contains, LineString, Point, Polygon, Relate, Validation};
use serde_json::Value;
use std::collections::BTreeSet;

const SEEDS: [u64; 4] = [0, 1, 20_261_123, u64::MAX];

fn polygon(unit: &Unit) -> Polygon<f64> {
    assert_eq!(unit.boundary.len(), 1, "{}", unit.code);
    Polygon::new(LineString::from(unit.boundary[0].clone()), Vec::new())
}

fn count(district: &DemoDistrict, kind: UnitKind) -> usize {
    district
        .units
        .iter()
        .filter(|unit| unit.kind == kind)
        .count()
}

fn holders<'a>(district: &'a DemoDistrict, role: &'a str) -> impl Iterator<Item = &'a Person> {
    district
        .people
        .iter()
        .filter(move |person| person.roles.iter().any(|(held, _)| *held == role))
}

#[test]
fn the_district_is_of_the_promised_size_and_nothing_is_there_twice() {
    for seed in SEEDS {
        let district = DemoDistrict::generate(seed);
        let kinds = UnitKind::ALL.map(|kind| count(&district, kind));
        assert_eq!(kinds, [1, 3, 24, 240, 0, 12]);
        assert_eq!((district.people.len(), district.teams.len()), (120, 40));
        for (index, unit) in district.units.iter().enumerate() {
            assert_eq!(unit.number as usize, index + 1);
            assert!(
                unit.parent.is_none_or(|parent| parent < unit.number),
                "parents come first"
            );
        }
        let codes: BTreeSet<&str> = district
            .units
            .iter()
            .map(|unit| unit.code.as_str())
            .collect();
        let unit_names: BTreeSet<&str> = district
            .units
            .iter()
            .map(|unit| unit.name.as_str())
            .collect();
        assert_eq!((codes.len(), unit_names.len()), (280, 280));
        let names: BTreeSet<&str> = district
            .people
            .iter()
            .map(|person| person.name.as_str())
            .collect();
        let numbers: BTreeSet<u32> = district.people.iter().map(|person| person.number).collect();
        assert_eq!((names.len(), numbers.len()), (120, 120));
        let points = district
            .teams
            .iter()
            .flat_map(|team| &team.must_points)
            .map(|point| &point.code);
        assert_eq!(
            points.clone().collect::<BTreeSet<_>>().len(),
            points.count()
        );
        let teams: BTreeSet<&str> = district
            .teams
            .iter()
            .map(|team| team.name.as_str())
            .collect();
        assert_eq!(teams.len(), 40);
    }
}

/// The edges of rings after every edge that another ring runs the other way is taken out.
fn outer_edges<'a>(rings: impl Iterator<Item = &'a Ring>) -> BTreeSet<[u64; 4]> {
    let mut edges = BTreeSet::new();
    for pair in rings.flat_map(|ring| ring.windows(2)) {
        let [from, to] = [pair[0].map(f64::to_bits), pair[1].map(f64::to_bits)];
        if !edges.remove(&[to[0], to[1], from[0], from[1]]) {
            assert!(
                edges.insert([from[0], from[1], to[0], to[1]]),
                "two rings run one edge the same way"
            );
        }
    }
    edges
}

#[test]
fn every_boundary_is_valid_and_children_tile_their_parent_exactly() {
    for seed in SEEDS {
        let district = DemoDistrict::generate(seed);
        for unit in district.units.iter().filter(|unit| unit.kind.has_area()) {
            let area = polygon(unit);
            assert_eq!(area.check_validation(), Ok(()), "{}", unit.code);
            let is_child =
                |other: &&Unit| other.parent == Some(unit.number) && other.kind.has_area();
            let children: Vec<&Unit> = district.units.iter().filter(is_child).collect();
            for child in &children {
                assert!(
                    area.relate(&polygon(child)).is_covers(),
                    "{} outside {}",
                    child.code,
                    unit.code
                );
            }
            // Valid rings, all running one way round: what does not cancel out is exactly the parent's ring.
            if !children.is_empty() {
                let inside = outer_edges(children.iter().map(|child| &child.boundary[0]));
                assert_eq!(inside, outer_edges(unit.boundary.iter()), "{}", unit.code);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let bytes = |seed| format!("{:?}", DemoDistrict::generate(seed));
    assert_eq!(bytes(5), bytes(5));
    assert_ne!(bytes(5), bytes(6));
    let (one, other) = (DemoDistrict::generate(5), DemoDistrict::generate(6));
    assert_ne!(one.units[0].boundary, other.units[0].boundary);
    assert_ne!(one.people[0].name, other.people[0].name);
}

#[test]
fn teams_are_of_four_or_five_and_their_points_lie_in_their_grids() {
    for seed in SEEDS {
        let district = DemoDistrict::generate(seed);
        for team in &district.teams {
            let members: BTreeSet<u32> = team.members.iter().copied().collect();
            assert!((4..=5).contains(&team.members.len()) && members.len() == team.members.len());
            assert_eq!(team.leader, team.members[0]);
            assert!((6..=10).contains(&team.must_points.len()));
            for point in &team.must_points {
                let grid = &district.units[point.grid as usize - 1];
                assert_eq!(grid.parent, Some(team.unit));
                assert!(
                    polygon(grid).contains(&Point::from(point.position)),
                    "{}",
                    point.code
                );
            }
            let leader = &district.people[team.leader as usize - 1];
            assert!(leader.roles.contains(&("patrol_leader", team.unit)));
        }
    }
}

#[test]
fn every_grid_has_a_worker_and_volunteers_hold_nothing_but_their_rounds() {
    let district = DemoDistrict::generate(1);
    let worked: BTreeSet<u32> = holders(&district, "worker")
        .flat_map(|person| &person.roles)
        .map(|role| role.1)
        .collect();
    for grid in district
        .units
        .iter()
        .filter(|unit| unit.kind == UnitKind::Grid)
    {
        assert!(worked.contains(&grid.number), "{}", grid.code);
    }
    let volunteers: Vec<&Person> = holders(&district, "patrol_member").collect();
    assert_eq!(volunteers.len(), VOLUNTEERS);
    for person in volunteers {
        assert!(
            person
                .roles
                .iter()
                .all(|(role, _)| role.starts_with("patrol_"))
        );
    }
    for (role, count) in [
        ("duty_desk", 3),
        ("verifier", 3),
        ("department_handler", 12),
        ("grid_head", 9),
        ("auditor", 1),
    ] {
        assert_eq!(holders(&district, role).count(), count, "{role}");
    }
}

#[test]
fn roles_and_lead_units_are_those_of_the_default_documents() {
    let district = DemoDistrict::generate(1);
    let roles: Value =
        serde_json::from_str(include_str!("../../../sync-core/documents/roles.json"))
            .expect("JSON");
    let codes: BTreeSet<&str> = roles["roles"]
        .as_array()
        .expect("roles")
        .iter()
        .filter_map(|role| role["code"].as_str())
        .collect();
    for (role, _) in district.people.iter().flat_map(|person| &person.roles) {
        assert!(codes.contains(role), "{role}");
    }
    let categories: Value =
        serde_json::from_str(include_str!("../../../sync-core/documents/categories.json"))
            .expect("JSON");
    let categories = categories["categories"].as_array().expect("categories");
    assert_eq!(categories.len(), 25);
    let leads: BTreeSet<&str> = categories
        .iter()
        .filter_map(|category| category["lead_unit"].as_str())
        .collect();
    assert_eq!(leads, district.lead_units.keys().copied().collect());
    for number in district.lead_units.values() {
        assert_eq!(
            district.units[*number as usize - 1].kind,
            UnitKind::Department
        );
    }
}

#[test]
fn the_district_comes_back_unchanged_through_export_and_import() {
    let district = DemoDistrict::generate(3);
    let units = parse_units(
        export_units(&district.unit_rows()).as_bytes(),
        &KnownUnits::new(),
    );
    assert_eq!(units.findings, []);
    assert!(
        units.rows == district.unit_rows(),
        "a unit changed on the way"
    );
    let roles =
        RoleCatalogue::from_document(include_str!("../../../sync-core/documents/roles.json"))
            .expect("the default document");
    let codes = units.rows.iter().map(|unit| unit.code.clone()).collect();
    let people = parse_people(
        export_people(&district.person_rows(), &roles).as_bytes(),
        &roles,
        &codes,
    );
    assert_eq!(people.findings, []);
    assert_eq!(people.rows, district.person_rows());
}
