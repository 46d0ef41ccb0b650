//! Argon2, for our own hashes and for imported ones.

use std::borrow::Cow;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};

/// Memory for one hash, in KiB. With [`PASSES`], the second of the equally strong configurations that OWASP recommends.
pub const MEMORY_KIB: u32 = 19_456;
pub const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The prefix of every hash of ours.
pub const OURS: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// A stored hash that cannot be used, or a failure of the library.
#[derive(Debug, thiserror::Error)]
#[error("password hash: {0}")]
pub struct HashError(pub Cow<'static, str>);

impl HashError {
    pub const fn of(problem: &'static str) -> Self {
        Self(Cow::Borrowed(problem))
    }
}

/// Memory for one hash at a time, which is reused.
pub struct Memory(Vec<Block>);

impl Memory {
    pub fn allocate() -> Self {
        Self(vec![Block::default(); params().map_or(0, |params| params.block_count())])
    }
}

#[cfg(test)]
std::thread_local! {
    /// How often this thread has called [`derive`].
    pub static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// Argon2 with these parameters.
pub fn derive(
    password: &SecretString,
    salt: &[u8],
    algorithm: Algorithm,
    version: Version,
    params: &Params,
    memory: &mut Memory,
) -> Result<Vec<u8>, HashError> {
    #[cfg(test)]
    CALLS.set(CALLS.get() + 1);
    let argon2 = Argon2::new(algorithm, version, params.clone());
    let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut output = vec![0; length];
    let password = password.expose_secret().as_bytes();
    let result = if params.block_count() <= memory.0.len() {
        argon2.hash_password_into_with_memory(password, salt, &mut output, memory.0.as_mut_slice())
    } else {
        // Freed at once: such hashes are few, and soon replaced.
        let mut own = vec![Block::default(); params.block_count()];
        argon2.hash_password_into_with_memory(password, salt, &mut output, own.as_mut_slice())
    };
    result.map_err(|_| HashError::of("argon2 refused the input"))?;
    Ok(output)
}

/// The parameters of our own hashes.
pub fn params() -> Result<Params, HashError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(Params::DEFAULT_OUTPUT_LEN))
        .map_err(|_| HashError::of("bad parameters"))
}
