//! One place of the district's log: a change with its admission, a ruling, or a directory entry; and the chain over them.

use crate::change::Hash;
use crate::codec::FieldWriter;
use crate::ids::{LogPlace, PersonId, Pos, ReplicaNo, Seq};
use crate::verdict::{Answer, Marks, Problem, Verdict, encode_answers};
use serde::{Deserialize, Serialize};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EntryKind {
    /// A change with its admission.
    Change = 1,
    /// A ruling about an earlier change.
    Ruling = 2,
    /// A directory entry.
    Directory = 3,
}

impl EntryKind {
    /// From its code.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Change, Self::Ruling, Self::Directory]
            .into_iter()
            .find(|kind| *kind as i64 == code)
    }
}

/// How a ruling ends what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RulingKind {
    /// A held change: what it waited for is in force. Made by the server itself.
    Released,
    /// A person lets a held or quarantined change have its effect.
    Admitted,
    /// A person ends a held or quarantined change without effect.
    Rejected,
    /// A quarantined change was replaced by a repair.
    Repaired,
    /// Sealed parts were deleted; the chain goes on over their commitments.
    Erased,
    /// A person has looked at a step that was not applied, or at what came from a forked branch. Where it stands is as before.
    Seen,
}

impl RulingKind {
    /// Whether the change has its effect at the ruling's place. All others leave the record's state as it was.
    pub fn puts_into_force(self) -> bool {
        matches!(self, Self::Released | Self::Admitted)
    }
}

/// A ruling about an earlier change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What it decides.
    pub ruling: RulingKind,
    /// The place of the change it is about.
    pub of: Pos,
    /// That change's replica ...
    pub replica: ReplicaNo,
    /// ... and place in its chain.
    pub seq: Seq,
    /// The person who ruled; `None` for the server itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
    /// The person's reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The verdict from here on.
    pub verdict: Verdict,
    /// Its marks.
    #[serde(default, skip_serializing_if = "no_marks")]
    pub marks: Marks,
    /// Its problems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

fn no_marks(marks: &Marks) -> bool {
    *marks == Marks::default()
}

impl Ruling {
    /// Whether the change goes on waiting, for a person or a repair: what a held one waited for has come, but the
    /// decision that this made possible was to quarantine it.
    pub fn waits_on(&self) -> bool {
        self.ruling == RulingKind::Released && self.verdict == Verdict::Quarantined
    }

    /// The answer that holds from here on.
    pub fn answer(&self) -> Answer {
        Answer {
            verdict: self.verdict,
            marks: self.marks,
            problems: self.problems.clone(),
        }
    }
}

/// What the log says of an admitted change besides the change itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The author's replica.
    pub replica: ReplicaNo,
    /// The author.
    pub person: PersonId,
    /// Place in the author's chain.
    pub seq: Seq,
    /// Hash in the author's chain.
    pub hash: Hash,
    /// When it arrived.
    pub received_ms: i64,
    /// When it was done.
    pub time_ms: i64,
    /// The verdict.
    pub answer: Answer,
    /// Its first place, when it was taken back in after a restore.
    pub first_place: Option<LogPlace>,
}

impl Admission {
    /// What the log's chain covers of a change: its hash, which stands for header and parts, and the decision.
    pub fn chained_bytes(&self) -> Vec<u8> {
        let first = self.first_place.unwrap_or_default();
        let mut out = FieldWriter::default();
        out.integer(1, u64::from(self.replica.0))
            .integer(2, u64::from(self.person.0))
            .integer(3, self.seq.0)
            .bytes(4, &self.hash.0)
            .signed(5, self.received_ms)
            .signed(6, self.time_ms)
            .bytes(7, &encode_answers(std::slice::from_ref(&self.answer)))
            .nonzero(8, u64::from(first.epoch.0))
            .nonzero(9, first.pos.0);
        out.finish()
    }
}

/// What the log's chain covers of a ruling or a directory entry.
pub fn chained_body(received_ms: i64, body: &[u8]) -> Vec<u8> {
    let mut out = FieldWriter::default();
    out.signed(5, received_ms).bytes(10, body);
    out.finish()
}

/// The log's chain: `SHA-256("gridwork/log/1" | prev | pos | kind | bytes)`, `pos` as eight bytes, most significant first.
pub fn log_hash(prev: Hash, pos: Pos, kind: EntryKind, chained: &[u8]) -> Hash {
    Hash::of(&[
        b"gridwork/log/1",
        &prev.0,
        &pos.0.to_be_bytes(),
        &[kind as u8],
        chained,
    ])
}
