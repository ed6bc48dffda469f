//! The limits of an import, each with its reason. An import runs in memory, beside the server's own work.

/// Bytes of one file of unit boundaries. A district of 1,000 grids with 200 vertices each takes about 6 MiB.
pub const UNITS_FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of one feature: the widest boundary allowed, written with 15 digits and generous spaces.
pub const FEATURE_BYTES_MAX: usize = 1024 * 1024;
/// Units in one file. The reference district has fewer than 2,000.
pub const UNITS_MAX: usize = 20_000;
/// Rings of one unit: the outer one and its holes.
pub const RINGS_PER_UNIT_MAX: usize = 64;
/// Vertices of one unit over all its rings; bounds the search for self-intersections, which is
/// quadratic for boundaries made to be so.
pub const VERTICES_PER_UNIT_MAX: usize = 10_000;
/// Vertices of one file: bounds memory and that same search over the whole file.
pub const VERTICES_PER_FILE_MAX: usize = 1_000_000;
/// Decimals of a degree that are kept: about 1 cm, finer than any survey of a grid. Rounding to them also
/// makes a coordinate the same number however it was written.
pub const COORDINATE_DECIMALS: i32 = 7;
/// Bytes of one file of people. 1,000 people take about 60 KiB.
pub const PEOPLE_FILE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of one file of people, one a role.
pub const PEOPLE_ROWS_MAX: usize = 50_000;
/// Characters of the name of a person or a unit.
pub const NAME_CHARS_MAX: usize = 64;
/// Characters of an identifier that another system gave.
pub const EXTERNAL_ID_CHARS_MAX: usize = 64;
/// Characters of a unit's code.
pub const CODE_CHARS_MAX: usize = 64;
/// Parts of a unit's code: district, town, community, grid, micro-grid, and one to spare.
pub const CODE_PARTS_MAX: usize = 6;
/// Characters of one part of a unit's code; division codes have at most 12 digits.
pub const CODE_PART_CHARS_MAX: usize = 12;
/// Findings that are listed one by one; the rest is counted. Nobody repairs more in one go, and a hostile
/// file must not turn into a list larger than itself.
pub const FINDINGS_MAX: usize = 10_000;
/// Characters of the file that a finding repeats.
pub const EXCERPT_CHARS_MAX: usize = 48;
