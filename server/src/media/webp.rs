//! WebP: every chunk of the RIFF container walked. Kept are the pixels and their transparency; animations are no photos.

use super::bytes::{le16, le24, le32, piece};
use super::{MediaLimits, Metadata, Refusal, Walked, check_size, exif};

/// The flag of an extended header that says that transparency follows.
const HAS_ALPHA: u8 = 0x10;
const IS_ANIMATED: u8 = 0x02;

/// Walks the whole image.
pub(super) fn walk(bytes: &[u8], limits: &MediaLimits) -> Result<Walked, Refusal> {
    if piece(bytes, 0, 4)? != b"RIFF" || piece(bytes, 8, 4)? != b"WEBP" {
        return Err(Refusal::TypeDiffers);
    }
    let end = (le32(bytes, 4)? as usize).saturating_add(8);
    if end > bytes.len() {
        return Err(Refusal::Malformed("it breaks off"));
    }
    if end < bytes.len() {
        return Err(Refusal::TrailingBytes);
    }
    let mut found = Found::default();
    let mut at = 12;
    while at < end {
        let length = le32(bytes, at + 4)? as usize;
        let content = piece(bytes, at + 8, length)?;
        found.chunk(piece(bytes, at, 4)?, content, at == 12, limits)?;
        // A chunk of an odd length is filled up with one byte.
        at = at + 8 + length + length % 2;
    }
    if at != end {
        return Err(Refusal::Malformed("it breaks off"));
    }
    found.finish()
}

#[derive(Default)]
struct Found<'a> {
    canvas: Option<(u32, u32)>,
    alpha: Option<&'a [u8]>,
    image: Option<(&'a [u8], &'a [u8])>,
    size: Option<(u32, u32)>,
    metadata: Metadata,
}

impl<'a> Found<'a> {
    fn chunk(
        &mut self,
        kind: &'a [u8],
        content: &'a [u8],
        is_first: bool,
        limits: &MediaLimits,
    ) -> Result<(), Refusal> {
        match kind {
            b"VP8X" if is_first => {
                let flags = piece(content, 0, 1)?[0];
                if flags & IS_ANIMATED != 0 {
                    return Err(Refusal::Malformed("an animation"));
                }
                let canvas = (le24(content, 4)? + 1, le24(content, 7)? + 1);
                check_size(canvas, limits)?;
                self.canvas = Some(canvas);
            }
            b"VP8X" | b"ANIM" | b"ANMF" => return Err(Refusal::Malformed("an animation")),
            b"VP8 " | b"VP8L" => {
                if self.image.is_some() {
                    return Err(Refusal::Malformed("two images"));
                }
                let size = if kind == b"VP8L" {
                    lossless_size(content)?
                } else {
                    lossy_size(content)?
                };
                check_size(size, limits)?;
                self.size = Some(size);
                self.image = Some((kind, content));
            }
            b"ALPH" if self.image.is_none() && self.alpha.is_none() => self.alpha = Some(content),
            b"ALPH" => return Err(Refusal::Malformed("transparency out of place")),
            b"EXIF" => {
                let tiff = content.strip_prefix(b"Exif\0\0").unwrap_or(content);
                self.metadata = Metadata {
                    // As for PNG: it is not turned by what shows it.
                    orientation: 1,
                    ..exif::read(tiff)
                };
            }
            // Colour profile, XMP and whatever else is dropped.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Walked, Refusal> {
        let (kind, image) = self.image.ok_or(Refusal::Malformed("no image"))?;
        let size = self.size.ok_or(Refusal::Malformed("no image"))?;
        if self.canvas.is_some_and(|canvas| canvas != size) {
            return Err(Refusal::Malformed("the canvas is not the image"));
        }
        let mut body = b"WEBP".to_vec();
        if let Some(alpha) = self.alpha {
            if kind != b"VP8 " {
                return Err(Refusal::Malformed("transparency out of place"));
            }
            let mut extended = vec![HAS_ALPHA, 0, 0, 0];
            extended.extend_from_slice(&(size.0 - 1).to_le_bytes()[..3]);
            extended.extend_from_slice(&(size.1 - 1).to_le_bytes()[..3]);
            put_chunk(&mut body, b"VP8X", &extended);
            put_chunk(&mut body, b"ALPH", alpha);
        }
        put_chunk(&mut body, kind, image);
        let length = u32::try_from(body.len()).map_err(|_| Refusal::Malformed("too long"))?;
        let clean = [&b"RIFF"[..], &length.to_le_bytes(), &body].concat();
        Ok(Walked {
            clean,
            size,
            metadata: self.metadata,
        })
    }
}

fn put_chunk(out: &mut Vec<u8>, kind: &[u8], content: &[u8]) {
    let length = u32::try_from(content.len()).expect("BUG: a chunk grew");
    out.extend_from_slice(kind);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(content);
    if content.len() % 2 == 1 {
        out.push(0);
    }
}

/// Width and height of a lossy key frame (RFC 6386, 9.1).
fn lossy_size(content: &[u8]) -> Result<(u32, u32), Refusal> {
    if piece(content, 3, 3)? != b"\x9d\x01\x2a" || content[0] & 1 != 0 {
        return Err(Refusal::Malformed("not a key frame"));
    }
    let side = |from| le16(content, from).map(|side| u32::from(side & 0x3fff));
    Ok((side(6)?, side(8)?))
}

/// Width and height of a lossless image.
fn lossless_size(content: &[u8]) -> Result<(u32, u32), Refusal> {
    if piece(content, 0, 1)?[0] != 0x2f {
        return Err(Refusal::Malformed("not a lossless image"));
    }
    let bits = le32(content, 1)?;
    Ok(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
}
