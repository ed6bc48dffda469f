//! Whether the rings of one polygon are simple: none crosses, touches or runs back over itself or another.
//!
//! Our own sweep rather than `geo`'s validation: that one compares every pair of segments, and overlooks
//! segments that meet end to start.

use super::boundary::Ring;
use geo::algorithm::kernels::RobustKernel;
use geo::{Coord, Intersects, Kernel, Line, Orientation};

struct Segment {
    line: Line<f64>,
    x_max: f64,
    y_min: f64,
    y_max: f64,
    ring: usize,
    index: usize,
    ring_segments: usize,
}

impl Segment {
    fn x_min(&self) -> f64 {
        self.line.start.x.min(self.line.end.x)
    }

    fn follows(&self, other: &Self) -> bool {
        self.ring == other.ring && (other.index + 1) % other.ring_segments == self.index
    }

    /// Whether the two share more than the end at which neighbours in a ring are joined.
    fn clashes_with(&self, other: &Self) -> bool {
        if self.y_min > other.y_max || self.y_max < other.y_min {
            return false;
        }
        if self.follows(other) {
            turns_back(other.line.start, other.line.end, self.line.end)
        } else if other.follows(self) {
            turns_back(self.line.start, self.line.end, other.line.end)
        } else {
            self.line.intersects(&other.line)
        }
    }
}

/// Whether the way from `from` over `corner` to `to` runs back over itself.
fn turns_back(from: Coord<f64>, corner: Coord<f64>, to: Coord<f64>) -> bool {
    let (back, onward) = (from - corner, to - corner);
    RobustKernel::orient2d(from, corner, to) == Orientation::Collinear
        && back.x * onward.x + back.y * onward.y > 0.0
}

/// A vertex near the first place where closed rings clash with themselves or one another; `None` when they
/// do not. Takes finite coordinates without repeated neighbours.
pub(super) fn find_clash(rings: &[Ring]) -> Option<[f64; 2]> {
    let mut segments = Vec::with_capacity(rings.iter().map(Vec::len).sum());
    for (ring, points) in rings.iter().enumerate() {
        let ring_segments = points.len().saturating_sub(1);
        for (index, pair) in points.windows(2).enumerate() {
            let (start, end) = (Coord::from(pair[0]), Coord::from(pair[1]));
            segments.push(Segment {
                line: Line::new(start, end),
                x_max: start.x.max(end.x),
                y_min: start.y.min(end.y),
                y_max: start.y.max(end.y),
                ring,
                index,
                ring_segments,
            });
        }
    }
    segments.sort_by(|one, other| one.x_min().total_cmp(&other.x_min()));
    let mut active: Vec<&Segment> = Vec::new();
    for segment in &segments {
        active.retain(|other| other.x_max >= segment.x_min());
        if active.iter().any(|other| segment.clashes_with(other)) {
            return Some([segment.line.start.x, segment.line.start.y]);
        }
        active.push(segment);
    }
    None
}

/// Twice the area of a closed ring in square degrees, positive when it runs counter-clockwise.
pub(super) fn signed_area_doubled(ring: &[[f64; 2]]) -> f64 {
    // Seen from the first vertex, so that large longitudes do not swallow small areas.
    let Some([x0, y0]) = ring.first().copied() else {
        return 0.0;
    };
    ring.windows(2)
        .map(|pair| (pair[0][0] - x0) * (pair[1][1] - y0) - (pair[1][0] - x0) * (pair[0][1] - y0))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clashes(rings: &[&[[f64; 2]]]) -> bool {
        let rings: Vec<Ring> = rings.iter().map(|ring| ring.to_vec()).collect();
        find_clash(&rings).is_some()
    }

    const SQUARE: &[[f64; 2]] = &[[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]];

    #[test]
    fn simple_rings_pass() {
        assert!(!clashes(&[SQUARE]));
        assert!(!clashes(&[&[
            [0.0, 0.0],
            [1.0, 0.0],
            [0.0, 1.0],
            [0.0, 0.0]
        ]]));
        // A straight run of three points is no clash.
        assert!(!clashes(&[&[
            [0.0, 0.0],
            [1.0, 0.0],
            [2.0, 0.0],
            [2.0, 2.0],
            [0.0, 0.0]
        ]]));
        assert!(!clashes(&[
            SQUARE,
            &[[1.0, 1.0], [1.0, 2.0], [2.0, 1.0], [1.0, 1.0]]
        ]));
    }

    #[test]
    fn crossings_touches_and_spikes_are_found() {
        let bow_tie: &[[f64; 2]] = &[[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0], [0.0, 0.0]];
        let spike: &[[f64; 2]] = &[
            [0.0, 0.0],
            [4.0, 0.0],
            [4.0, 4.0],
            [2.0, 4.0],
            [2.0, 6.0],
            [2.0, 4.0],
            [0.0, 4.0],
            [0.0, 0.0],
        ];
        let spike_at_the_seam: &[[f64; 2]] = &[
            [0.0, 0.0],
            [4.0, 0.0],
            [4.0, 4.0],
            [0.0, 4.0],
            [0.0, -2.0],
            [0.0, 0.0],
        ];
        let eight_through_a_vertex: &[[f64; 2]] = &[
            [0.0, 0.0],
            [2.0, 2.0],
            [4.0, 0.0],
            [4.0, 4.0],
            [2.0, 2.0],
            [0.0, 4.0],
            [0.0, 0.0],
        ];
        let there_and_back: &[[f64; 2]] =
            &[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0]];
        for ring in [
            bow_tie,
            spike,
            spike_at_the_seam,
            eight_through_a_vertex,
            there_and_back,
        ] {
            assert!(clashes(&[ring]), "{ring:?}");
        }
        assert!(clashes(&[
            SQUARE,
            &[[1.0, 1.0], [5.0, 2.0], [2.0, 3.0], [1.0, 1.0]]
        ]));
        assert!(clashes(&[SQUARE, SQUARE]));
    }

    #[test]
    fn area_has_the_sign_of_the_turn() {
        assert_eq!(signed_area_doubled(SQUARE), 32.0);
        let clockwise: Ring = SQUARE.iter().rev().copied().collect();
        assert_eq!(signed_area_doubled(&clockwise), -32.0);
        assert_eq!(signed_area_doubled(&[]), 0.0);
    }
}
