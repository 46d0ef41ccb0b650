//! Firebase's scrypt: the value is the project's key, encrypted with what scrypt derives from the password.

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::super::derive::HashError;

/// The bytes to derive; the first 32 are the key.
pub const DERIVED: usize = 64;

/// The project's key, `base64_signer_key`.
pub struct Seal(pub Vec<u8>);

impl Seal {
    /// Encrypts the project's key.
    pub fn with(&self, derived: &[u8]) -> Result<Vec<u8>, HashError> {
        let mut sealed = self.0.clone();
        let key = derived.get(..AES_256_KEY_LEN).ok_or(HashError::of("bad length"))?;
        UnboundCipherKey::new(&AES_256, key)
            .and_then(EncryptingKey::ctr)
            // The counter of AES-CTR always begins at zero here: each key encrypts one text.
            .and_then(|key| key.less_safe_encrypt(&mut sealed, EncryptionContext::Iv128(FixedLength::from([0; 16]))))
            .map_err(|_| HashError::of("AES refused the input"))?;
        Ok(sealed)
    }
}
