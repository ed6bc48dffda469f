//! The plain things that both models speak of: places, changes as their authors wrote them, answers, entries.

use std::collections::BTreeMap;

/// A place of the log: epoch and position.
pub type Place = (u32, u64);

/// A record's id.
pub type RecordKey = [u8; 16];

/// A replica's id.
pub type ReplicaKey = [u8; 16];

/// The identity of a change.
pub type ChangeKey = (ReplicaKey, u64);

/// The fields of a payload, each as its author spelled it.
pub type Fields = BTreeMap<String, String>;

/// The first answer to a change, or what a ruling says from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// In force.
    Accepted,
    /// In force, and other values stand beside it.
    Conflict,
    /// A step whose condition did not hold.
    NotApplied,
    /// Waits.
    Held,
    /// Something is wrong with it.
    Quarantined,
}

impl Verdict {
    /// From its number on the wire.
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::Accepted,
            1 => Self::Conflict,
            2 => Self::NotApplied,
            3 => Self::Held,
            _ => Self::Quarantined,
        }
    }

    /// Whether it has its effect.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Accepted | Self::Conflict)
    }
}

/// The mark of a change that repeats one of a forked branch which is in the log already.
pub const REPEAT: u32 = 1;
/// The mark of a change from a forked branch.
pub const FORKED: u32 = 2;
/// The mark of a change whose right had ended when it arrived.
pub const RIGHT_ENDED: u32 = 4;
/// The mark of a change whose clock was off by more than a minute.
pub const CLOCK_BOUNDED: u32 = 8;
/// The mark of a change that was offered again after a restore.
pub const REOFFERED: u32 = 16;

/// A problem: its code, and the field it is about, or nothing.
pub type Problem = (String, String);

/// Verdict, marks and problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The marks.
    pub marks: u32,
    /// Every problem, in the order of the alphabet.
    pub problems: Vec<Problem>,
}

/// A device's clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub wall_ms: i64,
    /// Since the boot.
    pub monotonic_ms: u64,
    /// Which boot; 0 when unknown.
    pub boot: u64,
    /// Server minus device, as last measured.
    pub skew_ms: i64,
}

/// What must be in force first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// A change.
    Change(ChangeKey),
    /// A record.
    Record(RecordKey),
}

/// What a header that could be read says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The record.
    pub record: RecordKey,
    /// The unit that the author names.
    pub unit: u32,
    /// The intent.
    pub intent: String,
    /// The version of its payload.
    pub schema: u32,
    /// Up to where the author's copy was complete.
    pub base: Place,
    /// When it was made, by the device.
    pub at: Clocks,
    /// Whose work it is, if not the author's.
    pub whose: Option<u32>,
    /// What must be in force first.
    pub needs: Option<Need>,
    /// What it repairs.
    pub repairs: Option<ChangeKey>,
    /// What it repeats of a forked branch, with its hash.
    pub origin: Option<(ChangeKey, [u8; 32])>,
}

/// A change as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its place in its replica's chain.
    pub seq: u64,
    /// Its hash there.
    pub hash: [u8; 32],
    /// The header; `None` when it cannot be read.
    pub written: Option<Written>,
    /// The open part's bytes.
    pub open: Option<Vec<u8>>,
    /// The classes of sealed parts that this version knows and that are no JSON objects.
    pub unreadable_parts: Vec<u8>,
}

/// What an entry does to its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is in force.
    InForce,
    /// A step that was tried and not applied, and the first problem's code.
    NotApplied(String),
    /// None: it waits, is quarantined, or repeats another.
    None,
}

/// Where an effect comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it came into force.
    pub place: Place,
    /// Its first place, when it was taken back in after a restore.
    pub first: Option<Place>,
    /// When it was done.
    pub time_ms: i64,
    /// The author.
    pub person: u32,
    /// Whose work it is, if not the author's.
    pub whose: Option<u32>,
    /// The author's replica, by its short number.
    pub replica: u32,
    /// Its place in the replica's chain.
    pub seq: u64,
}

impl Stamp {
    /// Where it stands in the order of entries.
    pub fn order(&self) -> Place {
        self.first.unwrap_or(self.place)
    }

    /// Whether an author whose copy was complete up to `base` had it before them.
    pub fn was_seen_from(&self, base: Place) -> bool {
        let present = self.place.0 <= base.0 && self.place.1 <= base.1;
        let first = self
            .first
            .is_some_and(|first| first.0 == base.0 && first.1 <= base.1);
        present || first
    }
}

/// One entry about a record: a change at its own place, or at that of the ruling that put it into force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, when, who.
    pub stamp: Stamp,
    /// The record.
    pub record: RecordKey,
    /// The unit that the author named.
    pub unit: u32,
    /// The intent.
    pub intent: String,
    /// Up to where the author's copy was complete.
    pub base: Place,
    /// The payload; `None` when it cannot be read.
    pub fields: Option<Fields>,
    /// What it does.
    pub effect: Effect,
}
