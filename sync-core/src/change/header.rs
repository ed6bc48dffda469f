//! A change's header: who did what to which record, looking at what, when. Stored and hashed as the author wrote it.

use super::{FRAME_VERSION, Hash, SUITE};
use crate::codec::{CodecError, FieldWriter, Fields};
use crate::ids::{
    DocumentsVersion, Epoch, LogPlace, PersonId, Pos, RecordId, ReplicaId, Seq, UnitId,
};
use crate::time::Evidence;

/// The identity of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId {
    /// The replica that made it.
    pub replica: ReplicaId,
    /// Its place in that replica's chain.
    pub seq: Seq,
}

/// How work came to the one who entered it for somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// A telephone call.
    Telephone = 1,
    /// A sheet of paper.
    Paper = 2,
    /// A text message.
    Message = 3,
    /// The leader of a patrol ticked a member who was there.
    Leader = 4,
}

impl Source {
    fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            1 => Self::Telephone,
            2 => Self::Paper,
            3 => Self::Message,
            4 => Self::Leader,
            _ => return None,
        })
    }
}

/// Whose work a change is, when another person enters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct For {
    /// Whose work it is.
    pub person: PersonId,
    /// How the author came to know of it.
    pub source: Source,
    /// When it was done, milliseconds since 1970, as the author says.
    pub happened_at_ms: i64,
}

/// Something that the author saw outside the log, and that must be in force first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// A change, such as the leader's that a member's code came from.
    Change(ChangeId),
    /// A record, such as the visit that this one confirms.
    Record(RecordId),
}

/// The change of a forked branch that this one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its identity on the branch.
    pub change: ChangeId,
    /// Its hash, which tells it from another change under the same identity.
    pub hash: Hash,
}

/// The header of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Place in the author's chain.
    pub seq: Seq,
    /// What it is about.
    pub record: RecordId,
    /// The unit that the author takes the record to belong to.
    pub unit: UnitId,
    /// The named intent, such as `report.create`.
    pub intent: String,
    /// Version of the intent's payload.
    pub schema: u32,
    /// Version of the documents (categories ...) the form was made from.
    pub documents: DocumentsVersion,
    /// Up to where the author's copy of the record was complete when the form was opened.
    pub base: LogPlace,
    /// Evidence of when.
    pub at: Evidence,
    /// Whose work it is, if not the author's.
    pub for_person: Option<For>,
    /// What must be in force first.
    pub needs: Option<Needs>,
    /// The quarantined change that this one replaces.
    pub repairs: Option<ChangeId>,
    /// The change of a forked branch that this one repeats.
    pub origin: Option<Origin>,
}

mod tag {
    pub const SEQ: u64 = 1;
    pub const RECORD: u64 = 2;
    pub const UNIT: u64 = 3;
    pub const INTENT: u64 = 4;
    pub const SCHEMA: u64 = 5;
    pub const DOCUMENTS: u64 = 6;
    pub const BASE_EPOCH: u64 = 7;
    pub const BASE_POS: u64 = 8;
    pub const WALL_MS: u64 = 9;
    pub const MONOTONIC_MS: u64 = 10;
    pub const BOOT: u64 = 11;
    pub const SKEW_MS: u64 = 12;
    pub const FOR: u64 = 13;
    pub const NEEDS: u64 = 14;
    pub const REPAIRS: u64 = 15;
    pub const ORIGIN: u64 = 16;
}

impl ChangeId {
    fn encode(self) -> Vec<u8> {
        let mut out = FieldWriter::default();
        out.bytes(1, self.replica.as_bytes()).integer(2, self.seq.0);
        out.finish()
    }

    fn decode(fields: &Fields<'_>) -> Result<Self, CodecError> {
        let replica = fields.array::<16>(1)?;
        Ok(Self {
            replica: ReplicaId(uuid::Uuid::from_bytes(replica)),
            seq: Seq(fields.integer(2)?),
        })
    }
}

impl Header {
    /// The bytes that are hashed, sent and stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = FieldWriter::after(&[FRAME_VERSION, SUITE]);
        out.integer(tag::SEQ, self.seq.0)
            .bytes(tag::RECORD, self.record.as_bytes())
            .integer(tag::UNIT, u64::from(self.unit.0))
            .bytes(tag::INTENT, self.intent.as_bytes())
            .integer(tag::SCHEMA, u64::from(self.schema))
            .nonzero(tag::DOCUMENTS, u64::from(self.documents.0))
            .nonzero(tag::BASE_EPOCH, u64::from(self.base.epoch.0))
            .nonzero(tag::BASE_POS, self.base.pos.0)
            .signed(tag::WALL_MS, self.at.wall_ms)
            .nonzero(tag::MONOTONIC_MS, self.at.monotonic_ms)
            .nonzero(tag::BOOT, self.at.boot);
        if self.at.skew_ms != 0 {
            out.signed(tag::SKEW_MS, self.at.skew_ms);
        }
        if let Some(whose) = &self.for_person {
            let mut nested = FieldWriter::default();
            nested
                .integer(1, u64::from(whose.person.0))
                .integer(2, whose.source as u64)
                .signed(3, whose.happened_at_ms);
            out.bytes(tag::FOR, &nested.finish());
        }
        if let Some(needs) = &self.needs {
            let bytes = match needs {
                Needs::Change(change) => change.encode(),
                Needs::Record(record) => {
                    let mut nested = FieldWriter::default();
                    nested.bytes(3, record.as_bytes());
                    nested.finish()
                }
            };
            out.bytes(tag::NEEDS, &bytes);
        }
        if let Some(change) = &self.repairs {
            out.bytes(tag::REPAIRS, &change.encode());
        }
        if let Some(origin) = &self.origin {
            let mut nested = FieldWriter::default();
            nested
                .bytes(1, origin.change.replica.as_bytes())
                .integer(2, origin.change.seq.0)
                .bytes(3, &origin.hash.0);
            out.bytes(tag::ORIGIN, &nested.finish());
        }
        out.finish()
    }

    /// Reads a header. Fields that this version does not know are passed over; whoever keeps a header keeps its bytes.
    ///
    /// # Errors
    /// [`CodecError::UnknownVersion`] for another frame version or suite, otherwise what is wrong with which field.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let [FRAME_VERSION, SUITE, rest @ ..] = bytes else {
            return Err(CodecError::UnknownVersion);
        };
        let fields = Fields::read(rest, &[])?;
        let intent = fields
            .optional_bytes(tag::INTENT)?
            .ok_or(CodecError::Missing(tag::INTENT))?;
        let intent = std::str::from_utf8(intent).map_err(|_| CodecError::BadField(tag::INTENT))?;
        if intent.is_empty()
            || intent.len() > 64
            || !intent
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_'))
        {
            return Err(CodecError::BadField(tag::INTENT));
        }
        let seq = Seq(fields.integer(tag::SEQ)?);
        if seq.0 == 0 {
            return Err(CodecError::BadField(tag::SEQ));
        }
        Ok(Self {
            seq,
            record: RecordId(uuid::Uuid::from_bytes(fields.array(tag::RECORD)?)),
            unit: UnitId(fields.u32_or_zero(tag::UNIT)?),
            intent: intent.to_owned(),
            schema: fields.u32_or_zero(tag::SCHEMA)?,
            documents: DocumentsVersion(fields.u32_or_zero(tag::DOCUMENTS)?),
            base: LogPlace {
                epoch: Epoch(fields.u32_or_zero(tag::BASE_EPOCH)?),
                pos: Pos(fields.optional_integer(tag::BASE_POS)?.unwrap_or(0)),
            },
            at: Evidence {
                wall_ms: fields
                    .optional_signed(tag::WALL_MS)?
                    .ok_or(CodecError::Missing(tag::WALL_MS))?,
                monotonic_ms: fields.optional_integer(tag::MONOTONIC_MS)?.unwrap_or(0),
                boot: fields.optional_integer(tag::BOOT)?.unwrap_or(0),
                skew_ms: fields.optional_signed(tag::SKEW_MS)?.unwrap_or(0),
            },
            for_person: fields
                .optional_bytes(tag::FOR)?
                .map(decode_for)
                .transpose()?,
            needs: fields
                .optional_bytes(tag::NEEDS)?
                .map(decode_needs)
                .transpose()?,
            repairs: fields
                .optional_bytes(tag::REPAIRS)?
                .map(|bytes| ChangeId::decode(&Fields::read(bytes, &[])?))
                .transpose()?,
            origin: fields
                .optional_bytes(tag::ORIGIN)?
                .map(decode_origin)
                .transpose()?,
        })
    }
}

fn decode_for(bytes: &[u8]) -> Result<For, CodecError> {
    let fields = Fields::read(bytes, &[])?;
    Ok(For {
        person: PersonId(fields.u32_or_zero(1)?),
        source: Source::from_code(fields.integer(2)?).ok_or(CodecError::BadField(tag::FOR))?,
        happened_at_ms: fields
            .optional_signed(3)?
            .ok_or(CodecError::Missing(tag::FOR))?,
    })
}

fn decode_needs(bytes: &[u8]) -> Result<Needs, CodecError> {
    let fields = Fields::read(bytes, &[])?;
    Ok(match fields.optional_array::<16>(3)? {
        Some(record) => Needs::Record(RecordId(uuid::Uuid::from_bytes(record))),
        None => Needs::Change(ChangeId::decode(&fields)?),
    })
}

fn decode_origin(bytes: &[u8]) -> Result<Origin, CodecError> {
    let fields = Fields::read(bytes, &[])?;
    Ok(Origin {
        change: ChangeId::decode(&fields)?,
        hash: Hash(fields.array(3)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Header {
        let change = ChangeId {
            replica: ReplicaId(uuid::Uuid::from_bytes([3; 16])),
            seq: Seq(5),
        };
        Header {
            seq: Seq(300),
            record: RecordId(uuid::Uuid::from_bytes([9; 16])),
            unit: UnitId(1007),
            intent: "report.transition".into(),
            schema: 1,
            documents: DocumentsVersion(4),
            base: LogPlace {
                epoch: Epoch(2),
                pos: Pos(70_000),
            },
            at: Evidence {
                wall_ms: -5,
                monotonic_ms: 99,
                boot: 7,
                skew_ms: -60_000,
            },
            for_person: Some(For {
                person: PersonId(8),
                source: Source::Leader,
                happened_at_ms: 1,
            }),
            needs: Some(Needs::Change(change)),
            repairs: Some(change),
            origin: Some(Origin {
                change,
                hash: Hash([1; 32]),
            }),
        }
    }

    #[test]
    fn a_header_round_trips_whole_and_bare() {
        let mut bare = full();
        (bare.for_person, bare.needs, bare.repairs, bare.origin) = (None, None, None, None);
        let mut by_record = full();
        by_record.needs = Some(Needs::Record(by_record.record));
        for header in [full(), bare, by_record] {
            assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(&header));
        }
    }

    #[test]
    fn every_truncation_is_an_error_and_no_panic() {
        let bytes = full().encode();
        for length in 0..bytes.len() {
            // Cut at a field's border a header can be whole but for optional fields; it must never equal the original.
            if let Ok(header) = Header::decode(&bytes[..length]) {
                assert_ne!(header, full());
            }
        }
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over() {
        let mut bytes = full().encode();
        let mut later = FieldWriter::default();
        later.bytes(200, b"something new");
        bytes.extend(later.finish());
        assert_eq!(Header::decode(&bytes), Ok(full()));
    }

    #[test]
    fn every_source_keeps_its_code() {
        let sources = [
            (Source::Telephone, 1),
            (Source::Paper, 2),
            (Source::Message, 3),
            (Source::Leader, 4),
        ];
        for (source, code) in sources {
            let mut header = full();
            header.for_person = header.for_person.map(|whose| For { source, ..whose });
            assert_eq!(Header::decode(&header.encode()).as_ref(), Ok(&header));
            assert_eq!(
                (source as u64, Source::from_code(code)),
                (code, Some(source))
            );
        }
        assert_eq!((Source::from_code(0), Source::from_code(5)), (None, None));
    }

    #[test]
    fn an_intents_name_has_1_to_64_small_letters_dots_and_underscores() {
        let longest = "a".repeat(64);
        for (name, fits) in [
            ("a", true),
            ("patrol.check_in", true),
            (longest.as_str(), true),
            ("", false),
            (&"a".repeat(65), false),
            (&"a".repeat(66), false),
            ("report.Create", false),
            ("report create", false),
            ("report.create2", false),
            ("上报", false),
        ] {
            let header = Header {
                intent: name.into(),
                ..full()
            };
            let expected = if fits {
                Ok(header.clone())
            } else {
                Err(CodecError::BadField(tag::INTENT))
            };
            assert_eq!(Header::decode(&header.encode()), expected, "{name}");
        }
    }
}
