//! Makes the demo district out of a seed: units with boundaries, people with roles, patrol teams.

use super::dice::Dice;
use super::geometry::{Block, Lattice};
use super::names::{self, Names};
use crate::import::{Boundary, PersonRow, UnitKind, UnitRow};
use std::collections::BTreeMap;

/// A division code that no place has.
pub const DIVISION_CODE: &str = "440399";

const TOWNS: usize = names::TOWNS.len();
const COMMUNITIES_PER_TOWN: usize = 8;
const GRIDS_PER_COMMUNITY: usize = 10;
const TEAMS: usize = 40;
const VOLUNTEERS: usize = 50;
const RELIEF_WORKERS: usize = 12;
const GRID_HEADS_PER_TOWN: usize = 3;
const PEOPLE: usize = 120;

/// Cells of a community: a grid is one cell.
const COMMUNITY_COLUMNS: usize = 2;
const COMMUNITY_ROWS: usize = GRIDS_PER_COMMUNITY / COMMUNITY_COLUMNS;
/// Communities of a town, side by side and one above the other; towns stand side by side.
const TOWN_COLUMNS: usize = 2;
const TOWN_ROWS: usize = COMMUNITIES_PER_TOWN / TOWN_COLUMNS;

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
        let columns = TOWNS * TOWN_COLUMNS * COMMUNITY_COLUMNS;
        let lattice = Lattice::new(columns, TOWN_ROWS * COMMUNITY_ROWS, &mut dice);
        let mut land = Land {
            lattice,
            units: Vec::new(),
            blocks: BTreeMap::new(),
        };
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

/// The units while they are made.
struct Land {
    lattice: Lattice,
    units: Vec<Unit>,
    /// The cells of every unit that has an area.
    blocks: BTreeMap<u32, Block>,
}

impl Land {
    /// Makes every unit, parents first, and gives the departments by their key.
    fn settle(&mut self) -> BTreeMap<&'static str, u32> {
        let town_block = Block {
            column: 0,
            row: 0,
            columns: TOWN_COLUMNS * COMMUNITY_COLUMNS,
            rows: TOWN_ROWS * COMMUNITY_ROWS,
        };
        let whole = Block {
            columns: TOWNS * town_block.columns,
            ..town_block
        };
        let district = self.add(
            None,
            0,
            owned(names::DISTRICT),
            UnitKind::District,
            Some(whole),
        );
        for (index, name) in names::TOWNS.into_iter().enumerate() {
            let block = Block {
                column: index * town_block.columns,
                ..town_block
            };
            self.add(
                Some(district),
                index + 1,
                owned(name),
                UnitKind::Town,
                Some(block),
            );
        }
        let mut departments = BTreeMap::new();
        for (index, (key, name)) in names::DEPARTMENTS.into_iter().enumerate() {
            // Departments are numbered from 901, out of the way of towns.
            let number = self.add(
                Some(district),
                901 + index,
                owned(name),
                UnitKind::Department,
                None,
            );
            departments.insert(key, number);
        }
        for (index, (zh, en)) in names::COMMUNITIES.into_iter().enumerate() {
            let place = index % COMMUNITIES_PER_TOWN;
            let town = self.numbers(UnitKind::Town)[index / COMMUNITIES_PER_TOWN];
            let above = self.blocks[&town];
            let block = Block {
                column: above.column + place % TOWN_COLUMNS * COMMUNITY_COLUMNS,
                row: above.row + place / TOWN_COLUMNS * COMMUNITY_ROWS,
                columns: COMMUNITY_COLUMNS,
                rows: COMMUNITY_ROWS,
            };
            let kind_en = if zh.ends_with('村') {
                "Village"
            } else {
                "Community"
            };
            let name = (zh.to_owned(), format!("{en} {kind_en}"));
            self.add(
                Some(town),
                place + 1,
                name,
                UnitKind::Community,
                Some(block),
            );
        }
        for (community, (zh, en)) in self
            .numbers(UnitKind::Community)
            .into_iter()
            .zip(names::COMMUNITIES)
        {
            let above = self.blocks[&community];
            for (index, numeral) in names::NUMERALS.into_iter().enumerate() {
                let column = above.column + index % COMMUNITY_COLUMNS;
                let block = Block {
                    column,
                    row: above.row + index / COMMUNITY_COLUMNS,
                    columns: 1,
                    rows: 1,
                };
                let name = (
                    format!("{zh}第{numeral}网格"),
                    format!("{en} Grid {}", index + 1),
                );
                self.add(
                    Some(community),
                    index + 1,
                    name,
                    UnitKind::Grid,
                    Some(block),
                );
            }
        }
        departments
    }

    fn add(
        &mut self,
        parent: Option<u32>,
        part: usize,
        (name, name_en): (String, String),
        kind: UnitKind,
        block: Option<Block>,
    ) -> u32 {
        let number = self.units.len() as u32 + 1;
        let code = match parent {
            Some(parent) => format!("{}.{part:03}", self.units[parent as usize - 1].code),
            None => DIVISION_CODE.to_owned(),
        };
        let boundary = block
            .map(|block| vec![self.lattice.ring(block)])
            .unwrap_or_default();
        self.blocks.extend(block.map(|block| (number, block)));
        self.units.push(Unit {
            number,
            parent,
            code,
            name,
            name_en,
            kind,
            boundary,
        });
        number
    }

    fn numbers(&self, kind: UnitKind) -> Vec<u32> {
        self.units
            .iter()
            .filter(|unit| unit.kind == kind)
            .map(|unit| unit.number)
            .collect()
    }

    fn children(&self, parent: u32, kind: UnitKind) -> Vec<u32> {
        let is_child = |unit: &&Unit| unit.parent == Some(parent) && unit.kind == kind;
        self.units
            .iter()
            .filter(is_child)
            .map(|unit| unit.number)
            .collect()
    }
}

fn owned((zh, en): Names) -> (String, String) {
    (zh.to_owned(), en.to_owned())
}

/// The people while they are hired.
struct Staff {
    names: Vec<String>,
    people: Vec<Person>,
}

impl Staff {
    fn hire(&mut self, roles: Vec<(&'static str, u32)>) -> u32 {
        let index = self.people.len();
        let number = index as u32 + 1;
        self.people.push(Person {
            number,
            name: self.names[index].clone(),
            roles,
        });
        number
    }

    /// The district's offices, the towns' desks and verifiers, grid heads, and a handler a department.
    fn hire_office(&mut self, land: &Land) {
        let district = land.numbers(UnitKind::District)[0];
        for role in [
            "system_admin",
            "district_lead",
            "auditor",
            "privacy_officer",
            "settlement_officer",
            "points_reviewer",
            "points_reviewer",
        ] {
            self.hire(vec![(role, district)]);
        }
        for town in land.numbers(UnitKind::Town) {
            self.hire(vec![("duty_desk", town)]);
            self.hire(vec![("verifier", town)]);
            let communities = land.children(town, UnitKind::Community);
            for share in communities.chunks(communities.len().div_ceil(GRID_HEADS_PER_TOWN)) {
                self.hire(
                    share
                        .iter()
                        .map(|community| ("grid_head", *community))
                        .collect(),
                );
            }
        }
        for department in land.numbers(UnitKind::Department) {
            self.hire(vec![("department_handler", department)]);
        }
    }

    /// A worker for the grids of each community; in some communities a relief worker holds all of it besides,
    /// so that two phones may work on one report.
    fn hire_workers(&mut self, land: &Land) {
        let communities = land.numbers(UnitKind::Community);
        for community in &communities {
            let grids = land.children(*community, UnitKind::Grid);
            self.hire(grids.into_iter().map(|grid| ("worker", grid)).collect());
        }
        for community in communities
            .iter()
            .step_by(communities.len() / RELIEF_WORKERS)
        {
            self.hire(vec![("worker", *community)]);
        }
    }

    /// The volunteers of each town, dealt in turn to its teams: one walks with two to four teams, at other hours.
    fn hire_teams(&mut self, land: &Land, dice: &mut Dice) -> Vec<Team> {
        let towns = land.numbers(UnitKind::Town);
        let mut pools: Vec<Vec<u32>> = vec![Vec::new(); towns.len()];
        for index in 0..VOLUNTEERS {
            pools[index % towns.len()].push(self.hire(Vec::new()));
        }
        let mut dealt = vec![0; towns.len()];
        let mut teams = Vec::with_capacity(TEAMS);
        for index in 0..TEAMS {
            let town_index = index % towns.len();
            let communities = land.children(towns[town_index], UnitKind::Community);
            let unit = communities[index / towns.len() % communities.len()];
            let pool = &pools[town_index];
            let size = 4 + dice.below(2) as usize;
            let members: Vec<u32> = (0..size)
                .map(|place| pool[(dealt[town_index] + place) % pool.len()])
                .collect();
            dealt[town_index] += size;
            for (place, member) in members.iter().enumerate() {
                let role = (
                    if place == 0 {
                        "patrol_leader"
                    } else {
                        "patrol_member"
                    },
                    unit,
                );
                let roles = &mut self.people[*member as usize - 1].roles;
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
            let community = &land.units[unit as usize - 1];
            let squad = 1 + index / towns.len() / communities.len();
            let number = index as u32 + 1;
            teams.push(Team {
                number,
                name: format!("{}红袖标第{}队", community.name, names::NUMERALS[squad - 1]),
                name_en: format!("{} Patrol Team {squad}", community.name_en),
                unit,
                leader: members[0],
                members,
                must_points: must_points(land, unit, number, dice),
            });
        }
        teams
    }
}

fn must_points(land: &Land, community: u32, team: u32, dice: &mut Dice) -> Vec<MustPoint> {
    let mut grids = land.children(community, UnitKind::Grid);
    let mut kinds = names::MUST_POINTS;
    dice.shuffle(&mut grids);
    dice.shuffle(&mut kinds);
    let count = 6 + dice.below(5) as usize;
    let points = grids.into_iter().zip(kinds).take(count).enumerate();
    points
        .map(|(index, (grid, ((zh, en), is_red)))| {
            let of_grid = &land.units[grid as usize - 1];
            MustPoint {
                code: format!("T{team:02}-P{:02}", index + 1),
                name: format!("{}{zh}", of_grid.name),
                name_en: format!("{}: {en}", of_grid.name_en),
                grid,
                position: land.lattice.point_inside(land.blocks[&grid], dice),
                is_red,
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "district_tests.rs"]
mod tests;
