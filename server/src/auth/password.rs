//! Hashes passwords and verifies them: Argon2id (RFC 9106) in PHC strings. Hashes of other services verify too, and are
//! replaced at the next login.

mod derive;
pub mod imported;
pub mod policy;

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Version};
use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

pub use derive::{HashError, MEMORY_KIB, Memory, OURS};
use derive::{derive, params};
pub use imported::{Caps, MAX_MEMORY_MIB, Stored};

/// The format that new passwords are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Argon2id,
    /// The format of the legacy service, while it still uses the same database.
    OldService,
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// Whether the hash is imported and may be replaced by a hash of the password that matched: not if other passwords
    /// match it too.
    pub may_replace: bool,
}

/// One form for texts that look the same: NFKC (Unicode Standard Annex 15, NIST SP 800-63B-4, 3.1.1.2).
pub fn normalized(password: &SecretString) -> SecretString {
    password.expose_secret().nfkc().collect::<String>().into()
}

/// Hashes a new password. Takes about 20 ms of one core.
pub fn hash(password: &SecretString, salt: &Salt, form: Form, memory: &mut Memory) -> Result<String, HashError> {
    if form == Form::OldService {
        // The legacy service hashes the bytes without normalisation, and `verify` tries them first for such hashes.
        return Ok(imported::hash_as_old_service(password, salt));
    }
    let password = normalized(password);
    let params = params()?;
    let output = derive(&password, salt.as_ref(), Algorithm::Argon2id, Version::V0x13, &params, memory)?;
    let output = Output::new(&output).map_err(|_| HashError::of("bad length"))?;
    let hash = PasswordHash {
        algorithm: Ident::new("argon2id").map_err(|_| HashError::of("bad algorithm name"))?,
        version: Some(u32::from(Version::V0x13)),
        params: ParamsString::try_from(&params).map_err(|_| HashError::of("bad parameters"))?,
        salt: Some(*salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Compares a password with a stored hash, in constant time once the hash is computed.
///
/// # Errors
/// If the stored hash cannot be parsed, or costs more than `caps` allow.
pub fn verify(password: &SecretString, stored: &str, caps: Caps, memory: &mut Memory) -> Result<Verdict, HashError> {
    let is_imported = !stored.starts_with(OURS);
    let parsed = Stored::parse(stored)?;
    parsed.check(caps)?;
    let normalized = normalized(password);
    if parsed.is_quick() {
        // At least as slow as one of ours, so that the time does not reveal which users have such a hash.
        derive(&normalized, &[0; 16], Algorithm::Argon2id, Version::V0x13, &params()?, memory)?;
    }
    // Another service may have hashed the bytes without normalisation; ours never does.
    let (first, second) = if is_imported { (password, &normalized) } else { (&normalized, password) };
    let mut matching = None;
    if parsed.matches(first, memory)? {
        matching = Some(first);
    } else if first.expose_secret() != second.expose_secret() && parsed.matches(second, memory)? {
        matching = Some(second);
    }
    let may_replace = is_imported && matching.is_some_and(|password| parsed.reads_whole(password));
    Ok(Verdict { matches: matching.is_some(), may_replace })
}

#[cfg(test)]
mod tests {
    use argon2::Argon2;
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    const CAPS: Caps = Caps { memory_kib: 32 * 1024 };

    fn secret(text: &str) -> SecretString {
        text.into()
    }

    fn hashed(password: &str, memory: &mut Memory) -> String {
        hash(&secret(password), &Salt::from_rng(&mut rand::rng()), Form::Argon2id, memory).unwrap()
    }

    fn matches(password: &str, stored: &str, memory: &mut Memory) -> bool {
        verify(&secret(password), stored, CAPS, memory).unwrap().matches
    }

    #[test]
    fn a_hash_verifies_its_own_password_only() {
        let mut memory = Memory::allocate();
        let hash = hashed("correct horse", &mut memory);
        assert!(hash.starts_with(OURS), "{hash}");
        assert!(matches("correct horse", &hash, &mut memory));
        assert!(!matches("correct horsE", &hash, &mut memory));
        assert!(!verify(&secret("correct horse"), &hash, CAPS, &mut memory).unwrap().may_replace);
    }

    #[test]
    fn the_same_letters_typed_on_another_keyboard_match() {
        let mut memory = Memory::allocate();
        let hash = hashed("passwörter", &mut memory);
        assert!(matches("passwo\u{308}rter", &hash, &mut memory));
        assert!(!matches("passworter", &hash, &mut memory));
    }

    #[test]
    fn the_library_itself_agrees() {
        let mut memory = Memory::allocate();
        let ours = hashed("correct horse", &mut memory);
        assert!(Argon2::default().verify_password(b"correct horse", ours.as_str()).is_ok());
        let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(matches("correct horse", &theirs, &mut memory));
    }
}
