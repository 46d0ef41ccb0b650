//! Imported hashes, of other services. `forms` reads the ways in which they are written. A stored hash contains its own
//! parameters: one that would exhaust a small pod is refused before any work is done.

mod bcrypted;
mod cost;
mod digest;
mod encoding;
mod firebase;
mod forms;
mod stored;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;

use argon2::password_hash::phc::Salt;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use secrecy::{ExposeSecret as _, SecretString};
use sha_crypt::{PasswordVerifier as _, ShaCrypt};

use super::derive::{HashError, Memory, derive};
pub use cost::{Caps, MAX_MEMORY_MIB};
use encoding::to_hex;
use stored::Pbkdf2;
pub use stored::Stored;

/// SHA-crypt reads the password again in each round: with a long one, a cheap hash would take seconds.
const SHA_CRYPT_BYTES: usize = 128;
/// The iterations of the legacy service.
const OLD_SERVICE_ITERATIONS: NonZeroU32 = NonZeroU32::new(150_000).unwrap();

impl Stored {
    pub fn parse(stored: &str) -> Result<Self, HashError> {
        forms::parse(stored)
    }

    /// The same hash in fewer characters, if there is such a form.
    pub fn shorter(stored: &str) -> Option<String> {
        forms::shorter(stored)
    }

    pub fn matches(&self, password: &SecretString, memory: &mut Memory) -> Result<bool, HashError> {
        let bytes = password.expose_secret().as_bytes();
        match self {
            Self::Argon2 { algorithm, version, params, salt, expected } => {
                let output = derive(password, salt, *algorithm, *version, params, memory)?;
                Ok(verify_slices_are_equal(&output, expected).is_ok())
            }
            Self::Pbkdf2(Pbkdf2 { algorithm, iterations, blocks: _, salt, expected }) => {
                Ok(pbkdf2::verify(*algorithm, *iterations, salt, bytes, expected).is_ok())
            }
            Self::Scrypt { params, salt, expected, seal } => {
                let mut output = vec![0; seal.as_ref().map_or(expected.len(), |_| firebase::DERIVED)];
                scrypt::scrypt(bytes, salt, params, &mut output)
                    .map_err(|_| HashError::of("scrypt refused the input"))?;
                let output = match seal {
                    Some(seal) => seal.with(&output)?,
                    None => output,
                };
                Ok(verify_slices_are_equal(&output, expected).is_ok())
            }
            Self::Bcrypt(bcrypt) => bcrypt.matches(bytes),
            Self::ShaCrypt { hash, .. } => {
                Ok(bytes.len() <= SHA_CRYPT_BYTES && ShaCrypt::default().verify_password(bytes, hash.as_str()).is_ok())
            }
            Self::Digest(digest) => Ok(digest.matches(bytes)),
        }
    }

    /// Whether the whole password was compared. If not, other passwords match too, and none of them may replace the
    /// hash.
    pub fn reads_whole(&self, password: &SecretString) -> bool {
        let Self::Bcrypt(bcrypt) = self else { return true };
        bcrypt.reads_whole(password.expose_secret())
    }

    /// The algorithm and its parameters, without salt and value: hashes of one kind take the same time.
    pub fn kind(&self) -> String {
        match self {
            Self::Argon2 { algorithm, params, .. } => {
                format!("{algorithm}:{}:{}:{}", params.m_cost(), params.t_cost(), params.p_cost())
            }
            Self::Pbkdf2(pbkdf2) => format!("pbkdf2:{}", pbkdf2.rounds()),
            Self::Scrypt { params, .. } => format!("scrypt:{}:{}:{}", params.n(), params.r(), params.p()),
            Self::Bcrypt(bcrypt) => format!("bcrypt:{}", bcrypt.cost),
            Self::ShaCrypt { rounds, .. } => format!("sha-crypt:{rounds}"),
            Self::Digest(_) => "digest".to_owned(),
        }
    }
}

/// Hashes a password in the format of the legacy service.
pub fn hash_as_old_service(password: &SecretString, salt: &Salt) -> String {
    // The legacy service reads the salt as text.
    let salt = to_hex(salt.as_ref()).chars().take(16).collect::<String>();
    let mut output = [0; 32];
    let password = password.expose_secret().as_bytes();
    pbkdf2::derive(PBKDF2_HMAC_SHA256, OLD_SERVICE_ITERATIONS, salt.as_bytes(), password, &mut output);
    format!("pbkdf2:sha256:{OLD_SERVICE_ITERATIONS}${salt}${}", to_hex(&output))
}
