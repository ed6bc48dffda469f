//! The record kinds: which intents there are, what their payloads hold, and which merge shape each takes.
//!
//! This is data. Validation, admission and the fold read the tables below and know no kind by name.

pub mod alert;
pub mod attachment;
pub mod claim;
pub mod household;
pub mod inspection;
pub mod mediation;
pub mod notice;
pub mod patrol;
pub mod place;
pub mod report;
pub mod task;
pub mod training;
pub mod visit;

use serde::{Deserialize, Serialize};

/// What entries fold into. The codes stand on the wire and in tables and are never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// Not known yet: an attachment came before the record it belongs to.
    Unknown = 0,
    /// A case, from report to close.
    Report = 1,
    /// A visit to a household or place.
    Visit = 2,
    /// A patrol round.
    Patrol = 3,
    /// A task from a rule or by hand.
    Task = 4,
    /// A claim for points.
    Claim = 5,
    /// A mediation between parties.
    Mediation = 6,
    /// An inspection by a checklist.
    Inspection = 7,
    /// A place that is looked after.
    Place = 8,
    /// A household that agreed to be visited.
    Household = 9,
    /// A training session.
    Training = 10,
    /// A notice.
    Notice = 11,
    /// An alert that a rule raised.
    Alert = 12,
}

impl Kind {
    /// All that records can be of.
    pub const ALL: [Self; 13] = [
        Self::Unknown,
        Self::Report,
        Self::Visit,
        Self::Patrol,
        Self::Task,
        Self::Claim,
        Self::Mediation,
        Self::Inspection,
        Self::Place,
        Self::Household,
        Self::Training,
        Self::Notice,
        Self::Alert,
    ];

    /// From its code; `None` for a kind of a later version.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u64 == code)
    }

    /// Its name in documents and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Report => "report",
            Self::Visit => "visit",
            Self::Patrol => "patrol",
            Self::Task => "task",
            Self::Claim => "claim",
            Self::Mediation => "mediation",
            Self::Inspection => "inspection",
            Self::Place => "place",
            Self::Household => "household",
            Self::Training => "training",
            Self::Notice => "notice",
            Self::Alert => "alert",
        }
    }

    /// From its name.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How an intent's payload merges (design: register, add-only set, guarded workflow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Makes the record; its fields are registers, its workflow starts at this state.
    Create(Option<&'static str>),
    /// Writes registers.
    Amend,
    /// Adds an element to the set of this name.
    Element(&'static str),
    /// Takes a step of the workflow: to the state the payload's `to` names, or always to this one.
    Transition(Option<&'static str>),
    /// Moves the record to the unit the payload's `unit` names.
    Move,
}

/// What a field's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text of 1 to this many characters, without control characters other than newline and tab.
    Text(usize),
    /// A code of a document: 1 to 32 of `A-Z 0-9 _ -`.
    Code,
    /// One of these.
    Choice(&'static [&'static str]),
    /// An integer in this range.
    Integer(i64, i64),
    /// A time, milliseconds since 1970, within [`crate::limits::TIME_MS_MIN`] and its fellow.
    TimeMs,
    /// `true` or `false`.
    Flag,
    /// `{"latitude_e7", "longitude_e7", "accuracy_m"}`: WGS-84 degrees times 10^7, as integers so that no two
    /// machines print them differently; accuracy 0 to 10,000 m, optional.
    Place,
    /// A record's id in canonical text.
    Record,
    /// A person's number.
    Person,
    /// A unit's number.
    Unit,
    /// A SHA-256 as 64 lower-case hexadecimal digits.
    Digest,
    /// At most [`crate::limits::LIST_MAX`] of these.
    List(&'static Form),
    /// An object with these fields; others are kept, as at the top of a payload.
    Object(&'static [Field]),
}

/// One field of an intent's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the JSON.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it looks like.
    pub form: Form,
}

/// A field that must be there.
pub const fn required(name: &'static str, form: Form) -> Field {
    Field {
        name,
        required: true,
        form,
    }
}

/// A field that may be missing.
pub const fn optional(name: &'static str, form: Form) -> Field {
    Field {
        name,
        required: false,
        form,
    }
}

/// One intent.
#[derive(Clone, Copy, Debug)]
pub struct Intent {
    /// Its name on the wire.
    pub name: &'static str,
    /// The kind of record it is about; `None` for one that belongs to any record.
    pub kind: Option<Kind>,
    /// The newest version of its payload that this crate knows.
    pub schema: u32,
    /// Since which version of the table each version of its payload is known, the first one first.
    pub since: &'static [u32],
    /// How it merges.
    pub shape: Shape,
    /// The fields of its open part. Others are kept and relayed, and take part in merging as registers or elements do.
    pub fields: &'static [Field],
}

/// The version of the tables. Grows with each intent that is added, and with each payload that grows.
pub const VERSION: u32 = 2;

/// How far a program knows the tables: all of this version by default; less, to stand for an older program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownIntents(u32);

impl KnownIntents {
    /// All that this version knows.
    pub const ALL: Self = Self(VERSION);

    /// What the version of this number knew.
    pub const fn up_to(version: u32) -> Self {
        Self(if version < VERSION { version } else { VERSION })
    }

    /// The version.
    pub const fn version(self) -> u32 {
        self.0
    }

    /// The intent of this name, if it and this version of its payload are known.
    pub fn find(self, name: &str, schema: u32) -> Option<&'static Intent> {
        let intent = find(name)?;
        // A payload of a version below the first is read as the first.
        let known = intent.since.get(schema.max(1) as usize - 1)?;
        (*known <= self.0).then_some(intent)
    }
}

impl Default for KnownIntents {
    fn default() -> Self {
        Self::ALL
    }
}

/// Every intent that this version knows.
pub fn all() -> impl Iterator<Item = &'static Intent> {
    [
        report::INTENTS,
        visit::INTENTS,
        patrol::INTENTS,
        task::INTENTS,
        claim::INTENTS,
        attachment::INTENTS,
        mediation::INTENTS,
        inspection::INTENTS,
        place::INTENTS,
        household::INTENTS,
        training::INTENTS,
        notice::INTENTS,
        alert::INTENTS,
    ]
    .into_iter()
    .flatten()
}

/// The intent of this name; `None` for one of a later version.
pub fn find(name: &str) -> Option<&'static Intent> {
    all().find(|intent| intent.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_a_payload_is_known_since_a_version_of_the_tables() {
        for intent in all() {
            assert_eq!(intent.since.len(), intent.schema as usize);
            assert!(intent.since.is_sorted(), "{}", intent.name);
            assert!(
                intent
                    .since
                    .iter()
                    .all(|since| (1..=VERSION).contains(since))
            );
            let known = KnownIntents::ALL;
            assert!(known.find(intent.name, intent.schema).is_some());
            assert!(known.find(intent.name, intent.schema + 1).is_none());
            assert!(KnownIntents::up_to(0).find(intent.name, 1).is_none());
        }
    }

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let mut names: Vec<_> = all().map(|intent| intent.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
        for intent in all() {
            if let (Some(kind), Some((prefix, _))) = (intent.kind, intent.name.split_once('.')) {
                assert!(
                    prefix == kind.as_str() || intent.name == "points.claim",
                    "{}",
                    intent.name
                );
            }
            let mut fields: Vec<_> = intent.fields.iter().map(|field| field.name).collect();
            fields.sort_unstable();
            assert!(
                fields.windows(2).all(|pair| pair[0] != pair[1]),
                "{}",
                intent.name
            );
        }
    }

    #[test]
    fn a_kind_is_found_by_its_code_and_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_code(kind as u64), Some(kind));
            assert_eq!(Kind::from_text(kind.as_str()), Some(kind));
        }
        assert_eq!((Kind::from_code(99), Kind::from_text("")), (None, None));
        // An older program knows what it knew; no program knows what comes later.
        assert_eq!(KnownIntents::up_to(0).version(), 0);
        assert_eq!(KnownIntents::up_to(VERSION + 7), KnownIntents::ALL);
        assert_eq!(KnownIntents(3).version(), 3);
    }
}
