//! Private keys in a backup: sealed under a passphrase, bound to the manifest that they were made with.
//!
//! Argon2id makes the key from the passphrase, XChaCha20-Poly1305 seals. Whoever changes a file, its hash or the manifest
//! without knowing the passphrase makes a backup that does not open.

use super::BackupError;
use crate::ids::Entropy;
use crate::store::sqlite::control::KeyRow;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use std::path::Path;
use sync_core::hex;
use zeroize::Zeroizing;

/// The fewest characters of a passphrase.
pub const PASSPHRASE_CHARACTERS_MIN: usize = 12;
/// Longer ones are a mistake: a wrong file.
const PASSPHRASE_BYTES_MAX: usize = 4_096;
/// RFC 9106, second recommended choice, on one lane: 64 MiB, three passes.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// What a restore is ready to spend for a file that says so.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 32;

/// A passphrase; forgotten in memory when it is dropped, and never printed.
pub struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Passphrase {
    /// Takes a passphrase; a line's end behind it does not count.
    ///
    /// # Errors
    /// That it is too short.
    pub fn new(text: String) -> Result<Self, BackupError> {
        let text = Zeroizing::new(text);
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.chars().count() < PASSPHRASE_CHARACTERS_MIN
            || trimmed.len() > PASSPHRASE_BYTES_MAX
        {
            return Err(BackupError::PassphraseShort);
        }
        Ok(Self(Zeroizing::new(trimmed.to_owned())))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// The file system's own, or that it is too short.
    pub fn read(path: &Path) -> Result<Self, BackupError> {
        Self::new(std::fs::read_to_string(path).map_err(BackupError::file(path))?)
    }
}

/// The file `keys.sealed`.
#[derive(Debug, Serialize, Deserialize)]
struct Sealed {
    kdf: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
    cipher: String,
    nonce: String,
    sealed: String,
}

const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20poly1305";

/// Seals keys; `bound` is what they are bound to.
pub(super) fn seal(
    rows: &[KeyRow],
    passphrase: &Passphrase,
    bound: &str,
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    entropy.fill(&mut salt);
    entropy.fill(&mut nonce);
    let plain = Zeroizing::new(serde_json::to_vec(rows).expect("BUG: a key's row is always JSON"));
    let key = derive(passphrase, &salt, MEMORY_KIB, PASSES).expect("BUG: fixed parameters");
    let payload = Payload {
        msg: &plain,
        aad: bound.as_bytes(),
    };
    let sealed = XChaCha20Poly1305::new(key[..].into())
        .encrypt(&XNonce::from(nonce), payload)
        .expect("BUG: a few rows are too long to seal");
    let file = Sealed {
        kdf: KDF.into(),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        salt: hex::encode(&salt),
        cipher: CIPHER.into(),
        nonce: hex::encode(&nonce),
        sealed: hex::encode(&sealed),
    };
    serde_json::to_vec_pretty(&file).expect("BUG: always JSON")
}

/// Opens keys. A wrong passphrase and a changed manifest look the same.
pub(super) fn open(
    file: &[u8],
    passphrase: &Passphrase,
    bound: &str,
) -> Result<Vec<KeyRow>, BackupError> {
    let damaged = || BackupError::FileDiffers(super::KEYS.into());
    let file: Sealed = serde_json::from_slice(file).map_err(|_| damaged())?;
    if file.kdf != KDF
        || file.cipher != CIPHER
        || file.memory_kib > MEMORY_KIB_MAX
        || file.passes > PASSES_MAX
    {
        return Err(damaged());
    }
    let salt = hex::decode(&file.salt).ok_or_else(damaged)?;
    let nonce: [u8; 24] = hex::decode(&file.nonce)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(damaged)?;
    let sealed = hex::decode(&file.sealed).ok_or_else(damaged)?;
    let key = derive(passphrase, &salt, file.memory_kib, file.passes).ok_or_else(damaged)?;
    let payload = Payload {
        msg: &sealed,
        aad: bound.as_bytes(),
    };
    let plain = XChaCha20Poly1305::new(key[..].into())
        .decrypt(&XNonce::from(nonce), payload)
        .map_err(|_| BackupError::PassphraseWrong)?;
    let plain = Zeroizing::new(plain);
    serde_json::from_slice(&plain).map_err(|_| damaged())
}

fn derive(
    passphrase: &Passphrase,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.0.as_bytes(), salt, &mut key[..])
        .ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;
    use crate::store::sqlite::control::KeyCell;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).expect("long enough")
    }

    #[test]
    fn keys_open_under_their_passphrase_and_manifest_alone() {
        let seed = "5e".repeat(32);
        let row = KeyRow::from([
            ("id".into(), KeyCell::Text("k1".into())),
            ("seed".into(), KeyCell::Bytes(seed.clone())),
        ]);
        let right = phrase("正确的口令一定要够长才行吧");
        let file = seal(
            std::slice::from_ref(&row),
            &right,
            "manifest",
            &SeededEntropy::new(1),
        );
        assert!(!String::from_utf8_lossy(&file).contains(&seed));
        assert_eq!(open(&file, &right, "manifest").expect("opens"), [row]);
        let wrong = phrase("another passphrase\n");
        for (passphrase, bound) in [(&wrong, "manifest"), (&right, "another manifest")] {
            assert!(matches!(
                open(&file, passphrase, bound),
                Err(BackupError::PassphraseWrong)
            ));
        }
        assert!(matches!(
            open(b"{}", &right, "manifest"),
            Err(BackupError::FileDiffers(_))
        ));
        assert!(matches!(
            Passphrase::new("too short\n\n\n\n".into()),
            Err(BackupError::PassphraseShort)
        ));
    }
}
