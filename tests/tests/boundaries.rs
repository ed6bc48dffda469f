//! Every limit of the frame and the messages at {0, 1, n-1, n, n+1}: what is at its limit is taken, one more is refused as
//! over its limit.

use std::array;
use sync_core::change::{Batch, BatchWriter, Hash, Part, PartClass, Signature, SigningKey};
use sync_core::codec::{CodecError, put_varint, take_varint};
use sync_core::ids::{DistrictId, Epoch, Pos, RecordId, ReplicaId, Seq};
use sync_core::kinds;
use sync_core::limits;
use sync_core::merge::Act;
use sync_core::time::Evidence;
use sync_core::validate::read_and_validate;
use sync_core::verdict::{Answer, ProblemCode, decode_answers, encode_answers};
use sync_core::wire::{Cursor, PROTOCOL, Receipt, RequestBody, SyncRequest};
use uuid::Uuid;

/// Around a limit of `n`.
fn around(n: usize) -> [usize; 5] {
    [0, 1, n - 1, n, n + 1]
}

/// Taken up to `limit`, refused above with the limit named.
fn check<T>(what: &str, size: usize, limit: usize, found: &Result<T, CodecError>) {
    match found {
        Ok(_) => assert!(
            size <= limit,
            "{what}: {size} is over {limit} and was taken"
        ),
        Err(error) => {
            assert!(
                size > limit,
                "{what}: {size} of {limit} was refused: {error}"
            );
            assert!(
                matches!(error, CodecError::OverLimit { limit: named, .. } if *named == limit),
                "{what}: {error:?}"
            );
        }
    }
}

fn open(bytes: &[u8]) -> Part<'_> {
    Part {
        class: PartClass::OPEN,
        salt: None,
        bytes,
    }
}

#[test]
fn changes_in_a_batch() {
    for count in around(limits::BATCH_CHANGES_MAX) {
        let mut writer = BatchWriter::default();
        for _ in 0..count {
            writer.push(b"header", &[open(b"{}")]);
        }
        assert_eq!(writer.is_empty(), count == 0);
        let bytes = writer.finish();
        let read = Batch::read(count, &bytes);
        check("changes", count, limits::BATCH_CHANGES_MAX, &read);
        if let Ok(batch) = read {
            assert_eq!(batch.changes.len(), count);
            // The count and the bytes must agree.
            assert!(Batch::read(count + 1, &bytes).is_err());
            assert!(count == 0 || Batch::read(count - 1, &bytes).is_err());
        }
        let request = SyncRequest {
            first_seq: Seq(1),
            count: count as u64,
            ..idle()
        };
        let body = request.encode(&bytes, &key());
        let read = RequestBody::read(&body);
        check(
            "changes of a request",
            count,
            limits::BATCH_CHANGES_MAX,
            &read,
        );
    }
}

#[test]
fn bytes_of_headers_and_parts() {
    for size in around(limits::HEADER_BYTES_MAX) {
        let mut writer = BatchWriter::default();
        writer.push(&vec![7; size], &[]);
        check(
            "header",
            size,
            limits::HEADER_BYTES_MAX,
            &Batch::read(1, &writer.finish()),
        );
    }
    for size in around(limits::PART_BYTES_MAX) {
        for (class, salt) in [(PartClass::OPEN, None), (PartClass::PERSON, Some([1; 16]))] {
            let bytes = vec![7; size];
            let mut writer = BatchWriter::default();
            writer.push(
                b"header",
                &[Part {
                    class,
                    salt,
                    bytes: &bytes,
                }],
            );
            check(
                "part",
                size,
                limits::PART_BYTES_MAX,
                &Batch::read(1, &writer.finish()),
            );
        }
    }
    for count in around(limits::PARTS_MAX) {
        let parts: Vec<_> = (0..count)
            .map(|class| Part {
                class: PartClass(class as u8),
                salt: (class > 0).then_some([1; 16]),
                bytes: b"{}",
            })
            .collect();
        let mut writer = BatchWriter::default();
        writer.push(b"header", &parts);
        check(
            "parts",
            count,
            limits::PARTS_MAX,
            &Batch::read(1, &writer.finish()),
        );
    }
}

/// Two parts of one class, or a lower one after a higher, would leave it open which of them counts.
#[test]
fn classes_of_parts_ascend() {
    for (first, second, fits) in [
        (0, 0, false),
        (0, 1, true),
        (1, 1, false),
        (2, 1, false),
        (1, 255, true),
    ] {
        let part = |class: u8| Part {
            class: PartClass(class),
            salt: (class > 0).then_some([1; 16]),
            bytes: b"{}",
        };
        let mut writer = BatchWriter::default();
        writer.push(b"header", &[part(first), part(second)]);
        assert_eq!(
            Batch::read(1, &writer.finish()).is_ok(),
            fits,
            "{first} {second}"
        );
    }
}

/// The first and the last good number of every kind of number, and their neighbours; what is valid has an effect.
#[test]
fn numbers_of_a_payload() {
    let person = i64::from(u32::MAX);
    let cases: [(&str, &str, i64, i64); 7] = [
        ("report.move", r#"{"unit":N}"#, 1, person),
        ("patrol.join", r#"{"member":N}"#, 1, person),
        (
            "report.transition",
            r#"{"to":"EVALUATED","rating":N}"#,
            1,
            5,
        ),
        (
            "report.amend",
            r#"{"happened_at_ms":N}"#,
            limits::TIME_MS_MIN,
            limits::TIME_MS_MAX,
        ),
        (
            "report.amend",
            r#"{"place":{"latitude_e7":N,"longitude_e7":0}}"#,
            -900_000_000,
            900_000_000,
        ),
        (
            "report.amend",
            r#"{"place":{"latitude_e7":0,"longitude_e7":N}}"#,
            -1_800_000_000,
            1_800_000_000,
        ),
        (
            "report.amend",
            r#"{"place":{"latitude_e7":0,"longitude_e7":0,"accuracy_m":N}}"#,
            0,
            10_000,
        ),
    ];
    for (name, json, min, max) in cases {
        let intent = kinds::find(name).expect("an intent of ours");
        for (number, fits) in [
            (min - 1, false),
            (min, true),
            (min + 1, true),
            (max - 1, true),
            (max, true),
            (max + 1, false),
        ] {
            let json = json.replace('N', &number.to_string());
            let (payload, problems) = read_and_validate(intent, Some(json.as_bytes()));
            let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
            let expected: &[ProblemCode] = if fits {
                &[]
            } else {
                &[ProblemCode::OutOfRange]
            };
            assert_eq!(codes, expected, "{name} {json}");
            let payload = payload.expect("an object");
            assert!(
                !fits || Act::of(intent, payload).is_some(),
                "{name} {json} does nothing"
            );
        }
    }
}

/// A length that promises more than there is takes no memory and no time.
#[test]
fn promised_lengths_are_not_believed() {
    for length in [
        u64::MAX,
        u64::from(u32::MAX),
        limits::HEADER_BYTES_MAX as u64 + 1,
    ] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, length);
        assert!(
            matches!(Batch::read(1, &bytes), Err(CodecError::OverLimit { .. })),
            "{length}"
        );
    }
    for run in [limits::BATCH_CHANGES_MAX as u64 + 1, u64::MAX] {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, run);
        bytes.push(0);
        assert!(
            decode_answers(&bytes, limits::BATCH_CHANGES_MAX).is_err(),
            "{run}"
        );
    }
}

#[test]
fn receipts_and_wanted_records_of_a_request() {
    for count in around(limits::REOFFERED_RECEIPTS_MAX) {
        let request = SyncRequest {
            receipts: vec![vec![1, 2, 3]; count],
            ..idle()
        };
        let body = request.encode(&[], &key());
        let read = RequestBody::read(&body).map(|body| body.request);
        check("receipts", count, limits::REOFFERED_RECEIPTS_MAX, &read);
        assert!(read.is_err() || read == Ok(request));
    }
    for count in around(limits::WANTED_RECORDS_MAX) {
        let request = SyncRequest {
            wanted: vec![RecordId(Uuid::from_bytes([9; 16])); count],
            ..idle()
        };
        let body = request.encode(&[], &key());
        let read = RequestBody::read(&body).map(|body| body.request);
        check("wanted", count, limits::WANTED_RECORDS_MAX, &read);
        assert!(read.is_err() || read == Ok(request));
    }
}

#[test]
fn the_length_of_the_apps_version() {
    for size in around(64) {
        let request = SyncRequest {
            app: "v".repeat(size),
            ..idle()
        };
        let read = RequestBody::read(&request.encode(&[], &key())).is_ok();
        assert_eq!(read, size <= 64, "{size}");
    }
}

#[test]
fn the_range_of_a_receipt() {
    for count in around(limits::BATCH_CHANGES_MAX) {
        let receipt = receipt(count);
        let read = Receipt::decode(&receipt.encode());
        let fits = (1..=limits::BATCH_CHANGES_MAX).contains(&count);
        assert_eq!(read.is_ok(), fits, "{count}: {read:?}");
        if fits {
            assert_eq!(read.as_ref(), Ok(&receipt));
            assert!(receipt.answer(receipt.from).is_some() && receipt.answer(receipt.to).is_some());
        }
        assert_eq!(receipt.answer(Seq(receipt.to.0 + 1)), None);
        assert_eq!(receipt.answer(Seq(receipt.from.0 - 1)), None);
    }
    // A place too many, a place too few, an answer too many, an answer too few, a time too many, a time too few.
    let good = receipt(3);
    for (last_pos, answers, times) in [
        (13, 3, 3),
        (11, 3, 3),
        (12, 4, 3),
        (12, 2, 3),
        (12, 3, 4),
        (12, 3, 2),
    ] {
        let wrong = Receipt {
            last_pos: Pos(last_pos),
            answers: vec![Answer::accepted(); answers],
            times_ms: vec![0; times],
            ..good.clone()
        };
        assert!(
            Receipt::decode(&wrong.encode()).is_err(),
            "{last_pos} {answers} {times}"
        );
    }
}

#[test]
fn the_number_of_answers() {
    for count in around(limits::BATCH_CHANGES_MAX) {
        let answers = vec![Answer::accepted(); count];
        let read = decode_answers(&encode_answers(&answers), limits::BATCH_CHANGES_MAX);
        check("answers", count, limits::BATCH_CHANGES_MAX, &read);
    }
}

#[test]
fn the_fields_of_a_payload() {
    let intent = kinds::find("report.create").expect("an intent of ours");
    for count in around(limits::PAYLOAD_FIELDS_MAX) {
        let fields: Vec<String> = (1..count)
            .map(|number| format!(r#""x{number}":1"#))
            .collect();
        let category = (count > 0).then(|| r#""category":"SAN-01""#.to_owned());
        let fields: Vec<String> = category.into_iter().chain(fields).collect();
        let json = format!("{{{}}}", fields.join(","));
        let (_, problems) = read_and_validate(intent, Some(json.as_bytes()));
        let found: Vec<_> = problems.iter().map(|problem| problem.code).collect();
        let expected: &[ProblemCode] = match count {
            0 => &[ProblemCode::Required],
            _ if count > limits::PAYLOAD_FIELDS_MAX => &[ProblemCode::TooManyFields],
            _ => &[],
        };
        assert_eq!(found, expected, "{count}");
    }
}

#[test]
fn integers_at_every_length() {
    for bits in 0..64 {
        for value in [(1u64 << bits) - 1, 1 << bits] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(
                bytes.len(),
                (64 - value.leading_zeros() as usize).max(1).div_ceil(7),
                "{value}"
            );
            assert_eq!(take_varint(&mut bytes.as_slice()), Ok(value));
            let last = bytes.len() - 1;
            assert_eq!(take_varint(&mut &bytes[..last]), Err(CodecError::Truncated));
            // The same number in a longer form has another hash, so it is refused.
            bytes[last] |= 0x80;
            bytes.push(0);
            assert_eq!(
                take_varint(&mut bytes.as_slice()),
                Err(CodecError::BadInteger),
                "{value}"
            );
        }
    }
}

fn key() -> SigningKey {
    SigningKey::from_seed(&array::from_fn(|index| index as u8))
}

fn idle() -> SyncRequest {
    SyncRequest {
        protocol: PROTOCOL,
        district: DistrictId(Uuid::from_bytes([1; 16])),
        replica: ReplicaId(Uuid::from_bytes([2; 16])),
        request_no: 1,
        head_seq: Seq(0),
        head_hash: Hash::ZERO,
        certificate: Vec::new(),
        sent_at: Evidence::default(),
        cursor: Cursor::default(),
        first_seq: Seq(0),
        prev_hash: Hash::ZERO,
        count: 0,
        end_hash: Hash::ZERO,
        receipts: Vec::new(),
        wanted: Vec::new(),
        wants_token: false,
        page_bytes_max: 0,
        image_version: 1,
        app: String::new(),
        known_keys: 1,
        last_head: Vec::new(),
        documents_held: None,
    }
}

fn receipt(count: usize) -> Receipt {
    Receipt {
        epoch: Epoch(1),
        replica: ReplicaId(Uuid::from_bytes([2; 16])),
        from: Seq(5),
        to: Seq(4 + count as u64),
        chain_hash: Hash::ZERO,
        first_pos: Pos(10),
        last_pos: Pos(9 + count as u64),
        received_ms: 1_000,
        answers: vec![Answer::accepted(); count],
        times_ms: vec![990; count],
        key_id: "k1".into(),
        signature: Signature([0; 64]),
    }
}
