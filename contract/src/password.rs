//! Generates passwords.

use rand::CryptoRng;
use secrecy::SecretString;

/// A password for a person to copy: 130 random bits, in letters and digits that are easy to distinguish.
#[must_use]
pub fn generate(rng: &mut impl CryptoRng) -> SecretString {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 26];
    rng.fill_bytes(&mut bytes);
    let password: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    password.into()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn generated_passwords_are_long_and_differ() {
        let passwords = [generate(&mut rand::rng()), generate(&mut rand::rng())];
        assert_eq!(passwords[0].expose_secret().len(), 26);
        assert_ne!(passwords[0].expose_secret(), passwords[1].expose_secret());
    }
}
