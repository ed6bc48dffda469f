//! Identifiers and counters as newtypes, so that no function takes two bare integers.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The 16 bytes that stand on the wire, in hashes and in tables.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Takes exactly 16 bytes; `None` for any other length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }

            /// Parses the canonical text form only (lower case, hyphens, no braces, no `urn:`),
            /// so that one id never has four spellings.
            pub fn parse_canonical(text: &str) -> Option<Self> {
                let id = Uuid::parse_str(text).ok()?;
                (id.hyphenated().to_string() == text).then_some(Self(id))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}", self.0.hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }
    };
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}", self.0)
            }
        }
    };
}

uuid_id! {
    /// The tenant: one tree of units, one log, one ledger. Nothing crosses districts.
    DistrictId
}
uuid_id! {
    /// One local database of one person in one district on one install.
    ReplicaId
}
uuid_id! {
    /// A report, visit, patrol ... made on any replica; a UUIDv7, so that ids made later sort later.
    RecordId
}
number! {
    /// The permanent number of a person in the district. Says nothing about the person.
    PersonId(u32)
}
number! {
    /// The permanent number of a unit (town, community, grid, department ...).
    UnitId(u32)
}
number! {
    /// The district's short number for a replica, given at enrolment; 0 is the server's own hand.
    ReplicaNo(u32)
}
number! {
    /// The place of a change in its replica's own chain; contiguous from 1.
    Seq(u64)
}
number! {
    /// The place of an entry in the district's log; gapless, in commit order, from 1.
    Pos(u64)
}
number! {
    /// How often the district's log was restored from a copy, plus one. Positions compare within an epoch.
    Epoch(u32)
}
number! {
    /// The version of what a replica may read; grows when a person's roles or the units change.
    ScopeVersion(u32)
}
number! {
    /// The version of the set of documents (categories, workflows ...) that a change was made under.
    DocumentsVersion(u32)
}

impl ReplicaNo {
    /// Entries that the server itself writes: rulings and the directory.
    pub const SERVER: Self = Self(0);
}

impl Seq {
    /// The next place in the chain. A chain of 2^64 changes is a broken promise of our own.
    pub fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .expect("BUG: a replica's chain is full"),
        )
    }
}

impl Pos {
    /// The next place in the log.
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("BUG: the log is full"))
    }
}

/// A place in the log of one epoch. Ordered by epoch first: what a restored log took back in
/// under its old place stands before all that was first admitted after the restore.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LogPlace {
    /// The epoch in which `pos` was given.
    pub epoch: Epoch,
    /// The place in that epoch's log.
    pub pos: Pos,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_an_id_is_taken() {
        let text = "018f4c1e-7b7a-7cc3-98c4-dc0c0c07398f";
        assert!(RecordId::parse_canonical(text).is_some());
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert_eq!(RecordId::parse_canonical(&other), None, "{other}");
        }
    }
}
