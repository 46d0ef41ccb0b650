//! Generates passwords.

use rand::CryptoRng;
use secrecy::SecretString;

/// The fewest characters of a generated password: 130 random bits.
pub const LENGTH: usize = 26;

/// A password for a person to copy, in letters and digits that are easy to distinguish: of [`LENGTH`] characters, or of
/// `min_length` if that is more.
#[must_use]
pub fn generate(min_length: usize, rng: &mut impl CryptoRng) -> SecretString {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; LENGTH.max(min_length)];
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
        let passwords = [0, 0].map(|min_length| generate(min_length, &mut rand::rng()));
        assert_eq!(passwords[0].expose_secret().len(), 26);
        assert_ne!(passwords[0].expose_secret(), passwords[1].expose_secret());
    }

    #[test]
    fn a_generated_password_is_as_long_as_required() {
        for (min_length, length) in [(1, 26), (26, 26), (27, 27), (256, 256)] {
            assert_eq!(generate(min_length, &mut rand::rng()).expose_secret().len(), length);
        }
    }
}
