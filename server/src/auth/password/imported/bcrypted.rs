//! bcrypt, of the password itself or of a digest of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::derive::HashError;
use super::digest::Function;
use super::encoding::to_hex;

/// bcrypt reads this many bytes of a password, and ignores the rest.
const BYTES: usize = 72;
/// The key of WordPress.
const WORDPRESS: &[u8] = b"wp-sha384";

/// A hash by bcrypt.
pub struct Bcrypt {
    hash: String,
    pub cost: u32,
    input: Input,
}

/// What bcrypt is applied to.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    Password,
    /// The hexadecimal digits of its SHA-256, as in Django.
    HexSha256,
    /// Its SHA-256 in base64, as in the first version of passlib's.
    Base64Sha256,
    /// Its HMAC-SHA-256 in base64 with this key, as in the second version.
    Base64HmacSha256(String),
    /// Its HMAC-SHA-384 in base64, without surrounding spaces.
    WordPress,
}

impl Bcrypt {
    pub fn parse(hash: &str, input: Input) -> Result<Self, HashError> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            // $2x$ marks hashes of an old crypt_blowfish that mishandled non-ASCII characters.
            return Err(HashError::of("an unsupported version of bcrypt; supported are $2a$, $2b$ and $2y$"));
        }
        let parts: bcrypt::HashParts = hash.parse().map_err(|_| HashError::of("not a bcrypt hash"))?;
        Ok(Self { hash: hash.to_owned(), cost: parts.get_cost(), input })
    }

    pub fn matches(&self, password: &[u8]) -> Result<bool, HashError> {
        let verify =
            |text: &[u8]| bcrypt::verify(text, &self.hash).map_err(|_| HashError::of("bcrypt refused the input"));
        match &self.input {
            // bcrypt terminates a password with a NUL and repeats it: with a NUL inside, other passwords would match
            // too.
            Input::Password => Ok(verify(password)? && !password.contains(&0)),
            Input::HexSha256 => verify(to_hex(&Function::Sha256.of(&[password])).as_bytes()),
            Input::Base64Sha256 => verify(STANDARD.encode(Function::Sha256.of(&[password])).as_bytes()),
            Input::Base64HmacSha256(key) => {
                verify(STANDARD.encode(Function::Sha256.with_key(key.as_bytes(), password)).as_bytes())
            }
            Input::WordPress => {
                verify(STANDARD.encode(Function::Sha384.with_key(WORDPRESS, password.trim_ascii())).as_bytes())
            }
        }
    }

    pub fn reads_whole(&self, password: &str) -> bool {
        self.input != Input::Password || password.len() <= BYTES
    }
}
