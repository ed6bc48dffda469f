//! What is taken, what is taken off, and what is refused.

use super::samples::*;
use super::*;
use chrono::NaiveDate;
use image::ImageFormat;
use std::io::Write;

fn look(bytes: &[u8], named: MediaType) -> Result<Inspected, Refusal> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    match inspect(file.path(), named, &MediaLimits::default()) {
        Ok(mut found) => {
            // The file goes; what would be read from it later is read now.
            found.clean = CleanBytes::Memory(clean(&found).into());
            Ok(found)
        }
        Err(InspectError::Refused(refusal)) => Err(refusal),
        Err(InspectError::Io(error)) => panic!("{error}"),
    }
}

fn clean(found: &Inspected) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = found.clean.open().expect("opens");
    reader.read_to_end(&mut bytes).expect("reads");
    bytes
}

fn pixels(bytes: &[u8]) -> image::RgbaImage {
    image::load_from_memory(bytes).expect("decodes").to_rgba8()
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

fn is_sample_metadata(metadata: &Metadata) {
    let taken_at = metadata.taken_at.expect("a time");
    let local = NaiveDate::from_ymd_opt(2026, 3, 2).and_then(|date| date.and_hms_opt(8, 30, 0));
    assert_eq!(Some(taken_at.local), local);
    assert_eq!(taken_at.offset_minutes, Some(480));
    assert_eq!(metadata.place_e7, Some((225_000_000, 1_140_500_000)));
}

#[test]
fn a_photo_keeps_its_pixels_and_its_turn_and_loses_all_that_it_says() {
    let plain = jpeg(640, 400);
    let exif = [b"Exif\0\0", &tiff()[..]].concat();
    let said = with_segments(
        &plain,
        &[
            (0xe1, &exif),
            (0xe1, b"http://ns.adobe.com/xap/1.0/\0<secret/>"),
            (0xfe, b"secret"),
            (0xed, b"Photoshop 3.0\0secret"),
            (0xe2, b"ICC_PROFILE\0secret"),
        ],
    );
    let found = look(&said, MediaType::Jpeg).expect("taken");
    is_sample_metadata(&found.metadata);
    assert_eq!(found.size, Some((640, 400)));
    let kept = clean(&found);
    assert!(!holds(&kept, b"secret") && !holds(&kept, b"2026") && !holds(&kept, b"ICC"));
    assert_eq!(pixels(&kept), pixels(&plain));
    // Turned by a quarter: whoever shows it must know, and the thumbnail stands upright.
    let again = look(&kept, MediaType::Jpeg).expect("taken again");
    assert_eq!(
        again.metadata,
        Metadata {
            orientation: 6,
            ..Metadata::default()
        }
    );
    assert_eq!(clean(&again), kept, "what is clean stays as it is");
    let small = image::load_from_memory(&found.thumbnail.expect("small")).expect("decodes");
    assert_eq!((small.width(), small.height()), (200, 320));
}

#[test]
fn a_drawing_loses_its_texts_and_unknown_chunks() {
    let plain = encoded(50, 30, ImageFormat::Png);
    let said = with_chunks(
        &plain,
        &[
            png_chunk(b"tEXt", b"Comment\0secret"),
            png_chunk(b"eXIf", &tiff()),
            png_chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]),
            png_chunk(b"prVt", b"secret"),
        ],
    );
    let found = look(&said, MediaType::Png).expect("taken");
    is_sample_metadata(&found.metadata);
    let kept = clean(&found);
    assert!(!holds(&kept, b"secret") && !holds(&kept, b"acTL"));
    assert_eq!(pixels(&kept), pixels(&plain));
    let small = image::load_from_memory(&found.thumbnail.expect("small")).expect("decodes");
    assert_eq!(
        (small.width(), small.height()),
        (50, 30),
        "nothing is made larger"
    );
}

#[test]
fn a_webp_loses_profile_and_texts() {
    let plain = encoded(31, 20, ImageFormat::WebP);
    let said = with_riff_chunks(
        &plain,
        &[
            (b"EXIF", &tiff()),
            (b"XMP ", b"<secret/>"),
            (b"abcd", b"secret"),
        ],
        (31, 20),
    );
    let found = look(&said, MediaType::WebP).expect("taken");
    is_sample_metadata(&found.metadata);
    assert_eq!(found.size, Some((31, 20)));
    let kept = clean(&found);
    assert!(!holds(&kept, b"secret") && !holds(&kept, b"EXIF"));
    assert_eq!(pixels(&kept), pixels(&plain));
}

#[test]
fn a_film_keeps_its_offsets_and_loses_place_time_and_free_space() {
    // 2026-03-02 00:30:00 UTC, counted from 1904.
    let made_s = (1_772_411_400 + 2_082_844_800_u64) as u32;
    let film = mp4(b"vide", made_s, "+22.5431+114.0579/");
    let found = look(&film, MediaType::Mp4Video).expect("taken");
    assert_eq!(found.metadata.place_e7, Some((225_431_000, 1_140_579_000)));
    let taken_at = found.metadata.taken_at.expect("a time");
    assert_eq!(taken_at.local.and_utc().timestamp(), 1_772_411_400);
    assert_eq!(taken_at.offset_minutes, Some(0));
    let kept = clean(&found);
    assert_eq!(kept.len(), film.len());
    for gone in [&b"somebody"[..], b"+22.5431", b"xyz", &made_s.to_be_bytes()] {
        assert!(holds(&film, gone) && !holds(&kept, gone), "{gone:?}");
    }
    assert!(holds(&kept, &[5; 3_000]) && found.thumbnail.is_none());
    let again = look(&kept, MediaType::Mp4Video).expect("taken again");
    assert_eq!((clean(&again), again.metadata), (kept, Metadata::default()));
    // The western and southern halves of the world exist.
    let south = mp4(b"soun", 0, "-33.8568-151.2153/");
    let found = look(&south, MediaType::Mp4Audio).expect("taken");
    assert_eq!(
        found.metadata.place_e7,
        Some((-338_568_000, -1_512_153_000))
    );
    assert_eq!(found.metadata.taken_at, None);
}

#[test]
fn a_type_is_told_from_the_bytes_and_not_from_its_name() {
    let jpeg = jpeg(8, 8);
    let png = encoded(8, 8, ImageFormat::Png);
    let recording = mp4(b"soun", 0, "");
    for (bytes, named) in [
        (&jpeg[..], MediaType::Png),
        (&png, MediaType::Jpeg),
        (&png, MediaType::Mp4Video),
        (&recording, MediaType::Mp4Video),
        (&recording, MediaType::Jpeg),
        (b"<html><script>alert(1)</script></html>", MediaType::Jpeg),
        (b"%PDF-1.7\n%%EOF", MediaType::Jpeg),
        (b"GIF89a\x01\0\x01\0\0\0\0;", MediaType::Png),
        (b"PK\x03\x04", MediaType::WebP),
        (b"\x7fELF", MediaType::Mp4Video),
        (b"", MediaType::Jpeg),
    ] {
        let refused = look(bytes, named).expect_err("not taken");
        assert!(
            matches!(refused, Refusal::TypeDiffers | Refusal::Polyglot),
            "{named:?}: {refused}"
        );
    }
    assert!(look(&recording, MediaType::Mp4Audio).is_ok());
    for media in MediaType::ALL {
        assert_eq!(MediaType::from_text(media.as_str()), Some(media));
    }
    assert_eq!(MediaType::from_text("text/html"), None);
}

/// Every type that is taken, with its smallest whole file.
fn all() -> Vec<(MediaType, Vec<u8>)> {
    vec![
        (MediaType::Jpeg, jpeg(40, 40)),
        (MediaType::Png, encoded(40, 40, ImageFormat::Png)),
        (MediaType::WebP, encoded(40, 40, ImageFormat::WebP)),
        (MediaType::Mp4Video, mp4(b"vide", 0, "")),
        (MediaType::Mp4Audio, mp4(b"soun", 0, "")),
    ]
}

const ARCHIVE: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn two_files_in_one_are_refused() {
    for (named, bytes) in all() {
        for more in [&b"\0"[..], b"MZ", ARCHIVE, b"<script>", &bytes] {
            let both = [&bytes[..], more].concat();
            assert!(
                look(&both, named).is_err(),
                "{named:?} and {} bytes",
                more.len()
            );
        }
    }
    let plain = jpeg(40, 40);
    let document = with_segments(&plain, &[(0xfe, b"%PDF-1.7")]);
    assert_eq!(
        look(&document, MediaType::Jpeg).err(),
        Some(Refusal::Polyglot)
    );
    // An archive whose comment is the end of the image: whole as both.
    let (scan, end) = plain.split_at(plain.len() - 2);
    let mut archive = ARCHIVE.to_vec();
    archive[20] = 2;
    let hidden = [scan, &archive, end].concat();
    assert_eq!(
        look(&hidden, MediaType::Jpeg).err(),
        Some(Refusal::Polyglot)
    );
    let in_film = [mp4(b"vide", 0, ""), mp4_box(b"mdat", ARCHIVE)].concat();
    assert_eq!(
        look(&in_film, MediaType::Mp4Video).err(),
        Some(Refusal::Polyglot)
    );
    assert_eq!(
        look(&[&plain[..], b"x"].concat(), MediaType::Jpeg).err(),
        Some(Refusal::TrailingBytes)
    );
}

#[test]
fn a_huge_image_is_refused_from_its_header() {
    let huge = claimed_png(60_000, 60_000);
    assert!(huge.len() < 100);
    let limit = MediaLimits::default().pixels_max;
    let refused = Some(Refusal::TooManyPixels { limit });
    assert_eq!(look(&huge, MediaType::Png).err(), refused);
    assert_eq!(look(&claimed_png(30_000, 1), MediaType::Png).err(), refused);
    let mut tall = jpeg(16, 16);
    let frame = tall
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .expect("a frame");
    tall[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    assert_eq!(look(&tall, MediaType::Jpeg).err(), refused);
    assert_eq!(
        look(&claimed_png(0, 5), MediaType::Png).err(),
        Some(Refusal::Malformed("an image without pixels"))
    );
    // Within the limit by its header, and nothing behind it.
    assert!(look(&claimed_png(3_000, 3_000), MediaType::Png).is_err());
}

#[test]
fn whatever_breaks_off_or_is_spoilt_is_refused_or_whole_and_never_a_panic() {
    for (named, bytes) in all() {
        for length in (0..bytes.len()).step_by(7) {
            assert!(
                look(&bytes[..length], named).is_err(),
                "{named:?} cut at {length}"
            );
        }
        for at in 0..bytes.len().min(700) {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1 << (at % 8);
            // Whatever it is now: what is kept of it must be taken again as it is.
            if let Ok(found) = look(&spoilt, named) {
                let kept = clean(&found);
                let again = look(&kept, named).expect("what was kept is taken");
                assert_eq!(clean(&again), kept, "{named:?} spoilt at {at}");
            }
        }
    }
}
