//! Where the engine as it stands departs from the written rules. The models follow the rules; with one of these they
//! follow the engine instead, so that all else can be compared. An entry goes when the engine is mended.

/// One departure, with the smallest case that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    /// Guard `own_desk`: the document binds handlers, workers *and grid heads* to the desk; the engine lets a grid head
    /// act for any. Case: dispatched to a department, a grid head of the grid steps to `IN_PROGRESS`.
    GridHeadActsForAnyDesk,
    /// Guard `proof`: words do only where the category does not require an attachment, and never for what was solved on
    /// the spot; to the engine a `note` is always enough. Case: `FEEDBACK` with `"proof":[]` and a note on a `FAC-02`.
    NoteIsAlwaysProof,
    /// Guard `within_10_days` is of closing; the engine counts from the last step. Case: closed on day 0, evaluated on
    /// day 9, reopened on day 15.
    ReopeningCountsFromTheLastStep,
    /// Guard `second_extension_by_district` is about granting a second extension; the engine asks for the district at
    /// every answer to a second request. Case: asked, refused, asked, and the desk grants the first extension.
    SecondRequestIsASecondExtension,
    /// A step that was held and is released after a later step of the same replica: its author had not taken the later
    /// one when they made it, yet the engine says that they saw it. Case: seq 1 a step with `needs`, seq 2 another
    /// step, then what seq 1 needs.
    OwnLaterStepCountsAsSeen,
    /// A release is a conflict or not by the whole fold; the engine judges it by what the record still shows, where a later
    /// value of the same replica may be gone. Case: seq 1 an amendment of the title that waits, seq 2 another title,
    /// somebody sees that and writes a third; seq 1 is released: the record shows one title, the verdict is conflict.
    ReleaseForgetsOvertakenValues,
    /// A person lets in a change that is for another kind of record. Case: `visit.amend` on a report, admitted.
    WrongKindCanBeAdmitted,
    /// A held change that arrived before its replica was revoked is quarantined when it is released. Case: an early
    /// amendment, the revocation, then its report.
    RevocationReachesBack,
    /// The mark `reoffered` is never set.
    NoReofferedMark,
    /// Two repairs of one change in one batch are both accepted, in two batches only the first.
    TwoRepairsInOneBatch,
    /// A release drops the mark `clock bounded` that the change had.
    ReleaseDropsClockMark,
    /// What a forked branch repeats was made before the fork, under the contacts of the replica that is continued; the
    /// engine bounds it by the enrolment of the new one. Case: three days of unsent work, a fork, the repeats: all of
    /// it counts as done at the fork, with the mark `clock bounded`, and a right that ended meanwhile is gone.
    ForkBoundsTheBranch,
}

impl Departure {
    /// All that are known of the engine at present.
    pub const PRESENT: [Self; 12] = [
        Self::GridHeadActsForAnyDesk,
        Self::NoteIsAlwaysProof,
        Self::ReopeningCountsFromTheLastStep,
        Self::SecondRequestIsASecondExtension,
        Self::OwnLaterStepCountsAsSeen,
        Self::ReleaseForgetsOvertakenValues,
        Self::WrongKindCanBeAdmitted,
        Self::RevocationReachesBack,
        Self::NoReofferedMark,
        Self::TwoRepairsInOneBatch,
        Self::ReleaseDropsClockMark,
        Self::ForkBoundsTheBranch,
    ];
}

/// Those that a model follows.
pub type Departures = std::collections::BTreeSet<Departure>;
