//! The files that are sent: images of every type and of many sizes, each unlike the others.

use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde::Serialize;
use server::demo::Dice;
use sync_core::change::Hash;

/// A file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sent {
    /// Where it lies.
    pub path: PathBuf,
    /// What the change names.
    pub sha256: String,
    /// What it is.
    pub media_type: &'static str,
    /// How many bytes it has.
    pub size_bytes: usize,
}

/// Makes the files of a seed.
pub(super) fn make(folder: &Path, count: usize, seed: u64) -> io::Result<Vec<Sent>> {
    let mut dice = Dice::new(seed);
    let mut files = Vec::new();
    for index in 0..count {
        // From a signature to a photo as an app sends it over a thin link.
        let side = 20 + dice.below(if index % 5 == 4 { 400 } else { 180 }) as u32;
        let image = picture(side, &mut dice);
        let (media_type, extension, bytes) = match index % 3 {
            0 => ("image/jpeg", "jpg", jpeg(&image)?),
            1 => ("image/png", "png", encode(&image, ImageFormat::Png)?),
            _ => ("image/webp", "webp", encode(&image, ImageFormat::WebP)?),
        };
        let path = folder.join(format!("{index:03}.{extension}"));
        std::fs::write(&path, &bytes)?;
        files.push(Sent {
            path,
            sha256: Hash::of(&[&bytes]).to_string(),
            media_type,
            size_bytes: bytes.len(),
        });
    }
    Ok(files)
}

/// Noise, which does not become small.
fn picture(side: u32, dice: &mut Dice) -> DynamicImage {
    let mut image = RgbImage::new(side, side);
    for pixel in image.pixels_mut() {
        let drawn = dice.below(1 << 24) as u32;
        *pixel = Rgb([drawn as u8, (drawn >> 8) as u8, (drawn >> 16) as u8]);
    }
    DynamicImage::ImageRgb8(image)
}

/// A JPEG with a comment, which is taken off.
fn jpeg(image: &DynamicImage) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, 90)
        .encode_image(image)
        .map_err(io::Error::other)?;
    let comment = b"\xff\xfe\0\x0cby a phone";
    Ok([&plain[..2], comment, &plain[2..]].concat())
}

fn encode(image: &DynamicImage, format: ImageFormat) -> io::Result<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).map_err(io::Error::other)?;
    Ok(out.into_inner())
}

/// The pixels of an image.
pub(super) fn pixels(bytes: &[u8]) -> Result<image::RgbaImage, String> {
    let image = image::load_from_memory(bytes).map_err(|error| error.to_string())?;
    Ok(image.to_rgba8())
}
