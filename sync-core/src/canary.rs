//! Deliberate defects, asleep unless a test wakes one. A check that never found a planted defect proves nothing.
//!
//! Without the feature `canaries` every question below is a constant `false`, and the compiler takes the defects out.

macro_rules! canaries {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// One deliberate defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Canary { $($(#[$doc])* $variant,)+ }

        impl Canary {
            /// All of them.
            pub const ALL: &'static [Canary] = &[$(Canary::$variant,)+];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self { $(Canary::$variant => $name,)+ }
            }

            /// By its name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Canary::$variant),)+ _ => None }
            }
        }
    };
}

canaries! {
    /// The server answers although its commit failed.
    AckBeforeCommit = "ack_before_commit",
    /// The server does not wait for the disk before it answers.
    ReceiptBeforeDurability = "receipt_before_durability",
    /// A repeated upload gets another verdict.
    VerdictChanges = "verdict_changes",
    /// The page leaves out the entry right after the cursor.
    CursorOffByOne = "cursor_off_by_one",
    /// The page holds what the person may not read.
    ScopeFilterMissing = "scope_filter_missing",
    /// Records that leave the scope are not named.
    LeaveForgotten = "leave_forgotten",
    /// Of two values with one time, one is dropped.
    EqualStampDropped = "equal_stamp_dropped",
    /// A write replaces values that its author had not seen.
    UnseenValuesReplaced = "unseen_values_replaced",
    /// The place of a change in its receipt is counted in a byte.
    ReceiptPlaceWraps = "receipt_place_wraps",
    /// The replica's mark stays before a quarantined change.
    MarkStopsAtPoison = "mark_stops_at_poison",
    /// Another chain under a replica's name is taken.
    ForkUnnoticed = "fork_unnoticed",
    /// A change that repeats one of a branch counts again.
    OriginForgotten = "origin_forgotten",
    /// What waits is never looked at again.
    ReleaseForgotten = "release_forgotten",
    /// Nothing waits for what it needs.
    NeedsIgnored = "needs_ignored",
    /// A step's guards are not asked.
    GuardsIgnored = "guards_ignored",
    /// A step applies although its author had not seen the one before.
    StepUnseenApplies = "step_unseen_applies",
    /// A role counts everywhere.
    RightsEverywhere = "rights_everywhere",
    /// A phone's clock is believed.
    ClockBelieved = "clock_believed",
    /// A record's stored image is not made anew by a ruling.
    RulingLeavesImage = "ruling_leaves_image",
    /// The district's digest is not kept up to date.
    DigestForgotten = "digest_forgotten",
    /// A record that leaves the scope takes unsent work along.
    PurgeTakesUnsent = "purge_takes_unsent",
    /// A revoked phone wipes itself with unsent work on it.
    WipeTakesUnsent = "wipe_takes_unsent",
    /// After a restore nothing is offered again.
    OfferForgotten = "offer_forgotten",
    /// A phone takes in a page at or below a record's own place again.
    AppliedTwice = "applied_twice",
    /// A phone counts a change as received without a receipt for it.
    ReceiptNotNeeded = "receipt_not_needed",
    /// A fork's repeats leave out the first change.
    RepeatDropsFirst = "repeat_drops_first",
}

#[cfg(feature = "canaries")]
mod awake {
    use super::Canary;
    use std::sync::atomic::{AtomicU8, Ordering};

    static AWAKE: AtomicU8 = AtomicU8::new(u8::MAX);

    /// Wakes one for the whole process, or none. Whether this build has them at all.
    pub fn wake(canary: Option<Canary>) -> bool {
        AWAKE.store(
            canary.map_or(u8::MAX, |canary| canary as u8),
            Ordering::SeqCst,
        );
        true
    }

    /// Whether it is awake.
    pub fn is_awake(canary: Canary) -> bool {
        AWAKE.load(Ordering::Relaxed) == canary as u8
    }
}

#[cfg(not(feature = "canaries"))]
mod awake {
    use super::Canary;

    /// Wakes one for the whole process, or none. Whether this build has them at all.
    pub fn wake(_canary: Option<Canary>) -> bool {
        false
    }

    /// Whether it is awake.
    #[inline(always)]
    pub const fn is_awake(_canary: Canary) -> bool {
        false
    }
}

pub use awake::{is_awake, wake};
