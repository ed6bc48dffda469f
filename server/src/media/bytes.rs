//! Reading big- and little-endian numbers and pieces off a slice, with a refusal instead of a panic at its end.

use super::Refusal;

const SHORT: Refusal = Refusal::Malformed("it breaks off");

/// The bytes at `from..from + length`.
pub(super) fn piece(bytes: &[u8], from: usize, length: usize) -> Result<&[u8], Refusal> {
    let to = from.checked_add(length).ok_or(SHORT)?;
    bytes.get(from..to).ok_or(SHORT)
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Result<[u8; N], Refusal> {
    let taken = piece(bytes, from, N)?;
    Ok(taken.try_into().expect("BUG: a piece has its length"))
}

/// Two bytes, the greater one first.
pub(super) fn be16(bytes: &[u8], from: usize) -> Result<u16, Refusal> {
    array(bytes, from).map(u16::from_be_bytes)
}

/// Four bytes, the greatest one first.
pub(super) fn be32(bytes: &[u8], from: usize) -> Result<u32, Refusal> {
    array(bytes, from).map(u32::from_be_bytes)
}

/// Eight bytes, the greatest one first.
pub(super) fn be64(bytes: &[u8], from: usize) -> Result<u64, Refusal> {
    array(bytes, from).map(u64::from_be_bytes)
}

/// Two bytes, the lesser one first.
pub(super) fn le16(bytes: &[u8], from: usize) -> Result<u16, Refusal> {
    array(bytes, from).map(u16::from_le_bytes)
}

/// Three bytes, the least one first.
pub(super) fn le24(bytes: &[u8], from: usize) -> Result<u32, Refusal> {
    let [low, middle, high] = array(bytes, from)?;
    Ok(u32::from_le_bytes([low, middle, high, 0]))
}

/// Four bytes, the least one first.
pub(super) fn le32(bytes: &[u8], from: usize) -> Result<u32, Refusal> {
    array(bytes, from).map(u32::from_le_bytes)
}
