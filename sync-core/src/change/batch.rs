//! A batch's framing by lengths: headers first, then parts, so that whoever cannot read a header can still
//! hash, chain, keep and relay it.

use super::{Hash, Salt, change_hash, commitment, hash_parts};
use crate::codec::{CodecError, put_prefixed, put_varint, take, take_prefixed, take_varint};
use crate::ids::{DistrictId, ReplicaId, Seq};
use crate::limits;

/// The retention class of a part. Classes that this version does not know are framed and kept all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartClass(pub u8);

impl PartClass {
    /// Open payload: decisions and points use nothing else.
    pub const OPEN: Self = Self(0);
    /// Personal fields: contacts, names of parties.
    pub const PERSON: Self = Self(1);
    /// Whereabouts: tracks and the worker's own position.
    pub const WHEREABOUTS: Self = Self(2);

    /// Whether a part of this class is salted and kept apart.
    pub fn is_sealed(self) -> bool {
        self != Self::OPEN
    }
}

/// One part of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its class.
    pub class: PartClass,
    /// 16 random bytes of a sealed part.
    pub salt: Option<Salt>,
    /// JSON, as the author wrote it.
    pub bytes: &'a [u8],
}

impl Part<'_> {
    /// What the chain holds of this part.
    pub fn commitment(&self) -> Hash {
        commitment(self.class, self.salt.as_ref(), self.bytes)
    }
}

/// One change of a batch, cut out but not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramedChange<'a> {
    /// The header's bytes.
    pub header: &'a [u8],
    /// The parts in order; classes ascend, none repeats.
    pub parts: Vec<Part<'a>>,
}

impl FramedChange<'_> {
    /// The open part, if there is one.
    pub fn open(&self) -> Option<&[u8]> {
        self.parts
            .iter()
            .find(|part| part.class == PartClass::OPEN)
            .map(|part| part.bytes)
    }
}

/// The changes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch<'a> {
    /// In chain order.
    pub changes: Vec<FramedChange<'a>>,
}

impl<'a> Batch<'a> {
    /// Cuts `count` changes out of `input`, which must end with them.
    ///
    /// # Errors
    /// What is truncated, trailing, out of order or over its limit. Nothing is allocated beyond the limits.
    pub fn read(count: usize, mut input: &'a [u8]) -> Result<Self, CodecError> {
        if count > limits::BATCH_CHANGES_MAX {
            return Err(CodecError::OverLimit {
                what: "changes in a batch",
                limit: limits::BATCH_CHANGES_MAX,
            });
        }
        let mut headers = Vec::with_capacity(count);
        for _ in 0..count {
            headers.push(take_prefixed(
                &mut input,
                limits::HEADER_BYTES_MAX,
                "header bytes",
            )?);
        }
        let mut changes = Vec::with_capacity(count);
        for header in headers {
            changes.push(FramedChange {
                header,
                parts: read_parts(&mut input)?,
            });
        }
        if input.is_empty() {
            Ok(Self { changes })
        } else {
            Err(CodecError::Trailing)
        }
    }

    /// The hash of each change, continuing the chain at `first` after `prev`.
    pub fn chain(
        &self,
        district: DistrictId,
        replica: ReplicaId,
        first: Seq,
        prev: Hash,
    ) -> Vec<Hash> {
        let mut prev = prev;
        let mut seq = first;
        let mut hashes = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            prev = change_hash(
                district,
                replica,
                seq,
                prev,
                change.header,
                &hash_parts(&change.parts),
            );
            hashes.push(prev);
            seq = seq.next();
        }
        hashes
    }
}

fn read_parts<'a>(input: &mut &'a [u8]) -> Result<Vec<Part<'a>>, CodecError> {
    let count = take_varint(input)?;
    if count > limits::PARTS_MAX as u64 {
        return Err(CodecError::OverLimit {
            what: "parts of a change",
            limit: limits::PARTS_MAX,
        });
    }
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let class = PartClass(take(input, 1)?[0]);
        if parts.last().is_some_and(|last| last.class >= class) {
            return Err(CodecError::OutOfOrder(u64::from(class.0)));
        }
        let salt = if class.is_sealed() {
            Some(take(input, 16)?.try_into().expect("BUG: took 16 bytes"))
        } else {
            None
        };
        let bytes = take_prefixed(input, limits::PART_BYTES_MAX, "part bytes")?;
        parts.push(Part { class, salt, bytes });
    }
    Ok(parts)
}

/// Builds a batch's bytes.
#[derive(Debug, Default)]
pub struct BatchWriter {
    headers: Vec<u8>,
    parts: Vec<u8>,
    count: usize,
}

impl BatchWriter {
    /// Appends a change. Parts stand in ascending order of class.
    pub fn push(&mut self, header: &[u8], parts: &[Part<'_>]) {
        put_prefixed(&mut self.headers, header);
        put_varint(&mut self.parts, parts.len() as u64);
        for part in parts {
            self.parts.push(part.class.0);
            if let Some(salt) = &part.salt {
                self.parts.extend_from_slice(salt);
            }
            put_prefixed(&mut self.parts, part.bytes);
        }
        self.count += 1;
    }

    /// How many changes were appended.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.headers.len() + self.parts.len()
    }

    /// Whether nothing was appended.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Headers, then parts.
    pub fn finish(mut self) -> Vec<u8> {
        self.headers.append(&mut self.parts);
        self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_round_trips_with_classes_that_nobody_knows_yet() {
        let parts = [
            Part {
                class: PartClass::OPEN,
                salt: None,
                bytes: b"{}",
            },
            Part {
                class: PartClass(77),
                salt: Some([5; 16]),
                bytes: b"sealed",
            },
        ];
        let mut writer = BatchWriter::default();
        writer.push(b"first", &parts);
        writer.push(b"", &[]);
        let bytes = writer.finish();
        let batch = Batch::read(2, &bytes).expect("own bytes");
        assert_eq!(batch.changes[0].parts, parts);
        assert_eq!(batch.changes[1].parts, []);
        for length in 0..bytes.len() {
            assert!(Batch::read(2, &bytes[..length]).is_err(), "{length}");
        }
        assert!(
            Batch::read(1, &bytes).is_err(),
            "a batch ends where its count says"
        );
    }

    #[test]
    fn the_counts_and_sizes_are_limited_before_anything_is_allocated() {
        assert!(matches!(
            Batch::read(501, &[]),
            Err(CodecError::OverLimit { .. })
        ));
        assert!(matches!(
            Batch::read(1, &[0xff, 0xff, 0xff, 0x7f]),
            Err(CodecError::OverLimit { .. })
        ));
        assert!(matches!(
            Batch::read(1, &[0, 9]),
            Err(CodecError::OverLimit { .. })
        ));
        // Two parts of one class would leave it open which of them counts.
        assert_eq!(
            Batch::read(1, &[0, 2, 0, 0, 0, 0]).err(),
            Some(CodecError::OutOfOrder(0))
        );
    }

    #[test]
    fn a_writer_says_how_many_changes_and_bytes_it_has() {
        let mut writer = BatchWriter::default();
        assert_eq!(
            (writer.count(), writer.len(), writer.is_empty()),
            (0, 0, true)
        );
        let part = Part {
            class: PartClass::OPEN,
            salt: None,
            bytes: b"{}",
        };
        for count in 1..=3 {
            writer.push(b"header", &[part]);
            // A header takes 7 bytes, its parts 5: their count, class, length and content.
            assert_eq!((writer.count(), writer.len()), (count, 12 * count));
        }
        assert_eq!(writer.finish().len(), 36);
    }
}
