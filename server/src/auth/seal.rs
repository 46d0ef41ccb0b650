//! Secrets in the database, encrypted under the refresh keys: a copy of the database alone does not reveal them.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretBox};

/// Bytes of a secret.
pub const LENGTH: usize = 32;
pub type Secret = SecretBox<[u8; LENGTH]>;

/// Seals secrets under one refresh key.
pub struct Seal {
    kid: String,
    key: LessSafeKey,
    nonces: hmac::Key,
}

impl Seal {
    /// # Errors
    /// If the library refuses the derived key, which it never does.
    pub fn new(kid: &str, refresh_secret: &[u8]) -> anyhow::Result<Self> {
        let derived = |purpose: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, refresh_secret), purpose);
        let key = derived(b"sc-auth/seal/key\n");
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| anyhow::anyhow!("deriving a sealing key"))?;
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, derived(b"sc-auth/seal/nonces\n").as_ref());
        Ok(Self { kid: kid.to_owned(), key: LessSafeKey::new(key), nonces })
    }

    /// The id of the refresh key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The same secret always gives the same text: the nonce is derived from it, as in RFC 8452.
    pub fn seal(&self, secret: &Secret) -> anyhow::Result<String> {
        let tag = hmac::sign(&self.nonces, secret.expose_secret());
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&tag.as_ref()[..NONCE_LEN]);
        let mut text = secret.expose_secret().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(self.kid.as_bytes()), &mut text)
            .map_err(|_| anyhow::anyhow!("sealing a secret"))?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    /// `None` if the text was not sealed with this key.
    pub fn open(&self, sealed: &str) -> Option<Secret> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::from(self.kid.as_bytes()), text).ok()?;
        let secret = <[u8; LENGTH]>::try_from(&*opened).ok()?;
        Some(Secret::new(Box::new(secret)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sealing_key_opens_a_sealed_secret() {
        let secret = |byte| Secret::new(Box::new([byte; LENGTH]));
        let seal = Seal::new("one", &[7; 32]).unwrap();
        let sealed = seal.seal(&secret(9)).unwrap();
        assert_eq!(sealed, seal.seal(&secret(9)).unwrap());
        assert_ne!(sealed, seal.seal(&secret(8)).unwrap());
        assert!(sealed.len() <= 255, "the column holds it");
        assert_eq!(seal.open(&sealed).unwrap().expose_secret(), &[9; LENGTH]);
        assert!(Seal::new("one", &[8; 32]).unwrap().open(&sealed).is_none());
        assert!(Seal::new("two", &[7; 32]).unwrap().open(&sealed).is_none());
        for broken in ["", "AAAA", "?", &sealed[1..]] {
            assert!(seal.open(broken).is_none(), "{broken}");
        }
    }
}
