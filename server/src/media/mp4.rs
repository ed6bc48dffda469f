//! MP4: the boxes walked to the last byte of the file. What is no picture and no sound is overwritten in place, so that
//! the offsets in the file's own tables stay right: user data, tags, places, times and free space.

use super::bytes::{be32, be64, piece};
use super::{InspectError, MediaType, Metadata, Refusal, TakenAt};
use chrono::DateTime;
use std::io::{self, Read, Seek, SeekFrom};

/// Kinds of file that phones write; QuickTime's own is none of them.
const BRANDS: [&[u8; 4]; 14] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4A ",
    b"M4V ", b"3gp4", b"3gp5", b"3gp6",
];
/// The most bytes of the box that names the kind.
const FTYP_BYTES_MAX: u64 = 256;
/// The most bytes of the table of contents: an hour of film needs two million.
const MOOV_BYTES_MAX: u64 = 16 << 20;
/// The most boxes at the top of a file, and of one box in the table of contents.
const BOXES_MAX: usize = 1_000;
/// From 1904, as MP4 counts, to 1970, in seconds.
const SECONDS_1904_TO_1970: i64 = 2_082_844_800;

/// Bytes that are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where.
    pub offset: u64,
    /// What stands there from now on ...
    pub bytes: Vec<u8>,
    /// ... and so many zeros behind it.
    pub zeros: u64,
}

impl Patch {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64 + self.zeros
    }
}

/// What a file turned out to be.
pub(super) struct WalkedFilm {
    pub media_type: MediaType,
    pub patches: Vec<Patch>,
    pub metadata: Metadata,
}

/// Walks the whole file.
pub(super) fn walk(file: &mut (impl Read + Seek)) -> Result<WalkedFilm, InspectError> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut film = Film::default();
    let mut at = 0;
    for _ in 0..BOXES_MAX {
        if at == length {
            return Ok(film.finish()?);
        }
        let found = read_header(file, at, length)?;
        film.top(file, &found, at == 0)?;
        at = found.end;
    }
    Err(Refusal::Malformed("too many boxes").into())
}

/// A box: its kind, where it begins, where its content does, and where it ends.
struct Header {
    kind: [u8; 4],
    start: u64,
    content: u64,
    end: u64,
}

fn read_header(
    file: &mut (impl Read + Seek),
    at: u64,
    length: u64,
) -> Result<Header, InspectError> {
    file.seek(SeekFrom::Start(at))?;
    let mut head = Vec::new();
    file.take(16).read_to_end(&mut head)?;
    if head.len() < 8 {
        return Err(Refusal::TrailingBytes.into());
    }
    Ok(header(&head, at, length)?)
}

/// Reads a header off `head`, which lies at `at` of something that ends at `length`.
fn header(head: &[u8], at: u64, length: u64) -> Result<Header, Refusal> {
    let kind: [u8; 4] = piece(head, 4, 4)?.try_into().expect("BUG: four bytes");
    let (content, size) = match be32(head, 0)? {
        // To the end of the file; only what is last may say so, and cameras that lose power write it.
        0 if kind == *b"mdat" => (at + 8, length - at),
        1 => (at + 16, be64(head, 8)?),
        size => (at + 8, u64::from(size)),
    };
    let end = at.checked_add(size).filter(|end| *end >= content);
    let end = end.ok_or(Refusal::Malformed("a box of no size"))?;
    if end > length {
        return Err(Refusal::Malformed("it breaks off"));
    }
    Ok(Header {
        kind,
        start: at,
        content,
        end,
    })
}

#[derive(Default)]
struct Film {
    patches: Vec<Patch>,
    metadata: Metadata,
    has_contents: bool,
    has_data: bool,
    has_video: bool,
    has_sound: bool,
}

impl Film {
    fn top(
        &mut self,
        file: &mut (impl Read + Seek),
        found: &Header,
        is_first: bool,
    ) -> Result<(), InspectError> {
        let size = found.end - found.content;
        if is_first != (found.kind == *b"ftyp") {
            return Err(Refusal::Malformed("the kind of file is not named first").into());
        }
        match &found.kind {
            b"ftyp" if size <= FTYP_BYTES_MAX => {
                let content = read_content(file, found)?;
                let brand = piece(&content, 0, 4)?;
                if !BRANDS.iter().any(|known| &known[..] == brand) {
                    return Err(Refusal::TypeDiffers.into());
                }
            }
            b"moov" if !self.has_contents && size <= MOOV_BYTES_MAX => {
                self.has_contents = true;
                let content = read_content(file, found)?;
                self.contents(&content, found.content, Level::Film)?;
            }
            b"mdat" => self.has_data = true,
            b"free" | b"skip" | b"wide" | b"uuid" | b"meta" | b"udta" => self.wipe(found),
            _ => return Err(Refusal::Malformed("a box that no phone writes").into()),
        }
        Ok(())
    }

    /// Walks the boxes in a box of the table of contents, which lies at `offset` of the file.
    fn contents(&mut self, bytes: &[u8], offset: u64, level: Level) -> Result<(), Refusal> {
        let end = offset + bytes.len() as u64;
        let mut at = offset;
        for _ in 0..BOXES_MAX {
            if at == end {
                return Ok(());
            }
            let rest = &bytes[(at - offset) as usize..];
            if rest.len() < 8 {
                return Err(Refusal::Malformed("bytes between boxes"));
            }
            let found = header(rest, at, end)?;
            let content = &rest[(found.content - at) as usize..(found.end - at) as usize];
            self.inner(&found, content, level)?;
            at = found.end;
        }
        Err(Refusal::Malformed("too many boxes"))
    }

    fn inner(&mut self, found: &Header, content: &[u8], level: Level) -> Result<(), Refusal> {
        match (level, &found.kind) {
            (Level::Film, b"trak") => self.contents(content, found.content, Level::Track),
            (Level::Track, b"mdia") => self.contents(content, found.content, Level::Media),
            (Level::Film, b"mvhd") => {
                self.metadata.taken_at = taken_at(content)?;
                self.forget_times(found, content)
            }
            (Level::Track, b"tkhd") | (Level::Media, b"mdhd") => self.forget_times(found, content),
            (Level::Media, b"hdlr") => {
                match piece(content, 8, 4)? {
                    b"vide" => self.has_video = true,
                    b"soun" => self.has_sound = true,
                    _ => {}
                }
                Ok(())
            }
            (Level::Film, b"iods")
            | (Level::Track, b"edts" | b"tref")
            | (Level::Media, b"minf" | b"elng") => Ok(()),
            (Level::Film, b"mvex") => Err(Refusal::Malformed("a film in fragments")),
            _ => {
                if self.metadata.place_e7.is_none() {
                    self.metadata.place_e7 = find_place(content);
                }
                self.wipe(found);
                Ok(())
            }
        }
    }

    /// Makes free space of a box.
    fn wipe(&mut self, found: &Header) {
        self.patches.push(Patch {
            offset: found.start + 4,
            bytes: b"free".to_vec(),
            zeros: 0,
        });
        if found.end > found.content {
            self.patches.push(Patch {
                offset: found.content,
                bytes: Vec::new(),
                zeros: found.end - found.content,
            });
        }
    }

    /// Both times of a header, in its short or its long form.
    fn forget_times(&mut self, found: &Header, content: &[u8]) -> Result<(), Refusal> {
        let zeros = if piece(content, 0, 1)?[0] == 1 { 16 } else { 8 };
        piece(content, 4, zeros)?;
        self.patches.push(Patch {
            offset: found.content + 4,
            bytes: Vec::new(),
            zeros: zeros as u64,
        });
        Ok(())
    }

    fn finish(mut self) -> Result<WalkedFilm, Refusal> {
        if !self.has_contents || !self.has_data {
            return Err(Refusal::Malformed("no film and no sound"));
        }
        let media_type = match (self.has_video, self.has_sound) {
            (true, _) => MediaType::Mp4Video,
            (false, true) => MediaType::Mp4Audio,
            (false, false) => return Err(Refusal::Malformed("no film and no sound")),
        };
        self.patches.sort_unstable_by_key(|patch| patch.offset);
        Ok(WalkedFilm {
            media_type,
            patches: self.patches,
            metadata: self.metadata,
        })
    }
}

/// Where in the table of contents a box lies.
#[derive(Clone, Copy)]
enum Level {
    Film,
    Track,
    Media,
}

fn read_content(file: &mut (impl Read + Seek), found: &Header) -> Result<Vec<u8>, InspectError> {
    file.seek(SeekFrom::Start(found.content))?;
    let length = found.end - found.content;
    let mut content = Vec::new();
    file.take(length).read_to_end(&mut content)?;
    if content.len() as u64 == length {
        Ok(content)
    } else {
        Err(Refusal::Malformed("it breaks off").into())
    }
}

/// When the film was made, in UTC, as its header says; nothing where a phone did not know.
fn taken_at(content: &[u8]) -> Result<Option<TakenAt>, Refusal> {
    let seconds = match piece(content, 0, 1)?[0] {
        1 => i64::try_from(be64(content, 4)?).unwrap_or(0),
        _ => i64::from(be32(content, 4)?),
    };
    let since_1970 = seconds.saturating_sub(SECONDS_1904_TO_1970);
    Ok(DateTime::from_timestamp(since_1970, 0)
        .filter(|_| since_1970 > 0)
        .map(|time| TakenAt {
            local: time.naive_utc(),
            offset_minutes: Some(0),
        }))
}

/// A place as ISO 6709 writes it, `+22.5431+114.0579/`, somewhere in user data.
fn find_place(bytes: &[u8]) -> Option<(i32, i32)> {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|byte| b"+-".contains(byte)) {
        let start = from + found;
        if let Some(place) = read_place(&bytes[start..bytes.len().min(start + 40)]) {
            return Some(place);
        }
        from = start + 1;
    }
    None
}

fn read_place(text: &[u8]) -> Option<(i32, i32)> {
    let number = |from: usize, digits: usize| {
        let rest = text.get(from + 1..)?;
        let length = rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
            .count();
        let whole = rest[..length]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let value: f64 = std::str::from_utf8(&text[from..from + 1 + length])
            .ok()?
            .parse()
            .ok()?;
        // Degrees have two or three digits and a fraction; other spellings count minutes.
        (whole == digits && length > whole).then_some((value, from + 1 + length))
    };
    let (latitude, next) = number(0, 2)?;
    if !b"+-".contains(text.get(next)?) {
        return None;
    }
    let (longitude, _) = number(next, 3)?;
    let is_place = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    is_place.then_some((
        (latitude * 1e7).round() as i32,
        (longitude * 1e7).round() as i32,
    ))
}

/// A file read with its patches in place.
pub(super) struct PatchedReader<R> {
    inner: R,
    at: u64,
    patches: Vec<Patch>,
    next: usize,
}

impl<R: Read> PatchedReader<R> {
    /// Reads from the start; the patches are in order and do not overlap.
    pub(super) fn new(inner: R, patches: Vec<Patch>) -> Self {
        Self {
            inner,
            at: 0,
            patches,
            next: 0,
        }
    }
}

impl<R: Read> Read for PatchedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let end = self.at + read as u64;
        let mut index = self.next;
        while let Some(patch) = self.patches.get(index).filter(|patch| patch.offset < end) {
            let from = patch.offset.max(self.at);
            for place in from..patch.end().min(end) {
                let within = (place - patch.offset) as usize;
                buffer[(place - self.at) as usize] = patch.bytes.get(within).copied().unwrap_or(0);
            }
            if patch.end() <= end {
                self.next = index + 1;
            }
            index += 1;
        }
        self.at = end;
        Ok(read)
    }
}
