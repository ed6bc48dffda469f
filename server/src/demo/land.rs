//! The units of the demo district and the cells of the lattice that each of them covers.

use super::dice::Dice;
use super::district::{DIVISION_CODE, Unit};
use super::geometry::{Block, Lattice};
use super::names::{self, Names};
use crate::import::UnitKind;
use std::collections::BTreeMap;

const TOWNS: usize = names::TOWNS.len();
const COMMUNITIES_PER_TOWN: usize = names::COMMUNITIES.len() / TOWNS;
const GRIDS_PER_COMMUNITY: usize = names::NUMERALS.len();

/// Cells of a community: a grid is one cell.
const COMMUNITY_COLUMNS: usize = 2;
const COMMUNITY_ROWS: usize = GRIDS_PER_COMMUNITY / COMMUNITY_COLUMNS;
/// Communities of a town, side by side and one above the other; towns stand side by side.
const TOWN_COLUMNS: usize = 2;
const TOWN_ROWS: usize = COMMUNITIES_PER_TOWN / TOWN_COLUMNS;

/// The units while they are made.
pub(super) struct Land {
    pub(super) lattice: Lattice,
    pub(super) units: Vec<Unit>,
    /// The cells of every unit that has an area.
    pub(super) blocks: BTreeMap<u32, Block>,
}

impl Land {
    /// Land without units.
    pub(super) fn new(dice: &mut Dice) -> Self {
        let columns = TOWNS * TOWN_COLUMNS * COMMUNITY_COLUMNS;
        let lattice = Lattice::new(columns, TOWN_ROWS * COMMUNITY_ROWS, dice);
        Self {
            lattice,
            units: Vec::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// Makes every unit, parents first, and gives the departments by their key.
    pub(super) fn settle(&mut self) -> BTreeMap<&'static str, u32> {
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

    pub(super) fn numbers(&self, kind: UnitKind) -> Vec<u32> {
        self.units
            .iter()
            .filter(|unit| unit.kind == kind)
            .map(|unit| unit.number)
            .collect()
    }

    pub(super) fn children(&self, parent: u32, kind: UnitKind) -> Vec<u32> {
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
