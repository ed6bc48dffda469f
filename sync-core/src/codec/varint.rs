//! LEB128 integers in their shortest form, and the zigzag map for signed ones.

use super::CodecError;

/// Appends `value` in 1 to 10 bytes.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an integer off the front of `input`.
///
/// # Errors
/// [`CodecError::Truncated`], or [`CodecError::BadInteger`] for a longer form than needed or more than 64 bits:
/// two spellings of one number would give one message two hashes.
pub fn take_varint(input: &mut &[u8]) -> Result<u64, CodecError> {
    let mut value = 0u64;
    for (index, &byte) in input.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && byte > 1 {
            return Err(CodecError::BadInteger);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(CodecError::BadInteger);
            }
            *input = &input[index + 1..];
            return Ok(value);
        }
    }
    Err(if input.len() >= 10 {
        CodecError::BadInteger
    } else {
        CodecError::Truncated
    })
}

/// Maps small negative and positive numbers to small unsigned ones.
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_round_trip(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Ok(value));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }
    }

    #[test]
    fn longer_forms_and_overflows_are_refused() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11]] {
            assert_eq!(
                take_varint(&mut &bytes[..]),
                Err(CodecError::BadInteger),
                "{bytes:?}"
            );
        }
        assert_eq!(take_varint(&mut &[0x80][..]), Err(CodecError::Truncated));
        assert_eq!(take_varint(&mut &[][..]), Err(CodecError::Truncated));
    }

    #[test]
    fn the_tenth_byte_has_room_for_one_bit() {
        for (last, expected) in [
            (0, Err(CodecError::BadInteger)),
            (1, Ok(u64::MAX)),
            (2, Err(CodecError::BadInteger)),
            (0x7f, Err(CodecError::BadInteger)),
        ] {
            let mut bytes = [0xff; 10];
            bytes[9] = last;
            assert_eq!(take_varint(&mut &bytes[..]), expected, "{last}");
        }
    }
}
