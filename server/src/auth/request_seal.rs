//! Encrypts the authorization request in a page's form. The server stores nothing before a login, so a flood costs no
//! rows. Only the browser that received the form can submit it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;

/// Seals under keys that are derived from one refresh key: one for each browser, so that no flood of pages comes near the
/// number of random nonces that one key of AES-GCM allows.
pub struct RequestSeal {
    kid: String,
    secret: Prk,
}

impl RequestSeal {
    pub fn new(kid: &str, refresh_secret: &[u8]) -> Self {
        Self { kid: kid.to_owned(), secret: Salt::new(HKDF_SHA256, b"").extract(refresh_secret) }
    }

    /// `None` if the library refuses the derived key, which it never does.
    fn key(&self, bound_to: &str) -> Option<LessSafeKey> {
        let purpose = [&b"sc-auth/authorization-request\n"[..], bound_to.as_bytes()];
        let derived = self.secret.expand(&purpose, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(derived)))
    }

    /// `bound_to` is a secret of the browser.
    pub fn seal(&self, text: &str, bound_to: &str, rng: &mut impl CryptoRng) -> anyhow::Result<String> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut bytes = text.as_bytes().to_vec();
        self.key(bound_to)
            .and_then(|key| {
                key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), self.aad(), &mut bytes).ok()
            })
            .ok_or_else(|| anyhow::anyhow!("sealing a request"))?;
        Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(&self.kid), URL_SAFE_NO_PAD.encode([&nonce[..], &bytes].concat())))
    }

    /// `None` if it was not sealed with this key for this browser.
    pub fn open(&self, sealed: &str, bound_to: &str) -> Option<String> {
        let (kid, bytes) = sealed.split_once('.')?;
        if URL_SAFE_NO_PAD.decode(kid).ok()? != self.kid.as_bytes() {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(bytes).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key(bound_to)?.open_in_place(nonce, self.aad(), text).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }

    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(self.kid.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_browser_of_the_form_can_send_it() {
        let rng = &mut rand::rng();
        let seal = RequestSeal::new("one", &[7; 32]);
        let sealed = seal.seal("text", "browser", rng).unwrap();
        assert_ne!(sealed, seal.seal("text", "browser", rng).unwrap());
        assert_eq!(seal.open(&sealed, "browser").as_deref(), Some("text"));
        assert!(seal.open(&sealed, "other").is_none());
        assert!(RequestSeal::new("one", &[8; 32]).open(&sealed, "browser").is_none());
        assert!(RequestSeal::new("two", &[7; 32]).open(&sealed, "browser").is_none());
        for broken in ["", ".", "b25l.", "b25l.AAAA", &sealed[1..], &format!("{sealed}A")] {
            assert!(seal.open(broken, "browser").is_none(), "{broken}");
        }
    }
}
