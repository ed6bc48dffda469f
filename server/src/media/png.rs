//! PNG: every chunk walked with its check sum. Kept are the chunks that a decoder needs.

use super::bytes::{be32, piece};
use super::{MediaLimits, Metadata, Refusal, Walked, check_size, exif};
use flate2::Crc;

/// The first eight bytes.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What a decoder needs: header, palette, transparency, pixels and how colours are meant. No text, no time, no profile.
const KEPT: [&[u8; 4]; 9] = [
    b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB", b"cHRM", b"sBIT",
];

/// Walks the whole image.
pub(super) fn walk(bytes: &[u8], limits: &MediaLimits) -> Result<Walked, Refusal> {
    if !bytes.starts_with(SIGNATURE) {
        return Err(Refusal::TypeDiffers);
    }
    let mut clean = SIGNATURE.to_vec();
    let mut metadata = Metadata::default();
    let mut size = None;
    let mut at = SIGNATURE.len();
    let mut pixels = Pixels::Before;
    loop {
        let length = be32(bytes, at)? as usize;
        let kind = piece(bytes, at + 4, 4)?;
        let content = piece(bytes, at + 8, length)?;
        let chunk = piece(bytes, at, length.saturating_add(12))?;
        if be32(chunk, length + 8)? != sum(&chunk[4..length + 8]) {
            return Err(Refusal::Malformed("a check sum differs"));
        }
        if (at == SIGNATURE.len()) != (kind == b"IHDR") {
            return Err(Refusal::Malformed("the header is not the first chunk"));
        }
        if kind == b"IHDR" {
            let found = (be32(content, 0)?, be32(content, 4)?);
            check_size(found, limits)?;
            size = Some(found);
        } else if kind == b"eXIf" {
            metadata = Metadata {
                // Decoders do not turn a PNG, so nobody has seen it turned.
                orientation: 1,
                ..exif::read(content)
            };
        }
        pixels = pixels.then(kind)?;
        if KEPT.iter().any(|kept| &kept[..] == kind) {
            clean.extend_from_slice(chunk);
        } else if kind[0].is_ascii_uppercase() {
            return Err(Refusal::Malformed("a critical chunk of an unknown kind"));
        }
        at += length + 12;
        if kind == b"IEND" {
            break;
        }
    }
    if at != bytes.len() {
        return Err(Refusal::TrailingBytes);
    }
    let size = size.ok_or(Refusal::Malformed("no header"))?;
    if pixels == Pixels::Before {
        return Err(Refusal::Malformed("no pixels"));
    }
    Ok(Walked {
        clean,
        size,
        metadata,
    })
}

/// Where the run of pixel chunks is: there is one, without a gap.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pixels {
    Before,
    Within,
    After,
}

impl Pixels {
    fn then(self, kind: &[u8]) -> Result<Self, Refusal> {
        match (self, kind == b"IDAT") {
            (Self::After, true) => Err(Refusal::Malformed("pixels in two places")),
            (_, true) => Ok(Self::Within),
            (Self::Within, false) => Ok(Self::After),
            (other, false) => Ok(other),
        }
    }
}

pub(super) fn sum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
