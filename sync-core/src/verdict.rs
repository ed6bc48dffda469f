//! The server's answer to a change: one verdict for ever, marks, and the problems with their fields.

use crate::codec::{
    CodecError, FieldWriter, Fields, put_prefixed, put_varint, take_prefixed, take_varint,
};
use serde::{Deserialize, Serialize};

/// The first answer to a change; never altered. Where the change is now is its standing, altered by rulings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Verdict {
    /// In force at its own place.
    Accepted = 0,
    /// In force, and other values stand beside it until a person writes having seen them.
    Conflict = 1,
    /// A transition whose guard did not hold; kept, shown to a person, without effect.
    NotApplied = 2,
    /// A transition or amendment that waits for something not yet in force, or an intent the server does not know yet.
    Held = 3,
    /// Something is wrong with it: it names the field and how to repair. Blocks nothing else.
    Quarantined = 4,
}

impl Verdict {
    /// All of them, for tables and tests.
    pub const ALL: [Self; 5] = [
        Self::Accepted,
        Self::Conflict,
        Self::NotApplied,
        Self::Held,
        Self::Quarantined,
    ];

    /// From its code on the wire.
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| *verdict as u64 == code)
    }

    /// Whether the change has its effect at its own place.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Accepted | Self::Conflict)
    }
}

/// Remarks on an admitted change, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Marks(pub u32);

impl Marks {
    /// Repeats a change of a forked branch that is in the log already: no second effect.
    pub const REPEAT: Self = Self(1);
    /// Comes from a forked branch: feeds no points until the desk has looked.
    pub const FORKED: Self = Self(2);
    /// The right had ended when it arrived, but held at some time when it may have been made.
    pub const RIGHT_ENDED: Self = Self(4);
    /// The device's clock had to be bounded by more than a minute.
    pub const CLOCK_BOUNDED: Self = Self(8);
    /// Was offered again after a restore, under a valid receipt; not decided again.
    pub const REOFFERED: Self = Self(16);

    /// Whether all bits of `other` are set.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of bits.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// What can be wrong with a change. The text is stable and names the message `problem.<text>` of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ProblemCode { $($(#[$doc])* $variant,)+ }

        impl ProblemCode {
            /// All of them, for the catalogue's tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// From the stable text; `None` for a code of a later version.
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

problem_codes! {
    /// The header or the open part cannot be read.
    Unreadable = "unreadable",
    /// A field that must be there is missing.
    Required = "required",
    /// A text or list is longer than its limit.
    TooLong = "too_long",
    /// A text holds a control character.
    ControlCharacter = "control_character",
    /// A number, coordinate or time is out of its range.
    OutOfRange = "out_of_range",
    /// A choice is not one of the known ones.
    UnknownChoice = "unknown_choice",
    /// An id is not in its canonical form.
    NotCanonical = "not_canonical",
    /// A value has the wrong type.
    WrongType = "wrong_type",
    /// A field stands twice.
    DuplicateField = "duplicate_field",
    /// An amendment changes nothing.
    NothingToChange = "nothing_to_change",
    /// The payload has more fields, or nests deeper, than the limits allow.
    TooManyFields = "too_many_fields",
    /// The author has no role that allows it here.
    RightMissing = "right_missing",
    /// The replica was revoked before this arrived.
    ReplicaRevoked = "replica_revoked",
    /// The record exists already.
    RecordExists = "record_exists",
    /// The record is of another kind than the intent is for.
    WrongKind = "wrong_kind",
    /// The record is not in force yet.
    RecordMissing = "record_missing",
    /// What the author saw outside the log is not in force yet.
    NeedsMissing = "needs_missing",
    /// The server does not know this intent or this version of it yet.
    IntentUnknown = "intent_unknown",
    /// The transition table has no such step from the present state.
    TransitionNotAllowed = "transition_not_allowed",
    /// Somebody else moved the record since the author looked.
    StateMovedOn = "state_moved_on",
    /// The step needs a field that is not there.
    FieldNeededForTransition = "field_needed_for_transition",
    /// Who handled a case may not verify it.
    HandlerMayNotVerify = "handler_may_not_verify",
    /// The step may be taken only once.
    OnlyOnce = "only_once",
    /// What it says it repairs is no quarantined change of this author.
    NothingToRepair = "nothing_to_repair",
    /// The district's patrol plan asks for no tracks.
    TrackNotAsked = "track_not_asked",
}

/// One thing that is wrong with a change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong.
    pub code: ProblemCode,
    /// The text of a code that only a later version knows, for which `code` says unreadable; empty otherwise. A receipt's
    /// signature covers it, so that it must come out as it came in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub later_code: String,
    /// The field it is about, as a dotted path; empty when it is about the whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// The limit, state or choice that the message names; empty when there is none. Never another person's value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub limit: String,
}

impl Problem {
    /// A problem with the change as a whole.
    pub fn whole(code: ProblemCode) -> Self {
        Self {
            code,
            later_code: String::new(),
            field: String::new(),
            limit: String::new(),
        }
    }

    /// A problem with one field.
    pub fn field(code: ProblemCode, field: impl Into<String>) -> Self {
        Self {
            code,
            later_code: String::new(),
            field: field.into(),
            limit: String::new(),
        }
    }

    /// Names the limit, state or choices.
    #[must_use]
    pub fn limit(mut self, limit: impl ToString) -> Self {
        self.limit = limit.to_string();
        self
    }
}

/// The verdict on one change with all that belongs to it; these bytes are what a receipt's digest covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// Remarks.
    pub marks: Marks,
    /// Every problem, empty when accepted.
    pub problems: Vec<Problem>,
}

impl Answer {
    /// Accepted without remark, the most frequent answer by far.
    pub fn accepted() -> Self {
        Self {
            verdict: Verdict::Accepted,
            marks: Marks::default(),
            problems: Vec::new(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.nonzero(1, self.verdict as u64)
            .nonzero(2, u64::from(self.marks.0));
        for problem in &self.problems {
            let mut nested = FieldWriter::default();
            let code = match problem.later_code.as_str() {
                "" => problem.code.as_str(),
                later => later,
            };
            nested.bytes(1, code.as_bytes());
            if !problem.field.is_empty() {
                nested.bytes(2, problem.field.as_bytes());
            }
            if !problem.limit.is_empty() {
                nested.bytes(3, problem.limit.as_bytes());
            }
            out.bytes(3, &nested.finish());
        }
        out.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let fields = Fields::read(bytes, &[3])?;
        let verdict = fields.optional_integer(1)?.unwrap_or(0);
        let problems = fields
            .repeated_bytes(3)?
            .into_iter()
            .map(decode_problem)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            verdict: Verdict::from_code(verdict).ok_or(CodecError::BadField(1))?,
            marks: Marks(fields.u32_or_zero(2)?),
            problems,
        })
    }
}

fn decode_problem(bytes: &[u8]) -> Result<Problem, CodecError> {
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| CodecError::BadField(3));
    let fields = Fields::read(bytes, &[])?;
    let text_of_code = text(fields.optional_bytes(1)?.ok_or(CodecError::Missing(1))?)?;
    let code = ProblemCode::from_text(&text_of_code);
    Ok(Problem {
        // A code of a later server still says that something is wrong, and with which field.
        code: code.unwrap_or(ProblemCode::Unreadable),
        later_code: if code.is_some() {
            String::new()
        } else {
            text_of_code
        },
        field: text(fields.optional_bytes(2)?.unwrap_or_default())?,
        limit: text(fields.optional_bytes(3)?.unwrap_or_default())?,
    })
}

/// The answers to a contiguous range as runs of equal ones: `(varint count, varint length, answer)*`.
pub fn encode_answers(answers: &[Answer]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut index = 0;
    while index < answers.len() {
        let run = answers[index..]
            .iter()
            .take_while(|answer| **answer == answers[index])
            .count();
        put_varint(&mut out, run as u64);
        put_prefixed(&mut out, &answers[index].encode());
        index += run;
    }
    out
}

/// The inverse of [`encode_answers`]; at most `limit` answers.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_answers(mut bytes: &[u8], limit: usize) -> Result<Vec<Answer>, CodecError> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let run = usize::try_from(take_varint(&mut bytes)?).unwrap_or(usize::MAX);
        if run == 0 || run > limit.saturating_sub(answers.len()) {
            return Err(CodecError::OverLimit {
                what: "answers",
                limit,
            });
        }
        let answer = Answer::decode(take_prefixed(&mut bytes, 64 * 1024, "answer bytes")?)?;
        answers.extend(std::iter::repeat_n(answer, run));
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_round_trip_in_runs() {
        let poison = Answer {
            verdict: Verdict::Quarantined,
            marks: Marks::CLOCK_BOUNDED,
            problems: vec![
                Problem::field(ProblemCode::TooLong, "title").limit(100),
                Problem::whole(ProblemCode::RightMissing),
            ],
        };
        let mut answers = vec![Answer::accepted(); 40];
        answers.push(poison);
        answers.extend(vec![Answer::accepted(); 2]);
        let bytes = encode_answers(&answers);
        assert!(bytes.len() < 60, "{}", bytes.len());
        assert_eq!(decode_answers(&bytes, 43).as_ref(), Ok(&answers));
        assert!(decode_answers(&bytes, 42).is_err());
    }

    /// Otherwise the receipt's signature would not fit any more, and the phone would send the change for ever.
    #[test]
    fn a_code_of_a_later_version_is_kept_as_it_came() {
        let later = Answer {
            verdict: Verdict::Quarantined,
            marks: Marks::default(),
            problems: vec![Problem::field(ProblemCode::Required, "title")],
        };
        let mut bytes = encode_answers(&[later]);
        let at = bytes
            .windows(8)
            .position(|window| window == b"required")
            .expect("the code");
        bytes[at..at + 8].copy_from_slice(b"new_code");
        let answers = decode_answers(&bytes, 1).expect("answers");
        assert_eq!(answers[0].problems[0].code, ProblemCode::Unreadable);
        assert_eq!(answers[0].problems[0].field, "title");
        assert_eq!(encode_answers(&answers), bytes);
    }

    #[test]
    fn problem_codes_have_one_stable_text_each() {
        for code in ProblemCode::ALL {
            assert_eq!(ProblemCode::from_text(code.as_str()), Some(*code));
            assert_eq!(
                serde_json::to_string(code).expect("json"),
                format!("\"{}\"", code.as_str())
            );
        }
    }
}
