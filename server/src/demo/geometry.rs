//! The land of the demo district: a lattice whose corners and edges are shifted by dice. Neighbours share the
//! very same vertices, so that cells tile whatever they make up, without gaps or overlaps.
//!
//! Why no two edges cross: a corner moves by at most 0.15 of a cell and the middle of an edge by at most 0.08
//! from halfway between its corners. So a horizontal edge always runs flatter than 45 degrees and an upright
//! one always steeper (in cells), and two such lines meet once, in the corner they share.

use super::dice::Dice;
use crate::import::Ring;

/// Coordinates are whole numbers of 1e-7 degree until they are given out.
const UNITS_PER_DEGREE: f64 = 1e7;
/// The south-west corner, in the open South China Sea: nobody lives there.
const WEST: i64 = 1_152_000_000;
const SOUTH: i64 = 218_000_000;
/// A cell is about 310 m wide and 300 m high there.
const CELL_WIDTH: i64 = 30_000;
const CELL_HEIGHT: i64 = 27_000;
const CORNER_REACH_PERCENT: i64 = 15;
const MIDDLE_REACH_PERCENT: i64 = 8;
/// Edges keep out of the middle half of a cell (0.15 + 0.08 < 0.25), so a point there is surely inside.
const INNER_REACH_PERCENT: i64 = 25;

type Point = [i64; 2];

/// A block of cells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The lattice: its corners, and the middles of its edges.
pub(super) struct Lattice {
    columns: usize,
    corners: Vec<Point>,
    /// The middle of the edge from a corner to the east.
    east_middles: Vec<Point>,
    /// The middle of the edge from a corner to the north.
    north_middles: Vec<Point>,
}

impl Lattice {
    /// A lattice of so many cells.
    pub(super) fn new(columns: usize, rows: usize, dice: &mut Dice) -> Self {
        let mut corners = Vec::with_capacity((columns + 1) * (rows + 1));
        for row in 0..=rows as i64 {
            for column in 0..=columns as i64 {
                let exact = [WEST + column * CELL_WIDTH, SOUTH + row * CELL_HEIGHT];
                corners.push(shifted(exact, CORNER_REACH_PERCENT, dice));
            }
        }
        let mut lattice = Self {
            columns,
            corners,
            east_middles: Vec::new(),
            north_middles: Vec::new(),
        };
        for row in 0..=rows {
            for column in 0..=columns {
                let here = lattice.corners[lattice.at(column, row)];
                let mut middle_to = |column: usize, row: usize| {
                    let there = lattice.corners[lattice.at(column, row)];
                    let halfway = [(here[0] + there[0]) / 2, (here[1] + there[1]) / 2];
                    shifted(halfway, MIDDLE_REACH_PERCENT, dice)
                };
                // The last column and row have no edge onward; their middle is never asked for.
                let east = middle_to((column + 1).min(columns), row);
                let north = middle_to(column, (row + 1).min(rows));
                lattice.east_middles.push(east);
                lattice.north_middles.push(north);
            }
        }
        lattice
    }

    fn at(&self, column: usize, row: usize) -> usize {
        row * (self.columns + 1) + column
    }

    /// The closed ring around a block, counter-clockwise.
    pub(super) fn ring(&self, block: Block) -> Ring {
        let (west, south) = (block.column, block.row);
        let (east, north) = (west + block.columns, south + block.rows);
        let mut points = Vec::with_capacity(4 * (block.columns + block.rows) + 1);
        for column in west..east {
            points.push(self.corners[self.at(column, south)]);
            points.push(self.east_middles[self.at(column, south)]);
        }
        for row in south..north {
            points.push(self.corners[self.at(east, row)]);
            points.push(self.north_middles[self.at(east, row)]);
        }
        for column in (west..east).rev() {
            points.push(self.corners[self.at(column + 1, north)]);
            points.push(self.east_middles[self.at(column, north)]);
        }
        for row in (south..north).rev() {
            points.push(self.corners[self.at(west, row + 1)]);
            points.push(self.north_middles[self.at(west, row)]);
        }
        points.push(points[0]);
        points.into_iter().map(in_degrees).collect()
    }

    /// A point surely inside the first cell of a block.
    pub(super) fn point_inside(&self, block: Block, dice: &mut Dice) -> [f64; 2] {
        let (column, row) = (block.column as i64, block.row as i64);
        let centre = [
            WEST + column * CELL_WIDTH + CELL_WIDTH / 2,
            SOUTH + row * CELL_HEIGHT + CELL_HEIGHT / 2,
        ];
        in_degrees(shifted(centre, INNER_REACH_PERCENT, dice))
    }
}

fn shifted(point: Point, reach_percent: i64, dice: &mut Dice) -> Point {
    [
        point[0] + dice.around_zero(CELL_WIDTH * reach_percent / 100),
        point[1] + dice.around_zero(CELL_HEIGHT * reach_percent / 100),
    ]
}

fn in_degrees(point: Point) -> [f64; 2] {
    point.map(|coordinate| coordinate as f64 / UNITS_PER_DEGREE)
}
