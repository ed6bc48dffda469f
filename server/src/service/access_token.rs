//! Access tokens: JWT signed with EdDSA, at most 15 minutes, minted and checked here and nowhere else.
//!
//! The JWT library checks the signature only; claims, types and times are checked here, against a clock that is handed in.

use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::{SigningKey, VerifyingKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Caller, ServiceError};
use api_schema::shapes::parse_canonical_uuid;

/// How long a token lives at most, in seconds.
pub const LIFETIME_S: i64 = 15 * 60;
/// By how much the clocks of two of our servers may differ, in seconds.
pub const LEEWAY_S: i64 = 30;
/// The longest token that is looked at, in bytes; ours have about 500.
const TOKEN_BYTES_MAX: usize = 2048;
const AUDIENCE: &str = "gridwork";
const TYPE: &str = "at+jwt";

/// A key that tokens may be signed with, as the engine's own table has it.
#[derive(Clone, Debug)]
pub struct TokenKey {
    /// The district whose tokens it signs, and no other's.
    pub district: Uuid,
    /// The public half.
    pub public_key: VerifyingKey,
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It was good, but its time is over: ask for a fresh one.
    #[error("the access token has expired")]
    Expired,
    /// It was never good.
    #[error("the access token was refused: {0}")]
    Refused(&'static str),
}

// Whatever stands in a header beyond these three (jku, jwk, x5u, x5c, crit ...) refuses the token: we mint none with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenHeader {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    dev: String,
    jti: String,
    iat: i64,
    exp: i64,
}

/// Mints a token for a replica; it lives [`LIFETIME_S`] seconds from `now_ms`. `jti` names it in a deny-list.
///
/// # Errors
/// [`ServiceError::Internal`] when the key cannot sign.
pub fn mint(
    key_id: &str,
    key: &SigningKey,
    district: Uuid,
    person: u32,
    replica: Uuid,
    jti: Uuid,
    now_ms: i64,
) -> Result<String, ServiceError> {
    let internal = |source: Box<dyn std::error::Error + Send + Sync>| ServiceError::Internal {
        what: "could not sign an access token",
        source,
    };
    let now_s = now_ms.div_euclid(1000);
    let claims = Claims {
        iss: issuer(district),
        aud: AUDIENCE.to_owned(),
        sub: person.to_string(),
        dev: replica.to_string(),
        jti: jti.to_string(),
        iat: now_s,
        exp: now_s + LIFETIME_S,
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(key_id.to_owned());
    let der = key
        .to_pkcs8_der()
        .map_err(|error| internal(Box::new(error)))?;
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes()))
        .map_err(|error| internal(Box::new(error)))
}

/// Checks a token: form, key, signature, claims, times. `find_key` looks in our own table and nowhere else.
///
/// # Errors
/// The token is not one of ours, or its time is over.
pub fn verify(
    token: &str,
    now_ms: i64,
    find_key: impl FnOnce(&str) -> Option<TokenKey>,
) -> Result<Caller, TokenFault> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenFault::Refused("too long"));
    }
    let header = read_header(token).ok_or(TokenFault::Refused("header"))?;
    if header.alg != "EdDSA" {
        return Err(TokenFault::Refused("algorithm"));
    }
    if header.typ != TYPE {
        return Err(TokenFault::Refused("type"));
    }
    if !is_key_id(&header.kid) {
        return Err(TokenFault::Refused("key id"));
    }
    let key = find_key(&header.kid).ok_or(TokenFault::Refused("unknown key"))?;

    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoding_key = DecodingKey::from_ed_der(key.public_key.as_bytes());
    let claims = jsonwebtoken::decode::<Claims>(token, &decoding_key, &validation)
        .map_err(|_| TokenFault::Refused("signature or claims"))?
        .claims;
    check_claims(&claims, &key, now_ms.div_euclid(1000))
}

fn check_claims(claims: &Claims, key: &TokenKey, now_s: i64) -> Result<Caller, TokenFault> {
    if claims.iss != issuer(key.district) {
        return Err(TokenFault::Refused("issuer"));
    }
    if claims.aud != AUDIENCE {
        return Err(TokenFault::Refused("audience"));
    }
    let person: u32 = claims
        .sub
        .parse()
        .map_err(|_| TokenFault::Refused("subject"))?;
    let replica = parse_canonical_uuid(&claims.dev).ok_or(TokenFault::Refused("device"))?;
    parse_canonical_uuid(&claims.jti).ok_or(TokenFault::Refused("token id"))?;
    let lifetime_s = claims
        .exp
        .checked_sub(claims.iat)
        .ok_or(TokenFault::Refused("times"))?;
    if !(1..=LIFETIME_S).contains(&lifetime_s) {
        return Err(TokenFault::Refused("lifetime"));
    }
    if claims.iat > now_s.saturating_add(LEEWAY_S) {
        return Err(TokenFault::Refused("issued in the future"));
    }
    if claims.exp.saturating_add(LEEWAY_S) <= now_s {
        return Err(TokenFault::Expired);
    }
    Ok(Caller {
        district: key.district,
        person,
        replica,
        token_expires_ms: claims.exp.saturating_mul(1000),
    })
}

fn read_header(token: &str) -> Option<TokenHeader> {
    use base64::Engine;
    let encoded = token.split('.').next()?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn is_key_id(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn issuer(district: Uuid) -> String {
    format!("gridwork/{district}")
}
