//! Tagged fields: a writer that keeps them in order and a reader that refuses any other order.

use super::{CodecError, put_prefixed, put_varint, take, take_varint, unzigzag, zigzag};
use crate::ids::Epoch;
use crate::limits;

/// One field's value as it stands in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Shape 0.
    Integer(u64),
    /// Shape 1.
    Bytes(&'a [u8]),
}

/// Writes fields in ascending tag order; a lower tag after a higher one is our own bug and panics.
#[derive(Debug, Default)]
pub struct FieldWriter {
    out: Vec<u8>,
    last: u64,
}

impl FieldWriter {
    /// Starts after `prefix`, bytes that stand before the first field (a version and suite, say).
    pub fn after(prefix: &[u8]) -> Self {
        Self {
            out: prefix.to_vec(),
            last: 0,
        }
    }

    fn tag(&mut self, tag: u64, shape: u64) {
        assert!(
            tag >= self.last && tag > 0,
            "BUG: field {tag} written after field {}",
            self.last
        );
        self.last = tag;
        put_varint(&mut self.out, tag << 1 | shape);
    }

    /// Writes an unsigned integer.
    pub fn integer(&mut self, tag: u64, value: u64) -> &mut Self {
        self.tag(tag, 0);
        put_varint(&mut self.out, value);
        self
    }

    /// Writes a signed integer, zigzag.
    pub fn signed(&mut self, tag: u64, value: i64) -> &mut Self {
        self.integer(tag, zigzag(value))
    }

    /// Writes bytes.
    pub fn bytes(&mut self, tag: u64, value: &[u8]) -> &mut Self {
        self.tag(tag, 1);
        put_prefixed(&mut self.out, value);
        self
    }

    /// Writes an integer when there is one.
    pub fn optional(&mut self, tag: u64, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.integer(tag, value);
        }
        self
    }

    /// Writes an integer unless it is 0, which is what a reader takes a missing one for.
    pub fn nonzero(&mut self, tag: u64, value: u64) -> &mut Self {
        self.optional(tag, (value != 0).then_some(value))
    }

    /// The bytes written so far.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// Reads fields one by one, checking order and form.
#[derive(Debug, Clone)]
pub struct FieldReader<'a> {
    rest: &'a [u8],
    last: u64,
}

impl<'a> FieldReader<'a> {
    /// Reads `bytes` to their end.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            last: 0,
        }
    }

    /// The next field, `None` at the end.
    ///
    /// # Errors
    /// See [`CodecError`]; a tag equal to the one before is left to the caller.
    #[expect(
        clippy::should_implement_trait,
        reason = "a fallible next reads better than an iterator of results here"
    )]
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, CodecError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = take_varint(&mut self.rest)?;
        let tag = key >> 1;
        if tag == 0 || tag < self.last {
            return Err(CodecError::OutOfOrder(tag));
        }
        self.last = tag;
        let value = if key & 1 == 0 {
            Value::Integer(take_varint(&mut self.rest)?)
        } else {
            let length =
                usize::try_from(take_varint(&mut self.rest)?).map_err(|_| CodecError::Truncated)?;
            Value::Bytes(take(&mut self.rest, length)?)
        };
        Ok(Some((tag, value)))
    }
}

/// All fields of a message, looked up by tag.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    fields: Vec<(u64, Value<'a>)>,
}

impl<'a> Fields<'a> {
    /// Reads `bytes` whole; tags in `repeatable` may stand more than once.
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn read(bytes: &'a [u8], repeatable: &[u64]) -> Result<Self, CodecError> {
        let mut reader = FieldReader::new(bytes);
        let mut fields: Vec<(u64, Value<'a>)> = Vec::with_capacity(16);
        while let Some((tag, value)) = reader.next()? {
            if fields.last().is_some_and(|(last, _)| *last == tag) && !repeatable.contains(&tag) {
                return Err(CodecError::OutOfOrder(tag));
            }
            fields.push((tag, value));
        }
        Ok(Self { fields })
    }

    fn find(&self, tag: u64) -> Option<Value<'a>> {
        self.fields
            .iter()
            .find(|(at, _)| *at == tag)
            .map(|(_, value)| *value)
    }

    /// An integer that may be missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] when the field holds bytes.
    pub fn optional_integer(&self, tag: u64) -> Result<Option<u64>, CodecError> {
        match self.find(tag) {
            None => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(value)),
            Some(Value::Bytes(_)) => Err(CodecError::BadField(tag)),
        }
    }

    /// An integer that must be there.
    ///
    /// # Errors
    /// [`CodecError::Missing`] or [`CodecError::BadField`].
    pub fn integer(&self, tag: u64) -> Result<u64, CodecError> {
        self.optional_integer(tag)?.ok_or(CodecError::Missing(tag))
    }

    /// A 32-bit integer; 0 when missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] when it does not fit.
    pub fn u32_or_zero(&self, tag: u64) -> Result<u32, CodecError> {
        u32::try_from(self.optional_integer(tag)?.unwrap_or(0))
            .map_err(|_| CodecError::BadField(tag))
    }

    /// An epoch; 0 when missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] beyond [`limits::EPOCH_MAX`].
    pub fn epoch(&self, tag: u64) -> Result<Epoch, CodecError> {
        let epoch = self.u32_or_zero(tag)?;
        (epoch <= limits::EPOCH_MAX)
            .then_some(Epoch(epoch))
            .ok_or(CodecError::BadField(tag))
    }

    /// A signed integer; `None` when missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] when the field holds bytes.
    pub fn optional_signed(&self, tag: u64) -> Result<Option<i64>, CodecError> {
        Ok(self.optional_integer(tag)?.map(unzigzag))
    }

    /// Bytes that may be missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] when the field holds an integer.
    pub fn optional_bytes(&self, tag: u64) -> Result<Option<&'a [u8]>, CodecError> {
        match self.find(tag) {
            None => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Value::Integer(_)) => Err(CodecError::BadField(tag)),
        }
    }

    /// Exactly `N` bytes that may be missing.
    ///
    /// # Errors
    /// [`CodecError::BadField`] for another length or shape.
    pub fn optional_array<const N: usize>(&self, tag: u64) -> Result<Option<[u8; N]>, CodecError> {
        self.optional_bytes(tag)?
            .map(|bytes| bytes.try_into().map_err(|_| CodecError::BadField(tag)))
            .transpose()
    }

    /// Exactly `N` bytes that must be there.
    ///
    /// # Errors
    /// [`CodecError::Missing`] or [`CodecError::BadField`].
    pub fn array<const N: usize>(&self, tag: u64) -> Result<[u8; N], CodecError> {
        self.optional_array(tag)?.ok_or(CodecError::Missing(tag))
    }

    /// All byte values of a repeatable tag, in order.
    ///
    /// # Errors
    /// [`CodecError::BadField`] when one is an integer.
    pub fn repeated_bytes(&self, tag: u64) -> Result<Vec<&'a [u8]>, CodecError> {
        self.fields
            .iter()
            .filter(|(at, _)| *at == tag)
            .map(|(_, value)| match value {
                Value::Bytes(bytes) => Ok(*bytes),
                Value::Integer(_) => Err(CodecError::BadField(tag)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip_and_unknown_ones_are_skipped() {
        let mut writer = FieldWriter::default();
        writer
            .integer(1, 7)
            .signed(2, -3)
            .bytes(9, b"later")
            .bytes(9, b"again");
        let bytes = writer.finish();
        let fields = Fields::read(&bytes, &[9]).expect("own bytes");
        assert_eq!(fields.integer(1), Ok(7));
        assert_eq!(fields.optional_signed(2), Ok(Some(-3)));
        assert_eq!(fields.optional_integer(5), Ok(None));
        assert_eq!(
            fields.repeated_bytes(9).expect("bytes"),
            [b"later", b"again"]
        );
    }

    #[test]
    fn disorder_repetition_and_truncation_are_refused() {
        let cases: [(&[u8], CodecError); 4] = [
            (&[4, 1, 2, 1], CodecError::OutOfOrder(1)),
            (&[2, 1, 2, 1], CodecError::OutOfOrder(1)),
            (&[3, 5, 1], CodecError::Truncated),
            (&[0, 1], CodecError::OutOfOrder(0)),
        ];
        for (bytes, error) in cases {
            assert_eq!(Fields::read(bytes, &[]).err(), Some(error), "{bytes:?}");
        }
    }
}
