//! Bytes from outside never panic, whatever they are: noise, fields that make no sense, real messages with bits turned,
//! bytes missing or doubled. And what was signed is refused after any such change.

use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::path::PathBuf;
use sync_core::change::{Batch, Hash, Header, PartClass, SigningKey};
use sync_core::codec::{FieldWriter, put_prefixed, put_varint};
use sync_core::decide::prepare;
use sync_core::hex;
use sync_core::ids::{DistrictId, Epoch, LogPlace, Pos, ReplicaId, ReplicaNo, Seq, UnitId};
use sync_core::kinds::{self, KnownIntents};
use sync_core::merge::{Act, RecordState};
use sync_core::payload::Payload;
use sync_core::scope::Scope;
use sync_core::validate::{is_json_object, read_and_validate};
use sync_core::verdict::{Verdict, decode_answers};
use sync_core::wire::{
    EnrolmentCertificate, Receipt, RequestBody, SignedHead, SyncResponse, WipeOrder, read_items,
};
use tests::small_log::{Form, SmallLog, record_id};
use uuid::{Uuid, uuid};

const DISTRICT: DistrictId = DistrictId(uuid!("018f4c1e-0000-7000-8000-0000000000d1"));

fn seeded(first: u8) -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|index| index as u8 + first))
}

/// Reads the bytes as everything they could be, and uses what comes out.
fn read_as_everything(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        assert_eq!(Header::decode(&header.encode()), Ok(header));
    }
    for count in [0, 1, 3, 500, 501, usize::MAX] {
        if let Ok(batch) = Batch::read(count, bytes) {
            read_batch(&batch);
        }
    }
    if let Ok(body) = RequestBody::read(bytes) {
        body.is_signed_by(&seeded(0).verifying_key());
        if let Ok(batch) = body.batch() {
            read_batch(&batch);
        }
    }
    if let Ok(response) = SyncResponse::decode(bytes) {
        for item in read_items(&response.items) {
            let _ = item;
        }
        let _ = SyncResponse::decode(&response.encode());
    }
    if let Ok(receipt) = Receipt::decode(bytes) {
        for seq in [0, receipt.from.0, receipt.to.0, u64::MAX] {
            let _ = receipt.answer(Seq(seq));
        }
        receipt.is_signed_by(DISTRICT, &seeded(32).verifying_key());
        let _ = receipt.encode();
    }
    if let Ok(head) = SignedHead::decode(bytes) {
        head.is_signed_by(DISTRICT, &seeded(32).verifying_key());
    }
    if let Ok(order) = WipeOrder::decode(bytes) {
        order.is_signed_by(DISTRICT, &seeded(32).verifying_key());
    }
    assert!(read_items(bytes).count() <= bytes.len());
    let _ = decode_answers(bytes, 500);
    if let Ok(scope) = Scope::decode(bytes) {
        assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
    }
    if let Ok(state) = RecordState::from_image(bytes) {
        for name in state.field_names() {
            assert!(state.shown(name).is_some());
        }
        let _ = (
            state.conflicts(),
            state.stamps().count(),
            state.writes().count(),
            state.latest(),
        );
        let again = RecordState::from_image(&state.to_image()).expect("own image");
        assert_eq!(again, state);
    }
    let _ = is_json_object(bytes);
    for intent in kinds::all() {
        let (payload, problems) = read_and_validate(intent, Some(bytes));
        if let Some(payload) = payload.filter(|_| problems.is_empty()) {
            assert!(
                Act::of(intent, payload).is_some(),
                "{} is valid but does nothing",
                intent.name
            );
        }
    }
}

fn read_batch(batch: &Batch<'_>) {
    let replica = ReplicaId(Uuid::from_bytes([3; 16]));
    let hashes = batch.chain(DISTRICT, replica, Seq(1), Hash::ZERO);
    for (index, (change, hash)) in batch.changes.iter().zip(hashes).enumerate() {
        let prepared = prepare(change, Seq(index as u64 + 1), hash, KnownIntents::ALL);
        assert!(prepared.header.is_some() || !prepared.problems.is_empty());
    }
}

/// Every golden message, with its name.
fn messages() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut messages: Vec<_> = fs::read_dir(folder)
        .expect("the golden files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hex"))
        .map(|path| {
            let text: String = fs::read_to_string(&path)
                .expect("text")
                .split_whitespace()
                .collect();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, hex::decode(&text).expect("hexadecimal"))
        })
        .collect();
    messages.sort();
    messages
}

/// Fields in order, of random tags, shapes and contents, as deep as messages nest.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let leaf = proptest::collection::vec(any::<u8>(), 0..40).boxed();
    leaf.prop_recursive(3, 24, 6, |inner| {
        let integer = prop_oneof![0u64..20, any::<u64>()].prop_map(Ok);
        let sized = (
            Just(()),
            proptest::sample::select(vec![16usize, 24, 32, 64]),
            any::<u8>(),
        )
            .prop_map(|((), size, byte)| Err(vec![byte; size]));
        let value = prop_oneof![integer, sized, inner.prop_map(Err)];
        proptest::collection::vec((1u64..26, value), 0..12).prop_map(|mut fields| {
            fields.sort_by_key(|(tag, _)| *tag);
            let mut out = FieldWriter::default();
            for (tag, value) in fields {
                match value {
                    Ok(number) => out.integer(tag, number),
                    Err(bytes) => out.bytes(tag, &bytes),
                };
            }
            out.finish()
        })
    })
}

/// JSON of the names and values that payloads use, and of others.
fn json() -> impl Strategy<Value = String> {
    let names: Vec<&str> = kinds::all()
        .flat_map(|intent| intent.fields)
        .map(|field| field.name)
        .collect();
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        proptest::sample::select(vec![
            "1.0",
            "1e999",
            "-0",
            "4294967296",
            "4294967295",
            "1780300000000",
            "9007199254740993123456"
        ])
        .prop_map(str::to_owned),
        proptest::sample::select(vec![
            "SAN-01",
            "REGISTERED",
            "DONE",
            "II",
            "high",
            "",
            "\\u0000",
            "\\ud800",
            "a\\u0007",
            "018f4c1e-7b7a-7cc3-98c4-dc0c0c073981"
        ])
        .prop_map(|text| format!("\"{text}\"")),
        ".{0,8}".prop_map(|text| serde_json::to_string(&text).expect("JSON")),
    ];
    let value = scalar.prop_recursive(3, 16, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|list| format!("[{}]", list.join(","))),
            proptest::collection::vec(("(latitude_e7|longitude_e7|accuracy_m|[a-b])", inner), 0..4)
                .prop_map(|fields| object(&fields)),
        ]
    });
    let name = prop_oneof![9 => proptest::sample::select(names).prop_map(str::to_owned), 1 => "[x-z]".prop_map(String::from)];
    proptest::collection::vec((name, value), 0..8).prop_map(|fields| object(&fields))
}

fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// An answer whose check is right, so that what it says is looked at.
fn checked_answer(fields: &[u8]) -> Vec<u8> {
    let bytes = [b"GWR1", fields].concat();
    let check = sync_core::wire::check_of(&bytes);
    [&bytes[..], &check].concat()
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
        for magic in [&b"GWQ1"[..], b"GWR1", &[1, 1]] {
            read_as_everything(&[magic, &bytes].concat());
        }
        read_as_everything(&checked_answer(&bytes));
    }

    #[test]
    fn fields_that_make_no_sense_never_panic(fields in fields(), tail in proptest::collection::vec(any::<u8>(), 0..80)) {
        read_as_everything(&fields);
        read_as_everything(&[&[1, 1], &fields[..]].concat());
        read_as_everything(&[b"GWR1", &fields[..]].concat());
        read_as_everything(&checked_answer(&fields));
        let mut request = b"GWQ1".to_vec();
        put_prefixed(&mut request, &fields);
        request.extend_from_slice(&tail);
        read_as_everything(&request);
        let mut items = Vec::new();
        put_prefixed(&mut items, &fields);
        put_varint(&mut items, tail.len() as u64 + 1);
        read_as_everything(&items);
    }

    /// A bit turned, a byte gone, a byte doubled, an end cut off: anywhere in any message.
    #[test]
    fn damaged_messages_never_panic(pick: Index, at: Index, bit in 0u8..8, damage in 0u8..4) {
        let messages = messages();
        let (_, message) = pick.get(&messages);
        let mut bytes = message.clone();
        let at = at.index(bytes.len());
        match damage {
            0 => bytes[at] ^= 1 << bit,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, bytes[at]),
            _ => bytes.truncate(at),
        }
        read_as_everything(&bytes);
    }

    /// Any payload of any intent on any record: an answer, and never a panic.
    #[test]
    fn any_payload_gets_an_answer(
        changes in proptest::collection::vec((0usize..15, json(), any::<(u32, u64)>(), 0u64..6, 0u8..2, any::<i64>(), any::<u32>()), 1..10),
    ) {
        let intents: Vec<_> = kinds::all().collect();
        let mut log = SmallLog::new(2);
        for (intent, json, (epoch, pos), lag, record, wall_ms, unit) in changes {
            let base = if lag == 5 { LogPlace { epoch: Epoch(epoch), pos: Pos(pos) } } else { log.head() };
            let form = Form {
                record: record_id(record),
                unit: UnitId(1 + unit % 4),
                intent: intents[intent % intents.len()].name,
                json: json.clone(),
                base,
                wall_ms,
                needs: None,
            };
            let entry = log.write(ReplicaNo(1 + unit % 2), &form);
            prop_assert!(entry.answer.verdict.is_in_force() || !entry.answer.problems.is_empty());
            prop_assert!(entry.event.is_some() || matches!(entry.answer.verdict, Verdict::Held | Verdict::Quarantined));
            if let Some(state) = &entry.after {
                let image = state.to_image();
                prop_assert_eq!(RecordState::from_image(&image).expect("own image").to_image(), image);
            }
        }
    }

    #[test]
    fn a_payload_is_read_back_as_it_was_written(json in json()) {
        if let Ok(payload) = Payload::read(json.as_bytes()) {
            let text = serde_json::to_string(&payload).expect("JSON");
            let again = Payload::read(text.as_bytes()).expect("own JSON");
            prop_assert_eq!(&again, &payload);
            prop_assert_eq!(serde_json::to_string(&again).expect("JSON"), text);
        }
    }
}

/// Every single bit of what is signed.
#[test]
fn no_bit_of_what_is_signed_can_be_turned() {
    let messages = messages();
    let message = |name: &str| {
        &messages
            .iter()
            .find(|(at, _)| at == name)
            .expect("a golden file")
            .1
    };
    let (replica, server) = (seeded(0).verifying_key(), seeded(32).verifying_key());
    let check = |name: &str, upto: usize, is_signed: &dyn Fn(&[u8]) -> bool| {
        let good = message(name);
        assert!(is_signed(good), "{name}");
        for bit in 0..upto.min(good.len()) * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_signed(&bytes), "{name}: bit {bit} does not matter");
        }
    };
    let is_request =
        |bytes: &[u8]| RequestBody::read(bytes).is_ok_and(|body| body.is_signed_by(&replica));
    check("request_idle", usize::MAX, &is_request);
    check("receipt", usize::MAX, &|bytes| {
        Receipt::decode(bytes).is_ok_and(|receipt| receipt.is_signed_by(DISTRICT, &server))
    });
    check("head", usize::MAX, &|bytes| {
        SignedHead::decode(bytes).is_ok_and(|head| head.is_signed_by(DISTRICT, &server))
    });
    check("certificate", usize::MAX, &|bytes| {
        EnrolmentCertificate::decode(bytes).is_ok_and(|word| word.is_signed_by(DISTRICT, &server))
    });
    check("wipe", usize::MAX, &|bytes| {
        WipeOrder::decode(bytes).is_ok_and(|order| order.is_signed_by(DISTRICT, &server))
    });
    // The batch is covered by the chain hash in the fields.
    check("request_batch", usize::MAX, &|bytes| {
        let Ok(body) = RequestBody::read(bytes) else {
            return false;
        };
        let Ok(batch) = body.batch() else {
            return false;
        };
        let request = &body.request;
        let hashes = batch.chain(
            request.district,
            request.replica,
            request.first_seq,
            request.prev_hash,
        );
        is_request(bytes) && hashes.last() == Some(&request.end_hash)
    });
    // A receipt or head of one district says nothing in another.
    let other = DistrictId(Uuid::from_bytes([9; 16]));
    let receipt = Receipt::decode(message("receipt")).expect("a receipt");
    assert!(!receipt.is_signed_by(other, &server));
    assert!(
        !SignedHead::decode(message("head"))
            .expect("a head")
            .is_signed_by(other, &server)
    );
}

/// Images that are JSON of the right form and still make no sense.
#[test]
fn images_that_make_no_sense_never_panic() {
    let images = [
        r#"{"k":"report","u":1,"p":1,"l":[1,1],"w":[{"f":{"a":1}}]}"#,
        r#"{"k":"report","u":1,"p":1,"l":[1,1],"c":[1],"w":[{"f":{}},{"f":{"a":1}},{"s":[],"f":{"a":1}}]}"#,
        r#"{"k":"report","u":1,"p":1,"l":[1,1],"e":[{"s":[9,9,9,9,9,-1],"n":"","f":{}}],"t":[{"s":[],"f":{}}]}"#,
        r#"{"k":"report","u":1,"p":18446744073709551615,"l":[4294967295,18446744073709551615]}"#,
        r#"{"k":"report","u":1,"p":1,"l":[1,1],"c":[9223372036854775807,-9223372036854775808,4294967295,4294967295,9223372036854775807,4294967294,4294967295,4294967295,9223372036854775807]}"#,
    ];
    for image in images {
        read_as_everything(image.as_bytes());
    }
}

/// The classes of parts are bytes, known or not.
#[test]
fn every_class_of_part_is_framed() {
    for class in 1..=u8::MAX {
        let mut bytes = vec![1, b'h', 1, class];
        bytes.extend([7; 16]);
        bytes.extend([2, b'{', b'}']);
        let batch = Batch::read(1, &bytes).expect("a batch");
        assert_eq!(batch.changes[0].parts[0].class, PartClass(class));
    }
}
