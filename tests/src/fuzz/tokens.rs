//! Access tokens: any text, and tokens whose header and claims are spoilt by choice and then signed with the right key.

use super::choices::Choices;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use server::service::access_token::{LIFETIME_S, TokenKey, mint, verify};
use uuid::Uuid;

const NOW_MS: i64 = 1_795_386_600_000;
const KEY_ID: &str = "440399-k1";

fn key() -> SigningKey {
    SigningKey::from_bytes(&[6; 32])
}

fn find_key(id: &str) -> Option<TokenKey> {
    (id == KEY_ID).then(|| TokenKey {
        district: Uuid::from_u128(0xd1),
        public_key: key().verifying_key(),
    })
}

/// See the module.
pub fn tokens(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = verify(&text, NOW_MS, find_key);
    assert!(found.is_err(), "a token that nobody signed is good");
    let mut choices = Choices::new(data);
    let (header, claims) = spoilt(&mut choices);
    let signed = format!("{}.{}", base64url(&header), base64url(&claims));
    let signature = key().sign(signed.as_bytes()).to_bytes();
    let token = format!("{signed}.{}", base64url(&signature));
    if let Ok(caller) = verify(&token, NOW_MS, find_key) {
        let claims: Value = serde_json::from_slice(&claims).expect("claims that were read");
        assert_eq!(claims["sub"], json!(caller.person.to_string()));
        assert_eq!(claims["dev"], json!(caller.replica.to_string()));
        let ends_s = caller.token_expires_ms / 1_000;
        assert!(
            ends_s <= NOW_MS / 1_000 + LIFETIME_S + 30,
            "it lives too long"
        );
    }
    spoilt_text(&mut choices);
}

/// A minted token with its text spoilt.
fn spoilt_text(choices: &mut Choices<'_>) {
    let ids = (
        Uuid::from_u128(0xd1),
        Uuid::from_u128(5),
        Uuid::from_u128(6),
    );
    let minted = mint(KEY_ID, &key(), ids.0, 7, ids.1, ids.2, NOW_MS);
    let good = minted.expect("a key that signs");
    let mut bytes = good.clone().into_bytes();
    choices.spoil(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    let is_good = verify(&text, NOW_MS, find_key).is_ok();
    assert_eq!(is_good, text == good, "a changed token is good");
}

fn spoilt(choices: &mut Choices<'_>) -> (Vec<u8>, Vec<u8>) {
    let now_s = NOW_MS / 1_000;
    let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID});
    let mut claims = json!({
        "iss": format!("gridwork/{}", Uuid::from_u128(0xd1)), "aud": "gridwork", "sub": "7",
        "dev": Uuid::from_u128(5).to_string(), "jti": Uuid::from_u128(6).to_string(),
        "iat": now_s, "exp": now_s + 900,
    });
    for _ in 0..choices.below(4) {
        let names = ["alg", "typ", "kid", "jku", "crit"];
        let name = names[choices.below(names.len())];
        header[name] = value(choices, now_s);
    }
    for _ in 0..choices.below(6) {
        let names = ["iss", "aud", "sub", "dev", "jti", "iat", "exp", "nbf"];
        let name = names[choices.below(names.len())];
        claims[name] = value(choices, now_s);
    }
    let (mut header, mut claims) = (header.to_string(), claims.to_string());
    if choices.byte().is_multiple_of(8) {
        // The same member twice.
        claims = claims.replacen('{', &format!("{{\"exp\":{},", i64::MAX), 1);
        header = header.replacen('{', "{\"alg\":\"none\",", 1);
    }
    (header.into_bytes(), claims.into_bytes())
}

fn value(choices: &mut Choices<'_>, now_s: i64) -> Value {
    match choices.below(5) {
        0 => json!(choices.number(now_s as u64)),
        1 => json!(choices.number(now_s as u64) as i64),
        2 => json!(String::from_utf8_lossy(choices.bytes())),
        3 => json!(choices.number(7).to_string()),
        _ => json!([null, true, {}, [], 0.5])[choices.below(5)].clone(),
    }
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let number = piece
            .iter()
            .chain([0, 0].iter())
            .take(3)
            .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        for index in 0..=piece.len() {
            let digit = number >> (18 - 6 * index) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}
