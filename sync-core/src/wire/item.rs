//! Items of a page: entries of records that the replica holds, whole images, records that leave the scope, rulings.

use crate::codec::{CodecError, FieldWriter, Fields, put_prefixed, take_prefixed};
use crate::entry::RulingKind;
use crate::ids::{LogPlace, PersonId, Pos, RecordId, ReplicaNo, Seq};
use crate::limits;
use crate::verdict::{Answer, decode_answers, encode_answers};

/// An entry of the log: a change with what was decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryItem {
    /// Its place.
    pub place: LogPlace,
    /// Its first place, when it was taken back in after a restore.
    pub first_place: Option<LogPlace>,
    /// The author's replica.
    pub replica: ReplicaNo,
    /// The author.
    pub person: PersonId,
    /// When it was done.
    pub time_ms: i64,
    /// What was decided.
    pub answer: Answer,
    /// The header as the author wrote it.
    pub header: Vec<u8>,
    /// The open part as the author wrote it.
    pub open: Option<Vec<u8>>,
}

/// A record's whole state at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageItem {
    /// Which record.
    pub record: RecordId,
    /// Its own place: the greatest at which an entry touched it.
    pub pos: Pos,
    /// Its image.
    pub image: Vec<u8>,
}

/// A ruling about one of the replica's own changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulingItem {
    /// The ruling's place.
    pub pos: Pos,
    /// What it decides.
    pub ruling: RulingKind,
    /// The change's replica ...
    pub replica: ReplicaNo,
    /// ... and place in its chain.
    pub seq: Seq,
    /// What holds from here on.
    pub answer: Answer,
    /// The reason that the person gave.
    pub reason: String,
}

/// One item of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An entry of a record that the replica holds, or one of its own.
    Entry(EntryItem),
    /// A record's whole state: first sync, entering the scope, repair, a ruling that changed it, an upgrade.
    Image(ImageItem),
    /// A record that is no longer in the scope.
    Leave(RecordId),
    /// A ruling about an own change.
    Ruling(RulingItem),
}

const RULINGS: [(RulingKind, u64); 6] = [
    (RulingKind::Released, 1),
    (RulingKind::Admitted, 2),
    (RulingKind::Rejected, 3),
    (RulingKind::Repaired, 4),
    (RulingKind::Erased, 5),
    (RulingKind::Seen, 6),
];

/// Appends an item: varint length, then fields, of which 1 says what it is.
pub fn write_item(out: &mut Vec<u8>, item: &Item) {
    let mut fields = FieldWriter::default();
    match item {
        Item::Entry(entry) => {
            let first = entry.first_place.unwrap_or_default();
            fields
                .integer(1, 1)
                .integer(2, u64::from(entry.place.epoch.0))
                .integer(3, entry.place.pos.0)
                .nonzero(4, u64::from(first.epoch.0))
                .nonzero(5, first.pos.0)
                .integer(6, u64::from(entry.replica.0))
                .integer(7, u64::from(entry.person.0))
                .signed(8, entry.time_ms)
                .bytes(9, &encode_answers(std::slice::from_ref(&entry.answer)))
                .bytes(10, &entry.header);
            if let Some(open) = &entry.open {
                fields.bytes(11, open);
            }
        }
        Item::Image(image) => {
            fields
                .integer(1, 2)
                .integer(3, image.pos.0)
                .bytes(12, image.record.as_bytes())
                .bytes(13, &image.image);
        }
        Item::Leave(record) => {
            fields.integer(1, 3).bytes(12, record.as_bytes());
        }
        Item::Ruling(ruling) => {
            let code = RULINGS
                .iter()
                .find(|(kind, _)| *kind == ruling.ruling)
                .map_or(0, |(_, code)| *code);
            fields
                .integer(1, 4)
                .integer(3, ruling.pos.0)
                .integer(6, u64::from(ruling.replica.0))
                .bytes(9, &encode_answers(std::slice::from_ref(&ruling.answer)))
                .integer(14, ruling.seq.0)
                .integer(15, code);
            if !ruling.reason.is_empty() {
                fields.bytes(16, ruling.reason.as_bytes());
            }
        }
    }
    put_prefixed(out, &fields.finish());
}

/// Reads items one after the other; an item of a later version is passed over as `None`.
///
/// # Errors
/// Stops at the first item that is wrong, with what is wrong.
pub fn read_items(mut bytes: &[u8]) -> impl Iterator<Item = Result<Option<Item>, CodecError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let item =
            take_prefixed(&mut bytes, limits::REQUEST_BYTES_MAX, "item bytes").and_then(read_item);
        if item.is_err() {
            bytes = &[];
        }
        Some(item)
    })
}

fn read_item(bytes: &[u8]) -> Result<Option<Item>, CodecError> {
    let fields = Fields::read(bytes, &[])?;
    let record = || {
        fields
            .array::<16>(12)
            .map(|bytes| RecordId(uuid::Uuid::from_bytes(bytes)))
    };
    let answer = || {
        let answers = decode_answers(fields.optional_bytes(9)?.ok_or(CodecError::Missing(9))?, 1)?;
        answers.into_iter().next().ok_or(CodecError::BadField(9))
    };
    let pos = || fields.integer(3).map(Pos);
    let replica = || fields.u32_or_zero(6).map(ReplicaNo);
    Ok(Some(match fields.integer(1)? {
        1 => {
            let first = LogPlace {
                epoch: fields.epoch(4)?,
                pos: Pos(fields.optional_integer(5)?.unwrap_or(0)),
            };
            Item::Entry(EntryItem {
                place: LogPlace {
                    epoch: fields.epoch(2)?,
                    pos: pos()?,
                },
                first_place: (first != LogPlace::default()).then_some(first),
                replica: replica()?,
                person: PersonId(fields.u32_or_zero(7)?),
                time_ms: fields.optional_signed(8)?.ok_or(CodecError::Missing(8))?,
                answer: answer()?,
                header: fields
                    .optional_bytes(10)?
                    .ok_or(CodecError::Missing(10))?
                    .to_vec(),
                open: fields.optional_bytes(11)?.map(<[u8]>::to_vec),
            })
        }
        2 => Item::Image(ImageItem {
            record: record()?,
            pos: pos()?,
            image: fields
                .optional_bytes(13)?
                .ok_or(CodecError::Missing(13))?
                .to_vec(),
        }),
        3 => Item::Leave(record()?),
        4 => {
            let code = fields.integer(15)?;
            let Some((ruling, _)) = RULINGS.iter().find(|(_, known)| *known == code) else {
                return Ok(None);
            };
            let reason = fields.optional_bytes(16)?.unwrap_or_default();
            Item::Ruling(RulingItem {
                pos: pos()?,
                ruling: *ruling,
                replica: replica()?,
                seq: Seq(fields.integer(14)?),
                answer: answer()?,
                reason: String::from_utf8(reason.to_vec()).map_err(|_| CodecError::BadField(16))?,
            })
        }
        _ => return Ok(None),
    }))
}
