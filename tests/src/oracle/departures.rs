//! Where the engine as it stands departs from the written rules. The models follow the rules; with one of these they
//! follow the engine instead, so that all else can be compared. An entry goes when the engine is mended.

/// One departure, with the smallest case that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// A release is a conflict or not by the whole fold; the engine judges it by what the record still shows, where a later
    /// value of the same replica may be gone. Case: seq 1 an amendment of the title that waits, seq 2 another title,
    /// somebody sees that and writes a third; seq 1 is released: the record shows one title, the verdict is conflict.
    ReleaseForgetsOvertakenValues,
    /// The mark `reoffered` is never set.
    NoReofferedMark,
}

impl Departure {
    /// All that are known of the engine at present.
    pub const PRESENT: [Self; 2] = [Self::ReleaseForgetsOvertakenValues, Self::NoReofferedMark];
}

/// Those that a model follows.
pub type Departures = std::collections::BTreeSet<Departure>;
