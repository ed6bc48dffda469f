//! The kinds of unit and which may stand under which.

use std::fmt;

/// What a unit is. The tree is district > town > community > grid > micro-grid; departments stand under
/// the district or a town and have no area of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    /// The root of the tree.
    District,
    /// A town or street.
    Town,
    /// A community or village.
    Community,
    /// The area of one grid worker.
    Grid,
    /// A part of a grid.
    MicroGrid,
    /// A department that handles cases.
    Department,
}

impl UnitKind {
    /// Every kind, from the root down.
    pub const ALL: [Self; 6] = [
        Self::District,
        Self::Town,
        Self::Community,
        Self::Grid,
        Self::MicroGrid,
        Self::Department,
    ];

    /// The word that stands in files and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::District => "district",
            Self::Town => "town",
            Self::Community => "community",
            Self::Grid => "grid",
            Self::MicroGrid => "micro_grid",
            Self::Department => "department",
        }
    }

    /// The kind of that word; `None` for any other word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether a unit of this kind may stand directly under one of kind `parent`.
    pub fn may_stand_under(self, parent: Self) -> bool {
        match self {
            Self::District => false,
            Self::Town => parent == Self::District,
            Self::Community => parent == Self::Town,
            Self::Grid => parent == Self::Community,
            Self::MicroGrid => parent == Self::Grid,
            Self::Department => matches!(parent, Self::District | Self::Town),
        }
    }

    /// Whether a unit of this kind must have a boundary.
    pub fn has_area(self) -> bool {
        self != Self::Department
    }
}

impl fmt::Display for UnitKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_from_its_word() {
        for kind in UnitKind::ALL {
            assert_eq!(UnitKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(UnitKind::parse("Grid"), None);
        assert_eq!(UnitKind::parse(""), None);
    }

    #[test]
    fn only_the_district_stands_under_nothing() {
        for kind in UnitKind::ALL {
            let has_a_place = UnitKind::ALL
                .into_iter()
                .any(|parent| kind.may_stand_under(parent));
            assert_eq!(has_a_place, kind != UnitKind::District);
        }
    }
}
