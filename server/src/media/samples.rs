//! Images and films for tests, made in memory, with or without metadata.

use super::png;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

pub(crate) fn picture(width: u32, height: u32) -> DynamicImage {
    let mut image = RgbImage::new(width, height);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        *pixel = Rgb([
            (x * 7 % 256) as u8,
            (y * 5 % 256) as u8,
            ((x + y) % 256) as u8,
        ]);
    }
    DynamicImage::ImageRgb8(image)
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 90)
        .encode_image(&picture(width, height))
        .expect("encodes");
    out
}

pub(crate) fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture(width, height)
        .write_to(&mut out, format)
        .expect("encodes");
    out.into_inner()
}

/// A TIFF block that names orientation 6, 2026-03-02 08:30:00 +08:00, and 22.5 N 114.05 E.
pub(crate) fn tiff() -> Vec<u8> {
    let mut data = Vec::new();
    let base = 8 + (2 + 3 * 12 + 4) + (2 + 2 * 12 + 4) + (2 + 4 * 12 + 4);
    let mut place = |bytes: &[u8]| {
        let at = (base + data.len()) as u32;
        data.extend_from_slice(bytes);
        at
    };
    let time = place(b"2026:03:02 08:30:00\0");
    let offset = place(b"+08:00\0\0");
    let rational = |parts: [(u32, u32); 3]| -> Vec<u8> {
        parts
            .iter()
            .flat_map(|(over, under)| [over.to_le_bytes(), under.to_le_bytes()].concat())
            .collect()
    };
    let latitude = place(&rational([(22, 1), (30, 1), (0, 1)]));
    let longitude = place(&rational([(114, 1), (3, 1), (0, 1)]));
    let entry = |tag: u16, kind: u16, count: u32, value: u32| -> Vec<u8> {
        let mut out = tag.to_le_bytes().to_vec();
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
        out
    };
    let directory = |entries: &[Vec<u8>]| -> Vec<u8> {
        let mut out = (entries.len() as u16).to_le_bytes().to_vec();
        out.extend(entries.concat());
        out.extend([0; 4]);
        out
    };
    let exif_at = 8 + 2 + 3 * 12 + 4;
    let gps_at = exif_at + 2 + 2 * 12 + 4;
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend(directory(&[
        entry(0x0112, 3, 1, 6),
        entry(0x8769, 4, 1, exif_at),
        entry(0x8825, 4, 1, gps_at),
    ]));
    out.extend(directory(&[
        entry(0x9003, 2, 20, time),
        entry(0x9011, 2, 7, offset),
    ]));
    out.extend(directory(&[
        entry(1, 2, 2, u32::from(b'N')),
        entry(2, 5, 3, latitude),
        entry(3, 2, 2, u32::from(b'E')),
        entry(4, 5, 3, longitude),
    ]));
    assert_eq!(out.len(), base);
    out.extend(data);
    out
}

/// Puts segments behind the first marker of a JPEG.
pub(crate) fn with_segments(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    for (marker, content) in segments {
        out.extend([0xff, *marker]);
        out.extend(((content.len() + 2) as u16).to_be_bytes());
        out.extend_from_slice(content);
    }
    out.extend_from_slice(&jpeg[2..]);
    out
}

pub(crate) fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [&kind[..], content].concat();
    let mut out = (content.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    out.extend(png::sum(&body).to_be_bytes());
    out
}

/// Puts chunks behind the header of a PNG.
pub(crate) fn with_chunks(image: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = 8 + 12 + 13;
    [&image[..header], &chunks.concat(), &image[header..]].concat()
}

/// A PNG of this size that holds one row of pixels: its header alone says how large it is.
pub(crate) fn claimed_png(width: u32, height: u32) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut out = png::SIGNATURE.to_vec();
    out.extend(png_chunk(b"IHDR", &header));
    out.extend(png_chunk(b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]));
    out.extend(png_chunk(b"IEND", &[]));
    out
}

/// Puts chunks behind the image of a plain WebP, and the extended header that announces them in front.
pub(crate) fn with_riff_chunks(
    image: &[u8],
    chunks: &[(&[u8; 4], &[u8])],
    size: (u32, u32),
) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    let mut extended = vec![0x0c, 0, 0, 0];
    extended.extend_from_slice(&(size.0 - 1).to_le_bytes()[..3]);
    extended.extend_from_slice(&(size.1 - 1).to_le_bytes()[..3]);
    let mut put = |kind: &[u8], content: &[u8]| {
        body.extend_from_slice(kind);
        body.extend((content.len() as u32).to_le_bytes());
        body.extend_from_slice(content);
        if content.len() % 2 == 1 {
            body.push(0);
        }
    };
    put(b"VP8X", &extended);
    let rest = &image[12..];
    let length = u32::from_le_bytes(rest[4..8].try_into().expect("four")) as usize;
    put(&rest[..4], &rest[8..8 + length]);
    for (kind, content) in chunks {
        put(&kind[..], content);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

pub(crate) fn mp4_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = ((content.len() + 8) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(content);
    out
}

/// A film or a recording whose boxes are right and whose picture is noise, made at this time and place.
pub(crate) fn mp4(handler: &[u8; 4], made_s: u32, place: &str) -> Vec<u8> {
    let times = [[0; 4], made_s.to_be_bytes(), made_s.to_be_bytes()].concat();
    let header = [&times[..], &[7; 84]].concat();
    let handler = [&[0; 8][..], handler, &[0; 13]].concat();
    let media = [
        mp4_box(b"mdhd", &[&times[..], &[7; 12]].concat()),
        mp4_box(b"hdlr", &handler),
        mp4_box(b"minf", &[9; 40]),
    ];
    let track = [
        mp4_box(b"tkhd", &[&times[..], &[7; 72]].concat()),
        mp4_box(b"mdia", &media.concat()),
    ];
    let text = [
        &(place.len() as u16).to_be_bytes()[..],
        &[0x15, 0xc7],
        place.as_bytes(),
    ]
    .concat();
    let contents = [
        mp4_box(b"mvhd", &header),
        mp4_box(b"trak", &track.concat()),
        mp4_box(b"udta", &mp4_box(b"\xa9xyz", &text)),
    ];
    [
        mp4_box(b"ftyp", b"isom\0\0\x02\0isommp41"),
        mp4_box(b"free", b"written by somebody"),
        mp4_box(b"mdat", &[5; 3_000]),
        mp4_box(b"moov", &contents.concat()),
    ]
    .concat()
}
