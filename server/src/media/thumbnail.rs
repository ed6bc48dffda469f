//! Thumbnails: decoded within limits, turned upright, made small, written as a plain JPEG.

use super::{MediaLimits, MediaType, Refusal};
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

/// The longer side of a thumbnail, in pixels.
pub(super) const SIDE: u32 = 320;
const QUALITY: u8 = 75;
/// The most memory of a decoder: 40 million pixels of 8 bytes each do not fit, of 4 bytes they do.
const DECODER_BYTES_MAX: u64 = 256 << 20;

/// Makes one of an image that has been walked.
pub(super) fn make(
    clean: &[u8],
    media_type: MediaType,
    orientation: u8,
    limits: &MediaLimits,
) -> Result<Vec<u8>, Refusal> {
    let format = match media_type {
        MediaType::Jpeg => ImageFormat::Jpeg,
        MediaType::Png => ImageFormat::Png,
        _ => ImageFormat::WebP,
    };
    let mut reader = ImageReader::with_format(Cursor::new(clean), format);
    let mut decoder = Limits::default();
    decoder.max_image_width = Some(limits.side_max);
    decoder.max_image_height = Some(limits.side_max);
    decoder.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(decoder);
    let mut image = reader.decode().map_err(|error| match error {
        image::ImageError::Limits(_) => Refusal::TooManyPixels {
            limit: limits.pixels_max,
        },
        _ => Refusal::Malformed("it cannot be decoded"),
    })?;
    if image.width() > SIDE || image.height() > SIDE {
        image = image.thumbnail(SIDE, SIDE);
    }
    if let Some(orientation) = Orientation::from_exif(orientation) {
        image.apply_orientation(orientation);
    }
    let small = on_white(&image);
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, QUALITY)
        .encode_image(&small)
        .map_err(|_| Refusal::Malformed("it cannot be made small"))?;
    Ok(out)
}

/// Signatures are often dark lines on nothing: without a ground they would be black on black.
fn on_white(image: &DynamicImage) -> image::RgbImage {
    let from = image.to_rgba8();
    let mut to = image::RgbImage::new(from.width(), from.height());
    for (target, source) in to.pixels_mut().zip(from.pixels()) {
        let [red, green, blue, alpha] = source.0;
        let over = |value: u8| {
            let mixed = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
            (mixed / 255) as u8
        };
        target.0 = [over(red), over(green), over(blue)];
    }
    to
}
