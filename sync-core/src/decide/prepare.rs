//! Preparing a change beside the writer: read the header, parse and validate the open part. Needs no state.

use crate::change::{FramedChange, Hash, Header, PartClass, Salt};
use crate::ids::Seq;
use crate::kinds::{Intent, KnownIntents};
use crate::payload::Payload;
use crate::validate;
use crate::verdict::{Problem, ProblemCode};

/// A sealed part with its commitment, to be stored apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPart {
    /// Its retention class.
    pub class: PartClass,
    /// Its salt.
    pub salt: Salt,
    /// As the author wrote it.
    pub bytes: Vec<u8>,
    /// What the chain holds of it.
    pub commitment: Hash,
}

/// A change that was read as far as this version can.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Its place in the chain.
    pub seq: Seq,
    /// Its hash in the chain.
    pub hash: Hash,
    /// The header as sent.
    pub header_bytes: Vec<u8>,
    /// The header as read; `None` when it cannot be.
    pub header: Option<Header>,
    /// The open part as sent; `None` when there is none.
    pub open: Option<Vec<u8>>,
    /// The sealed parts.
    pub sealed: Vec<SealedPart>,
    /// What the intent is; `None` for one that this version does not know, or not in this version.
    pub intent: Option<&'static Intent>,
    /// The payload; `None` when it cannot be read or the intent is not known.
    pub payload: Option<Payload>,
    /// Every problem of header and payload.
    pub problems: Vec<Problem>,
}

/// Reads and validates one change whose place in the chain and hash are known. Never fails: what is wrong is a problem.
pub fn prepare(change: &FramedChange<'_>, seq: Seq, hash: Hash, known: KnownIntents) -> Prepared {
    let sealed = change
        .parts
        .iter()
        .filter(|part| part.class.is_sealed())
        .map(|part| SealedPart {
            class: part.class,
            salt: part
                .salt
                .expect("BUG: a sealed part was read without its salt"),
            bytes: part.bytes.to_vec(),
            commitment: part.commitment(),
        })
        .collect();
    let mut prepared = Prepared {
        seq,
        hash,
        header_bytes: change.header.to_vec(),
        header: None,
        open: change.open().map(<[u8]>::to_vec),
        sealed,
        intent: None,
        payload: None,
        problems: Vec::new(),
    };
    match Header::decode(change.header) {
        Ok(header) if header.seq == seq => {
            prepared.intent = known.find(&header.intent, header.schema);
            prepared.header = Some(header);
        }
        // A header that names another place than the frame does cannot be trusted in anything.
        _ => prepared
            .problems
            .push(Problem::whole(ProblemCode::Unreadable)),
    }
    if let Some(intent) = prepared.intent {
        (prepared.payload, prepared.problems) = validate::read_and_validate(intent, change.open());
        for part in &prepared.sealed {
            let known = matches!(part.class, PartClass::PERSON | PartClass::WHEREABOUTS);
            if known && !validate::is_json_object(&part.bytes) {
                prepared.problems.push(Problem::field(
                    ProblemCode::Unreadable,
                    format!("part.{}", part.class.0),
                ));
            }
        }
    }
    prepared
}
