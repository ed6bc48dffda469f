//! The golden files of text: keys, both hash chains and the proofs of enrolment.

use super::chain::{
    DISTRICT, OTHER_REPLICA, RECEIVED_MS, REPLICA, chain, chain_hashes, replica_key, server_key,
};
use super::messages::quarantined;
use serde_json::{Value, json};
use sync_core::change::{Hash, SigningKey};
use sync_core::entry::{Admission, EntryKind, Ruling, RulingKind, chained_body, log_hash};
use sync_core::hex;
use sync_core::ids::{PersonId, Pos, ReplicaNo, Seq};
use sync_core::verdict::Answer;

/// Every golden file of text.
pub fn texts_of() -> Vec<(&'static str, String)> {
    vec![
        ("keys.json", pretty(&keys_json())),
        ("chain.json", pretty(&chain_json())),
        ("log_chain.json", pretty(&log_chain_json())),
        ("enrolment.json", pretty(&enrolment_json())),
    ]
}

pub fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("JSON");
    text.push('\n');
    text
}

pub fn keys_json() -> Value {
    let key = |key: &SigningKey| json!({"seed": hex::encode(&*key.seed()), "public": hex::encode(&key.verifying_key().to_bytes())});
    json!({
        "district": DISTRICT.to_string(),
        "replica": REPLICA.to_string(),
        "replica_key": key(&replica_key()),
        "server_key_id": "k1",
        "server_key": key(&server_key()),
    })
}

pub fn chain_json() -> Value {
    let hashes = chain_hashes();
    let changes: Vec<Value> = chain()
        .iter()
        .zip(&hashes)
        .map(|((header, parts), hash)| {
            let parts: Vec<Value> = parts
                .iter()
                .map(|part| {
                    json!({
                        "class": part.class.0,
                        "salt": part.salt.map(|salt| hex::encode(&salt)),
                        "text": std::str::from_utf8(part.bytes).expect("text"),
                        "commitment": part.part().commitment().to_string(),
                    })
                })
                .collect();
            json!({"seq": header.seq, "header": hex::encode(&header.encode()), "parts": parts, "hash": hash.to_string()})
        })
        .collect();
    json!({"district": DISTRICT.to_string(), "replica": REPLICA.to_string(), "changes": changes})
}

pub fn admission() -> Admission {
    Admission {
        replica: ReplicaNo(1),
        person: PersonId(7),
        seq: Seq(1),
        hash: chain_hashes()[0],
        received_ms: RECEIVED_MS,
        time_ms: RECEIVED_MS - 500_000,
        answer: Answer::accepted(),
        first_place: None,
    }
}

pub fn log_chain_json() -> Value {
    let change = admission().chained_bytes();
    let first = log_hash(Hash::ZERO, Pos(1), EntryKind::Change, &change);
    let answer = quarantined();
    let ruling = Ruling {
        ruling: RulingKind::Rejected,
        of: Pos(1),
        replica: ReplicaNo(1),
        seq: Seq(1),
        by: Some(PersonId(3)),
        reason: "twice".into(),
        verdict: answer.verdict,
        marks: answer.marks,
        problems: answer.problems,
    };
    let body = serde_json::to_vec(&ruling).expect("JSON");
    let chained = chained_body(RECEIVED_MS + 1, &body);
    let second = log_hash(first, Pos(2), EntryKind::Ruling, &chained);
    json!({"entries": [
        {"pos": 1, "kind": 1, "chained": hex::encode(&change), "hash": first.to_string()},
        {"pos": 2, "kind": 2, "body": String::from_utf8(body).expect("text"), "chained": hex::encode(&chained), "hash": second.to_string()},
    ]})
}

pub fn enrolment_json() -> Value {
    let code = "40715528";
    let public = replica_key().verifying_key().to_bytes();
    let message = [code.as_bytes(), REPLICA.as_bytes(), &public].concat();
    let proof = replica_key().sign("gridwork/enrol/1", &message);
    let last = chain_hashes()[2];
    let new_key = SigningKey::from_seed(&[0x77; 32]);
    let new_public = new_key.verifying_key().to_bytes();
    let seq = 3u64.to_be_bytes();
    let fork = [
        &REPLICA.as_bytes()[..],
        OTHER_REPLICA.as_bytes(),
        &new_public,
        &seq,
        &last.0,
    ]
    .concat();
    json!({
        "enrol": {
            "code": code,
            "replica": REPLICA.to_string(),
            "public_key": hex::encode(&public),
            "signed": hex::encode(&[&b"gridwork/enrol/1"[..], &message].concat()),
            "proof": hex::encode(&proof.0),
        },
        "fork": {
            "old_replica": REPLICA.to_string(),
            "replica": OTHER_REPLICA.to_string(),
            "public_key": hex::encode(&new_public),
            "last_common_seq": 3,
            "last_common_hash": last.to_string(),
            "signed": hex::encode(&[&b"gridwork/fork/1"[..], &fork].concat()),
            "old_proof": hex::encode(&replica_key().sign("gridwork/fork/1", &fork).0),
            "proof": hex::encode(&new_key.sign("gridwork/fork/1", &fork).0),
        },
    })
}
