//! Makes the demo district out of a seed: units with boundaries, people with roles, patrol teams.

use super::dice::Dice;
use super::land::Land;
use super::names;
use super::staff::Staff;
use crate::import::{Boundary, PersonRow, UnitKind, UnitRow};
use std::collections::BTreeMap;

/// A division code that no place has.
pub const DIVISION_CODE: &str = "440399";

const PEOPLE: usize = 120;

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The permanent number, from 1.
    pub number: u32,
    /// The number of the unit above; `None` for the district.
    pub parent: Option<u32>,
    /// The code, such as `440399.002.013`.
    pub code: String,
    /// The Chinese name.
    pub name: String,
    /// The English name.
    pub name_en: String,
    /// What it is.
    pub kind: UnitKind,
    /// Its boundary in WGS-84; empty for a department.
    pub boundary: Boundary,
}

/// A person with their roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The permanent number, from 1.
    pub number: u32,
    /// A made-up name.
    pub name: String,
    /// Codes of roles, and the numbers of the units on which they are held.
    pub roles: Vec<(&'static str, u32)>,
}

/// A place that a patrol must look at.
#[derive(Clone, Debug, PartialEq)]
pub struct MustPoint {
    /// The code that is printed at the place, such as `T07-P03`.
    pub code: String,
    /// The Chinese name.
    pub name: String,
    /// The English name.
    pub name_en: String,
    /// The number of the grid in which it lies.
    pub grid: u32,
    /// Longitude and latitude in WGS-84.
    pub position: [f64; 2],
    /// Whether key periods demand it.
    pub is_red: bool,
}

/// A patrol team of volunteers.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// The number, from 1.
    pub number: u32,
    /// The Chinese name.
    pub name: String,
    /// The English name.
    pub name_en: String,
    /// The number of the community that it walks.
    pub unit: u32,
    /// The number of the person who leads it.
    pub leader: u32,
    /// The numbers of all 4 or 5 who belong to it, the leader first.
    pub members: Vec<u32>,
    /// The 6 to 10 points of a round.
    pub must_points: Vec<MustPoint>,
}

/// The whole district. The same seed gives the same district, byte for byte.
#[derive(Clone, Debug, PartialEq)]
pub struct DemoDistrict {
    /// The units, parents first, by number.
    pub units: Vec<Unit>,
    /// The people, by number.
    pub people: Vec<Person>,
    /// The patrol teams, by number.
    pub teams: Vec<Team>,
    /// The number of the department in the lead, by the key that categories give it.
    pub lead_units: BTreeMap<&'static str, u32>,
}

impl DemoDistrict {
    /// Makes the district of a seed.
    pub fn generate(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let mut land = Land::new(&mut dice);
        let lead_units = land.settle();
        let mut staff = Staff {
            names: names::people(PEOPLE, &mut dice),
            people: Vec::new(),
        };
        staff.hire_office(&land);
        staff.hire_workers(&land);
        let teams = staff.hire_teams(&land, &mut dice);
        assert_eq!(staff.people.len(), PEOPLE, "BUG: the roles do not add up");
        Self {
            units: land.units,
            people: staff.people,
            teams,
            lead_units,
        }
    }

    /// The units in the form of an import or export.
    pub fn unit_rows(&self) -> Vec<UnitRow> {
        let row = |unit: &Unit| UnitRow {
            code: unit.code.clone(),
            parent_code: unit.parent.map(|parent| self.code_of(parent).to_owned()),
            name: unit.name.clone(),
            name_en: Some(unit.name_en.clone()),
            kind: unit.kind,
            boundary: unit.boundary.clone(),
        };
        self.units.iter().map(row).collect()
    }

    /// The people in the form of an import or export; the external id is made of the number.
    pub fn person_rows(&self) -> Vec<PersonRow> {
        let role = |(role, unit): &(&'static str, u32)| {
            ((*role).to_owned(), self.code_of(*unit).to_owned())
        };
        let row = |person: &Person| PersonRow {
            name: person.name.clone(),
            external_id: Some(format!("P{:04}", person.number)),
            roles: person.roles.iter().map(role).collect(),
        };
        self.people.iter().map(row).collect()
    }

    fn code_of(&self, number: u32) -> &str {
        &self.units[number as usize - 1].code
    }
}

#[cfg(test)]
#[path = "district_tests.rs"]
mod tests;
