//! Place, time and orientation out of an EXIF block. A block that cannot be read says nothing; it is dropped either way.

use chrono::{NaiveDate, NaiveDateTime};
use exif::{DateTime, Exif, In, Reader, Tag, Value};

/// The most bytes of an EXIF block that is looked into; a JPEG segment holds no more.
const EXIF_BYTES_MAX: usize = 64 << 10;

/// What the metadata said before they were taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// When it was taken.
    pub taken_at: Option<TakenAt>,
    /// Where: latitude and longitude in WGS-84 degrees times 10^7.
    pub place_e7: Option<(i32, i32)>,
    /// How the image is to be turned, 1 to 8 as EXIF counts.
    pub orientation: u8,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            taken_at: None,
            place_e7: None,
            orientation: 1,
        }
    }
}

/// When something was taken, by the camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenAt {
    /// The camera's date and time.
    pub local: NaiveDateTime,
    /// By how many minutes that is ahead of UTC, when the camera said so.
    pub offset_minutes: Option<i16>,
}

/// Reads a TIFF block as EXIF has it.
pub(super) fn read(tiff: &[u8]) -> Metadata {
    if tiff.len() > EXIF_BYTES_MAX {
        return Metadata::default();
    }
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let parsed = reader
        .read_raw(tiff.to_vec())
        .or_else(|error| error.distill_partial_result(|_| {}));
    let Ok(exif) = parsed else {
        return Metadata::default();
    };
    Metadata {
        taken_at: taken_at(&exif),
        place_e7: place(&exif),
        orientation: orientation(&exif),
    }
}

fn orientation(exif: &Exif) -> u8 {
    let field = exif.get_field(Tag::Orientation, In::PRIMARY);
    field
        .and_then(|field| field.value.get_uint(0))
        .and_then(|value| u8::try_from(value).ok())
        .filter(|value| (1..=8).contains(value))
        .unwrap_or(1)
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(texts) => texts.first().map(Vec::as_slice),
        _ => None,
    }
}

fn taken_at(exif: &Exif) -> Option<TakenAt> {
    let mut read = DateTime::from_ascii(ascii(exif, Tag::DateTimeOriginal)?).ok()?;
    if let Some(offset) = ascii(exif, Tag::OffsetTimeOriginal) {
        // An offset that is none leaves the time without one.
        let _ = read.parse_offset(offset);
    }
    let date = NaiveDate::from_ymd_opt(read.year.into(), read.month.into(), read.day.into())?;
    let local = date.and_hms_opt(read.hour.into(), read.minute.into(), read.second.into())?;
    Some(TakenAt {
        local,
        offset_minutes: read.offset,
    })
}

fn place(exif: &Exif) -> Option<(i32, i32)> {
    let latitude = degrees_e7(
        exif,
        Tag::GPSLatitude,
        Tag::GPSLatitudeRef,
        (b'N', b'S'),
        90,
    )?;
    let longitude = degrees_e7(
        exif,
        Tag::GPSLongitude,
        Tag::GPSLongitudeRef,
        (b'E', b'W'),
        180,
    )?;
    // What a camera writes that does not know.
    ((latitude, longitude) != (0, 0)).then_some((latitude, longitude))
}

fn degrees_e7(
    exif: &Exif,
    tag: Tag,
    reference: Tag,
    (plus, minus): (u8, u8),
    limit: i32,
) -> Option<i32> {
    let Value::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else {
        return None;
    };
    let [degrees, minutes, seconds] = parts.as_slice() else {
        return None;
    };
    if [degrees, minutes, seconds]
        .iter()
        .any(|part| part.denom == 0)
    {
        return None;
    }
    let value = degrees.to_f64() + minutes.to_f64() / 60.0 + seconds.to_f64() / 3_600.0;
    if !(0.0..=f64::from(limit)).contains(&value) {
        return None;
    }
    let sign = match ascii(exif, reference)?.first() {
        Some(letter) if *letter == plus => 1.0,
        Some(letter) if *letter == minus => -1.0,
        _ => return None,
    };
    // At most 180 * 10^7, which fits.
    Some((sign * value * 1e7).round() as i32)
}
