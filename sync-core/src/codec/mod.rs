//! Bytes: variable-length integers and tagged fields, the one encoding of headers, requests, answers and receipts.
//!
//! A message is a run of fields in ascending tag order. A field is `varint(tag << 1 | shape)` and then, for
//! shape 0, a varint value, for shape 1, a varint length and that many bytes. A tag may repeat only where the
//! message says so. Integers are LEB128 in their shortest form. A reader skips tags that it does not know.

mod fields;
mod varint;

pub use fields::{FieldReader, FieldWriter, Fields, Value};
pub use varint::{put_varint, take_varint, unzigzag, zigzag};

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end inside a value.
    #[error("the bytes end inside a value")]
    Truncated,
    /// An integer is longer than it needs to be, or does not fit 64 bits.
    #[error("an integer is not in its shortest form or does not fit")]
    BadInteger,
    /// Tags are not in ascending order, or one repeats that may not.
    #[error("field {0} is out of order or repeated")]
    OutOfOrder(u64),
    /// A field that must be there is missing.
    #[error("field {0} is missing")]
    Missing(u64),
    /// A field has another shape, length or range than its meaning allows.
    #[error("field {0} has a wrong shape, length or range")]
    BadField(u64),
    /// Bytes follow where the message should end.
    #[error("bytes follow after the end")]
    Trailing,
    /// The frame's magic, version or suite is not one that this reader knows.
    #[error("unknown frame version or suite")]
    UnknownVersion,
    /// The bytes are not those that were sent: cut, or changed on their way.
    #[error("the message was cut or changed on its way")]
    Spoilt,
    /// A part of the frame is larger than its limit.
    #[error("{what} is larger than its limit of {limit}")]
    OverLimit {
        /// What is too large.
        what: &'static str,
        /// The limit, in the unit of `what`.
        limit: usize,
    },
}

/// Takes `count` bytes off the front of `input`.
///
/// # Errors
/// [`CodecError::Truncated`] when there are fewer.
pub fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], CodecError> {
    if input.len() < count {
        return Err(CodecError::Truncated);
    }
    let (head, tail) = input.split_at(count);
    *input = tail;
    Ok(head)
}

/// Takes a length-prefixed run of bytes of at most `limit` off the front of `input`.
///
/// # Errors
/// [`CodecError::OverLimit`] before anything is read or allocated, [`CodecError::Truncated`] when bytes are missing.
pub fn take_prefixed<'a>(
    input: &mut &'a [u8],
    limit: usize,
    what: &'static str,
) -> Result<&'a [u8], CodecError> {
    let length = take_varint(input)?;
    let length = usize::try_from(length).map_err(|_| CodecError::OverLimit { what, limit })?;
    if length > limit {
        return Err(CodecError::OverLimit { what, limit });
    }
    take(input, length)
}

/// Appends a length-prefixed run of bytes.
pub fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
