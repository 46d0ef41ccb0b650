//! Random texts that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;

/// The characters of a secret.
pub const SECRET_LENGTH: usize = 43;

/// 256 random bits in base64url (RFC 4648, 5).
pub fn random_secret(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_another_one() {
        let [one, other] = [random_secret(&mut rand::rng()), random_secret(&mut rand::rng())];
        assert!(one != other && one.len() == SECRET_LENGTH && other.len() == SECRET_LENGTH);
    }
}
