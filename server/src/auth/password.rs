//! How a password becomes a hash, and how one is compared with it: Argon2id (RFC 9106) in PHC strings.

use argon2::password_hash::phc::{Ident, Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};

/// Memory for one hash, in KiB. With [`PASSES`], the second of OWASP's equally strong choices.
pub const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A bound on the work that one password can cause.
pub const MAX_LENGTH: usize = 256;

/// A stored hash that cannot be used, or a failure of the library.
#[derive(Debug, thiserror::Error)]
#[error("password hash: {0}")]
pub struct HashError(&'static str);

/// Memory for one hash at a time, used again and again.
pub struct Memory(Vec<Block>);

impl Memory {
    pub fn allocate() -> Self {
        Self(vec![Block::default(); params().map_or(0, |params| params.block_count())])
    }
}

/// Hashes a new password. Takes about 30 ms of one core.
pub fn hash(password: &SecretString, salt: &Salt, memory: &mut Memory) -> Result<String, HashError> {
    let params = params()?;
    let output = derive(password, salt, &params, memory)?;
    let hash = PasswordHash {
        algorithm: Ident::new("argon2id").map_err(|_| HashError("bad algorithm name"))?,
        version: Some(u32::from(Version::V0x13)),
        params: ParamsString::try_from(&params).map_err(|_| HashError("bad parameters"))?,
        salt: Some(*salt),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

/// Compares a password with a stored hash, in constant time once the hash is computed.
pub fn verify(password: &SecretString, stored: &str, memory: &mut Memory) -> Result<bool, HashError> {
    let stored = PasswordHash::new(stored).map_err(|_| HashError("not a PHC string"))?;
    if stored.algorithm.as_str() != "argon2id" {
        return Err(HashError("of an unknown kind"));
    }
    let params = Params::try_from(&stored).map_err(|_| HashError("bad parameters"))?;
    if params.m_cost() > MEMORY_KIB || params.t_cost() > PASSES {
        return Err(HashError("dearer than this server allows"));
    }
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(HashError("without salt or value"));
    };
    // `Output` compares in constant time.
    Ok(derive(password, salt, &params, memory)? == *expected)
}

fn derive(password: &SecretString, salt: &Salt, params: &Params, memory: &mut Memory) -> Result<Output, HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut output = vec![0; length];
    argon2
        .hash_password_into_with_memory(
            password.expose_secret().as_bytes(),
            salt.as_ref(),
            &mut output,
            memory.0.as_mut_slice(),
        )
        .map_err(|_| HashError("argon2 refused the input"))?;
    Output::new(&output).map_err(|_| HashError("bad length"))
}

fn params() -> Result<Params, HashError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(Params::DEFAULT_OUTPUT_LEN)).map_err(|_| HashError("bad parameters"))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn secret(text: &str) -> SecretString {
        text.into()
    }

    #[test]
    fn a_hash_verifies_its_own_password_only() {
        let mut memory = Memory::allocate();
        let hash = hash(&secret("correct horse"), &Salt::from_rng(&mut rand::rng()), &mut memory).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(&secret("correct horse"), &hash, &mut memory).unwrap());
        assert!(!verify(&secret("correct horsE"), &hash, &mut memory).unwrap());
    }

    #[test]
    fn the_library_itself_agrees() {
        let mut memory = Memory::allocate();
        let ours = hash(&secret("correct horse"), &Salt::from_rng(&mut rand::rng()), &mut memory).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", ours.as_str()).is_ok());
        let theirs = Argon2::default().hash_password(b"correct horse").unwrap().to_string();
        assert!(verify(&secret("correct horse"), &theirs, &mut memory).unwrap());
    }

    #[test]
    fn a_stored_hash_cannot_ask_for_more_memory_or_time_than_ours() {
        let mut memory = Memory::allocate();
        for dear in ["m=65536,t=2,p=1", "m=19456,t=99,p=1"] {
            let stored = format!("$argon2id$v=19${dear}$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g");
            assert!(verify(&secret("x"), &stored, &mut memory).is_err(), "{dear}");
        }
        assert!(verify(&secret("x"), "plain text", &mut memory).is_err());
    }
}
