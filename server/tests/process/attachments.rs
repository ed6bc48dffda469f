//! Uploads to a real process: killed when the bytes are put away and not noted, and everything it told is true afterwards.

use crate::phone::Phone;
use crate::server::DataDirectory;
use std::io::Cursor;
use std::path::Path;
use sync_core::change::Hash;

fn photo() -> Vec<u8> {
    let image = image::DynamicImage::new_rgb8(400, 300);
    let mut out = Cursor::new(Vec::new());
    image
        .write_to(&mut out, image::ImageFormat::Png)
        .expect("encodes");
    out.into_inner()
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Begins an upload and says where it is.
fn create(url: &str, token: &str, bytes: &[u8]) -> String {
    let metadata = format!(
        "sha256 {},filetype {}",
        base64(&Hash::of(&[bytes]).to_string()),
        base64("image/png")
    );
    let answer = ureq::post(format!("{url}/v1/uploads"))
        .header("authorization", format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0")
        .header("upload-length", bytes.len().to_string())
        .header("upload-metadata", metadata)
        .send_empty()
        .expect("begun");
    let location = answer.headers().get("location").expect("a place");
    location.to_str().expect("text").to_owned()
}

fn offset(url: &str, token: &str, upload: &str) -> u64 {
    let answer = ureq::head(format!("{url}{upload}"))
        .header("authorization", format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0")
        .call()
        .expect("there");
    let offset = answer.headers().get("upload-offset").expect("an offset");
    offset.to_str().expect("text").parse().expect("a number")
}

fn append(
    url: &str,
    token: &str,
    upload: &str,
    offset: u64,
    bytes: &[u8],
) -> Result<u16, ureq::Error> {
    ureq::patch(format!("{url}{upload}"))
        .header("authorization", format!("Bearer {token}"))
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", offset.to_string())
        .header("content-type", "application/offset+octet-stream")
        .send(bytes)
        .map(|answer| answer.status().as_u16())
}

fn count(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                count(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

#[test]
fn a_server_killed_between_putting_bytes_away_and_noting_them_has_told_no_lie() {
    let data = DataDirectory::with_worker();
    let bytes = photo();
    let serving = data.serve(None);
    let phone = Phone::enrol(&serving.url, &data.code(), data.path());
    let upload = create(&serving.url, &phone.token, &bytes);
    append(&serving.url, &phone.token, &upload, 0, &bytes[..100]).expect("taken");
    serving.stop();

    let dying = data.serve(Some("attachment_put"));
    let sent = append(&dying.url, &phone.token, &upload, 100, &bytes[100..]);
    assert!(sent.is_err(), "the answer must not arrive");
    assert!(!dying.wait().success());

    let serving = data.serve(None);
    assert_eq!(offset(&serving.url, &phone.token, &upload), 100);
    let sent = append(&serving.url, &phone.token, &upload, 100, &bytes[100..]);
    assert_eq!(sent.expect("whole"), 204);
    assert_eq!(
        offset(&serving.url, &phone.token, &upload),
        bytes.len() as u64
    );
    serving.stop();
    let shelf = data.path().join("attachments/440399");
    assert_eq!(count(&shelf.join("uploads")), 0);
    assert_eq!(
        count(&shelf.join("objects")),
        2,
        "the photo and its thumbnail, once"
    );
}

#[test]
fn a_restore_leaves_attachments_where_they_are() {
    let data = DataDirectory::with_worker();
    let bytes = photo();
    let serving = data.serve(None);
    let phone = Phone::enrol(&serving.url, &data.code(), data.path());
    let backup = tempfile::tempdir().expect("a folder");
    let to = backup.path().join("copy").display().to_string();
    let secret = [("GRIDWORK_BACKUP_PASSPHRASE", "correct horse battery")];
    let text = data.text();
    let made = crate::server::run_with(&["backup", "--data", &text, "--to", &to], &secret);
    assert!(made.success, "{}", made.stderr);
    let upload = create(&serving.url, &phone.token, &bytes);
    append(&serving.url, &phone.token, &upload, 0, &bytes).expect("whole");
    serving.stop();
    let restore = ["restore", "--from", &to, "--data", &text, "--replace"];
    let restored = crate::server::run_with(&restore, &secret);
    assert!(restored.success, "{}", restored.stderr);
    let serving = data.serve(None);
    assert_eq!(
        offset(&serving.url, &phone.token, &upload),
        bytes.len() as u64
    );
    serving.stop();
}
