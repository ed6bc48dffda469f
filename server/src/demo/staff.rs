//! The people of the demo district: the offices, the workers, and the patrol teams of volunteers.

use super::dice::Dice;
use super::district::{MustPoint, Person, Team};
use super::land::Land;
use super::names;
use crate::import::UnitKind;

const TEAMS: usize = 40;
pub(super) const VOLUNTEERS: usize = 50;
const RELIEF_WORKERS: usize = 12;
const GRID_HEADS_PER_TOWN: usize = 3;

/// The people while they are hired.
pub(super) struct Staff {
    pub(super) names: Vec<String>,
    pub(super) people: Vec<Person>,
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
    pub(super) fn hire_office(&mut self, land: &Land) {
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
    pub(super) fn hire_workers(&mut self, land: &Land) {
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
    pub(super) fn hire_teams(&mut self, land: &Land, dice: &mut Dice) -> Vec<Team> {
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
