//! JPEG: every segment and every scan walked up to the end of the image. Kept is what a decoder needs, and how the image
//! is to be turned; everything else is dropped.

use super::bytes::{be16, piece};
use super::{MediaLimits, Metadata, Refusal, Walked, check_size, exif};

const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const FIRST_APP: u8 = 0xe0;
const COMMENT: u8 = 0xfe;

/// Walks the whole image.
pub(super) fn walk(bytes: &[u8], limits: &MediaLimits) -> Result<Walked, Refusal> {
    let mut walk = Walk::default();
    if be16(bytes, 0)? != 0xff00 | u16::from(START) {
        return Err(Refusal::TypeDiffers);
    }
    let mut at = 2;
    loop {
        let (marker, after) = marker(bytes, at)?;
        at = after;
        match marker {
            END => break,
            0x01 | 0xd0..=START => return Err(Refusal::Malformed("a marker out of place")),
            _ => {}
        }
        let length = usize::from(be16(bytes, at)?);
        if length < 2 {
            return Err(Refusal::Malformed("a segment without a length"));
        }
        let content = piece(bytes, at + 2, length - 2)?;
        at += length;
        walk.segment(marker, content, limits)?;
        if marker == SCAN {
            let end = end_of_scan(bytes, at)?;
            walk.kept.extend_from_slice(&bytes[at..end]);
            at = end;
        }
    }
    if at != bytes.len() {
        return Err(Refusal::TrailingBytes);
    }
    walk.finish()
}

/// The marker at `at`, which may be filled up in front, and where its segment begins.
fn marker(bytes: &[u8], at: usize) -> Result<(u8, usize), Refusal> {
    let mut next = at;
    while piece(bytes, next, 1)?[0] == 0xff {
        next += 1;
    }
    if next == at {
        return Err(Refusal::Malformed("bytes between segments"));
    }
    Ok((bytes[next], next + 1))
}

/// Where the compressed bytes end that begin at `at`: at the first marker that is none of theirs.
fn end_of_scan(bytes: &[u8], at: usize) -> Result<usize, Refusal> {
    let mut next = at;
    loop {
        let rest = bytes.get(next..).unwrap_or_default();
        let found = rest.iter().position(|byte| *byte == 0xff);
        let found = next + found.ok_or(Refusal::Malformed("it breaks off"))?;
        match piece(bytes, found + 1, 1)?[0] {
            0x00 | 0xd0..=0xd7 => next = found + 2,
            _ => return Ok(found),
        }
    }
}

#[derive(Default)]
struct Walk {
    kept: Vec<u8>,
    jfif: Option<[u8; 7]>,
    metadata: Option<Metadata>,
    size: Option<(u32, u32)>,
    scans: usize,
}

impl Walk {
    fn segment(&mut self, marker: u8, content: &[u8], limits: &MediaLimits) -> Result<(), Refusal> {
        match marker {
            // Tables: quantisation, Huffman, restart interval.
            0xdb | 0xc4 | 0xdd => self.keep(marker, content),
            // Baseline, extended and progressive frames.
            0xc0..=0xc2 => {
                if self.size.is_some() {
                    return Err(Refusal::Malformed("two frames"));
                }
                let size = (be16(content, 3)?.into(), be16(content, 1)?.into());
                check_size(size, limits)?;
                self.size = Some(size);
                self.keep(marker, content);
            }
            SCAN => {
                if self.size.is_none() {
                    return Err(Refusal::Malformed("a scan before its frame"));
                }
                self.scans += 1;
                self.keep(marker, content);
            }
            FIRST_APP..=0xef => self.application(marker, content),
            COMMENT => {}
            _ => return Err(Refusal::Malformed("a segment that no camera writes")),
        }
        Ok(())
    }

    fn application(&mut self, marker: u8, content: &[u8]) {
        if marker == FIRST_APP && content.starts_with(b"JFIF\0") && self.jfif.is_none() {
            // Version, unit and densities; a thumbnail that may follow is dropped.
            self.jfif = content.get(5..12).and_then(|fixed| fixed.try_into().ok());
        } else if marker == FIRST_APP + 1 && self.metadata.is_none() {
            self.metadata = content.strip_prefix(b"Exif\0\0").map(exif::read);
        } else if marker == FIRST_APP + 14 && content.starts_with(b"Adobe") && content.len() >= 12 {
            // Says which colours the numbers mean; without it some images turn green.
            self.keep(marker, &content[..12]);
        }
    }

    fn keep(&mut self, marker: u8, content: &[u8]) {
        put_segment(&mut self.kept, marker, content);
    }

    fn finish(self) -> Result<Walked, Refusal> {
        let size = self.size.ok_or(Refusal::Malformed("no frame"))?;
        if self.scans == 0 {
            return Err(Refusal::Malformed("no scan"));
        }
        let metadata = self.metadata.unwrap_or_default();
        let mut clean = vec![0xff, START];
        if let Some(fixed) = self.jfif {
            let content = [&b"JFIF\0"[..], &fixed, &[0, 0]].concat();
            put_segment(&mut clean, FIRST_APP, &content);
        }
        if metadata.orientation != 1 {
            put_segment(
                &mut clean,
                FIRST_APP + 1,
                &orientation_only(metadata.orientation),
            );
        }
        clean.extend_from_slice(&self.kept);
        clean.extend([0xff, END]);
        Ok(Walked {
            clean,
            size,
            metadata,
        })
    }
}

fn put_segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).expect("BUG: a segment grew");
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend_from_slice(content);
}

/// An EXIF block that says how the image is to be turned and nothing else.
fn orientation_only(orientation: u8) -> Vec<u8> {
    let mut block = b"Exif\0\0II*\0\x08\0\0\0\x01\0".to_vec();
    // Tag 0x0112, a short, one of it.
    block.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    block.extend([0; 4]);
    block
}
