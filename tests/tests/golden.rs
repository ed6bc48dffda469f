//! Golden files: stored bytes and wire messages as they are for ever. The old bytes still decode, and encode to themselves.
//!
//! `GRIDWORK_GOLDEN=write cargo test -p tests --test golden` writes them anew; look at the difference before it is kept.
//! A file that a release has shipped is never written anew: a new form gets a new file beside it.

#[path = "golden/chain.rs"]
mod chain;
#[path = "golden/images.rs"]
mod images;
#[path = "golden/messages.rs"]
mod messages;
#[path = "golden/texts.rs"]
mod texts;
#[path = "golden/written.rs"]
mod written;

use chain::{DISTRICT, Golden, replica_key, server_key};
use messages::all;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use sync_core::change::{Batch, BatchWriter, Header};
use sync_core::digest::SetDigest;
use sync_core::directory::DirectoryChange;
use sync_core::hex;
use sync_core::merge::RecordState;
use sync_core::scope::Scope;
use sync_core::verdict::{decode_answers, encode_answers};
use sync_core::wire::{
    EnrolmentCertificate, KeyLink, Receipt, RequestBody, SignedHead, SyncResponse, WipeOrder,
    read_items, write_item,
};
use texts::texts_of;
use written::{written_chain, written_log_chain};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn is_writing() -> bool {
    std::env::var_os("GRIDWORK_GOLDEN").is_some_and(|value| value == "write")
}

/// Lines of 32 bytes.
fn hex_text(bytes: &[u8]) -> String {
    bytes
        .chunks(32)
        .map(|line| hex::encode(line) + "\n")
        .collect()
}

fn bytes_of(text: &str, name: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    hex::decode(&digits).unwrap_or_else(|| panic!("{name} is not hexadecimal"))
}

fn compare(name: &str, expected: &str) {
    let path = folder().join(name);
    if is_writing() {
        fs::write(&path, expected).expect("writing a golden file");
    }
    let found = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{name}: {error}; see the head of golden.rs"));
    if name.ends_with(".json") {
        // The order of an object's members says nothing.
        let value = |text| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(
            value(&found),
            value(expected),
            "{name} is no longer what it was"
        );
    } else {
        assert_eq!(found, expected, "{name} is no longer what it was");
    }
}

#[test]
fn todays_bytes_are_the_golden_ones() {
    let mut names = BTreeSet::new();
    for Golden { name, bytes } in all() {
        compare(&format!("{name}.hex"), &hex_text(&bytes));
        names.insert(format!("{name}.hex"));
    }
    for (name, text) in texts_of() {
        compare(name, &text);
        names.insert(name.to_owned());
    }
    let found: BTreeSet<String> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.into_string().expect("a plain name")
        })
        .collect();
    let unused: Vec<_> = found.difference(&names).collect();
    assert!(unused.is_empty(), "no test writes {unused:?}");
}

/// Whatever file lies there, whoever wrote it: its bytes decode and encode to themselves.
#[test]
fn old_bytes_decode_and_encode_to_themselves() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a plain name");
        if path.extension().is_none_or(|extension| extension != "hex") {
            continue;
        }
        let bytes = bytes_of(&fs::read_to_string(&path).expect("text"), name);
        let kind = name.split('_').next().expect("a first word");
        let again = again(kind, &bytes);
        assert_eq!(
            hex::encode(&again),
            hex::encode(&bytes),
            "{name} comes out otherwise"
        );
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} golden files");
}

fn again(kind: &str, bytes: &[u8]) -> Vec<u8> {
    match kind {
        "header" => Header::decode(bytes).expect(kind).encode(),
        "batch" => again_batch(&Batch::read(3, bytes).expect(kind)),
        "request" => {
            let body = RequestBody::read(bytes).expect(kind);
            assert!(body.is_signed_by(&replica_key().verifying_key()));
            let batch = again_batch(&body.batch().expect("its batch"));
            body.request.encode(&batch, &replica_key())
        }
        "receipt" => {
            let receipt = Receipt::decode(bytes).expect(kind);
            assert!(receipt.is_signed_by(DISTRICT, &server_key().verifying_key()));
            receipt.encode()
        }
        "head" => {
            let head = SignedHead::decode(bytes).expect(kind);
            assert!(head.is_signed_by(DISTRICT, &server_key().verifying_key()));
            head.encode()
        }
        "certificate" => {
            let certificate = EnrolmentCertificate::decode(bytes).expect(kind);
            assert!(certificate.is_signed_by(DISTRICT, &server_key().verifying_key()));
            certificate.encode()
        }
        "key" => {
            let link = KeyLink::decode(bytes).expect(kind);
            let change = DirectoryChange::ServerKey {
                id: link.id.clone(),
                key: link.key,
                signature: hex::encode(&link.signature.0),
            };
            assert!(change.is_key_signed_by(DISTRICT, &server_key().verifying_key()));
            link.encode()
        }
        "wipe" => {
            let order = WipeOrder::decode(bytes).expect(kind);
            assert!(order.is_signed_by(DISTRICT, &server_key().verifying_key()));
            order.encode()
        }
        "response" => {
            let mut response = SyncResponse::decode(bytes).expect(kind);
            response.items = again_items(&response.items);
            response.encode()
        }
        "items" => again_items(bytes),
        "answers" => encode_answers(&decode_answers(bytes, 500).expect(kind)),
        "scope" => Scope::decode(bytes).expect(kind).encode(),
        "image" => RecordState::from_image(bytes).expect(kind).to_image(),
        "digest" => SetDigest::from_bytes(bytes.try_into().expect("24 bytes"))
            .to_bytes()
            .to_vec(),
        other => panic!("no reader for {other}"),
    }
}

fn again_batch(batch: &Batch<'_>) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for change in &batch.changes {
        writer.push(change.header, &change.parts);
    }
    writer.finish()
}

fn again_items(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in read_items(bytes) {
        let item = item.expect("an item").expect("an item of this version");
        write_item(&mut out, &item);
    }
    out
}

/// The chains as anyone would compute them from the page that describes them, with nothing but SHA-256.
#[test]
fn both_chains_follow_from_what_is_written_about_them() {
    let text = fs::read_to_string(folder().join("chain.json")).expect("the chain");
    assert_eq!(written_chain(&text), 3);
    let text = fs::read_to_string(folder().join("log_chain.json")).expect("the log");
    assert_eq!(written_log_chain(&text), 2);
}
