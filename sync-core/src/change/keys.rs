//! Ed25519 keys and signatures: strict verification only, over the bytes as sent.

use ed25519_dalek::Signer;
use std::fmt;
use zeroize::Zeroizing;

/// A private key, wiped from memory when dropped. Its 32 seed bytes come from outside: the core has no randomness.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

/// A public key, known to be a valid and strong curve point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey(ed25519_dalek::VerifyingKey);

/// 64 bytes of Ed25519.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl SigningKey {
    /// A key from its seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, for storing.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `tag | message`. The tag says what kind of message it is, so that a signature for one purpose
    /// never serves another.
    pub fn sign(&self, tag: &str, message: &[u8]) -> Signature {
        Signature(self.0.sign(&tagged(tag, message)).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

impl VerifyingKey {
    /// Takes 32 bytes; `None` when they are no curve point or one of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// The 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.to_bytes()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({:?})", &self.0.to_bytes()[..4])
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Signature({:?}..)", &self.0[..4])
    }
}

/// Whether `signature` is `key`'s over `tag | message`, by the strict rules of RFC 8032 (`verify_strict`).
pub fn verify(key: &VerifyingKey, tag: &str, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.0
        .verify_strict(&tagged(tag, message), &signature)
        .is_ok()
}

fn tagged(tag: &str, message: &[u8]) -> Vec<u8> {
    [tag.as_bytes(), message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_serves_one_tag_and_one_message() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign("gridwork/test/1", b"message");
        let public = key.verifying_key();
        assert!(verify(&public, "gridwork/test/1", b"message", &signature));
        assert!(!verify(&public, "gridwork/test/2", b"message", &signature));
        assert!(!verify(&public, "gridwork/test/1", b"massage", &signature));
    }

    #[test]
    fn weak_keys_are_no_keys() {
        assert!(VerifyingKey::from_bytes(&[0; 32]).is_none());
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(VerifyingKey::from_bytes(&identity).is_none());
    }

    #[test]
    fn a_private_key_prints_nothing_of_itself_and_the_others_four_bytes() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
        let public = key.verifying_key();
        let bytes = public.to_bytes();
        assert_eq!(
            format!("{public:?}"),
            format!("VerifyingKey({:?})", &bytes[..4])
        );
        assert_eq!(
            format!("{:?}", Signature([9; 64])),
            "Signature([9, 9, 9, 9]..)"
        );
    }
}
