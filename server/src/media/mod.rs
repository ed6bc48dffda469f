//! What the bytes of an attachment really are: the type told from the bytes, the structure walked to the last byte, place
//! and time read out of the metadata and the metadata taken off. Knows no upload and no record.

mod bytes;
mod exif;
mod jpeg;
mod mp4;
mod png;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
mod thumbnail;
mod webp;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ::bytes::Bytes;

pub use exif::{Metadata, TakenAt};
pub use mp4::Patch;

/// What an attachment may be; the same list as the intent `attachment.add` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// A photo.
    Jpeg,
    /// A drawing or a signature.
    Png,
    /// A photo.
    WebP,
    /// A film.
    Mp4Video,
    /// A recording.
    Mp4Audio,
}

impl MediaType {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Jpeg,
        Self::Png,
        Self::WebP,
        Self::Mp4Video,
        Self::Mp4Audio,
    ];

    /// Its name in `Content-Type` and in a change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
            Self::Mp4Video => "video/mp4",
            Self::Mp4Audio => "audio/mp4",
        }
    }

    /// From its name; `None` for anything that is not on the list.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.as_str() == text)
    }

    /// How a file of it is named.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Mp4Video => "mp4",
            Self::Mp4Audio => "m4a",
        }
    }

    /// Whether it has pixels that a thumbnail can be made of.
    pub fn is_image(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::WebP)
    }

    /// Told from the first bytes; `None` when they are of nothing on the list. MP4 is told apart further by its tracks.
    fn sniff(head: &[u8]) -> Option<Self> {
        let at = |from: usize, wanted: &[u8]| head.get(from..from + wanted.len()) == Some(wanted);
        if at(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if at(0, png::SIGNATURE) {
            Some(Self::Png)
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Some(Self::WebP)
        } else if at(4, b"ftyp") {
            Some(Self::Mp4Video)
        } else {
            None
        }
    }
}

/// How large an image may be.
#[derive(Clone, Copy, Debug)]
pub struct MediaLimits {
    /// The most pixels; a decoder takes up to 8 bytes for each.
    pub pixels_max: u64,
    /// The most pixels of a side.
    pub side_max: u32,
    /// The most bytes of an image, which is read into memory whole.
    pub image_bytes_max: u64,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            pixels_max: 40_000_000,
            side_max: 20_000,
            image_bytes_max: 32 << 20,
        }
    }
}

/// Why bytes are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// They are of no type on the list, or of another one than was named.
    #[error("the bytes are not of the type that was named")]
    TypeDiffers,
    /// The structure breaks off, contradicts itself or holds what no camera writes.
    #[error("the structure is not whole: {0}")]
    Malformed(&'static str),
    /// It is a document or an archive as well.
    #[error("it is another kind of file as well")]
    Polyglot,
    /// Something follows behind the end: two files in one.
    #[error("bytes follow behind the end")]
    TrailingBytes,
    /// More pixels than may be decoded.
    #[error("more pixels than allowed")]
    TooManyPixels {
        /// The most that is allowed.
        limit: u64,
    },
    /// An image of more bytes than may be read into memory.
    #[error("more bytes than an image may have")]
    ImageTooLarge {
        /// The most that is allowed.
        limit: u64,
    },
}

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// It is not taken, whoever sends it again.
    #[error("refused")]
    Refused(#[from] Refusal),
    /// The disk failed.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
}

/// The bytes that are kept and served.
#[derive(Debug)]
pub enum CleanBytes {
    /// An image, put together anew.
    Memory(Bytes),
    /// A file with some bytes replaced; a film may not fit into memory.
    Patched {
        /// The file.
        path: PathBuf,
        /// What is replaced, by offset.
        patches: Vec<Patch>,
    },
}

impl CleanBytes {
    /// Reads them from the start.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Self::Memory(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            Self::Patched { path, patches } => Ok(Box::new(mp4::PatchedReader::new(
                File::open(path)?,
                patches.clone(),
            ))),
        }
    }
}

/// What an attachment turned out to be.
#[derive(Debug)]
pub struct Inspected {
    /// The bytes without metadata.
    pub clean: CleanBytes,
    /// Width and height in pixels, as stored; `None` for films and recordings.
    pub size: Option<(u32, u32)>,
    /// What the metadata said of place and time.
    pub metadata: Metadata,
    /// A small JPEG; `None` for films and recordings.
    pub thumbnail: Option<Vec<u8>>,
}

/// An image's structure, walked: what is left of it, and what it said.
struct Walked {
    clean: Vec<u8>,
    size: (u32, u32),
    metadata: Metadata,
}

/// Looks at a whole file that is said to be of this type.
///
/// # Errors
/// That it is not taken, or that it cannot be read.
pub fn inspect(
    path: &Path,
    named: MediaType,
    limits: &MediaLimits,
) -> Result<Inspected, InspectError> {
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    if contains(&head, b"%PDF-") || ends_as_archive(&mut file)? {
        return Err(Refusal::Polyglot.into());
    }
    let sniffed = MediaType::sniff(&head).ok_or(Refusal::TypeDiffers)?;
    if sniffed.is_image() != named.is_image() || (named.is_image() && sniffed != named) {
        return Err(Refusal::TypeDiffers.into());
    }
    file.seek(SeekFrom::Start(0))?;
    if !named.is_image() {
        let walked = mp4::walk(&mut file)?;
        if walked.media_type != named {
            return Err(Refusal::TypeDiffers.into());
        }
        return Ok(Inspected {
            clean: CleanBytes::Patched {
                path: path.to_owned(),
                patches: walked.patches,
            },
            size: None,
            metadata: walked.metadata,
            thumbnail: None,
        });
    }
    let length = file.metadata()?.len();
    if length > limits.image_bytes_max {
        let limit = limits.image_bytes_max;
        return Err(Refusal::ImageTooLarge { limit }.into());
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(inspect_image(&bytes, named, limits)?)
}

fn inspect_image(
    bytes: &[u8],
    named: MediaType,
    limits: &MediaLimits,
) -> Result<Inspected, Refusal> {
    let walked = match named {
        MediaType::Jpeg => jpeg::walk(bytes, limits)?,
        MediaType::Png => png::walk(bytes, limits)?,
        _ => webp::walk(bytes, limits)?,
    };
    // A decoder of its own opinion is asked as well: what cannot be shown is no photo.
    let thumbnail = thumbnail::make(&walked.clean, named, walked.metadata.orientation, limits)?;
    Ok(Inspected {
        clean: CleanBytes::Memory(walked.clean.into()),
        size: Some(walked.size),
        metadata: walked.metadata,
        thumbnail: Some(thumbnail),
    })
}

/// How far into a file a reader of documents looks for the mark of one.
const HEAD_BYTES: u64 = 1_024;
/// How far from the end of a file a reader of archives looks for theirs: its length and the longest comment.
const ARCHIVE_END_BYTES: u64 = 22 + 65_535;

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether a ZIP archive ends where the file does. Compressed pixels can hold one and still be pixels.
fn ends_as_archive(file: &mut File) -> io::Result<bool> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(ARCHIVE_END_BYTES)))?;
    let mut tail = Vec::new();
    file.by_ref()
        .take(ARCHIVE_END_BYTES)
        .read_to_end(&mut tail)?;
    Ok(tail.windows(22).enumerate().any(|(at, end)| {
        let comment = usize::from(u16::from_le_bytes([end[20], end[21]]));
        end.starts_with(b"PK\x05\x06") && at + 22 + comment == tail.len()
    }))
}

/// Refuses a size before anything is decoded.
fn check_size((width, height): (u32, u32), limits: &MediaLimits) -> Result<(), Refusal> {
    if width == 0 || height == 0 {
        return Err(Refusal::Malformed("an image without pixels"));
    }
    let limit = limits.pixels_max;
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limit || width.max(height) > limits.side_max {
        return Err(Refusal::TooManyPixels { limit });
    }
    Ok(())
}
