//! Both hash chains worked out again from the golden text, with nothing but SHA-256.

use serde_json::Value;
use sync_core::change::Hash;
use sync_core::hex;
use uuid::Uuid;

pub fn sha256(parts: &[&[u8]]) -> Vec<u8> {
    Hash::of(&[&parts.concat()]).0.to_vec()
}

pub fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hexadecimal")
}

pub fn uuid_bytes(value: &Value) -> Vec<u8> {
    Uuid::parse_str(value.as_str().expect("text"))
        .expect("a UUID")
        .as_bytes()
        .to_vec()
}

/// Recomputes `chain.json` from the written rule; how many changes it checked.
pub fn written_chain(text: &str) -> usize {
    let chain: Value = serde_json::from_str(text).expect("JSON");
    let mut prev = vec![0; 32];
    let changes = chain["changes"].as_array().expect("changes");
    for change in changes {
        let parts = change["parts"].as_array().expect("parts");
        let mut commitments = Vec::new();
        for part in parts {
            let class = [part["class"].as_u64().expect("a class") as u8];
            let salt = part["salt"]
                .as_str()
                .map_or(Vec::new(), |_| unhex(&part["salt"]));
            let bytes = part["text"].as_str().expect("text").as_bytes();
            let commitment = sha256(&[b"gridwork/part/1", &class, &salt, bytes]);
            assert_eq!(commitment, unhex(&part["commitment"]));
            commitments.extend(class);
            commitments.extend(commitment);
        }
        let seq = change["seq"].as_u64().expect("a seq").to_be_bytes();
        prev = sha256(&[
            b"gridwork/change/1",
            &[1, 1],
            &uuid_bytes(&chain["district"]),
            &uuid_bytes(&chain["replica"]),
            &seq,
            &prev,
            &sha256(&[&unhex(&change["header"])]),
            &[parts.len() as u8],
            &commitments,
        ]);
        assert_eq!(prev, unhex(&change["hash"]), "change {seq:?}");
    }
    changes.len()
}

/// Recomputes `log_chain.json` from the written rule; how many entries it checked.
pub fn written_log_chain(text: &str) -> usize {
    let log: Value = serde_json::from_str(text).expect("JSON");
    let mut prev = vec![0; 32];
    let entries = log["entries"].as_array().expect("entries");
    for entry in entries {
        let pos = entry["pos"].as_u64().expect("a pos").to_be_bytes();
        let kind = [entry["kind"].as_u64().expect("a kind") as u8];
        prev = sha256(&[
            b"gridwork/log/1",
            &prev,
            &pos,
            &kind,
            &unhex(&entry["chained"]),
        ]);
        assert_eq!(prev, unhex(&entry["hash"]));
    }
    entries.len()
}
